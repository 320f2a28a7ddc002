"""What somebody is told of a run, from its start to its end."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchgen.app.reports import Report, Snapshot
from batchgen.app.telling.lookout import Lookout
from batchgen.app.telling.message import Message
from batchgen.app.telling.outbox import Outbox
from batchgen.app.telling.signs import SignFiles, Signs
from batchgen.app.telling.watching import beside
from batchgen.core.errors import LockedError, StopRunError
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.planning.settings import NotifySettings, OutputSettings, ProviderSettings, RunSettings
from tests.support.cli import wait_until
from tests.support.fake_clock import FakeClock
from tests.support.fake_log import FakeLog
from tests.support.snapshots import notice, snapshot

RUN = RunSettings(
    name="night",
    provider=ProviderSettings(use="sim", api_key_env="", base_url="http://127.0.0.1:1"),
    output=OutputSettings(dir="/out", name="{{ key }}", sidecar=False),
    in_flight=4,
    submit_timeout_s=1,
    task_timeout_s=1,
    download_timeout_s=1,
    attempts=1,
    backoff_initial_s=1,
    backoff_max_s=1,
)
REPORT = Report(
    batch="night",
    exit_code=0,
    reason="finished",
    message="",
    totals={State.SAVED: 10},
    needs_decision=0,
    saved=7,
    unrecorded=(),
    missing=0,
    money="spent 1 coin",
    command="batchgen",
)


class Stage:
    """A lookout with receivers that keep what they are told, and a folder for its files."""

    def __init__(self, folder: Path, *notices: NotifySettings) -> None:
        self.told: list[tuple[NotifySettings, Message]] = []
        self.log, self.clock = FakeLog(), FakeClock()
        self.files = SignFiles(heartbeat=folder / "night.heartbeat", metrics=folder / "night.prom")
        self.lookout = Lookout(
            run=RUN.model_copy(update={"notify": notices}),
            command="batchgen",
            outbox=Outbox(lambda notice, message: self.told.append((notice, message)), self.log, self.clock, patience_s=10),
            signs=Signs(files=self.files, log=self.log),
            clock=self.clock,
            log=self.log,
            clean=lambda text: text.replace("hush", "[redacted]"),
        )

    @property
    def events(self) -> list[str]:
        """Name the events told so far."""
        return [message.event for _, message in self.told]

    @property
    def heartbeat(self) -> dict[str, Any]:
        """Read the heartbeat."""
        assert self.files.heartbeat is not None
        return json.loads(self.files.heartbeat.read_text())

    def has_heartbeat(self) -> bool:
        """Say whether the heartbeat was written."""
        return self.files.heartbeat is not None and self.files.heartbeat.exists()

    def end(self, **changes: Any) -> None:
        """End the run as the report says."""
        self.lookout.end(replace(REPORT, **changes))


ALL = ("started", "finished", "halted", "interrupted", "stalled", "ambiguous", "budget")


def test_a_night_is_told_in_order(tmp_path: Path) -> None:
    """From the start over what comes up to the end, each once, with the figures of its moment."""
    stage = Stage(tmp_path, notice(*ALL))

    stage.lookout.begin(snapshot())
    stage.clock.turn(901)
    for _ in range(3):
        stage.lookout.look(snapshot(ambiguous=1, spent=Micros(9), cap=Micros(10)))
    stage.end()

    assert ["started", "stalled", "ambiguous", "budget", "finished"] == stage.events
    assert 10 == json.loads(stage.told[-1][1].document())["counts"]["saved"]
    assert [] == stage.log.lines


def test_each_receiver_gets_what_it_asked_for(tmp_path: Path) -> None:
    """Its own events, and a stall after its own time."""
    soon, late = notice("stalled", stalled_after_s=60.0), notice("stalled", "finished", stalled_after_s=600.0)
    stage = Stage(tmp_path, soon, late)

    stage.lookout.begin(snapshot())
    for _ in range(11):
        stage.clock.turn(60)
        stage.lookout.look(snapshot())
    stage.end()

    assert [(soon, "stalled"), (late, "stalled"), (late, "finished")] == [(who, message.event) for who, message in stage.told]


@pytest.mark.parametrize(("reason", "event"), [("finished",) * 2, ("interrupted",) * 2, ("balance", "halted"), ("storage", "halted")])
def test_an_end_is_one_of_three_events(tmp_path: Path, reason: str, event: str) -> None:
    """Finished, interrupted, and halted by whatever else."""
    stage = Stage(tmp_path, notice(*ALL))

    stage.end(reason=reason)

    assert [event] == stage.events


def test_a_run_that_an_error_ends_is_told_as_halted(tmp_path: Path) -> None:
    """Also before the first look; the error passes on, and the files say how it ended."""
    stage = Stage(tmp_path, notice("halted"))

    with pytest.raises(StopRunError), stage.lookout.minding():
        raise StopRunError("the simulator is hush", exit_code=1, reason="simulator")

    assert ["night: stopped: the simulator is [redacted]"] == [message.summary for _, message in stage.told]
    assert ("ended", "simulator", 1) == tuple(stage.heartbeat[name] for name in ("state", "reason", "exit_code"))


def test_a_start_that_another_run_is_in_the_way_of_is_not_told(tmp_path: Path) -> None:
    """The files may be those of the run that works."""
    stage = Stage(tmp_path, notice(*ALL))

    with pytest.raises(LockedError), stage.lookout.minding():
        raise LockedError("another run is storing its images there")

    assert ([], []) == (stage.told, list(tmp_path.iterdir()))


def test_the_words_of_a_bug_are_kept_for_the_diary(tmp_path: Path) -> None:
    """A receiver learns its class and the exit code."""
    stage = Stage(tmp_path, notice("halted"))

    with pytest.raises(ZeroDivisionError), stage.lookout.minding():
        raise ZeroDivisionError("hush")

    assert [("night: stopped: a bug of batchgen: ZeroDivisionError", 1)] == [(told.summary, told.exit_code) for _, told in stage.told]


def test_what_a_vendor_said_back_is_told_without_secrets(tmp_path: Path) -> None:
    """Neither a notice nor a file has what the diary would hide."""
    stage = Stage(tmp_path, notice(*ALL))

    stage.lookout.begin(snapshot())
    stage.clock.turn(901)
    stage.lookout.look(snapshot(pause="rate limited by hush", stopping="hush", problems=("hush",)))
    stage.end(reason="auth", message="hush was rejected")

    texts = [message.document().decode() + str(message.values) for _, message in stage.told]
    assert [] == [text for text in (*texts, *(path.read_text() for path in tmp_path.iterdir())) if "hush" in text]
    assert 3 == len(texts)


def test_a_bug_in_telling_does_not_touch_the_run(tmp_path: Path) -> None:
    """It is noted, and the rest of the night is told all the same."""
    stage = Stage(tmp_path, notice(*ALL))

    stage.lookout.begin(snapshot())
    stage.lookout.look(replace(snapshot(), states=None))  # type: ignore[arg-type] # a bug to be
    stage.lookout.look(snapshot())
    stage.end()

    assert 1 == len(stage.log.called("telling.bug"))
    assert ["started", "finished"] == stage.events


def _run(stage: Stage, work: Any, *, snapshots: Any = snapshot) -> None:
    """Run something on a loop, with a lookout beside it that looks every hundredth of a second."""

    async def run() -> None:
        watch = beside(None, stage.lookout, every_s=0.01)
        assert watch is not None
        with watch(snapshots):
            await work()

    asyncio.run(run())


def test_the_thread_beside_the_run_looks_on_until_the_end(tmp_path: Path) -> None:
    """Snapshots are taken on the thread of the loop alone, and the last one comes after the last thing that happened."""
    stage, threads = Stage(tmp_path, notice("ambiguous")), set[int]()
    lost = 0

    def view() -> Snapshot:
        threads.add(threading.get_ident())
        return snapshot(ambiguous=lost, saved=lost)

    async def work() -> None:
        nonlocal lost
        await asyncio.to_thread(wait_until, stage.has_heartbeat)
        first = stage.heartbeat["at"]
        stage.clock.turn(10)
        await asyncio.to_thread(wait_until, lambda: stage.heartbeat["at"] > first)
        lost = 1

    _run(stage, work, snapshots=view)
    stage.end()

    assert {threading.get_ident()} == threads
    assert ["ambiguous"] == stage.events
    assert 1 == stage.heartbeat["saved"]


def test_a_loop_that_hangs_leaves_an_old_heartbeat_and_is_told_as_a_stall(tmp_path: Path) -> None:
    """The figures stay those of its last sign of life, while the time goes on."""
    stage = Stage(tmp_path, notice("stalled"))

    async def work() -> None:
        stage.clock.turn(901)
        wait_until(lambda: stage.events)

    _run(stage, work)

    assert ["stalled"] == stage.events


def test_where_nobody_wants_to_be_told_nothing_looks(tmp_path: Path) -> None:
    """The view of the terminal is left as it is."""

    @contextmanager
    def view(_snapshot: object) -> Iterator[None]:
        yield

    stage = Stage(tmp_path)
    stage.lookout.signs.files = SignFiles()

    assert view is beside(view, stage.lookout)
    assert None is beside(None, stage.lookout)
