"""Create the tables of the first release."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.String(length=27)

EDGES = (
    ("ambiguous", "cancelled"),
    ("ambiguous", "planned"),
    ("ambiguous", "submitted"),
    ("cancelled", "planned"),
    ("failed", "planned"),
    ("failed", "rendered"),
    ("planned", "cancelled"),
    ("planned", "submitting"),
    ("rendered", "failed"),
    ("rendered", "rendered"),
    ("rendered", "saved"),
    ("rendered", "submitted"),
    ("submitted", "failed"),
    ("submitted", "rendered"),
    ("submitted", "submitted"),
    ("submitting", "ambiguous"),
    ("submitting", "failed"),
    ("submitting", "planned"),
    ("submitting", "submitted"),
)
"""The legal pairs of states when this revision was written."""

APPEND_ONLY_SQLITE = (
    "CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
    "CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
)

APPEND_ONLY_POSTGRESQL = (
    """CREATE FUNCTION refuse_event_change() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
    "CREATE TRIGGER event_is_never_changed BEFORE UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION refuse_event_change()",
    "CREATE TRIGGER event_is_never_truncated BEFORE TRUNCATE ON event FOR EACH STATEMENT EXECUTE FUNCTION refuse_event_change()",
)


def upgrade() -> None:
    """Create tables, indexes and the triggers that keep events append-only; write down whose database it is."""
    _create_tables()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in APPEND_ONLY_SQLITE if is_sqlite else APPEND_ONLY_POSTGRESQL:
        op.execute(statement)
    edge = sa.table("edge", sa.column("before"), sa.column("after"))
    op.bulk_insert(edge, [{"before": before, "after": after} for before, after in EDGES])
    meta = sa.table("meta", sa.column("key"), sa.column("value"))
    op.bulk_insert(meta, [{"key": "application", "value": "batchgen"}, {"key": "db_uuid", "value": str(uuid4())}])


def _create_tables() -> None:
    op.create_table(
        "batch",
        sa.Column("id", ID, nullable=False, comment="row number"),
        sa.Column("name", sa.Text(), nullable=False, comment="the manifest's name"),
        sa.Column("output_dir", sa.Text(), nullable=False, comment="absolute folder of the images"),
        sa.Column("created_at", INSTANT, nullable=False, comment="when the first plan was saved"),
        sa.Column("spent_micros", sa.BigInteger(), server_default="0", nullable=False, comment="sum over accepted attempts"),
        sa.Column("reserved_micros", sa.BigInteger(), server_default="0", nullable=False, comment="sum over open attempts"),
        sa.Column("held_micros", sa.BigInteger(), server_default="0", nullable=False, comment="sum over ambiguous and unproven attempts"),
        sa.Column("orders", sa.BigInteger(), server_default="0", nullable=False, comment="attempts that count as bought"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("name", name=op.f("uq_batch_name")),
        comment="one manifest name; its money is kept in the commit that moves it",
    )
    op.create_table(
        "edge",
        sa.Column("before", sa.Text(), nullable=False, comment="state"),
        sa.Column("after", sa.Text(), nullable=False, comment="state some event leads to from there"),
        sa.PrimaryKeyConstraint("before", "after", name=op.f("pk_edge")),
        comment="the transition table's legal pairs, for auditors",
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False, comment="application | db_uuid"),
        sa.Column("value", sa.Text(), nullable=False, comment="whose database this is, and which one"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
        comment="facts about the database itself",
    )
    op.create_table(
        "upload",
        sa.Column("sha256", sa.Text(), nullable=False, comment="hash of the reference image"),
        sa.Column("url", sa.Text(), nullable=False, comment="where the vendor keeps it"),
        sa.Column("expires_at", INSTANT, nullable=False, comment="until when"),
        sa.Column("created_at", INSTANT, nullable=False, comment="when it was sent"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_upload")),
        comment="reference images already with the vendor",
    )
    op.create_table(
        "batch_total",
        sa.Column("batch_id", ID, nullable=False, comment="whose jobs"),
        sa.Column("state", sa.Text(), nullable=False, comment="one of the eight states"),
        sa.Column("jobs", sa.BigInteger(), server_default="0", nullable=False, comment="jobs in that state"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_total_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", "state", name=op.f("pk_batch_total")),
        comment="running totals, kept in the commit that moves a job",
    )
    op.create_table(
        "command",
        sa.Column("id", ID, nullable=False, comment="row number"),
        sa.Column("batch_id", ID, nullable=False, comment="for the run of which batch"),
        sa.Column("kind", sa.Text(), nullable=False, comment="pause | unpause | stop | limit"),
        sa.Column("argument", sa.Text(), server_default="", nullable=False, comment="its argument as typed"),
        sa.Column("actor", sa.Text(), nullable=False, comment="operator:<login>"),
        sa.Column("created_at", INSTANT, nullable=False, comment="when it was asked"),
        sa.Column("taken_at", INSTANT, nullable=True, comment="when a run took it"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_command_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command")),
        comment="requests to a running process from another shell",
    )
    op.create_index(op.f("ix_command_batch_id"), "command", ["batch_id"], unique=False)
    op.create_table(
        "plan",
        sa.Column("id", ID, nullable=False, comment="row number"),
        sa.Column("batch_id", ID, nullable=False, comment="what it plans"),
        sa.Column("created_at", INSTANT, nullable=False, comment="when it was saved"),
        sa.Column("manifest", sa.LargeBinary(), nullable=False, comment="the manifest's bytes"),
        sa.Column("manifest_path", sa.Text(), nullable=False, comment="where it was read"),
        sa.Column("manifest_sha256", sa.Text(), nullable=False, comment="hash of those bytes"),
        sa.Column("files", sa.Text(), nullable=False, comment="JSON: every file read, with its hash"),
        sa.Column("settings", sa.Text(), nullable=False, comment="JSON: all that a run needs without the manifest"),
        sa.Column("total", sa.BigInteger(), nullable=False, comment="rows asked for"),
        sa.Column("tool_version", sa.Text(), nullable=False, comment="version of batchgen that planned it"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_plan_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
        comment="what was asked for, each time a plan is saved",
    )
    op.create_index(op.f("ix_plan_batch_id"), "plan", ["batch_id"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", ID, nullable=False, comment="row number"),
        sa.Column("batch_id", ID, nullable=True, comment="what it works on"),
        sa.Column("host", sa.Text(), nullable=False, comment="machine"),
        sa.Column("pid", sa.Integer(), nullable=False, comment="process"),
        sa.Column("boot_id", sa.Text(), nullable=False, comment="boot of that machine: a pid of another boot is dead"),
        sa.Column("started_at", INSTANT, nullable=False, comment="first sign of life"),
        sa.Column("heartbeat_at", INSTANT, nullable=False, comment="latest sign of life"),
        sa.Column("ended_at", INSTANT, nullable=True, comment="empty while it lives, or after it died without a word"),
        sa.Column("stop_reason", sa.Text(), server_default="", nullable=False, comment="why it ended"),
        sa.Column("exit_code", sa.Integer(), nullable=True, comment="how it ended"),
        sa.Column("tool_version", sa.Text(), nullable=False, comment="version of batchgen"),
        sa.Column("balance_before", sa.BigInteger(), nullable=True, comment="vendor's balance in micros at start"),
        sa.Column("balance_after", sa.BigInteger(), nullable=True, comment="vendor's balance in micros at the end"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_run_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        comment="one process",
    )
    op.create_index(op.f("ix_run_batch_id"), "run", ["batch_id"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", ID, nullable=False, comment="row number"),
        sa.Column("key", sa.Text(), nullable=False, comment="32 hex digits of the identity"),
        sa.Column("sweep", sa.Text(), nullable=False, comment="name of the sweep"),
        sa.Column("prompt_id", sa.Text(), nullable=False, comment="name of the prompt in its sweep"),
        sa.Column("prompt", sa.Text(), nullable=False, comment="the text, byte for byte"),
        sa.Column("operation", sa.Text(), nullable=False, comment="what is ordered: image"),
        sa.Column("model", sa.Text(), nullable=False, comment="the vendor's model"),
        sa.Column("params", sa.Text(), nullable=False, comment="canonical JSON: wire parameters without the prompt"),
        sa.Column("labels", sa.Text(), nullable=False, comment="canonical JSON: the prompt's variables"),
        sa.Column("refs", sa.Text(), nullable=False, comment="canonical JSON list: reference images by content"),
        sa.Column("cell", sa.Text(), nullable=False, comment="name of the grid cell"),
        sa.Column("sample", sa.Integer(), nullable=False, comment="from 1"),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="repeats of the same text, from 0"),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="running order"),
        sa.Column("batch_id", ID, nullable=False, comment="which batch"),
        sa.Column("plan_id", ID, nullable=False, comment="latest plan that asked for it"),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False, comment="fold of the job's events"),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False, comment="number of events so far"),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="short word for the last setback"),
        sa.Column("next_at", INSTANT, nullable=True, comment="not before; empty means at once"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False, comment="POSTs begun"),
        sa.Column("unproven", sa.Integer(), server_default="0", nullable=False, comment="unproven answers of this order"),
        sa.Column("not_sent", sa.Integer(), server_default="0", nullable=False, comment="times this order provably stayed here"),
        sa.Column("regenerated", sa.Integer(), server_default="0", nullable=False, comment="purchases repeated by policy"),
        sa.Column(
            "attempt_id",
            ID,
            nullable=True,
            comment="current attempt; empty while planned",
        ),
        sa.Column("retired_at", INSTANT, nullable=True, comment="when the manifest stopped asking for it"),
        sa.Column("planned_at", INSTANT, nullable=False, comment="when the row was planned: its implicit first event"),
        sa.Column("updated_at", INSTANT, nullable=False, comment="instant of its last event or relabelling"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_job_batch_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_job_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        comment="one row is one image asked for",
    )
    op.create_index(
        "ix_job_ambiguous",
        "job",
        ["batch_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'ambiguous'"),
        postgresql_where=sa.text("state = 'ambiguous'"),
    )
    op.create_index(
        "ix_job_failed",
        "job",
        ["batch_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'failed'"),
        postgresql_where=sa.text("state = 'failed'"),
    )
    op.create_index(
        "ix_job_next_at",
        "job",
        ["batch_id", "next_at"],
        unique=False,
        sqlite_where=sa.text("state = 'planned' AND next_at IS NOT NULL"),
        postgresql_where=sa.text("state = 'planned' AND next_at IS NOT NULL"),
    )
    op.create_index(
        "ix_job_planned",
        "job",
        ["batch_id", "position", "next_at", "model"],
        unique=False,
        sqlite_where=sa.text("state = 'planned'"),
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index(
        "ix_job_rendered",
        "job",
        ["batch_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'rendered'"),
        postgresql_where=sa.text("state = 'rendered'"),
    )
    op.create_index(
        "ix_job_submitted",
        "job",
        ["batch_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'submitted'"),
        postgresql_where=sa.text("state = 'submitted'"),
    )
    op.create_index(
        "ix_job_submitting",
        "job",
        ["batch_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'submitting'"),
        postgresql_where=sa.text("state = 'submitting'"),
    )
    op.create_index("ux_job_key", "job", ["key", "batch_id"], unique=True)
    op.create_table(
        "attempt",
        sa.Column(
            "id",
            ID,
            autoincrement=False,
            nullable=False,
            comment="job id x 100,000 + n, known before it is written",
        ),
        sa.Column("job_id", ID, nullable=False, comment="whose order"),
        sa.Column("n", sa.Integer(), nullable=False, comment="from 1 within the job"),
        sa.Column("run_id", ID, nullable=True, comment="process that sent it"),
        sa.Column("outcome", sa.Text(), nullable=False, comment="open | not_sent | refused | accepted | ambiguous | unproven | not_billed"),
        sa.Column("task_id", sa.Text(), nullable=True, comment="the vendor's id; never stored twice"),
        sa.Column("body_sha256", sa.Text(), nullable=False, comment="hash of the bytes of the POST"),
        sa.Column("est_micros", sa.BigInteger(), nullable=True, comment="reserved when it went out; empty if no price was known"),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True, comment="what the vendor last said it charges"),
        sa.Column("cap_micros", sa.BigInteger(), nullable=True, comment="cost limit in force when it went out"),
        sa.Column("committed_micros", sa.BigInteger(), nullable=False, comment="batch's spent + reserved + held, this one included, then"),
        sa.Column("opened_at", INSTANT, nullable=False, comment="intent on disk, before any byte left"),
        sa.Column("settled_at", INSTANT, nullable=True, comment="first outcome known; for an accepted one the task's start"),
        sa.Column("rendered_at", INSTANT, nullable=True, comment="result known"),
        sa.Column("expires_at", INSTANT, nullable=True, comment="until when the result's URLs are good"),
        sa.Column("result_urls", sa.Text(), server_default="", nullable=False, comment="JSON list, signed; emptied once the file is saved"),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="short word for what went wrong"),
        sa.Column("detail", sa.Text(), server_default="", nullable=False, comment="the vendor's own words"),
        sa.Column(
            "superseded", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="the job went back to planned after it"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_attempt_job_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_attempt_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("task_id", name=op.f("uq_attempt_task_id")),
        comment="one POST: intent, outcome, task, money",
    )
    op.create_index(op.f("ix_attempt_job_id"), "attempt", ["job_id"], unique=False)
    op.create_table(
        "artifact",
        sa.Column("id", ID, nullable=False, comment="row number"),
        sa.Column("batch_id", ID, nullable=False, comment="which batch"),
        sa.Column("job_id", ID, nullable=False, comment="whose image"),
        sa.Column("attempt_id", ID, nullable=False, comment="the order that paid for it"),
        sa.Column("idx", sa.Integer(), nullable=False, comment="from 0 within the job"),
        sa.Column("state", sa.Text(), nullable=False, comment="staged: complete under temp; verified: stands at path"),
        sa.Column("output_dir", sa.Text(), nullable=False, comment="absolute folder that it was written to"),
        sa.Column("path", sa.Text(), nullable=False, comment="relative to output_dir, POSIX separators"),
        sa.Column("path_key", sa.Text(), nullable=False, comment="path as a case- and form-blind file system sees it"),
        sa.Column("temp", sa.Text(), nullable=False, comment="temporary name, relative as well"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="hash of the file"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="size of the file"),
        sa.Column("width", sa.Integer(), nullable=False, comment="pixels"),
        sa.Column("height", sa.Integer(), nullable=False, comment="pixels"),
        sa.Column("media_type", sa.Text(), nullable=False, comment="of the bytes received"),
        sa.Column("created_at", INSTANT, nullable=False, comment="when it was staged or verified"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_artifact_attempt_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_artifact_batch_id")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_artifact_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact")),
        comment="image files",
    )
    op.create_index(op.f("ix_artifact_attempt_id"), "artifact", ["attempt_id"], unique=False)
    op.create_index(op.f("ix_artifact_job_id"), "artifact", ["job_id"], unique=False)
    op.create_index("ux_artifact_path", "artifact", ["output_dir", "path_key"], unique=True)
    op.create_table(
        "event",
        sa.Column("id", ID, nullable=False, comment="row number"),
        sa.Column("job_id", ID, nullable=False, comment="whose"),
        sa.Column("seq", sa.Integer(), nullable=False, comment="the job's version after it; from 1"),
        sa.Column("before", sa.Text(), nullable=False, comment="state it was in"),
        sa.Column("after", sa.Text(), nullable=False, comment="state it is in since"),
        sa.Column("event", sa.Text(), nullable=False, comment="what happened, in the past tense"),
        sa.Column("actor", sa.Text(), nullable=False, comment="runner | recovery | planner | policy | operator:<login>"),
        sa.Column("reason", sa.Text(), nullable=False, comment="short word, if it needs one"),
        sa.Column("detail", sa.Text(), nullable=False, comment="JSON: the event's other facts, without signed URLs"),
        sa.Column("at", INSTANT, nullable=False, comment="when; order by seq, never by this"),
        sa.Column("run_id", ID, nullable=True, comment="process that recorded it"),
        sa.Column("attempt_id", ID, nullable=True, comment="the POST it is about"),
        sa.Column("is_decision", sa.Boolean(), nullable=False, comment="it allowed one more purchase"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_event_attempt_id")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_event_job_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_event_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("job_id", "seq", name=op.f("uq_event_job_id_seq")),
        comment="append-only; triggers refuse to change it",
    )
