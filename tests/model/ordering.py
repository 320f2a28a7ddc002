"""Ordering, settling and deciding (RELIABILITY 1.1, 1.3, 1.4) as a machine small enough to try every history of it.

Theory of operation. A world is two jobs, two runners, a vendor and a journal. ``moves`` gives every world that one step of somebody leads
to: a commit, a line, a byte on the wire, an answer, a decision, a fault. States change by the product's own table alone, and outcomes
and decisions are what its events say of themselves, so a change of either changes this machine. ``Rules`` holds what the product
promises beside the table; each promise can be broken, to see that the search finds out.

An older copy of the database is a pair of earlier rows; pairs that never stood side by side are tried too. One that a start refuses is
not followed: it is the operator's to put the newer one back. Left out, since it adds no order of writes: money, waiting, prices, drift.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final, NamedTuple, TypeVar

from batchgen.core import events as e
from batchgen.core import machine
from batchgen.core.states import Outcome, State
from tests.support.builders import event

T = TypeVar("T")
Advance = Callable[[State, e.Event], State]

MOST_FAULTS: Final = 3
ENDS: Final = frozenset({State.RENDERED, State.FAILED, State.CANCELLED})
"""Where nothing is left to order; how a rendered job ends is told in ``publishing``."""

NONE, LOOSE, FIRM = 0, 1, 2
"""A line that is not there, there until the power goes, there for good."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What the database knows of a job: its state, and the outcome of each order. There is one object a value."""

    state: State
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One job: its row, the rows that an older copy may show, and what is true of it elsewhere. There is one object a value.

    What is a pair has a place for each order: ``is_billed`` by the vendor, ``is_out`` on the wire, ``intents`` and ``ids`` in the journal.
    ``allowed`` says how many purchases are still allowed: one, and one for each decision ever recorded, in whatever copy.
    """

    row: Row
    past: tuple[Row, ...]
    is_billed: tuple[bool, ...]
    is_out: tuple[bool, ...]
    intents: tuple[int, ...]
    ids: tuple[int, ...]
    allowed: int


row_of: Final = cache(Row)
job_of: Final = cache(Job)


def fresh(orders: int) -> Job:
    """Give a planned job that may be ordered so often."""
    no, none = (False,) * orders, (NONE,) * orders
    return job_of(row_of(State.PLANNED, ()), (), no, no, none, none, 1)


def _with(job: Job, **changes: object) -> Job:
    return job_of(*(changes.get(name, getattr(job, name)) for name in Job.__slots__))


class Runner(NamedTuple):
    """One process that settles what it found or is at work, with one order in hand while ``phase`` is not empty.

    The phases are intended, noted (in the journal), posted, then what came back (taken, refused, failed, lost), and kept when the id is in
    the journal. ``number`` counts the job's orders from 0.
    """

    is_settling: bool = True
    job: int = 0
    number: int = 0
    phase: str = ""


AT_WORK: Final = Runner(is_settling=False)


class World(NamedTuple):
    """Everything, and the number of faults so far. A runner that does not run is None, and the last."""

    jobs: tuple[Job, ...]
    runners: tuple[Runner | None, ...] = (None, None)
    faults: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the product promises, all of it kept. ``left_open`` is recorded for an order whose answer nobody knows."""

    advance: Advance = machine.advance
    left_open: type[e.Event] = e.SubmitUnknown
    one_runner: bool = True
    refuses_older_copy: bool = True
    notes_intents: bool = True
    syncs_intents: bool = True
    notes_ids: bool = True
    reads_journal: bool = True
    operator_decides: bool = True


Move = tuple[str, World]


# --- what holds in every world ---


def broken(world: World) -> str:
    """Say which promise is broken, if any."""
    for runner in world.runners:
        if runner and runner.phase == "kept" and world.jobs[runner.job].ids[runner.number] != FIRM:
            return "an id in hand is in memory only"
    return next((reason for job in world.jobs if (reason := _broken(job))), "")


@cache
def _broken(job: Job) -> str:
    if job.allowed < 0:
        return "bought again without a recorded decision"
    for number, is_billed in enumerate(job.is_billed):
        outcome = job.row.outcomes[number] if number < len(job.row.outcomes) else None
        if is_billed and outcome is None and not job.intents[number]:
            return "bought, and neither database nor journal knows of it"
        if is_billed and outcome is not None and not outcome.is_chargeable:
            return "bought, and booked as not bought"
        if outcome is Outcome.AMBIGUOUS and job.ids[number]:
            return "ambiguous, though its id is in the journal"
    return ""


def is_end(world: World) -> bool:
    """Say whether nobody runs and nothing is left to do."""
    return not any(world.runners) and all(job.row.state in ENDS for job in world.jobs)


# --- the steps of everybody ---


def moves(world: World, rules: Rules) -> Iterator[Move]:
    """Give every world that one step leads to, with the step's name."""
    if not (rules.one_runner and any(world.runners)) and None in world.runners and not _refuses(world, rules):
        yield "a runner starts", _with_runner(world, world.runners.index(None), Runner())
    for index, runner in enumerate(world.runners):
        if runner:
            yield from _run(world, index, runner, rules)
    for index in range(len(world.jobs)):
        yield from _late_arrivals(world, index)
        yield from _decisions(world, index, rules)
    if world.faults < MOST_FAULTS:
        yield from _faults(world._replace(faults=world.faults + 1), rules)


def _refuses(world: World, rules: Rules) -> bool:
    """Say whether a start sees that the journal knows orders that the database does not."""
    return rules.refuses_older_copy and any(map(_is_behind_journal, world.jobs))


@cache
def _is_behind_journal(job: Job) -> bool:
    return any(job.intents[len(job.row.outcomes) :])


def _faults(world: World, rules: Rules) -> Iterator[Move]:
    """Give what may go wrong at any time; a refusing database stands where a commit does, a lost answer where one is awaited."""
    for index, runner in enumerate(world.runners):
        if runner:
            yield "killed", _with_runner(world, index, None)
    yield "power cut", world._replace(jobs=tuple(map(_after_power_cut, world.jobs)), runners=(None, None))
    if not any(world.runners):
        for older in product(*map(_earlier, world.jobs)):
            if older != world.jobs and not _refuses(put_back := world._replace(jobs=older), rules):
                yield "an older copy is put back", put_back


@cache
def _earlier(job: Job) -> tuple[Job, ...]:
    """Give the job as it is, and as older copies of the database show it."""
    return job, *(_with(job, row=row, past=job.past[:age]) for age, row in enumerate(job.past))


@cache
def _after_power_cut(job: Job) -> Job:
    intents, ids = (tuple(line if line == FIRM else NONE for line in lines) for lines in (job.intents, job.ids))
    return _with(job, intents=intents, ids=ids)


def _late_arrivals(world: World, index: int) -> Iterator[Move]:
    """Let a POST arrive, or get lost, for which nobody waits any more."""
    if True not in world.jobs[index].is_out:
        return
    for number, is_out in enumerate(world.jobs[index].is_out):
        is_awaited = any(runner and runner[1:] == (index, number, "posted") for runner in world.runners)
        if is_out and not is_awaited:
            for is_billed in (True, False):
                name = f"job {index}: {'taken unseen' if is_billed else 'never arrived'}"
                yield name, _with_job(world, index, _arrived(world.jobs[index], number, is_billed=is_billed))


def _decisions(world: World, index: int, rules: Rules) -> Iterator[Move]:
    for kind in _options(world.jobs[index], rules):
        yield f"job {index}: {kind.__name__}", _with_job(world, index, _recorded(world.jobs[index], kind, rules))


@cache
def _options(job: Job, rules: Rules) -> tuple[type[e.Event], ...]:
    """Give what a person may decide who looked first: an id is attached where there is a task, a bill disproved where none can come."""
    number = len(job.row.outcomes) - 1
    match job.row.state:
        case State.PLANNED:
            return (e.JobCancelled,)
        case State.AMBIGUOUS if rules.operator_decides:
            known = (e.TaskAttached,) if job.is_billed[number] else () if job.is_out[number] else (e.BillingDisproved,)
            return (e.ResubmitAllowed, e.JobAbandoned, *known)
        case State.FAILED if number + 1 < len(job.intents):
            return (e.RetryAllowed,)
        case _:
            return ()


# --- the steps of a runner ---


def _run(world: World, index: int, runner: Runner, rules: Rules) -> Iterator[Move]:
    if runner.phase:
        yield from _order(world, index, runner, rules)
    elif runner.is_settling:
        yield from _settle(world, index, rules)
    else:
        yield "a runner leaves", _with_runner(world, index, None)
        for number, job in enumerate(world.jobs):
            row = job.row
            if row.state is State.PLANNED and len(row.outcomes) < len(job.intents):
                intended = Runner(is_settling=False, job=number, number=len(row.outcomes), phase="intended")
                yield from _commit(world, index, number, e.SubmitStarted, rules, then=intended)
            elif row.state is State.SUBMITTED:
                yield from _commit(world, index, number, e.RenderFinished, rules, then=AT_WORK)
                yield from _commit(world, index, number, e.RenderFailed, rules, then=AT_WORK)


def _settle(world: World, index: int, rules: Rules) -> Iterator[Move]:
    """Settle an order that was left open, by the journal or else as doubtful; then go to work."""
    rows = [job.row for job in world.jobs]
    left = next((number for number, row in enumerate(rows) if row.state is State.SUBMITTING), None)
    if left is None:
        yield "a runner goes to work", _with_runner(world, index, AT_WORK)
        return
    has_id = rules.reads_journal and world.jobs[left].ids[len(rows[left].outcomes) - 1]
    yield from _commit(world, index, left, e.SubmitAccepted if has_id else rules.left_open, rules, then=Runner())


def _order(world: World, index: int, runner: Runner, rules: Rules) -> Iterator[Move]:
    """Bring the order in hand one step further, in the order of section 1.1."""
    job = world.jobs[runner.job]
    match runner.phase:
        case "intended":
            yield _on(world, index, runner, _noted(job, runner.number, rules), phase="noted")
            yield from _tell(world, index, runner, (e.SubmitNotSent,), rules)
        case "noted":
            yield _on(world, index, runner, _posted(job, runner.number), phase="posted")
            yield from _tell(world, index, runner, (e.SubmitNotSent,), rules)
        case "posted":
            yield from _answers(world, index, runner)
        case "taken":
            yield _on(world, index, runner, _kept(job, runner.number) if rules.notes_ids else job, phase="kept")
        case "kept":
            yield from _tell(world, index, runner, (e.SubmitAccepted,), rules)
        case "refused":
            yield from _tell(world, index, runner, (e.SubmitRefused, e.SubmitRejected), rules)
        case "failed":
            yield from _tell(world, index, runner, (e.SubmitUnproven, e.SubmitGivenUp), rules)
        case "lost":
            yield from _tell(world, index, runner, (rules.left_open,), rules)


@cache
def _noted(job: Job, number: int, rules: Rules) -> Job:
    line = (FIRM if rules.syncs_intents else LOOSE) if rules.notes_intents else NONE
    intents = _put(job.intents, number, max(line, job.intents[number]))
    forgets = rules.refuses_older_copy and line == FIRM
    return _with(job, intents=intents, past=tuple(row for row in job.past if len(row.outcomes) > number) if forgets else job.past)


@cache
def _posted(job: Job, number: int) -> Job:
    return _with(job, is_out=_put(job.is_out, number, True))  # noqa: FBT003 - a value among values


@cache
def _kept(job: Job, number: int) -> Job:
    return _with(job, ids=_put(job.ids, number, FIRM))


@cache
def _arrived(job: Job, number: int, *, is_billed: bool) -> Job:
    """Take a POST off the wire."""
    is_out = _put(job.is_out, number, False)  # noqa: FBT003 - a value among values
    billed = _put(job.is_billed, number, job.is_billed[number] or is_billed)
    return _with(job, is_out=is_out, is_billed=billed, allowed=job.allowed - is_billed)


def _answers(world: World, index: int, runner: Runner) -> Iterator[Move]:
    """Let the vendor answer; the wait may also end without an answer, whatever the vendor does later."""
    job = world.jobs[runner.job]
    for told, is_billed in (("taken", True), ("refused", False), ("failed", True), ("failed", False)):
        yield _on(world, index, runner, _arrived(job, runner.number, is_billed=is_billed), phase=told)
    if world.faults < MOST_FAULTS:
        yield _on(world, index, runner, job, phase="lost", fault=1)


def _on(world: World, index: int, runner: Runner, job: Job, *, phase: str, fault: int = 0) -> Move:
    """Put the order in hand into its next phase."""
    after = Runner(runner.is_settling, runner.job, runner.number, phase)
    return f"job {runner.job}: {phase}", _both(world, runner.job, job, index, after, fault=fault)


def _tell(world: World, index: int, runner: Runner, kinds: tuple[type[e.Event], ...], rules: Rules) -> Iterator[Move]:
    """Record what became of the order in hand, unless somebody moved the job meanwhile."""
    row = world.jobs[runner.job].row
    if (row.state, len(row.outcomes)) != (State.SUBMITTING, runner.number + 1):
        yield f"job {runner.job} was moved by somebody else", _with_runner(world, index, AT_WORK)
        return
    for kind in kinds:
        yield from _commit(world, index, runner.job, kind, rules, then=AT_WORK)


def _commit(world: World, index: int, job: int, kind: type[e.Event], rules: Rules, *, then: Runner) -> Iterator[Move]:
    """Record an event; the database may also refuse, and the runner then stops."""
    before = world.jobs[job]
    yield f"job {job}: {kind.__name__}", _both(world, job, _recorded(before, kind, rules), index, then)
    if world.faults < MOST_FAULTS:
        yield f"job {job}: {kind.__name__} refused by the database", _both(world, job, before, index, None, fault=1)


# --- changes of a world ---


@cache
def _recorded(job: Job, kind: type[e.Event], rules: Rules) -> Job:
    """Commit an event. Of the past only those rows are kept that a start would not refuse anyway."""
    outcomes = job.row.outcomes
    if kind.outcome is Outcome.OPEN:
        outcomes = (*outcomes, kind.outcome)
    elif kind.outcome is not None:
        outcomes = (*outcomes[:-1], kind.outcome)
    row = row_of(rules.advance(job.row.state, event(kind)), outcomes)
    fewest = len(outcomes) - 1 if rules.refuses_older_copy else 0
    past = tuple(old for old in (*job.past, job.row) if len(old.outcomes) >= fewest)
    return _with(job, row=row, past=past, allowed=min(job.allowed + kind.is_decision, job.is_billed.count(False)))


def _both(world: World, number: int, job: Job, index: int, runner: Runner | None, *, fault: int = 0) -> World:
    """Change a job and a runner."""
    runners = _put(world.runners, index, runner)
    return World(_put(world.jobs, number, job), runners if runners[0] else runners[::-1], world.faults + fault)


def _with_job(world: World, index: int, job: Job) -> World:
    return World(_put(world.jobs, index, job), world.runners, world.faults)


def _with_runner(world: World, index: int, runner: Runner | None) -> World:
    return _both(world, 0, world.jobs[0], index, runner)


def _put(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    return (*values[:index], value, *values[index + 1 :])
