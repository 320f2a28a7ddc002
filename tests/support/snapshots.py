"""Snapshots and receivers for what a run tells of itself."""

from typing import Any

from batchgen.app.reports import Snapshot
from batchgen.app.telling.message import Message
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.planning.manifest import Event
from batchgen.planning.settings import NotifySettings
from tests.support.fake_clock import START


def snapshot(**changes: Any) -> Snapshot:
    """Give a batch of ten jobs, two of them at the vendor, with any fields changed."""
    usual: dict[str, Any] = {
        "total": 10,
        "done": 3,
        "failed": 0,
        "ambiguous": 0,
        "in_flight": 2,
        "pace": "",
        "waiting": 5,
        "per_minute": 0.0,
        "eta_s": None,
        "oldest_task_s": 90.0,
        "saved_bytes": 0,
        "cost": "0.3 coin",
        "forecast": "",
        "pause": "",
        "stopping": "",
        "problems": (),
        "states": {State.PLANNED: 5, State.SUBMITTED: 2, State.SAVED: 3},
        "unit": "coin",
        "spent": Micros(300_000),
        "cap": None,
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
