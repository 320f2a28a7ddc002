"""Every table and column of the job database, each with a line on its meaning.

The first event of a job is implicit: the row itself (``planned_at``, ``plan_id``) records that it was planned, which halves the size of a
plan of a million rows. The view ``v_events`` shows it as seq 0; stored events start at seq 1 with ``before`` = ``planned``.

Instants are fixed-width UTC text, money is whole millionths of the provider's unit (``*_micros``), structured values are JSON text.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from batchgen.store.instants import Instant

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

Id: Final = BigInteger().with_variant(Integer, "sqlite")
"""A row number. On SQLite only a plain INTEGER is the rowid itself."""


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, comment="row number")


meta: Final = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True, comment="application | db_uuid"),
    Column("value", Text, nullable=False, comment="whose database this is, and which one"),
    comment="facts about the database itself",
)

batch: Final = Table(
    "batch",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True, comment="the manifest's name"),
    Column("output_dir", Text, nullable=False, comment="absolute folder of the images"),
    Column("created_at", Instant, nullable=False, comment="when the first plan was saved"),
    Column("spent_micros", BigInteger, nullable=False, server_default="0", comment="sum over accepted attempts"),
    Column("reserved_micros", BigInteger, nullable=False, server_default="0", comment="sum over open attempts"),
    Column("held_micros", BigInteger, nullable=False, server_default="0", comment="sum over ambiguous and unproven attempts"),
    Column("orders", BigInteger, nullable=False, server_default="0", comment="attempts that count as bought"),
    comment="one manifest name; its money is kept in the commit that moves it",
)

purse: Final = Table(
    "purse",
    metadata,
    Column("batch_id", Id, ForeignKey("batch.id"), nullable=False, comment="whose money"),
    Column("scope", Text, nullable=False, comment="model | day | key"),
    Column("name", Text, nullable=False, comment="the model, the UTC day on which the order went out, or the API key's variable"),
    Column("spent_micros", BigInteger, nullable=False, server_default="0", comment="sum over accepted attempts"),
    Column("reserved_micros", BigInteger, nullable=False, server_default="0", comment="sum over open attempts"),
    Column("held_micros", BigInteger, nullable=False, server_default="0", comment="sum over ambiguous and unproven attempts"),
    Column("orders", BigInteger, nullable=False, server_default="0", comment="attempts that count as bought"),
    PrimaryKeyConstraint("batch_id", "scope", "name"),
    comment="the batch's money by model and by day, kept in the commit that moves it",
)

batch_total: Final = Table(
    "batch_total",
    metadata,
    Column("batch_id", Id, ForeignKey("batch.id"), nullable=False, comment="whose jobs"),
    Column("state", Text, nullable=False, comment="one of the eight states"),
    Column("jobs", BigInteger, nullable=False, server_default="0", comment="jobs in that state"),
    PrimaryKeyConstraint("batch_id", "state"),
    comment="running totals, kept in the commit that moves a job",
)

plan: Final = Table(
    "plan",
    metadata,
    _id(),
    Column("batch_id", Id, ForeignKey("batch.id"), nullable=False, index=True, comment="what it plans"),
    Column("created_at", Instant, nullable=False, comment="when it was saved"),
    Column("manifest", LargeBinary, nullable=False, comment="the manifest's bytes"),
    Column("manifest_path", Text, nullable=False, comment="where it was read"),
    Column("manifest_sha256", Text, nullable=False, comment="hash of those bytes"),
    Column("files", Text, nullable=False, comment="JSON: every file read, with its hash"),
    Column("settings", Text, nullable=False, comment="JSON: all that a run needs without the manifest"),
    Column("total", BigInteger, nullable=False, comment="rows asked for"),
    Column("tool_version", Text, nullable=False, comment="version of batchgen that planned it"),
    Column("prices", Text, nullable=False, server_default="", comment="JSON: price list with source and time; empty if none"),
    comment="what was asked for, each time a plan is saved",
)

job: Final = Table(
    "job",
    metadata,
    _id(),
    Column("key", Text, nullable=False, comment="32 hex digits of the identity"),
    Column("sweep", Text, nullable=False, comment="name of the sweep"),
    Column("prompt_id", Text, nullable=False, comment="name of the prompt in its sweep"),
    Column("prompt", Text, nullable=False, comment="the text, byte for byte"),
    Column("operation", Text, nullable=False, comment="what is ordered: image"),
    Column("model", Text, nullable=False, comment="the vendor's model"),
    Column("params", Text, nullable=False, comment="canonical JSON: wire parameters without the prompt"),
    Column("labels", Text, nullable=False, comment="canonical JSON: the prompt's variables"),
    Column("refs", Text, nullable=False, comment="canonical JSON list: reference images by content"),
    Column("cell", Text, nullable=False, comment="name of the grid cell"),
    Column("sample", Integer, nullable=False, comment="from 1"),
    Column("ordinal", Integer, nullable=False, comment="repeats of the same text, from 0"),
    Column("position", BigInteger, nullable=False, comment="running order"),
    Column("batch_id", Id, ForeignKey("batch.id"), nullable=False, comment="which batch"),
    Column("plan_id", Id, ForeignKey("plan.id"), nullable=False, comment="latest plan that asked for it"),
    Column("state", Text, nullable=False, server_default="planned", comment="fold of the job's events"),
    Column("version", Integer, nullable=False, server_default="0", comment="number of events so far"),
    Column("reason", Text, nullable=False, server_default="", comment="short word for the last setback"),
    Column("next_at", Instant, comment="not before; empty means at once"),
    Column("attempts", Integer, nullable=False, server_default="0", comment="POSTs begun"),
    Column("unproven", Integer, nullable=False, server_default="0", comment="unproven answers of this order"),
    Column("not_sent", Integer, nullable=False, server_default="0", comment="times this order provably stayed here"),
    Column("regenerated", Integer, nullable=False, server_default="0", comment="purchases repeated by policy"),
    Column("attempt_id", Id, comment="current attempt; empty while planned"),
    Column("run_id", Id, comment="run that has it in hand; empty: whoever comes first"),
    Column("retired_at", Instant, comment="when the manifest stopped asking for it"),
    Column("planned_at", Instant, nullable=False, comment="when the row was planned: its implicit first event"),
    Column("updated_at", Instant, nullable=False, comment="instant of its last event or relabelling"),
    comment="one row is one image asked for",
)

JOB_KEY_INDEX: Final = Index("ux_job_key", job.c.key, job.c.batch_id, unique=True)
"""Key first: the same index finds a key in this batch, in any other, and by its beginning."""


def _while(state: str, *columns: Column[int]) -> Index:
    """Index the jobs of one live state only: such an index stays small, and ``state IN (…)`` would never be used."""
    where = text(f"state = '{state}'")
    return Index(f"ix_job_{state}", *columns, sqlite_where=where, postgresql_where=where)


JOB_PLANNED_INDEX: Final = _while("planned", job.c.batch_id, job.c.position, job.c.next_at, job.c.model)
"""The claim reads it in order; ``next_at`` and ``model`` let it pass over rows that wait without touching the table."""

for _state in ("submitting", "ambiguous", "submitted", "rendered", "failed"):
    _while(_state, job.c.batch_id, job.c.id)

_in_hand = text("run_id IS NOT NULL")
Index("ix_job_run_id", job.c.run_id, sqlite_where=_in_hand, postgresql_where=_in_hand)

_waiting = text("state = 'planned' AND next_at IS NOT NULL")
Index("ix_job_next_at", job.c.batch_id, job.c.next_at, sqlite_where=_waiting, postgresql_where=_waiting)

attempt: Final = Table(
    "attempt",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False, comment="job id x 100,000 + n, known before it is written"),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False, index=True, comment="whose order"),
    Column("n", Integer, nullable=False, comment="from 1 within the job"),
    Column("run_id", Id, ForeignKey("run.id"), comment="process that sent it"),
    Column("outcome", Text, nullable=False, comment="open | not_sent | refused | accepted | ambiguous | unproven | not_billed"),
    Column("task_id", Text, unique=True, comment="the vendor's id; never stored twice"),
    Column("body_sha256", Text, nullable=False, comment="hash of the bytes of the POST"),
    Column("est_micros", BigInteger, comment="reserved when it went out; empty if no price was known"),
    Column("cost_micros", BigInteger, comment="what the vendor last said it charges"),
    Column("cap_micros", BigInteger, comment="cost limit in force when it went out"),
    Column("committed_micros", BigInteger, nullable=False, comment="batch's spent + reserved + held, this one included, then"),
    Column("opened_at", Instant, nullable=False, comment="intent on disk, before any byte left"),
    Column("settled_at", Instant, comment="first outcome known; for an accepted one the task's start"),
    Column("rendered_at", Instant, comment="result known"),
    Column("expires_at", Instant, comment="until when the result's URLs are good"),
    Column("result_urls", Text, nullable=False, server_default="", comment="JSON list, signed; emptied once the file is saved"),
    Column("reason", Text, nullable=False, server_default="", comment="short word for what went wrong"),
    Column("detail", Text, nullable=False, server_default="", comment="the vendor's own words"),
    Column("superseded", Boolean(), nullable=False, server_default=text("false"), comment="the job went back to planned after it"),
    Column("key_name", Text, nullable=False, server_default="", comment="variable of the API key, where there are several"),
    comment="one POST: intent, outcome, task, money",
)

TRIGGERS: Final = {
    "event_is_never_changed": "BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
    "event_is_never_deleted": "BEFORE DELETE ON event "
    "WHEN NOT EXISTS (SELECT 1 FROM job j JOIN archive x ON x.batch_id = j.batch_id WHERE j.id = OLD.job_id) "
    "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
}
"""The triggers of an SQLite file, as the revisions make them: no other may stand in it, and none may be missing."""

FORMER_TRIGGERS: Final = {
    "event_is_never_deleted": "BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
}
"""Those of older schemas that differ: before batches could be archived no event ever went."""

DOUBTFUL: Final = "((cost_micros IS NULL AND est_micros IS NULL) OR outcome = 'unproven')"
"""The few orders whose money is not certain, word for word as the index has it: only so does the engine see that it fits."""

_doubtful = text(DOUBTFUL)
Index("ix_attempt_doubtful", attempt.c.job_id, sqlite_where=_doubtful, postgresql_where=_doubtful)

artifact: Final = Table(
    "artifact",
    metadata,
    _id(),
    Column("batch_id", Id, ForeignKey("batch.id"), nullable=False, comment="which batch"),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False, index=True, comment="whose image"),
    Column("attempt_id", Id, ForeignKey("attempt.id"), nullable=False, index=True, comment="the order that paid for it"),
    Column("idx", Integer, nullable=False, comment="from 0 within the job"),
    Column("state", Text, nullable=False, comment="staged: complete under temp; verified: stands at path"),
    Column("output_dir", Text, nullable=False, comment="absolute folder that it was written to"),
    Column("path", Text, nullable=False, comment="relative to output_dir, POSIX separators"),
    Column("path_key", Text, nullable=False, comment="path as a case- and form-blind file system sees it"),
    Column("temp", Text, nullable=False, comment="temporary name, relative as well"),
    Column("sha256", Text, nullable=False, comment="hash of the file"),
    Column("bytes", BigInteger, nullable=False, comment="size of the file"),
    Column("width", Integer, nullable=False, comment="pixels"),
    Column("height", Integer, nullable=False, comment="pixels"),
    Column("media_type", Text, nullable=False, comment="of the bytes received"),
    Column("created_at", Instant, nullable=False, comment="when it was staged or verified"),
    Index("ux_artifact_path", "output_dir", "path_key", unique=True),
    comment="image files",
)

event: Final = Table(
    "event",
    metadata,
    _id(),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False, comment="whose"),
    Column("seq", Integer, nullable=False, comment="the job's version after it; from 1"),
    Column("before", Text, nullable=False, comment="state it was in"),
    Column("after", Text, nullable=False, comment="state it is in since"),
    Column("event", Text, nullable=False, comment="what happened, in the past tense"),
    Column("actor", Text, nullable=False, comment="runner | recovery | planner | policy | operator:<login>"),
    Column("reason", Text, nullable=False, comment="short word, if it needs one"),
    Column("detail", Text, nullable=False, comment="JSON: the event's other facts, without signed URLs"),
    Column("at", Instant, nullable=False, comment="when; order by seq, never by this"),
    Column("run_id", Id, ForeignKey("run.id"), comment="process that recorded it"),
    Column("attempt_id", Id, ForeignKey("attempt.id"), comment="the POST it is about"),
    Column("is_decision", Boolean(), nullable=False, comment="it allowed one more purchase"),
    UniqueConstraint("job_id", "seq"),
    comment="append-only; triggers refuse to change it, and to remove it unless its batch is archived",
)

archive: Final = Table(
    "archive",
    metadata,
    Column("batch_id", Id, ForeignKey("batch.id"), primary_key=True, autoincrement=False, comment="which batch"),
    Column("path", Text, nullable=False, comment="absolute path of the archive, a job database too, when it was last seen"),
    Column("db_uuid", Text, nullable=False, comment="which database the archive is, wherever it stands"),
    Column("jobs", BigInteger, nullable=False, comment="jobs that it took over"),
    Column("orders", BigInteger, nullable=False, comment="of their attempts those that count as bought"),
    Column("spent_micros", BigInteger, nullable=False, comment="sum over accepted attempts"),
    Column("held_micros", BigInteger, nullable=False, comment="sum over ambiguous and unproven attempts"),
    Column("unit", Text, nullable=False, comment="unit of that money"),
    Column("last_job", BigInteger, nullable=False, comment="highest number of a job then: none up to it is given again"),
    Column("last_event", BigInteger, nullable=False, comment="highest number of an event then: none up to it is given again"),
    Column("actor", Text, nullable=False, comment="operator:<login>"),
    Column("archived_at", Instant, nullable=False, comment="when it was; from then on its rows may be removed here"),
    Column("removed_at", Instant, comment="when the last of them had left; empty while some are still here"),
    comment="batches that stand in a database of their own; their names stay known here, and are never planned again",
)

run: Final = Table(
    "run",
    metadata,
    _id(),
    Column("batch_id", Id, ForeignKey("batch.id"), index=True, comment="what it works on"),
    Column("host", Text, nullable=False, comment="machine"),
    Column("pid", Integer, nullable=False, comment="process"),
    Column("boot_id", Text, nullable=False, comment="boot of that machine: a pid of another boot is dead"),
    Column("started_at", Instant, nullable=False, comment="first sign of life"),
    Column("heartbeat_at", Instant, nullable=False, comment="latest sign of life"),
    Column("ended_at", Instant, comment="empty while it lives, or after it died without a word"),
    Column("stop_reason", Text, nullable=False, server_default="", comment="why it ended"),
    Column("exit_code", Integer, comment="how it ended"),
    Column("tool_version", Text, nullable=False, comment="version of batchgen"),
    Column("balance_before", BigInteger, comment="vendor's balance in micros at start"),
    Column("balance_after", BigInteger, comment="vendor's balance in micros at the end"),
    Column("used_before", BigInteger, comment="micros used at start, as the vendor told"),
    Column("used_whose", Text, comment="key | account: whose use that was"),
    Column("lease_until", Instant, comment="until when it may be silent, by the server's clock; empty on SQLite"),
    Column("key_name", Text, nullable=False, server_default="", comment="variable of the API key that it orders with"),
    comment="one process",
)

command: Final = Table(
    "command",
    metadata,
    _id(),
    Column("batch_id", Id, ForeignKey("batch.id"), nullable=False, index=True, comment="for the run of which batch"),
    Column("kind", Text, nullable=False, comment="pause | unpause | stop | limit"),
    Column("argument", Text, nullable=False, server_default="", comment="its argument as typed"),
    Column("actor", Text, nullable=False, comment="operator:<login>"),
    Column("created_at", Instant, nullable=False, comment="when it was asked"),
    Column("taken_at", Instant, comment="when a run took it"),
    Column("run_id", Id, comment="for this run alone; empty: for all"),
    comment="requests to a running process from another shell",
)

upload: Final = Table(
    "upload",
    metadata,
    Column("vendor", Text, nullable=False, comment="dialect and address that it was sent to"),
    Column("sha256", Text, nullable=False, comment="hash of the reference image"),
    Column("url", Text, nullable=False, comment="where the vendor keeps it, signed"),
    Column("expires_at", Instant, nullable=False, comment="until when that is certain"),
    Column("created_at", Instant, nullable=False, comment="when it was sent"),
    PrimaryKeyConstraint("vendor", "sha256"),
    comment="reference images already with a vendor",
)

pace: Final = Table(
    "pace",
    metadata,
    Column("vendor", Text, nullable=False, comment="dialect and address"),
    Column("model", Text, nullable=False, comment="whose pace; empty for all models together"),
    Column("in_flight", Float, nullable=False, comment="tasks that it was found to bear at once"),
    Column("submits_per_s", Float, comment="orders a second that it was found to take; empty if no limit was met"),
    Column("updated_at", Instant, nullable=False, comment="when that was last so"),
    PrimaryKeyConstraint("vendor", "model"),
    comment="how much a vendor was found to bear: where the next run starts",
)

share: Final = Table(
    "share",
    metadata,
    Column("run_id", Id, ForeignKey("run.id"), nullable=False, comment="whose share"),
    Column("model", Text, nullable=False, comment="of which model's limits; empty: of those of all together"),
    Column("in_flight", Integer, comment="tasks that it may have, or has, alive; empty where that is found"),
    Column("submits_per_s", Float, comment="orders a second that it may send; empty where there is no limit"),
    PrimaryKeyConstraint("run_id", "model"),
    comment="how the runs of a batch divide its limits: together they never exceed them",
)

gate: Final = Table(
    "gate",
    metadata,
    Column("vendor", Text, nullable=False, comment="dialect, address and key"),
    Column("shut_until", Instant, nullable=False, comment="no order goes out before, by the database's clock"),
    Column("why", Text, nullable=False, comment="what the vendor said"),
    PrimaryKeyConstraint("vendor"),
    comment="vendors that some run was told to leave alone for a while",
)

edge: Final = Table(
    "edge",
    metadata,
    Column("before", Text, nullable=False, comment="state"),
    Column("after", Text, nullable=False, comment="state some event leads to from there"),
    PrimaryKeyConstraint("before", "after"),
    comment="the transition table's legal pairs, for auditors",
)
