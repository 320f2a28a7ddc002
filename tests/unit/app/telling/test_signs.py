"""The files that others watch a run by."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from batchgen.app.telling.metrics import Life
from batchgen.app.telling.signs import SignFiles, Signs, heartbeat
from batchgen.core.errors import InputError
from batchgen.core.money import Micros
from tests.support.fake_clock import START
from tests.support.fake_log import FakeLog
from tests.support.snapshots import snapshot

LIFE = Life(batch="night", provider="sim", host="here", pid=7, started_at=START, beaten_at=START + timedelta(seconds=10))
ENDED = replace(LIFE, ended_at=START, reason="balance", exit_code=6)


def test_a_heartbeat_says_who_works_on_what_and_how_far_it_is() -> None:
    """One JSON object on one line."""
    text = heartbeat(LIFE, snapshot(saved=1, last_saved_at=START, cap=Micros(40_000_000)))

    assert {
        "schema": "batchgen.heartbeat/1",
        "at": "2026-11-22T22:00:10.000000Z",
        "batch": "night",
        "state": "working",
        "host": "here",
        "pid": 7,
        "started_at": "2026-11-22T22:00:00.000000Z",
        "ended_at": None,
        "reason": None,
        "exit_code": None,
        "counts": {"planned": 5, "submitted": 2, "saved": 3},
        "saved": 1,
        "last_saved_at": "2026-11-22T22:00:00.000000Z",
        "oldest_task_s": 90.0,
        "money": {"spent": "0.3", "cap": "40", "unit": "coin"},
        "pause": "",
        "stopping": "",
    } == json.loads(text)
    assert 1 == text.count("\n")


@pytest.mark.parametrize(
    ("life", "changes", "state"),
    [
        (LIFE, {}, "working"),
        (LIFE, {"pause": "rate limited"}, "paused"),
        (LIFE, {"pause": "rate limited", "stopping": "the deadline has passed"}, "stopping"),
        (ENDED, {"stopping": "the balance is used up"}, "ended"),
    ],
)
def test_a_heartbeat_has_the_state_of_the_run(life: Life, changes: dict[str, str], state: str) -> None:
    """Working, paused, stopping, ended."""
    assert state == json.loads(heartbeat(life, snapshot(**changes)))["state"]


def test_a_run_that_ends_before_its_first_look_has_an_end() -> None:
    """With its reason and exit code, and no figures."""
    document = json.loads(heartbeat(ENDED, None))

    assert ("ended", "balance", 6, None) == tuple(document[name] for name in ("state", "reason", "exit_code", "counts"))


def test_a_heartbeat_is_not_written_without_a_sign_of_life(tmp_path: Path) -> None:
    """The file of a run whose loop hangs grows old; its metrics go on with the instant of the last sign."""
    files = SignFiles(heartbeat=tmp_path / "night.heartbeat", metrics=tmp_path / "night.prom")

    Signs(files=files, log=FakeLog()).show(LIFE, snapshot(), is_alive=False)

    assert [files.metrics] == list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_noted_once_until_it_can(tmp_path: Path) -> None:
    """A full or missing disk is one line in the diary, not one every five seconds."""
    folder, log = tmp_path / "later", FakeLog()
    signs = Signs(files=SignFiles(metrics=folder / "night.prom"), log=log)

    def show() -> int:
        signs.show(LIFE, snapshot(), is_alive=True)
        return len(log.called("signs.not_written"))

    first = [show(), show()]
    folder.mkdir()
    written = show()
    (folder / "night.prom").unlink()
    folder.rmdir()

    assert ([1, 1], 1, 2) == (first, written, show())


def test_own_files_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    """The same command runs every night."""
    files = SignFiles(heartbeat=tmp_path / "night.heartbeat", metrics=tmp_path / "night.prom")
    Signs(files=files, log=FakeLog()).show(ENDED, None, is_alive=True)

    files.require_ours()


@pytest.mark.parametrize("name", ["batchgen.db", "link", "folder"])
def test_anything_else_is_refused(tmp_path: Path, name: str) -> None:
    """A mistyped path does not cost a database."""
    (tmp_path / "batchgen.db").write_bytes(b"SQLite format 3\x00")
    (tmp_path / "link").symlink_to(tmp_path / "batchgen.db")
    (tmp_path / "folder").mkdir()

    for files in (SignFiles(heartbeat=tmp_path / name), SignFiles(metrics=tmp_path / name)):
        with pytest.raises(InputError, match=r"something else stands there.*nothing was changed"):
            files.require_ours()


def test_two_kinds_do_not_share_a_file(tmp_path: Path) -> None:
    """Each would take the other's place."""
    with pytest.raises(InputError, match="the same file"):
        SignFiles(heartbeat=tmp_path / "one", metrics=tmp_path / "one").require_ours()
