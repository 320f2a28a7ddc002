"""Let several runs share a batch: who has a job in hand, until when a run counts as alive, and how limits are divided."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.String(length=27)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the change; every job that is alive waits for the first run that comes."""
    op.add_column("job", sa.Column("run_id", ID, comment="run that has it in hand; empty: whoever comes first"))
    in_hand = sa.text("run_id IS NOT NULL")
    op.create_index("ix_job_run_id", "job", ["run_id"], sqlite_where=in_hand, postgresql_where=in_hand)
    lease = "until when it may be silent, by the server's clock; empty on SQLite"
    op.add_column("run", sa.Column("lease_until", INSTANT, comment=lease))
    key = "variable of the API key that it orders with"
    op.add_column("run", sa.Column("key_name", sa.Text(), server_default="", nullable=False, comment=key))
    one_of = "variable of the API key, where there are several"
    op.add_column("attempt", sa.Column("key_name", sa.Text(), server_default="", nullable=False, comment=one_of))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("COMMENT ON COLUMN purse.scope IS 'model | day | key'")
        op.execute("COMMENT ON COLUMN purse.name IS 'the model, the UTC day on which the order went out, or the API key''s variable'")
    op.add_column("command", sa.Column("run_id", ID, comment="for this run alone; empty: for all"))
    op.create_table(
        "share",
        sa.Column("run_id", ID, nullable=False, comment="whose share"),
        sa.Column("model", sa.Text(), nullable=False, comment="of which model's limits; empty: of those of all together"),
        sa.Column("in_flight", sa.Integer(), comment="tasks that it may have, or has, alive; empty where that is found"),
        sa.Column("submits_per_s", sa.Float(), comment="orders a second that it may send; empty where there is no limit"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_share_run_id_run")),
        sa.PrimaryKeyConstraint("run_id", "model", name=op.f("pk_share")),
        comment="how the runs of a batch divide its limits: together they never exceed them",
    )
    op.create_table(
        "gate",
        sa.Column("vendor", sa.Text(), nullable=False, comment="dialect, address and key"),
        sa.Column("shut_until", INSTANT, nullable=False, comment="no order goes out before, by the database's clock"),
        sa.Column("why", sa.Text(), nullable=False, comment="what the vendor said"),
        sa.PrimaryKeyConstraint("vendor", name=op.f("pk_gate")),
        comment="vendors that some run was told to leave alone for a while",
    )
