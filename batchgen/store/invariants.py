"""What must always hold in a job database, as queries that find nothing (RELIABILITY 1.6), and the checks that take more than SQL."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, Row, select, text

from batchgen.core.errors import IllegalTransitionError
from batchgen.core.machine import fold
from batchgen.store import schema as s
from batchgen.store.engine import damage, place_of, reading
from batchgen.store.faults import translated

PAGE: Final = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """A truth about the tables; its SQL gives one row, with the id of the culprit first, for every case where it is broken."""

    name: str
    title: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken case: which truth, and where."""

    name: str
    title: str
    detail: str


_CHARGED: Final = "('accepted', 'ambiguous', 'unproven')"
_STATES: Final = "('planned', 'submitting', 'ambiguous', 'submitted', 'rendered', 'saved', 'failed', 'cancelled')"
_WEIGHT: Final = "coalesce(a.cost_micros, a.est_micros, 0)"

# The SQL below is put together from the constants above only, never from anything a user or vendor said.
INVARIANTS: Final = (
    Invariant(
        name="I1",
        title="one chargeable order a job, and one more for each recorded decision",
        sql=f"""SELECT a.job_id FROM attempt a WHERE a.outcome IN {_CHARGED} GROUP BY a.job_id
                HAVING count(*) > 1 + (SELECT count(*) FROM event e WHERE e.job_id = a.job_id AND e.is_decision)""",  # noqa: S608
    ),
    Invariant(
        name="I2",
        title="an order is accepted exactly if it has a task id",
        sql="SELECT a.id FROM attempt a WHERE (a.outcome = 'accepted') <> (a.task_id IS NOT NULL)",
    ),
    Invariant(
        name="I3",
        title="a paid task is never dropped",
        sql="""SELECT a.id FROM attempt a JOIN job j ON j.id = a.job_id
               WHERE a.outcome = 'accepted' AND NOT a.superseded AND j.state IN ('planned', 'submitting', 'ambiguous')""",
    ),
    Invariant(
        name="I4",
        title="an open order belongs to a run that has not ended",
        sql="""SELECT j.id FROM job j LEFT JOIN attempt a ON a.id = j.attempt_id LEFT JOIN run r ON r.id = a.run_id
               WHERE j.state = 'submitting' AND (r.id IS NULL OR r.ended_at IS NOT NULL)""",
    ),
    Invariant(
        name="I5",
        title="a job's state is where its last event led, and its version counts its events",
        sql="""SELECT j.id, j.state, j.version FROM job j LEFT JOIN (SELECT job_id, max(seq) AS seq FROM event GROUP BY job_id) m
               ON m.job_id = j.id LEFT JOIN event e ON e.job_id = j.id AND e.seq = m.seq
               WHERE coalesce(e.after, 'planned') <> j.state OR coalesce(m.seq, 0) <> j.version""",
    ),
    Invariant(
        name="I6",
        title="the chain of events has no gap and starts at planned",
        sql="""SELECT t.job_id, t.seq FROM (SELECT job_id, seq, before, lag(after) OVER w AS was, lag(seq) OVER w AS previous FROM event
                   WINDOW w AS (PARTITION BY job_id ORDER BY seq)) t
               WHERE t.seq <> coalesce(t.previous, 0) + 1 OR t.before <> coalesce(t.was, 'planned')""",
    ),
    Invariant(
        name="I7",
        title="events only lead where the table of transitions leads",
        sql="""SELECT e.id, e.before, e.after FROM event e LEFT JOIN edge g ON g.before = e.before AND g.after = e.after
               WHERE g.before IS NULL""",
    ),
    Invariant(
        name="I8",
        title="the intent was recorded before the outcome",
        sql="""SELECT a.id FROM attempt a WHERE NOT EXISTS (
                   SELECT 1 FROM event i WHERE i.job_id = a.job_id AND i.attempt_id = a.id AND i.after = 'submitting' AND (
                       a.outcome = 'open'
                       OR EXISTS (SELECT 1 FROM event o WHERE o.job_id = a.job_id AND o.attempt_id = a.id AND o.seq > i.seq)))""",
    ),
    Invariant(
        name="I9",
        title="a saved job has all its files, verified, with hash and size",
        sql="""SELECT j.id FROM job j LEFT JOIN artifact f ON f.job_id = j.id WHERE j.state = 'saved' GROUP BY j.id
               HAVING count(f.id) = 0 OR count(*) <> max(f.idx) + 1
                   OR count(*) <> sum(CASE WHEN f.state = 'verified' AND length(f.sha256) = 64 AND f.bytes > 0 THEN 1 ELSE 0 END)""",
    ),
    Invariant(
        name="I10",
        title="no file without an accepted order of its own job",
        sql="""SELECT f.id FROM artifact f LEFT JOIN attempt a ON a.id = f.attempt_id AND a.outcome = 'accepted' AND a.job_id = f.job_id
               WHERE a.id IS NULL""",
    ),
    Invariant(
        name="I11",
        title="paths are unique, ignoring case and Unicode form",
        sql="SELECT min(f.id), f.path_key FROM artifact f GROUP BY f.output_dir, f.path_key HAVING count(*) > 1",
    ),
    Invariant(
        name="I12",
        title="no order went out that did not fit under the cost limit",
        sql="SELECT a.id FROM attempt a WHERE a.cap_micros IS NOT NULL AND a.committed_micros > a.cap_micros",
    ),
    Invariant(
        name="I13",
        title="a job that ended without an image says why",
        sql="SELECT j.id FROM job j WHERE j.state IN ('failed', 'cancelled') AND j.reason = ''",
    ),
    Invariant(
        name="I14",
        title="the running totals equal a recount of the jobs",
        sql="""SELECT t.batch_id, t.state, t.jobs FROM batch_total t LEFT JOIN
                   (SELECT batch_id, state, count(*) AS jobs FROM job GROUP BY batch_id, state) c
                   ON c.batch_id = t.batch_id AND c.state = t.state WHERE t.jobs <> coalesce(c.jobs, 0)""",
    ),
    Invariant(
        name="I15",
        title="the batch's money equals a recount of its orders",
        sql=f"""SELECT b.id FROM batch b LEFT JOIN (
                   SELECT j.batch_id, sum(CASE WHEN a.outcome = 'accepted' THEN {_WEIGHT} ELSE 0 END) AS spent,
                          sum(CASE WHEN a.outcome = 'open' THEN {_WEIGHT} ELSE 0 END) AS reserved,
                          sum(CASE WHEN a.outcome IN ('ambiguous', 'unproven') THEN {_WEIGHT} ELSE 0 END) AS held,
                          sum(CASE WHEN a.outcome = 'open' OR a.outcome IN {_CHARGED} THEN 1 ELSE 0 END) AS orders
                   FROM attempt a JOIN job j ON j.id = a.job_id GROUP BY j.batch_id) r ON r.batch_id = b.id
                WHERE b.spent_micros <> coalesce(r.spent, 0) OR b.reserved_micros <> coalesce(r.reserved, 0)
                   OR b.held_micros <> coalesce(r.held, 0) OR b.orders <> coalesce(r.orders, 0)""",  # noqa: S608
    ),
    Invariant(
        name="I16",
        title="a job's current order is its latest, and only the current one is not superseded",
        sql="""SELECT j.id FROM job j LEFT JOIN attempt a ON a.id = j.attempt_id
               WHERE (j.attempt_id IS NOT NULL AND (a.id IS NULL OR a.job_id <> j.id OR a.n <> j.attempts OR a.superseded))
                  OR EXISTS (SELECT 1 FROM attempt x WHERE x.job_id = j.id AND NOT x.superseded AND x.id <> coalesce(j.attempt_id, 0))""",
    ),
    Invariant(
        name="I17",
        title="jobs, orders and files carry known words only",
        sql=f"""SELECT j.id FROM job j WHERE j.state NOT IN {_STATES}
                UNION ALL SELECT a.id FROM attempt a
                WHERE a.outcome NOT IN ('open', 'not_sent', 'refused', 'accepted', 'ambiguous', 'unproven', 'not_billed')
                UNION ALL SELECT f.id FROM artifact f WHERE f.state NOT IN ('staged', 'verified')""",  # noqa: S608
    ),
)


def check(engine: Engine) -> Iterator[Violation]:
    """Yield everything that is broken: the engine's own checks, every invariant, and the fold of every job's events.

    Each question is a transaction of its own, so that a run at work is held up by one of them at most.
    """
    for problem in _ask(engine, damage):
        yield Violation(name="I18", title="the database file is sound", detail=problem)
    for invariant in INVARIANTS:
        for row in _ask(engine, partial(_broken, invariant)):
            yield Violation(name=invariant.name, title=invariant.title, detail=", ".join(str(value) for value in row))
    yield from _unfoldable(engine)


def _ask(engine: Engine, question: Callable[[Connection], list[T]]) -> list[T]:
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        return question(connection)


def _broken(invariant: Invariant, connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(text(invariant.sql)))


def _unfoldable(engine: Engine) -> Iterator[Violation]:
    """Replay every job's events through the transition table, a page of jobs at a time."""
    after = 0
    while True:
        with translated(place_of(engine.url)), reading(engine).connect() as connection:
            states = _states(connection, after)
            words = _words(connection, after, max(states, default=after))
        if not states:
            return
        for job_id, state in states.items():
            if (trouble := _trouble(words.get(job_id, []), state)) is not None:
                yield Violation(name="I19", title="replaying a job's events gives its state", detail=f"{job_id}, {trouble}")
        after = max(states)


def _states(connection: Connection, after: int) -> dict[int, str]:
    rows = connection.execute(select(s.job.c.id, s.job.c.state).where(s.job.c.id > after).order_by(s.job.c.id).limit(PAGE))
    return {row[0]: row[1] for row in rows}


def _words(connection: Connection, after: int, last: int) -> dict[int, list[str]]:
    columns = (s.event.c.job_id, s.event.c.event)
    query = select(*columns).where(s.event.c.job_id > after, s.event.c.job_id <= last).order_by(s.event.c.job_id, s.event.c.seq)
    return {job_id: [row[1] for row in rows] for job_id, rows in groupby(connection.execute(query), key=itemgetter(0))}


def _trouble(words: list[str], state: str) -> str | None:
    try:
        folded = fold(words)
    except IllegalTransitionError as error:
        return str(error)
    return None if folded == state else f"is {state} but its events lead to {folded}"
