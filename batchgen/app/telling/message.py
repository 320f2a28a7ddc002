"""What a notice says: one sentence for people, one document for programs. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batchgen.app.figures import Figures
from batchgen.app.reports import Report, Snapshot
from batchgen.app.wording import counted
from batchgen.core.money import from_micros, shown
from batchgen.core.states import State
from batchgen.planning.manifest import Event
from batchgen.store.instants import to_text

SCHEMA: Final = "batchgen.notify/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event of one batch. ``seen`` is the last snapshot, None when the run broke off before the first.

    An end has a reason, and figures where the database could be read.
    """

    batch: str
    event: Event
    summary: str
    at: datetime
    seen: Snapshot | None
    totals: Mapping[State, int]
    reason: str | None = None
    exit_code: int | None = None
    figures: Figures | None = None

    @property
    def values(self) -> dict[str, str]:
        """Give what a command's words may name."""
        return {"batch": self.batch, "event": self.event, "summary": self.summary}

    def document(self) -> bytes:
        """Write the body of a webhook: ``counts`` by state over the whole batch, money as decimal text; what is not known is null."""
        fields = {
            "schema": SCHEMA,
            "batch": self.batch,
            "event": self.event,
            "summary": self.summary,
            "at": to_text(self.at),
            "counts": {state.value: self.totals.get(state, 0) for state in State} if self.totals else None,
            "money": None if self.seen is None else money_of(self.seen),
            "reason": self.reason,
            "exit_code": self.exit_code,
            "figures": None if self.figures is None else self.figures.as_object(),
        }
        return json.dumps(fields, ensure_ascii=False).encode()


def money_of(seen: Snapshot) -> dict[str, str | None]:
    """Give a snapshot's money as decimal texts; None for what nobody knows, and for a cap that is not set."""
    amounts = {"spent": seen.spent, "cap": seen.cap}
    return {**{name: None if micros is None else str(from_micros(micros)) for name, micros in amounts.items()}, "unit": seen.unit}


def sentence(event: Event, seen: Snapshot, *, at: datetime, batch: str, command: str) -> str:
    """Say what happened in a run under way, ``at`` this moment; ``command`` is what a person types to call this program."""
    match event:
        case "stalled":
            quiet = "yet" if seen.last_saved_at is None else f"for {_minutes((at - seen.last_saved_at).total_seconds())}"
            waits = [f"{seen.in_flight} in flight", f"oldest task {_minutes(seen.oldest_task_s)}", seen.pause]
            return f"{batch}: nothing saved {quiet}; {', '.join(word for word in waits if word)}"
        case "ambiguous":
            need = "needs" if seen.ambiguous == 1 else "need"
            lost = f"{counted(seen.ambiguous, 'order')} whose answer was lost {need} a decision"
            return f"{batch}: {lost}: {command} jobs {batch} --state ambiguous"
        case "budget":
            return f"{batch}: spent {seen.cost} of the budget of {shown(seen.cap, seen.unit)}"
        case "started" | "finished" | "halted" | "interrupted":
            return (
                f"{batch}: {event}; {seen.done} of {seen.total} done, {seen.in_flight} in flight, {seen.waiting} waiting; cost {seen.cost}"
            )


def ending(report: Report) -> str:
    """Say how a run ended, on one line: what there is, why it stopped, what is at risk, and what to type next."""
    parts = [next(report.lines())]
    if report.message:
        parts.append(f"stopped: {report.message}")
    if report.figures is not None and report.figures.ambiguous:
        parts.append(f"{counted(len(report.figures.ambiguous), 'order')} in doubt, money at risk: {report.figures.at_risk}")
    if report.figures is not None and report.figures.next is not None:
        parts.append(f"next: {report.figures.next}")
    return "; ".join(parts)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"
