"""Keep with each run what had been used of the vendor's account before it: evidence about orders whose answer was lost."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("run", sa.Column("used_before", sa.BigInteger(), comment="micros used at start, as the vendor told"))
    op.add_column("run", sa.Column("used_whose", sa.Text(), comment="key | account: whose use that was"))
