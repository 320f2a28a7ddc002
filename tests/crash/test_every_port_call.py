"""Death at every call: the run kills itself before or after the k-th call through a port, for every k; then ``resume`` goes on.

After each death the plain command resumes, and again; then the vendor's bill, the job table and the disk must tell the same story.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue

import pytest

from tests.crash.audit import audit, content, select
from tests.crash.studies import STUDIES, Study
from tests.crash.warm import WarmLine, warm_lines
from tests.support.cli import CommandLine, Vendor, open_vendor

AT_ONCE = 4
SIGKILL = -9


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A kind of batch, a vendor, some warm interpreters, a folder for the runs, and how many calls a clean run makes through each port."""

    study: Study
    vendor: Vendor
    lines: "Queue[WarmLine]"
    folder: Path
    calls: dict[str, int]


@pytest.fixture(scope="module", params=list(STUDIES))
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Set the stage, and count the calls of a run that nothing disturbs."""
    study: Study = STUDIES[request.param]
    folder = tmp_path_factory.mktemp("deaths")
    with open_vendor(latency_s=0.02) as vendor, warm_lines(AT_ONCE, folder) as lines:
        line = lines.get()
        assert 0 == line(folder, "db", "upgrade").code
        _plan(line, folder / "clean", vendor, study, "clean")
        counted = line(folder / "clean", "study", death={"port": "none", "side": "before", "call": 0})
        lines.put(line)
        assert 0 == counted.code, counted.err
        yield Stage(study=study, vendor=vendor, lines=lines, folder=folder, calls=json.loads(counted.out))


def _plan(line: WarmLine, folder: Path, vendor: Vendor, study: Study, marker: str) -> None:
    """Store a batch of a few rows in a copy of the empty database."""
    folder.mkdir()
    shutil.copy(folder.parent / "batchgen.db", folder)
    study.write(folder, vendor.url, marker)
    planned = line(folder, "plan", "study.yaml", "--save")
    assert 0 == planned.code, planned.err


def _die_and_resume(stage: Stage, port: str, side: str, call: int) -> tuple[bool, list[str]]:
    """Play one death and what follows; say whether the run died there, and everything that is wrong afterwards."""
    marker = f"{port} {side} {call}"
    folder = stage.folder / marker.replace(" ", "-")
    line = stage.lines.get()
    try:
        _plan(line, folder, stage.vendor, stage.study, marker)
        dead = line(folder, "study", death={"port": port, "side": side, "call": call})
        resumed = line(folder, "resume", "-y")
        before, bill = content(folder / "batchgen.db"), stage.vendor.charges(f"of {marker}.")
        again, verified = line(folder, "resume", "-y"), line(folder, "verify")
    finally:
        stage.lines.put(line)
    wrong = {
        f"the dying run ended with {dead.code}: {dead.err}": dead.code not in {SIGKILL, 0},
        f"resume ended with {resumed.code}: {resumed.err}": resumed.code not in {0, 3},
        f"resuming again ended with {again.code}: {again.err}": again.code != resumed.code,
        f"resuming again changed rows: {sorted(set(content(folder / 'batchgen.db')) ^ set(before))}": content(folder / "batchgen.db")
        != before,
        "resuming again ordered something": len(stage.vendor.charges(f"of {marker}.")) != len(bill),
        f"verify: {verified.out}{verified.err}": verified.code != 0,
        "the API key is in a file": bool(CommandLine(folder=folder).leaks()),
        **_state_of(folder / "batchgen.db", jobs=stage.study.jobs, exit_code=resumed.code),
        **dict.fromkeys(audit(folder / "batchgen.db", bill).sentences(), True),
    }
    return dead.code == SIGKILL, [f"{marker}: {text}" for text, is_wrong in wrong.items() if is_wrong]


def _state_of(database: Path, *, jobs: int, exit_code: int) -> dict[str, bool]:
    """Judge the rows: all there, each saved, or held because a death came between its POST and the record of it."""
    states = Counter(row["state"] for row in select(database, "SELECT state FROM v_jobs"))
    actors = {row["actor"] for row in select(database, "SELECT actor FROM v_events WHERE after = 'ambiguous'")}
    return {
        f"states are {dict(states)}": states.total() != jobs or not set(states) <= {"saved", "ambiguous"},
        f"exit code {exit_code} does not tell of {states['ambiguous']} held rows": (exit_code == 3) != (states["ambiguous"] > 0),
        f"rows were held by {actors}": not actors <= {"recovery"},
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("port", ["ledger", "client", "shelf", "library"])
def test_death_at_every_call_loses_and_repeats_nothing(stage: Stage, port: str, side: str) -> None:
    """Whatever the call, resuming ends with every picture saved once or held, the bill equal to our books, and nothing left to do."""
    calls = range(1, stage.calls.get(port, 0) + 1)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = list(pool.map(partial(_die_and_resume, stage, port, side), calls))

    assert [] == [text for _, wrong in played for text in wrong]
    assert sum(died for died, _ in played) >= len(calls) * 3 // 4


def test_enough_calls_are_covered(stage: Stage) -> None:
    """A clean run makes at least fifteen calls, hence thirty points of death; every result is ordered and fetched."""
    assert sum(stage.calls.values()) >= 15
    assert stage.calls["client"] >= stage.study.jobs
    assert stage.calls["shelf"] >= 3 * stage.study.jobs
