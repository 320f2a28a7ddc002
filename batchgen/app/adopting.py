"""Bring an older copy of the database up to date with the orders that only the journal knows, so that none is bought again."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from batchgen.app import database, journals
from batchgen.app.clock import SystemClock
from batchgen.app.wording import counted
from batchgen.core import events as e
from batchgen.core.errors import IllegalTransitionError, InputError, StaleJobError, StoreError
from batchgen.core.jobs import Change, JobId, Recorded
from batchgen.core.states import Outcome, State
from batchgen.files import folderlock, journal
from batchgen.files.journal import Entry, History
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.store import queries
from batchgen.store.ledger import SqlLedger
from batchgen.store.lock import RunLock
from batchgen.store.writer import DatabaseThread

_REOPENED_BY: Final = {
    State.AMBIGUOUS: e.ResubmitAllowed,
    State.FAILED: e.RetryAllowed,
    State.CANCELLED: e.RetryAllowed,
}
"""The decision that must have been made, in a state that this copy of the database shows, before the journal's order went out."""


@dataclass(slots=True, kw_only=True)
class Adoption:
    """What became of the orders that only the journal knew; ``refused`` names those that have no place in this copy."""

    adopted: Counter[State] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def lines(self, command: str, batch: str) -> Iterator[str]:
        """Tell it, one line each, the next command last."""
        yield f"{counted(self.adopted.total(), 'order')} taken over from the journal"
        for state, orders in self.adopted.items():
            yield f"  {orders:>9} {state.value:<10} {state.meaning}"
        yield from self.refused
        yield f"next: {command} status {batch}, then {command} resume {batch}"


def adopt(settings: Settings, batch: str | None, *, reason: str) -> tuple[Adoption, str]:
    """Record in an older copy of the database the orders that only the journal knows, so that none of them is bought again.

    Those with a task id become submitted, those whose answer is not known ambiguous; each carries actor and reason. Gives what was done,
    and the batch's name. Raises InputError when there is nothing to take over, StoreError when the journal does not hold all of it or
    an order's row is not in this copy; nothing was changed then.
    """
    if not reason.strip():
        raise InputError("--reason must say why; it is kept with the decision")
    with database.writing(settings) as thread, RunLock(settings.db_url), ExitStack() as stack:
        found = queries.batch_named(thread.engine, batch)
        folder = settings.local_folder(RunSettings.from_json(queries.latest_plan(thread.engine, found.id).settings).output.dir)
        stack.enter_context(folderlock.held(folder))
        name, here = journals.position(thread)
        histories = [history for history in journal.read_all(folder, name) if history.marks]
        unknown = [entry for history in histories for entry in journals.unknown(thread, history, here)]
        if not unknown and not any(history.is_ahead_of(here) for history in histories):
            raise InputError(f"this database knows all that the journal in {folder} tells; there is nothing to take over")
        for history in histories:
            if not history.is_whole_since(here):
                raise StoreError(f"{history.path} does not go back as far as this copy of the database; put the newer one back")
        adopter = _Adopter(thread, found.id, actor=f"operator:{settings.login}", reason=reason)
        adopter.require_rows(unknown)
        for history in histories:
            adopter.settle_open(history)
        for entry in unknown:
            adopter.take(entry)
        journal.start_over(folder, name, journals.position(thread)[1])
        return adopter.done, found.name


class _Adopter:
    """Records one order of the journal after the other, in the order in which they went out."""

    def __init__(self, thread: DatabaseThread, batch_id: int, *, actor: str, reason: str) -> None:
        self._engine: Final = thread.engine
        self._ledger: Final = SqlLedger(thread, batch_id=batch_id)
        self._actor: Final = actor
        self._reason: Final = reason
        self.done: Final = Adoption()

    def require_rows(self, entries: Sequence[Entry]) -> None:
        """Raise StoreError when a row is missing for which the journal has an order."""
        missing = [entry.intent.key[:8] for entry in entries if self._standing(entry) is None]
        if missing:
            others = f" and {len(missing) - 1} others" if missing[1:] else ""
            raise StoreError(f"this copy has no row for {missing[0]}{others}: store the newer plan first (plan MANIFEST --save)")

    def settle_open(self, history: History) -> None:
        """Record what the journal knows of the orders that this copy holds open; the next start would do so too."""
        open_orders = queries.open_orders(self._engine)
        for entry in history.entries:
            if entry.intent.attempt_id in open_orders:
                self._record(entry, _outcome(entry, self._reason))

    def take(self, entry: Entry) -> None:
        """Record an order that this copy does not know, and what became of it."""
        intent, standing = entry.intent, self._standing(entry)
        if standing is not None and (decision := _REOPENED_BY.get(standing.state)) is not None:
            self._record(entry, decision(reason="adopted", detail=self._reason))
        try:
            self._record(entry, e.SubmitStarted(body_sha256=intent.body_sha256, reserved=intent.reserved))
        except (IllegalTransitionError, StaleJobError) as error:
            task = f"; its task is {entry.settled.task_id}" if entry.settled and entry.settled.task_id else ""
            self.done.refused.append(f"  {intent.key[:8]}: not taken over, {error}{task}")
            return
        self.done.adopted[self._record(entry, _outcome(entry, self._reason)).state] += 1

    def _record(self, entry: Entry, event: e.Event) -> Recorded:
        standing = self._standing(entry)
        if standing is None:
            raise StaleJobError(f"there is no row for {entry.intent.key[:8]}")
        change = Change(job_id=JobId(standing.job_id), version=standing.version, event=event, at=SystemClock().now(), actor=self._actor)
        return self._ledger.record(change).result()

    def _standing(self, entry: Entry) -> queries.Standing | None:
        return queries.standing(self._engine, entry.intent.key, attempt_id=entry.intent.attempt_id)


def _outcome(entry: Entry, reason: str) -> e.Event:
    settled = entry.settled
    if settled is None:
        return e.SubmitUnknown(reason="adopted", detail=f"the journal tells of the order and of no answer: {reason}")
    if settled.outcome is Outcome.ACCEPTED and settled.task_id is not None:
        return e.SubmitAccepted(task_id=settled.task_id, cost=settled.cost)
    return e.SubmitNotSent(reason="adopted", detail=f"the journal says that the order was {settled.outcome}: {reason}")
