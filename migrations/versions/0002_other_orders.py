"""Make room for every way to order: uploads by vendor, prices with the plan, doubtful money, drift as an event."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.String(length=27)
EDGES = (("ambiguous", "ambiguous"), ("failed", "failed"), ("planned", "planned"))
"""The pairs of states that drift_seen adds to the legal ones."""


def upgrade() -> None:
    """Apply the change; the table of uploads was never written to before."""
    op.drop_table("upload")
    op.create_table(
        "upload",
        sa.Column("vendor", sa.Text(), nullable=False, comment="dialect and address that it was sent to"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="hash of the reference image"),
        sa.Column("url", sa.Text(), nullable=False, comment="where the vendor keeps it, signed"),
        sa.Column("expires_at", INSTANT, nullable=False, comment="until when that is certain"),
        sa.Column("created_at", INSTANT, nullable=False, comment="when it was sent"),
        sa.PrimaryKeyConstraint("vendor", "sha256", name=op.f("pk_upload")),
        comment="reference images already with a vendor",
    )
    op.add_column(
        "plan",
        sa.Column("prices", sa.Text(), server_default="", nullable=False, comment="JSON: price list with source and time; empty if none"),
    )
    doubtful = sa.text("((cost_micros IS NULL AND est_micros IS NULL) OR outcome = 'unproven')")
    op.create_index("ix_attempt_doubtful", "attempt", ["job_id"], unique=False, sqlite_where=doubtful, postgresql_where=doubtful)
    edge = sa.table("edge", sa.column("before"), sa.column("after"))
    op.bulk_insert(edge, [{"before": before, "after": after} for before, after in EDGES])
