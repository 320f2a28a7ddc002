"""What must always hold in a job database (RELIABILITY 1.6): queries that find nothing, and the checks that take more than SQL.

Theory of operation. Nearly every truth concerns a job and what belongs to it, so the jobs are taken in pages, and every such truth is asked
about one page before the next page comes: what was read once from the disk answers all of them, and memory does not grow with the
database. Each question is a transaction of its own, because in a rollback journal a reader blocks every commit of a run at work. The last
page is open at its end and the first at its beginning, so rows that point at no job at all belong to a page as well.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from time import monotonic
from typing import Final, TypeAlias

from sqlalchemy import Connection, Engine, Table, select, text

from batchgen.core.errors import IllegalTransitionError
from batchgen.core.machine import fold
from batchgen.store import schema as s
from batchgen.store.engine import page_damage, pages, place_of, reading, widen_cache
from batchgen.store.faults import translated

PAGE: Final = 5_000
SHOWN: Final = 100
"""So many violations of one truth are told, the others only counted: a database where all is wrong must not fill the memory."""

_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """A truth about the tables.

    ``cases`` is the FROM clause of the rows that it speaks of. ``sql`` gives one row, with the id of the culprit first, for every case
    where it is broken. Both take ``:first`` and ``:last``, the job ids of a page, or neither of them does.
    """

    name: str
    title: str
    cases: str
    sql: str

    @property
    def is_paged(self) -> bool:
        """Say whether it can be asked about a page of jobs."""
        return ":first" in self.sql


@dataclass(slots=True, kw_only=True)
class Finding:
    """What was found about one truth so far: the cases looked at, how many are broken, the first ``SHOWN`` of them in words, the time."""

    name: str
    title: str
    cases: int = 0
    violations: int = 0
    details: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def violated(self, detail: str) -> None:
        """Count a broken case, and keep its words if it is among the first."""
        self.violations += 1
        if len(self.details) < SHOWN:
            self.details.append(detail)


Told: TypeAlias = Callable[[Finding, int], None]
"""Is told before each question which truth is looked at, and how many jobs were looked at before."""

_CHARGED: Final = "('accepted', 'ambiguous', 'unproven')"
_STATES: Final = "('planned', 'submitting', 'ambiguous', 'submitted', 'rendered', 'saved', 'failed', 'cancelled')"
_WEIGHT: Final = "coalesce(a.cost_micros, a.est_micros, 0)"
_JOBS: Final = "j.id BETWEEN :first AND :last"
_ATTEMPTS: Final = "a.job_id BETWEEN :first AND :last"
_FILES: Final = "f.job_id BETWEEN :first AND :last"
_EVENTS: Final = "e.job_id BETWEEN :first AND :last"
_EVERYTHING: Final = f"""(SELECT j.id, 'job' AS what, j.state AS word FROM job j WHERE {_JOBS}
    UNION ALL SELECT a.id, 'order', a.outcome FROM attempt a WHERE {_ATTEMPTS}
    UNION ALL SELECT f.id, 'file', f.state FROM artifact f WHERE {_FILES}) w"""  # noqa: S608


_PAGED: Final = {s.job.name: _JOBS, s.attempt.name: _ATTEMPTS, s.artifact.name: _FILES, s.event.name: _EVENTS}
_SMALL: Final = [table for table in s.metadata.sorted_tables if table.foreign_keys and table.name not in _PAGED]


def _dangling(table: Table, alias: str, page: str) -> str:
    """Write the query for rows of a table that refer to a row which is not there, from the schema's own foreign keys."""
    keys = sorted((key.parent.name, key.column.table.name) for key in table.foreign_keys)
    missing = " OR ".join(
        f"({alias}.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.id = {alias}.{column}))"  # noqa: S608
        for column, parent in keys
    )
    culprit = next(iter(table.primary_key)).name
    return f"SELECT {alias}.{culprit}, '{table.name}' FROM {table.name} {alias} WHERE {page} AND ({missing})"  # noqa: S608


def _recount(scope: str, name: str, where: str = "true") -> str:
    """Write the query that counts from the orders what the purses of a scope hold, with every sum negative."""
    return f"""SELECT j.batch_id, '{scope}', {name}, -sum(CASE WHEN a.outcome = 'accepted' THEN {_WEIGHT} ELSE 0 END),
                  -sum(CASE WHEN a.outcome = 'open' THEN {_WEIGHT} ELSE 0 END),
                  -sum(CASE WHEN a.outcome IN ('ambiguous', 'unproven') THEN {_WEIGHT} ELSE 0 END),
                  -sum(CASE WHEN a.outcome = 'open' OR a.outcome IN {_CHARGED} THEN 1 ELSE 0 END)
               FROM attempt a JOIN job j ON j.id = a.job_id WHERE {where} GROUP BY j.batch_id, {name}"""  # noqa: S608


# The SQL below is put together from the constants above and the schema only, never from anything a user or vendor said.
INVARIANTS: Final = (
    Invariant(
        name="I1",
        title="one charged order a job, plus one a decision",
        cases=f"attempt a WHERE {_ATTEMPTS} AND a.outcome IN {_CHARGED}",
        sql=f"""SELECT a.job_id FROM attempt a WHERE {_ATTEMPTS} AND a.outcome IN {_CHARGED} GROUP BY a.job_id HAVING count(*) > 1
                   AND count(*) > 1 + (SELECT count(*) FROM event e WHERE e.job_id = a.job_id AND e.is_decision)""",  # noqa: S608
    ),
    Invariant(
        name="I2",
        title="accepted orders, and only they, have a task",
        cases=f"attempt a WHERE {_ATTEMPTS}",
        sql=f"SELECT a.id FROM attempt a WHERE {_ATTEMPTS} AND (a.outcome = 'accepted') <> (a.task_id IS NOT NULL)",  # noqa: S608
    ),
    Invariant(
        name="I3",
        title="a paid task is never dropped",
        cases=f"attempt a WHERE {_ATTEMPTS} AND a.outcome = 'accepted' AND NOT a.superseded",
        sql=f"""SELECT a.id FROM attempt a JOIN job j ON j.id = a.job_id WHERE {_ATTEMPTS}
                   AND a.outcome = 'accepted' AND NOT a.superseded AND j.state IN ('planned', 'submitting', 'ambiguous')""",  # noqa: S608
    ),
    Invariant(
        name="I4",
        title="no run ended well and left an order open",
        cases="job j WHERE j.state = 'submitting'",
        sql="""SELECT j.id FROM job j LEFT JOIN attempt a ON a.id = j.attempt_id WHERE j.state = 'submitting' AND (a.run_id IS NULL
                   OR EXISTS (SELECT 1 FROM run r WHERE r.batch_id = j.batch_id AND r.id >= a.run_id AND r.ended_at IS NOT NULL
                       AND r.stop_reason NOT IN ('died', 'storage', 'bug')))""",
    ),
    Invariant(
        name="I5",
        title="state and version are those of the last event",
        cases=f"job j WHERE {_JOBS}",
        sql=f"""SELECT j.id, j.state, j.version FROM job j WHERE {_JOBS} AND (
                   j.version <> coalesce((SELECT max(e.seq) FROM event e WHERE e.job_id = j.id), 0)
                   OR j.state <> coalesce((SELECT e.after FROM event e WHERE e.job_id = j.id ORDER BY e.seq DESC LIMIT 1), 'planned'))""",  # noqa: S608
    ),
    Invariant(
        name="I6",
        title="events start at planned and leave no gap",
        cases=f"event e WHERE {_EVENTS}",
        sql=f"""SELECT t.job_id, t.seq FROM (
                   SELECT e.job_id, e.seq, e.before, lag(e.after) OVER w AS was, lag(e.seq) OVER w AS previous FROM event e
                   WHERE {_EVENTS} WINDOW w AS (PARTITION BY e.job_id ORDER BY e.seq)) t
               WHERE t.seq <> coalesce(t.previous, 0) + 1 OR t.before <> coalesce(t.was, 'planned')""",  # noqa: S608
    ),
    Invariant(
        name="I7",
        title="events lead only where the state table leads",
        cases=f"event e WHERE {_EVENTS}",
        sql=f"""SELECT e.id, e.before, e.after FROM event e LEFT JOIN edge g ON g.before = e.before AND g.after = e.after
               WHERE {_EVENTS} AND g.before IS NULL""",  # noqa: S608
    ),
    Invariant(
        name="I8",
        title="the intent was recorded before the outcome",
        cases=f"attempt a WHERE {_ATTEMPTS}",
        sql=f"""SELECT a.id FROM attempt a WHERE {_ATTEMPTS} AND NOT EXISTS (
                   SELECT 1 FROM event i WHERE i.job_id = a.job_id AND i.attempt_id = a.id AND i.after = 'submitting' AND (
                       a.outcome = 'open'
                       OR EXISTS (SELECT 1 FROM event o WHERE o.job_id = a.job_id AND o.attempt_id = a.id AND o.seq > i.seq)))""",  # noqa: S608
    ),
    Invariant(
        name="I9",
        title="a saved job has all files, hashed and sized",
        cases=f"job j WHERE {_JOBS} AND j.state = 'saved'",
        sql=f"""SELECT j.id FROM job j LEFT JOIN artifact f ON f.job_id = j.id WHERE {_JOBS} AND j.state = 'saved' GROUP BY j.id
               HAVING count(f.id) = 0 OR count(*) <> max(f.idx) + 1
                   OR count(*) <> sum(CASE WHEN f.state = 'verified' AND length(f.sha256) = 64 AND f.bytes > 0 THEN 1 ELSE 0 END)""",  # noqa: S608
    ),
    Invariant(
        name="I10",
        title="no file without an accepted order of its job",
        cases=f"artifact f WHERE {_FILES}",
        sql=f"""SELECT f.id FROM artifact f LEFT JOIN attempt a ON a.id = f.attempt_id AND a.outcome = 'accepted' AND a.job_id = f.job_id
               WHERE {_FILES} AND a.id IS NULL""",  # noqa: S608
    ),
    Invariant(
        name="I11",
        title="paths are unique, ignoring case and form",
        cases="artifact f",
        sql="SELECT min(f.id), f.path_key FROM artifact f GROUP BY f.output_dir, f.path_key HAVING count(*) > 1",
    ),
    Invariant(
        name="I12",
        title="no order went out past the cost limit",
        cases=f"attempt a WHERE {_ATTEMPTS} AND a.cap_micros IS NOT NULL",
        sql=f"""SELECT a.id FROM attempt a WHERE {_ATTEMPTS} AND a.cap_micros IS NOT NULL
                   AND (a.est_micros IS NULL OR a.committed_micros > a.cap_micros)""",  # noqa: S608
    ),
    Invariant(
        name="I13",
        title="a job that ended without an image says why",
        cases=f"job j WHERE {_JOBS} AND j.state IN ('failed', 'cancelled')",
        sql=f"SELECT j.id FROM job j WHERE {_JOBS} AND j.state IN ('failed', 'cancelled') AND j.reason = ''",  # noqa: S608
    ),
    Invariant(
        name="I14",
        title="running totals equal a recount of the jobs",
        cases="job j",
        sql="""SELECT t.batch_id, t.state, sum(t.jobs) FROM (SELECT batch_id, state, jobs FROM batch_total
                   UNION ALL SELECT batch_id, state, -count(*) FROM job GROUP BY batch_id, state) t
               GROUP BY t.batch_id, t.state HAVING sum(t.jobs) <> 0""",
    ),
    Invariant(
        name="I15",
        title="the money equals a recount of the orders",
        cases="attempt a",
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
        name="I15",
        title="the money equals a recount of the orders",
        cases="purse p",
        sql=f"""SELECT r.batch_id, r.scope, r.name FROM (
                   SELECT p.batch_id, p.scope, p.name, p.spent_micros AS spent, p.reserved_micros AS reserved, p.held_micros AS held,
                          p.orders
                   FROM purse p UNION ALL {_recount("model", "j.model")} UNION ALL {_recount("day", "substr(a.opened_at, 1, 10)")}
                   UNION ALL {_recount("key", "a.key_name", "a.key_name <> ''")}) r
                GROUP BY r.batch_id, r.scope, r.name
                HAVING sum(r.spent) <> 0 OR sum(r.reserved) <> 0 OR sum(r.held) <> 0 OR sum(r.orders) <> 0""",  # noqa: S608
    ),
    Invariant(
        name="I16",
        title="the latest order alone is the current one",
        cases=f"job j WHERE {_JOBS}",
        sql=f"""SELECT j.id FROM job j LEFT JOIN attempt a ON a.id = j.attempt_id WHERE {_JOBS} AND (
                  (j.attempt_id IS NOT NULL AND (a.id IS NULL OR a.job_id <> j.id OR a.n <> j.attempts OR a.superseded))
                  OR EXISTS (SELECT 1 FROM attempt x WHERE x.job_id = j.id AND NOT x.superseded AND x.id <> coalesce(j.attempt_id, 0)))""",  # noqa: S608
    ),
    Invariant(
        name="I17",
        title="jobs, orders and files carry known words",
        cases=_EVERYTHING,
        sql=f"""SELECT w.id, w.what, w.word FROM {_EVERYTHING} WHERE w.what = 'job' AND w.word NOT IN {_STATES}
                   OR w.what = 'order' AND w.word NOT IN ('open', 'not_sent', 'refused', 'accepted', 'ambiguous', 'unproven', 'not_billed')
                   OR w.what = 'file' AND w.word NOT IN ('staged', 'verified')""",  # noqa: S608
    ),
    Invariant(
        name="I21",
        title="what a row refers to is there",
        cases=f"(SELECT w.id FROM {_EVERYTHING} UNION ALL SELECT e.id FROM event e WHERE {_EVENTS}) r",  # noqa: S608
        sql=" UNION ALL ".join(_dangling(s.metadata.tables[name], page[0], page) for name, page in _PAGED.items()),
    ),
    *(
        Invariant(name="I21", title="what a row refers to is there", cases=table.name, sql=_dangling(table, "t", "true"))
        for table in _SMALL
    ),
)


def examine(engine: Engine, told: Told = lambda _finding, _jobs: None) -> list[Finding]:
    """Look at everything and give what was found, one finding for each truth, in order of their numbers; only reads.

    Raises StoreError when the database cannot be read, SchemaError when it is too damaged for it.
    """
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        examination = _Examination(connection, told)
        examination.of_the_whole()  # sorts, each with as much memory as the cache has
        widen_cache(connection)
        connection.rollback()
        for first, last in examination.pages():
            examination.of_a_page(first, last)
        return sorted(examination.found.values(), key=lambda finding: int(finding.name[1:]))


class _Examination:
    """One look at a database: the findings as they grow."""

    def __init__(self, connection: Connection, told: Told) -> None:
        self._connection: Final = connection
        self._told: Final = told
        self._jobs = 0
        titles = {invariant.name: invariant.title for invariant in INVARIANTS}
        titles |= {"I18": "the database file is sound", "I19": "replaying a job's events gives its state"}
        self.found: Final = {name: Finding(name=name, title=title) for name, title in titles.items()}

    def of_the_whole(self) -> None:
        """Ask what cannot be asked about a page of jobs."""
        for name in (None, *(table.name for table in s.metadata.sorted_tables)):
            with self._asking("I18") as finding:
                finding.cases = pages(self._connection)
                for problem in page_damage(self._connection, name):
                    finding.violated(problem)
        for invariant in INVARIANTS:
            if not invariant.is_paged:
                self._ask(invariant, {})

    def of_a_page(self, first: int, last: int) -> None:
        """Ask everything else about the jobs from ``first`` to ``last``."""
        for invariant in INVARIANTS:
            if invariant.is_paged:
                self._ask(invariant, {"first": first, "last": last})
        with self._asking("I19") as finding:
            for trouble in _unfoldable(self._connection, first, last, finding):
                finding.violated(trouble)
        self._jobs += PAGE

    def pages(self) -> Iterator[tuple[int, int]]:
        """Give the first and the last job id of each page; together they cover every number there is."""
        first = _LEAST
        while (last := self._end_of_page(first)) is not None:
            yield first, last
            first = last + 1
        yield first, _MOST

    def _end_of_page(self, first: int) -> int | None:
        query = select(s.job.c.id).where(s.job.c.id >= first).order_by(s.job.c.id).offset(PAGE - 1).limit(1)
        with self._connection.begin():
            return self._connection.scalar(query)

    def _ask(self, invariant: Invariant, page: Mapping[str, int]) -> None:
        with self._asking(invariant.name) as finding:
            finding.cases += self._connection.scalar(text(f"SELECT count(*) FROM {invariant.cases}"), page) or 0  # noqa: S608
            for row in self._connection.execute(text(invariant.sql), page):
                finding.violated(", ".join(str(value) for value in row))

    @contextmanager
    def _asking(self, name: str) -> Iterator[Finding]:
        """Give the finding for one question, which is a transaction of its own and is timed."""
        finding, began = self.found[name], monotonic()
        self._told(finding, self._jobs)
        with self._connection.begin():
            yield finding
        finding.seconds += monotonic() - began


def _unfoldable(connection: Connection, first: int, last: int, finding: Finding) -> Iterator[str]:
    """Replay the events of each job of a page through the transition table."""
    query = (
        select(s.job.c.id, s.job.c.state, s.event.c.event)
        .select_from(s.job.outerjoin(s.event, s.event.c.job_id == s.job.c.id))
        .where(s.job.c.id.between(first, last))
        .order_by(s.job.c.id, s.event.c.seq)
    )
    for (job_id, state), rows in groupby(connection.execute(query), key=itemgetter(0, 1)):
        finding.cases += 1
        trouble = _trouble([word for _, _, word in rows if word is not None], state)
        if trouble is not None:
            yield f"{job_id}, {trouble}"


def _trouble(words: Sequence[str], state: str) -> str | None:
    try:
        folded = fold(words)
    except IllegalTransitionError as error:
        return str(error)
    return None if folded == state else f"is {state} but its events lead to {folded}"
