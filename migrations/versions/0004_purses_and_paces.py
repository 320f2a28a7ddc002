"""Keep the money of each model and day beside the batch's, and the pace at which a vendor was found to take orders."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.String(length=27)
_WEIGHT = "coalesce(a.cost_micros, a.est_micros, 0)"
_RECOUNT = """INSERT INTO purse (batch_id, scope, name, spent_micros, reserved_micros, held_micros, orders)
SELECT j.batch_id, '{scope}', {name}, sum(CASE WHEN a.outcome = 'accepted' THEN {weight} ELSE 0 END),
    sum(CASE WHEN a.outcome = 'open' THEN {weight} ELSE 0 END),
    sum(CASE WHEN a.outcome IN ('ambiguous', 'unproven') THEN {weight} ELSE 0 END),
    sum(CASE WHEN a.outcome IN ('open', 'accepted', 'ambiguous', 'unproven') THEN 1 ELSE 0 END)
FROM attempt a JOIN job j ON j.id = a.job_id GROUP BY j.batch_id, {name}"""


def upgrade() -> None:
    """Apply the change; the money so far is counted again from the orders."""
    op.create_table(
        "purse",
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="whose money"),
        sa.Column("scope", sa.Text(), nullable=False, comment="model | day"),
        sa.Column("name", sa.Text(), nullable=False, comment="the model, or the UTC day on which the order went out"),
        sa.Column("spent_micros", sa.BigInteger(), server_default="0", nullable=False, comment="sum over accepted attempts"),
        sa.Column("reserved_micros", sa.BigInteger(), server_default="0", nullable=False, comment="sum over open attempts"),
        sa.Column("held_micros", sa.BigInteger(), server_default="0", nullable=False, comment="sum over ambiguous and unproven attempts"),
        sa.Column("orders", sa.BigInteger(), server_default="0", nullable=False, comment="attempts that count as bought"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_purse_batch_id_batch")),
        sa.PrimaryKeyConstraint("batch_id", "scope", "name", name=op.f("pk_purse")),
        comment="the batch's money by model and by day, kept in the commit that moves it",
    )
    op.create_table(
        "pace",
        sa.Column("vendor", sa.Text(), nullable=False, comment="dialect and address"),
        sa.Column("model", sa.Text(), nullable=False, comment="whose pace; empty for all models together"),
        sa.Column("in_flight", sa.Float(), nullable=False, comment="tasks that it was found to bear at once"),
        sa.Column("submits_per_s", sa.Float(), comment="orders a second that it was found to take; empty if no limit was met"),
        sa.Column("updated_at", INSTANT, nullable=False, comment="when that was last so"),
        sa.PrimaryKeyConstraint("vendor", "model", name=op.f("pk_pace")),
        comment="how much a vendor was found to bear: where the next run starts",
    )
    op.execute(_RECOUNT.format(scope="model", name="j.model", weight=_WEIGHT))
    op.execute(_RECOUNT.format(scope="day", name="substr(a.opened_at, 1, 10)", weight=_WEIGHT))
