"""Runs that store in an object storage and are cut at a call: through a port, or to the bucket within the shelf; then ``resume`` goes on.

The storage is a real server that outlives them; what it holds at the end is laid beside the books like the pictures of a folder.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contract.conftest import storage
from tests.crash.deaths import SIDES, Death, Stage, play, stage_of
from tests.crash.studies import Manifest, Study
from tests.crash.test_every_port_call import ALL
from tests.support.cli import study
from tests.support.storage import Storage

__all__ = ["storage"]

AT_ONCE = 2
STEPS = {"bucket": 4, "shelf": 16} | ({"ledger": 1, "journal": 1, "client": 1} if ALL else {})
"""Of the calls to the bucket every fourth is played, and some to the shelf; with EVERY_CALL=1 all, and those of the other ports."""


@pytest.fixture(scope="module")
def stage(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Set the stage: two pictures, in a place of its own of one bucket for each run."""
    bucket, mirrors = storage.new_bucket(), tmp_path_factory.mktemp("mirrors")

    def manifest(url: str, prompts: Sequence[str]) -> Manifest:
        place = hashlib.sha256(prompts[0].encode()).hexdigest()[:16]
        return study(url, prompts, output={"dir": f"s3://{bucket.name}/{place}"}, limits={"in_flight": 2})

    def mirrored(address: str) -> Path:
        place = address.rpartition("/")[2]
        for key, content in bucket.objects(f"{place}/").items():
            if not key.endswith("/.batchgen-probe"):
                (mirrors / key).parent.mkdir(parents=True, exist_ok=True)
                (mirrors / key).write_bytes(content)
        return mirrors / place

    stored = Study(manifest=manifest, prompts=2, jobs=2)
    folder = tmp_path_factory.mktemp("deaths")
    with stage_of(stored, folder, at_once=AT_ONCE, place_of=mirrored, **storage.variables) as found:
        yield found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_death_at_calls_loses_repeats_and_replaces_nothing(stage: Stage) -> None:
    """Wherever it is cut, resuming ends with every picture in the storage once, under its hash, and the bill equal to our books."""
    chains = [
        [Death(port=port, side=side, call=call)]
        for port, step in STEPS.items()
        for number, side in enumerate(SIDES)
        for call in range(1 + number * (step // 2), stage.calls[port] + 1, 1 if ALL else step)
    ]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = list(pool.map(lambda deaths: play(stage, deaths), chains))

    assert [] == [text for _, wrong in played for text in wrong]
    assert sum(cut for cut, _ in played) >= len(chains) * 3 // 4
    assert stage.calls["bucket"] >= 5 * stage.study.jobs


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_storage_that_fails_at_a_call_loses_and_repeats_nothing(stage: Stage) -> None:
    """It refuses once, before or after it did what was asked: the run ends or the image is fetched again, and a resume finishes."""
    calls = range(2, stage.calls["bucket"] + 1, 1 if ALL else 12)
    chains = [[Death(port="bucket", side=side, call=call, fault="refusal")] for side in SIDES for call in calls]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = list(pool.map(lambda deaths: play(stage, deaths), chains))

    assert [] == [text for _, wrong in played for text in wrong]
