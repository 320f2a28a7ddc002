"""Record a group of changes in one transaction: read the rows once, check and follow every event in memory, write in bulk.

Theory of operation. The jobs of the group are read (and on a server locked) once. Each change is then checked against the rows as the
changes before it left them, so several changes of one job chain: expected version, the table's verdict, the budget. A change that fails
leaves no trace in memory and gets its error; its neighbours go on. What remains is written by a handful of executemany statements; the
update of ``job`` names the version that was read, and if it touches fewer rows than were read, nothing at all is committed.

Money and totals of a batch are rows that all its runs write. On a server a group therefore looks at them without a lock, writes all that
is its own, and locks the batch only then, for the few statements before its COMMIT. If others have moved the batch so far meanwhile that an
order of the group does not fit under its caps any more, the group is rolled back and recorded again with the batch locked from the start.
So is one in which an order is refused, or sets aside whatever is left: such verdicts are only given by who has the batch to itself.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect

from batchgen.core import events as e
from batchgen.core.errors import BatchgenError, BudgetReachedError, IllegalTransitionError, InputError, StaleJobError, StoreError
from batchgen.core.jobs import Change, Recorded
from batchgen.core.limits import Cap
from batchgen.core.machine import advance
from batchgen.core.money import Micros
from batchgen.core.states import LIVE, State
from batchgen.store import runs
from batchgen.store.bulk import Cells
from batchgen.store.effects import KEY, AttemptRow, JobRow, Purse, PurseName, Whose, detail_of, follow, require_order
from batchgen.store.faults import BusyError
from batchgen.store.instants import to_text
from batchgen.store.rows import Statements, read_jobs, read_purses, read_stored, read_tasks, read_totals

N = TypeVar("N", bound=int)

ATTEMPTS_PER_JOB: Final = 100_000
"""An attempt's id is its job's id times this, plus n: known before it is written, and readable."""
_DAY: Final = len("2026-11-26")
"""The characters of an instant that name its UTC day."""


class Recorder:
    """Writes changes for one process. Called by the database thread with a transaction open."""

    def __init__(self, dialect: Dialect, *, run_id: int | None = None, key_name: str = "") -> None:
        self._run_id: Final = run_id
        self._key_name: Final = key_name
        self._sql: Final = Statements(dialect)
        self._is_shared: Final = dialect.name != "sqlite"
        self._locks_first = False

    def __call__(self, connection: Connection, changes: Sequence[Change]) -> list[Recorded | BatchgenError]:
        """Record what can be recorded and give each change its result or its error, in order; the caller commits.

        Raises StoreError when a row moved since it was read, BusyError when others crossed the group, LeaseLostError when the process
        was taken for dead; the caller must roll back, and may try again.
        """
        if self._run_id is not None:
            runs.require_alive(connection, self._run_id)
        results = None if self._locks_first or not self._is_shared else self._beside_others(connection, changes)
        if results is None:
            group = _Group(connection, changes, run_id=self._run_id, key_name=self._key_name, locks=True)
            results = [group.take(change) for change in changes]
            group.write(connection, self._sql)
        self._locks_first = False
        return results

    def _beside_others(self, connection: Connection, changes: Sequence[Change]) -> list[Recorded | BatchgenError] | None:
        """Record with the batch locked last; None, and nothing is written, where a verdict needs it locked first."""
        if any(_takes_all(change.event) for change in changes):
            return None
        group = _Group(connection, changes, run_id=self._run_id, key_name=self._key_name, locks=False)
        results = [group.take(change) for change in changes]
        if any(isinstance(result, BudgetReachedError) for result in results):
            return None
        self._locks_first = True  # for the next try, should this one be crossed
        group.write(connection, self._sql)
        return results


class _Group:
    """The rows that a group of changes concerns, as they will be when it is committed."""

    def __init__(self, connection: Connection, changes: Sequence[Change], *, run_id: int | None, key_name: str, locks: bool) -> None:
        self._run_id = run_id
        self._key_name = key_name
        self._locks = locks
        self._jobs = read_jobs(connection, sorted({change.job_id for change in changes}))
        self._versions = {job.id: job.version for job in self._jobs.values()}
        self._batches = sorted({job.batch_id for job in self._jobs.values()})
        self._purses = read_purses(connection, self._batches, locks=locks)
        self._purses_before = {name: replace(purse) for name, purse in self._purses.items()}
        self._room: dict[PurseName, Cap] = {}
        self._totals = read_totals(connection, self._batches)
        self._totals_before = dict(self._totals)
        self._stored = read_stored(connection, [change for change in changes if self._is_late(change)])
        self._known_tasks = read_tasks(connection, [task for change in changes if (task := _task_of(change.event)) is not None])
        self._new_attempts: dict[int, AttemptRow] = {}
        self._attempts: dict[int, AttemptRow] = {}
        self._events: list[Cells] = []
        self._files: dict[int, list[Cells]] = {}

    def take(self, change: Change) -> Recorded | BatchgenError:
        """Follow one change in memory, or give the reason why it cannot be; in that case nothing has changed."""
        try:
            return self._told_before(change) or self._follow(change)
        except (StaleJobError, BudgetReachedError, IllegalTransitionError, InputError) as error:
            return error

    def write(self, connection: Connection, sql: Statements) -> None:
        """Write what the taken changes add up to; raise StoreError when a row had moved since it was read."""
        moved = [(job, version) for job in self._jobs.values() if job.version != (version := self._versions[job.id])]
        sql.open_attempts(connection, list(self._new_attempts.values()))
        sql.move_attempts(connection, list(self._attempts.values()))
        if not sql.move_jobs(connection, moved):
            raise StoreError("a job moved while it was being recorded; nothing was written")
        sql.replace_files(connection, self._files)
        sql.append_events(connection, self._events)
        known = self._purses_before if self._locks else self._lock(connection, sql)
        sql.move_totals(connection, self._total_deltas())
        sql.move_money(connection, self._money_deltas(), known)

    def _lock(self, connection: Connection, sql: Statements) -> dict[PurseName, Purse]:
        """Lock the batches and give their money as it is now; raise BusyError when an order does not fit any more.

        What new attempts say of the money then is brought up to date.
        """
        now = read_purses(connection, self._batches, locks=True)
        for name, room in self._room.items():
            before, after = self._purses_before.get(name, Purse()), now.get(name, Purse())
            if _passes(after.committed - before.committed, room.cost) or _passes(after.orders - before.orders, room.orders):
                raise BusyError("others took what was left under a limit")
        moved = {batch: now[PurseName(batch)].committed - self._purses_before[PurseName(batch)].committed for batch in self._batches}
        new = [(moved[self._jobs[row.job_id].batch_id], row.id) for row in self._new_attempts.values()]
        sql.correct_attempts(connection, [(more, attempt_id) for more, attempt_id in new if more])
        return now

    def _is_late(self, change: Change) -> bool:
        """Say whether the job has left the version at which the change was to meet it."""
        return change.job_id in self._versions and self._versions[change.job_id] > change.version

    def _told_before(self, change: Change) -> Recorded | None:
        """Give what became of this very change, if it was stored by a transaction whose end the caller has not seen."""
        stored = self._stored.get((change.job_id, change.version + 1))
        if stored is None or (stored.run_id, stored.at, stored.actor) != (self._run_id, to_text(change.at), change.actor):
            return None
        if stored.event not in {change.event.word(), self._without_repeated_task(change.event).word()}:
            return None
        return Recorded(state=State(stored.after), version=change.version + 1, attempt_id=stored.attempt_id)

    def _follow(self, change: Change) -> Recorded:
        job = self._job_of(change)
        event = self._without_repeated_task(change.event)
        before, after = job.state, advance(job.state, event)
        require_order(job.attempt, event)
        attempt = self._open(job, event, to_text(change.at)) if isinstance(event, e.SubmitStarted) else job.attempt
        if job.attempt is not None:
            self._book(job, job.attempt, -1)
        follow(job, attempt, change if event is change.event else replace(change, event=event), after)
        job.run_id = self._run_id if after in LIVE else None
        if attempt is not None:
            self._book(job, attempt, 1)
        self._totals[job.batch_id, before] -= 1
        self._totals[job.batch_id, after] += 1
        self._note(job, attempt, before, event, change.actor)
        return Recorded(state=after, version=job.version, attempt_id=None if attempt is None else attempt.id)

    def _job_of(self, change: Change) -> JobRow:
        job = self._jobs.get(change.job_id)
        if job is None:
            raise StaleJobError(f"there is no job {change.job_id}")
        if job.version != change.version:
            raise StaleJobError(f"job {job.id} is {job.state} at version {job.version}, not {change.version}")
        return job

    def _without_repeated_task(self, event: e.Event) -> e.Event:
        """Turn an answer with a task id that some order already has into an unknown answer; refuse to attach such an id."""
        task_id = _task_of(event)
        if task_id is None or task_id not in self._known_tasks:
            return event
        if isinstance(event, e.TaskAttached):
            raise InputError(f"task {task_id} already belongs to an order of this database")
        return e.SubmitUnknown(reason=e.REPEATED_TASK, detail=f"the vendor named {task_id}, which another order already has")

    def _open(self, job: JobRow, order: e.SubmitStarted, at: str) -> AttemptRow:
        n = job.attempts + 1
        if n >= ATTEMPTS_PER_JOB:
            raise IllegalTransitionError(f"job {job.id} has been ordered {job.attempts} times")
        estimate = self._reserve(job, order, day=at[:_DAY])
        attempt = AttemptRow(
            id=job.id * ATTEMPTS_PER_JOB + n,
            job_id=job.id,
            n=n,
            run_id=self._run_id,
            key_name=self._key_name,
            body_sha256=order.body_sha256,
            est_micros=estimate,
            cap_micros=order.cap_cost,
            committed_micros=self._purses[PurseName(job.batch_id)].committed + (estimate or 0),
            opened_at=at,
        )
        self._new_attempts[attempt.id] = attempt
        return attempt

    def _reserve(self, job: JobRow, order: e.SubmitStarted, *, day: str) -> int | None:
        """Give what the order has to set aside so that it fits under every cap, or raise BudgetReachedError."""
        total, model, today, *own = _purse_names(job, day, self._key_name)
        caps = [
            (total, Cap(order.cap_cost, order.cap_orders), Whose(of="the batch")),
            (model, order.model_cap or Cap(), Whose(of=job.model, model=job.model)),
            (today, order.day_cap or Cap(), Whose(of=f"the day {day} (UTC)")),
            *((key, order.key_cap or Cap(), Whose(of=f"the key {key.name}", of_key=True)) for key in own),
        ]
        count = {state: self._totals[job.batch_id, state] for state in (State.SUBMITTING, State.SUBMITTED)}
        still = {"open_orders": count[State.SUBMITTING], "live_tasks": count[State.SUBMITTED]}
        shares = [self._purse(name).share(cap, order.reserved, whose, **still) for name, cap, whose in caps]
        estimate = min((share for share in shares if share is not None), default=None)
        for name, cap, _ in caps:
            self._keep_room(name, cap, estimate)
        return estimate

    def _keep_room(self, name: PurseName, cap: Cap, estimate: int | None) -> None:
        """Note how much more may be taken of a purse, once the order has its share, before its cap is passed."""
        purse, least = self._purse(name), self._room.get(name, Cap())
        cost = None if cap.cost is None else Micros(cap.cost - purse.committed - (estimate or 0))
        orders = None if cap.orders is None else cap.orders - purse.orders - 1
        self._room[name] = Cap(_smaller(least.cost, cost), _smaller(least.orders, orders))

    def _book(self, job: JobRow, attempt: AttemptRow, sign: int) -> None:
        """Put an attempt into the purses it belongs to, or with ``sign`` -1 take it out."""
        for name in _purse_names(job, attempt.opened_at[:_DAY], attempt.key_name):
            self._purse(name).add(attempt.outcome, attempt.weight, sign)

    def _purse(self, name: PurseName) -> Purse:
        return self._purses.setdefault(name, Purse())

    def _note(self, job: JobRow, attempt: AttemptRow | None, before: State, event: e.Event, actor: str) -> None:
        """Keep what has to be written beside the job row: attempt, event, task id, files."""
        if attempt is not None and attempt.id not in self._new_attempts:
            self._attempts[attempt.id] = attempt
        if (task_id := _task_of(event)) is not None:
            self._known_tasks.add(task_id)
        reason = event.reason if isinstance(event, e.Explained) else ""
        place = (self._run_id, None if attempt is None else attempt.id, event.is_decision)
        what = (before.value, job.state.value, event.word(), actor, reason, detail_of(event), job.updated_at)
        self._events.append((job.id, job.version, *what, *place))
        if before is State.RENDERED and attempt is not None and not isinstance(event, e.DownloadDeferred | e.DriftSeen):
            self._files[job.id] = _files(job, attempt, event)

    def _total_deltas(self) -> list[tuple[int, int, str]]:
        deltas = ((count - self._totals_before[batch_id, state], batch_id, state) for (batch_id, state), count in self._totals.items())
        return [delta for delta in deltas if delta[0]]

    def _money_deltas(self) -> dict[PurseName, tuple[int, int, int, int]]:
        moved = {name: (self._purses_before.get(name, Purse()), purse) for name, purse in self._purses.items()}
        return {
            name: (new.spent - old.spent, new.reserved - old.reserved, new.held - old.held, new.orders - old.orders)
            for name, (old, new) in moved.items()
            if new != old
        }


def _takes_all(event: e.Event) -> bool:
    """Say whether the event is an order of unknown price under a limit of cost, which sets aside all that is left."""
    if not isinstance(event, e.SubmitStarted) or event.reserved is not None:
        return False
    caps = (event.model_cap, event.day_cap, event.key_cap)
    return event.cap_cost is not None or any(cap is not None and cap.cost is not None for cap in caps)


def _passes(more: int, room: int | None) -> bool:
    return room is not None and more > room


def _smaller(one: N | None, other: N | None) -> N | None:
    return other if one is None else one if other is None else min(one, other)


def _purse_names(job: JobRow, day: str, key_name: str) -> list[PurseName]:
    """Name the batch's purse and the shares of the job's model, of the day, and of the API key where there are several."""
    names = [PurseName(job.batch_id), PurseName(job.batch_id, "model", job.model), PurseName(job.batch_id, "day", day)]
    return [*names, PurseName(job.batch_id, KEY, key_name)] if key_name else names


def path_key(path: str) -> str:
    """Give the path as a file system sees it that ignores case and Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _task_of(event: e.Event) -> str | None:
    return event.task_id if isinstance(event, e.SubmitAccepted | e.TaskAttached) else None


def _files(job: JobRow, attempt: AttemptRow, event: e.Event) -> list[Cells]:
    """Give the rows that replace the staged files: new ones, verified ones, or none when the job leaves rendered without an image."""
    images = event.images if isinstance(event, e.ImagesStaged | e.ImagesSaved) else ()
    state = "verified" if isinstance(event, e.ImagesSaved) else "staged"
    return [
        (
            *(job.batch_id, job.id, attempt.id, index, state),
            *(image.path, path_key(image.path), image.temp, image.sha256, image.bytes),
            *(image.width, image.height, image.media_type, job.updated_at, job.batch_id),
        )
        for index, image in enumerate(images)
    ]
