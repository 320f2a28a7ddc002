"""Every call through every port: before or after the k-th the run kills itself, or the call fails; then ``resume`` goes on (T1).

After each cut the plain command resumes, and again; then the vendor's bill, the job table and the disk must tell the same story.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.crash.deaths import PORTS, SIDES, Death, Stage, play, stage_of
from tests.crash.studies import STUDIES, Study

AT_ONCE = 4
ALL = "EVERY_CALL" in os.environ
STRIDE = 1 if ALL else 96
STEPS = {STUDIES["tasks"]: 12, STUDIES["answers"]: 24}
_PAIRS = 2
"""Double faults of each kind of batch; ``make crash-twice`` plays hundreds."""


@pytest.fixture(scope="module", params=list(STUDIES))
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Set the stage, and count the calls of a run that nothing disturbs."""
    study: Study = STUDIES[request.param]
    with stage_of(study, tmp_path_factory.mktemp("deaths"), at_once=AT_ONCE) as found:
        yield found


def _play_all(stage: Stage, chains: list[list[Death]]) -> tuple[int, list[str]]:
    """Play chains, some at once; give how many runs were cut, and everything that is wrong."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = list(pool.map(lambda deaths: play(stage, deaths), chains))
    return sum(cut for cut, _ in played), [text for _, wrong in played for text in wrong]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("port", PORTS)
def test_death_at_every_call_loses_and_repeats_nothing(stage: Stage, port: str, side: str) -> None:
    """Whatever the call, resuming ends with every picture saved once or held, the bill equal to our books, and nothing left to do.

    Of tasks every twelfth call is played, and of the other kinds, which share most of the road, fewer; ``make crash-calls`` plays all.
    """
    calls = range(1, stage.calls.get(port, 0) + 1, 1 if ALL else STEPS.get(stage.study, 48))

    cut, wrong = _play_all(stage, [[Death(port=port, side=side, call=call)] for call in calls])

    assert [] == wrong
    assert cut >= len(calls) * 3 // 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_call_that_fails_loses_and_repeats_nothing(stage: Stage) -> None:
    """A port that refuses once, or breaks in an unforeseen way, before or after the work is done; every ninety-sixth call of each."""
    sides = [(port, side, fault) for port in PORTS for side in SIDES for fault in ("bug", "refusal")]
    points = [
        [Death(port=port, side=side, call=call, fault=fault)]
        for place, (port, side, fault) in enumerate(sides)
        for call in range(1 + place % STRIDE, stage.calls.get(port, 0) + 1, STRIDE)
    ]

    cut, wrong = _play_all(stage, points)

    assert [] == wrong
    assert cut >= len(points) * 2 // 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_death_during_resume_loses_and_repeats_nothing(stage: Stage) -> None:
    """A run is killed, the run that resumes it is killed as well (T4)."""
    random = Random(4)
    ports = [port for port in PORTS if stage.calls.get(port)]
    chains = [
        [Death(port=port, side=random.choice(SIDES), call=random.randint(1, stage.calls[port])) for port in random.choices(ports, k=2)]
        for _ in range(_PAIRS)
    ]

    _, wrong = _play_all(stage, chains)

    assert [] == wrong


def test_enough_calls_are_covered(stage: Stage) -> None:
    """A clean run makes at least twenty calls, hence forty points of death; every result is ordered and fetched."""
    assert sum(stage.calls.values()) >= 20
    assert stage.calls["client"] >= stage.study.jobs
    assert stage.calls["journal"] >= 2 * stage.study.jobs
    assert stage.calls["shelf"] >= 3 * stage.study.jobs
