"""Let a batch move into a database of its own: a mark on those that did, and leave to remove their events, and theirs alone."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.String(length=27)

TRIGGER = (
    "CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event "
    "WHEN NOT EXISTS (SELECT 1 FROM job j JOIN archive x ON x.batch_id = j.batch_id WHERE j.id = OLD.job_id) "
    "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
)
SQLITE = ("DROP TRIGGER event_is_never_deleted", TRIGGER)

POSTGRESQL = (
    """CREATE OR REPLACE FUNCTION refuse_event_change() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN
         IF TG_OP = 'DELETE' THEN
           IF EXISTS (SELECT 1 FROM job j JOIN archive x ON x.batch_id = j.batch_id WHERE j.id = OLD.job_id) THEN
             RETURN OLD;
           END IF;
         END IF;
         RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
       END $$""",
    "COMMENT ON TABLE event IS 'append-only; triggers refuse to change it, and to remove it unless its batch is archived'",
)


def upgrade() -> None:
    """Apply the change; nothing is archived yet."""
    op.create_table(
        "archive",
        sa.Column(
            "batch_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="which batch",
        ),
        sa.Column("path", sa.Text(), nullable=False, comment="absolute path of the archive, a job database too, when it was last seen"),
        sa.Column("db_uuid", sa.Text(), nullable=False, comment="which database the archive is, wherever it stands"),
        sa.Column("jobs", sa.BigInteger(), nullable=False, comment="jobs that it took over"),
        sa.Column("orders", sa.BigInteger(), nullable=False, comment="of their attempts those that count as bought"),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False, comment="sum over accepted attempts"),
        sa.Column("held_micros", sa.BigInteger(), nullable=False, comment="sum over ambiguous and unproven attempts"),
        sa.Column("unit", sa.Text(), nullable=False, comment="unit of that money"),
        sa.Column("last_job", sa.BigInteger(), nullable=False, comment="highest number of a job then: none up to it is given again"),
        sa.Column("last_event", sa.BigInteger(), nullable=False, comment="highest number of an event then: none up to it is given again"),
        sa.Column("actor", sa.Text(), nullable=False, comment="operator:<login>"),
        sa.Column("archived_at", INSTANT, nullable=False, comment="when it was; from then on its rows may be removed here"),
        sa.Column("removed_at", INSTANT, nullable=True, comment="when the last of them had left; empty while some are still here"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_archive_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_archive")),
        comment="batches that stand in a database of their own; their names stay known here, and are never planned again",
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
