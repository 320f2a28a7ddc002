"""Snapshots and receivers for what a run tells of itself."""

from typing import Any

from batchgen.app.reports import Snapshot
from batchgen.app.telling.message import Message
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.planning.manifest import Event
from batchgen.planning.settings import NotifySettings
from tests.support.fake_clock import START

_JOBS = {"ambiguous": State.AMBIGUOUS, "in_flight": State.SUBMITTED, "failed": State.FAILED, "waiting": State.PLANNED}


def snapshot(**changes: Any) -> Snapshot:
    """Give a batch of ten jobs, two of them at the vendor, with any fields and numbers of jobs changed."""
    jobs = {state: changes.pop(name) for name, state in _JOBS.items() if name in changes}
    usual: dict[str, Any] = {
        "states": {State.PLANNED: 5, State.SUBMITTED: 2, State.SAVED: 3} | jobs,
        "unit": "coin",
        "spent": Micros(300_000),
        "cap": None,
        "per_minute": 0.0,
        "oldest_task_s": 90.0,
        "pause": "",
        "stopping": "",
        "problems": (),
        "show": "batchgen jobs night --state ambiguous",
        "at": START,
        "pace": "",
        "saved_bytes": 0,
        "saved": 0,
        "orders": 5,
        "polls": 7,
        "throttled": 1,
        "last_saved_at": None,
    }
    return Snapshot(**usual | changes)


def message(event: Event = "finished", *, summary: str = "night: 3 saved") -> Message:
    """Give a message of an event."""
    return Message(batch="night", event=event, summary=summary, at=START, seen=snapshot(), totals=snapshot().states)


def notice(*events: Event, **changes: Any) -> NotifySettings:
    """Give a notice to a command that is never run, unless its words are changed."""
    return NotifySettings(**{"events": events or ("finished",), "command": ("tell", "{{ event }}: {{ summary }}")} | changes)
