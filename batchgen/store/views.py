"""The views: the public contract for whoever audits a job database with SQL. Columns are only ever added.

``VIEWS`` is data: the README's reference is generated from it. Money is whole millionths of the provider's unit, instants are UTC text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from batchgen.core.columns import Kind
from batchgen.core.jobs import SYNCHRONOUS
from batchgen.store.engine import seconds_between


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One view: what a row is, its columns with their meaning, and its SQL (``{latency}`` is filled per engine)."""

    name: str
    title: str
    columns: Mapping[str, str]
    sql: str

    @property
    def kinds(self) -> dict[str, Kind]:
        """Say what each column holds."""
        return {name: Kind.JSON if meaning.startswith("JSON:") else _KINDS.get(name, Kind.TEXT) for name, meaning in self.columns.items()}


_WHOLE: Final = (
    "job_id sample ordinal position version attempts cost_micros bytes width height attempt_id n run_id est_micros cap_micros "
    "committed_micros event_id seq jobs orders held_micros unpriced tasks submitted rendered saved failed idx at_risk_micros"
)
_KINDS: Final = {
    **dict.fromkeys(_WHOLE.split(), Kind.WHOLE),
    **dict.fromkeys(("min_s", "median_s", "p90_s", "max_s"), Kind.REAL),
    **dict.fromkeys(("superseded", "is_decision"), Kind.CLAIM),
}
"""A name means the same kind in every view; what is not named is text."""

_WEIGHT = "coalesce(a.cost_micros, a.est_micros)"
_BEGUN = f"CASE WHEN substr(a.task_id, 1, {len(SYNCHRONOUS)}) = '{SYNCHRONOUS}' THEN a.opened_at ELSE a.settled_at END"
_CHARGED = "('accepted', 'ambiguous', 'unproven')"

_JOBS: Final = View(
    name="v_jobs",
    title="every row of every batch, as it is now",
    columns={
        "job_id": "row number in this database",
        "key": "32 hex digits of the identity",
        "batch": "name of the batch",
        "sweep": "name of the sweep",
        "prompt_id": "name of the prompt",
        "prompt": "the text, byte for byte",
        "operation": "what is ordered",
        "model": "the vendor's model",
        "params": "JSON: wire parameters without the prompt",
        "labels": "JSON: the prompt's variables",
        "refs": "JSON: reference images by content",
        "cell": "name of the grid cell",
        "sample": "from 1",
        "ordinal": "repeats of the same text, from 0",
        "position": "running order",
        "state": "one of the eight states",
        "version": "number of events so far",
        "reason": "short word for the last setback",
        "attempts": "POSTs begun",
        "task_id": "the vendor's id of the current order",
        "cost_micros": "cost of all its orders that count as bought, estimates where no cost is known",
        "path": "the image, relative to output_dir",
        "sha256": "hash of the image",
        "bytes": "size of the image",
        "width": "pixels",
        "height": "pixels",
        "planned_at": "when the row was planned",
        "submitted_at": "when the current order was accepted",
        "saved_at": "when the image stood at its path",
        "next_at": "not before",
        "retired_at": "when the manifest stopped asking for it",
        "output_dir": "folder of the image; before it is saved, of the batch",
    },
    sql=f"""
        SELECT j.id AS job_id, j.key, b.name AS batch, j.sweep, j.prompt_id, j.prompt, j.operation, j.model, j.params, j.labels, j.refs,
               j.cell, j.sample, j.ordinal, j.position, j.state, j.version, j.reason, j.attempts, c.task_id,
               (SELECT CAST(sum({_WEIGHT}) AS bigint) FROM attempt a WHERE a.job_id = j.id AND a.outcome IN {_CHARGED}) AS cost_micros,
               f.path, f.sha256, f.bytes, f.width, f.height, j.planned_at,
               CASE WHEN c.outcome = 'accepted' THEN c.settled_at END AS submitted_at, f.created_at AS saved_at,
               j.next_at, j.retired_at, coalesce(f.output_dir, b.output_dir) AS output_dir
        FROM job j JOIN batch b ON b.id = j.batch_id
        LEFT JOIN attempt c ON c.id = j.attempt_id
        LEFT JOIN artifact f ON f.job_id = j.id AND f.idx = 0 AND f.state = 'verified'
    """,  # noqa: S608 - constants of this module
)

_ATTEMPTS: Final = View(
    name="v_attempts",
    title="every POST: intent, outcome, task, money",
    columns={
        "attempt_id": "row number",
        "key": "whose order",
        "batch": "name of the batch",
        "model": "the vendor's model",
        "n": "from 1 within the job",
        "run_id": "process that sent it",
        "outcome": "open, not_sent, refused, accepted, ambiguous, unproven or not_billed",
        "task_id": "the vendor's id",
        "body_sha256": "hash of the bytes of the POST",
        "est_micros": "reserved when it went out",
        "cost_micros": "what the vendor last said it charges",
        "cap_micros": "cost limit in force",
        "committed_micros": "the batch's money then, this order included",
        "opened_at": "intent on disk",
        "settled_at": "outcome known",
        "rendered_at": "result known",
        "expires_at": "until when the result's URLs are good",
        "reason": "short word for what went wrong",
        "detail": "the vendor's own words",
        "superseded": "the job went back to planned after it",
    },
    sql="""
        SELECT a.id AS attempt_id, j.key, b.name AS batch, j.model, a.n, a.run_id, a.outcome, a.task_id, a.body_sha256, a.est_micros,
               a.cost_micros, a.cap_micros, a.committed_micros, a.opened_at, a.settled_at, a.rendered_at, a.expires_at, a.reason, a.detail,
               a.superseded
        FROM attempt a JOIN job j ON j.id = a.job_id JOIN batch b ON b.id = j.batch_id
    """,
)

_EVENTS: Final = View(
    name="v_events",
    title="every transition of every job; seq 0 is the planning itself",
    columns={
        "event_id": "row number; empty for seq 0",
        "key": "whose",
        "batch": "name of the batch",
        "seq": "the job's version after it",
        "before": "state it was in; empty for seq 0",
        "after": "state it is in since",
        "event": "what happened",
        "actor": "runner, recovery, planner, policy or operator:<login>",
        "reason": "short word",
        "detail": "JSON: the event's other facts",
        "at": "when; order by seq, never by this",
        "run_id": "process that recorded it",
        "attempt_id": "the POST it is about",
        "is_decision": "it allowed one more purchase",
    },
    sql="""
        SELECT e.id AS event_id, j.key, b.name AS batch, e.seq, e.before, e.after, e.event, e.actor, e.reason, e.detail, e.at, e.run_id,
               e.attempt_id, e.is_decision
        FROM event e JOIN job j ON j.id = e.job_id JOIN batch b ON b.id = j.batch_id
        UNION ALL
        SELECT NULL, j.key, b.name, 0, NULL, 'planned', 'job_planned', 'planner', '', '{}', j.planned_at, NULL, NULL, CAST(0 AS boolean)
        FROM job j JOIN batch b ON b.id = j.batch_id
    """,
)

_FAILURES: Final = View(
    name="v_failures",
    title="failed jobs by model and reason",
    columns={
        "batch": "name of the batch",
        "model": "the vendor's model",
        "reason": "short word",
        "jobs": "how many",
        "example_key": "one of them",
        "cost_micros": "what they cost all the same",
    },
    sql="""
        SELECT v.batch, v.model, v.reason, count(*) AS jobs, min(v.key) AS example_key, CAST(sum(v.cost_micros) AS bigint) AS cost_micros
        FROM v_jobs v WHERE v.state = 'failed' GROUP BY v.batch, v.model, v.reason
    """,
)

_COST: Final = View(
    name="v_cost_by_model",
    title="money by batch and model",
    columns={
        "batch": "name of the batch",
        "model": "the vendor's model",
        "orders": "orders that count as bought",
        "cost_micros": "accepted orders: cost, or the estimate",
        "held_micros": "ambiguous and unproven orders",
        "unpriced": "accepted orders of which no cost is known",
    },
    sql=f"""
        SELECT b.name AS batch, j.model, count(*) AS orders,
               CAST(sum(CASE WHEN a.outcome = 'accepted' THEN {_WEIGHT} END) AS bigint) AS cost_micros,
               CAST(sum(CASE WHEN a.outcome <> 'accepted' THEN {_WEIGHT} END) AS bigint) AS held_micros,
               sum(CASE WHEN a.outcome = 'accepted' AND a.cost_micros IS NULL THEN 1 ELSE 0 END) AS unpriced
        FROM attempt a JOIN job j ON j.id = a.job_id JOIN batch b ON b.id = j.batch_id
        WHERE a.outcome IN {_CHARGED} GROUP BY b.name, j.model
    """,  # noqa: S608 - constants of this module
)

_LATENCY: Final = View(
    name="v_latency",
    title="seconds from an accepted order to its result; from its sending where the answer was the result",
    columns={
        "batch": "name of the batch",
        "model": "the vendor's model",
        "tasks": "how many",
        "min_s": "the quickest",
        "median_s": "the middle one",
        "p90_s": "nine in ten were quicker",
        "max_s": "the slowest",
    },
    sql="""
        SELECT batch, model, n AS tasks, min(s) AS min_s, max(CASE WHEN r = (n + 1) / 2 THEN s END) AS median_s,
               max(CASE WHEN r = (n * 9 + 9) / 10 THEN s END) AS p90_s, max(s) AS max_s
        FROM (
            SELECT batch, model, s, row_number() OVER (PARTITION BY batch, model ORDER BY s) AS r,
                   count(*) OVER (PARTITION BY batch, model) AS n
            FROM (
                SELECT b.name AS batch, j.model, {latency} AS s
                FROM attempt a JOIN job j ON j.id = a.job_id JOIN batch b ON b.id = j.batch_id
                WHERE a.rendered_at IS NOT NULL
            ) AS t
        ) AS ranked
        GROUP BY batch, model, n
    """,
)

_THROUGHPUT: Final = View(
    name="v_throughput_5m",
    title="what happened in each five minutes",
    columns={
        "batch": "name of the batch",
        "bucket": "start of the five minutes, UTC",
        "submitted": "orders accepted",
        "rendered": "results known",
        "saved": "images saved",
        "failed": "jobs failed",
    },
    sql="""
        SELECT batch, bucket, sum(CASE WHEN event = 'submit_accepted' THEN 1 ELSE 0 END) AS submitted,
               sum(CASE WHEN event = 'render_finished' THEN 1 ELSE 0 END) AS rendered,
               sum(CASE WHEN event = 'images_saved' THEN 1 ELSE 0 END) AS saved,
               sum(CASE WHEN after = 'failed' AND before <> 'failed' THEN 1 ELSE 0 END) AS failed
        FROM (
            SELECT b.name AS batch, e.event, e.before, e.after,
                   substr(e.at, 1, 14) || CASE WHEN substr(e.at, 15, 1) = '0' THEN '0' ELSE '' END
                   || CAST(CAST(substr(e.at, 15, 2) AS integer) / 5 * 5 AS text) || ':00Z' AS bucket
            FROM event e JOIN job j ON j.id = e.job_id JOIN batch b ON b.id = j.batch_id
        ) AS t
        GROUP BY batch, bucket
    """,
)

_FILES: Final = View(
    name="v_files",
    title="every image file",
    columns={
        "batch": "name of the batch",
        "key": "whose image",
        "idx": "from 0 within the job",
        "state": "staged (complete, not yet at its path) or verified",
        "output_dir": "folder of the image; before it is saved, of the batch",
        "path": "relative to output_dir",
        "sha256": "hash",
        "bytes": "size",
        "width": "pixels",
        "height": "pixels",
        "media_type": "of the bytes received",
        "task_id": "the vendor's task it came from",
        "created_at": "when it was staged or verified",
    },
    sql="""
        SELECT b.name AS batch, j.key, f.idx, f.state, f.output_dir, f.path, f.sha256, f.bytes, f.width, f.height, f.media_type, a.task_id,
               f.created_at
        FROM artifact f JOIN job j ON j.id = f.job_id JOIN batch b ON b.id = f.batch_id JOIN attempt a ON a.id = f.attempt_id
    """,
)

_AMBIGUOUS: Final = View(
    name="v_ambiguous",
    title="orders that may have been billed and need a decision",
    columns={
        "batch": "name of the batch",
        "key": "whose order",
        "prompt_id": "name of the prompt",
        "model": "the vendor's model",
        "opened_at": "when the POST went out",
        "body_sha256": "hash of its bytes, to find it on a bill",
        "at_risk_micros": "what it may have cost; empty if no price is known",
        "reason": "short word",
        "detail": "what came back",
    },
    sql="""
        SELECT b.name AS batch, j.key, j.prompt_id, j.model, a.opened_at, a.body_sha256, a.est_micros AS at_risk_micros, a.reason, a.detail
        FROM job j JOIN batch b ON b.id = j.batch_id JOIN attempt a ON a.id = j.attempt_id WHERE j.state = 'ambiguous'
    """,
)

VIEWS: Final = (_JOBS, _ATTEMPTS, _EVENTS, _FAILURES, _COST, _LATENCY, _THROUGHPUT, _FILES, _AMBIGUOUS)
"""Every view, in an order in which each only needs those before it."""


def create_all(connection: Connection) -> None:
    """Make every view."""
    for statement in statements(connection.dialect.name).values():
        connection.exec_driver_sql(statement)


def statements(dialect: str) -> dict[str, str]:
    """Give what makes each view on this engine, by its name and in the order of ``VIEWS``."""
    latency = seconds_between(dialect, _BEGUN, "a.rendered_at")
    return {view.name: f"CREATE VIEW {view.name} AS {view.sql.replace('{latency}', latency).strip()}" for view in VIEWS}


def drop_all(connection: Connection) -> None:
    """Drop every view that exists."""
    for view in reversed(VIEWS):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view.name}")
