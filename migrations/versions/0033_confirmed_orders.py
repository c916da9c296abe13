"""Orders know when their contract was confirmed.

A column without a default: its lock is held for an instant, and older processes leave it empty. It is filled when it is
first asked for, from the mail.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("orders", sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True), schema="billing")


def downgrade() -> None:
    """Take it away; what was saved as a file only counts as not confirmed again."""
    op.drop_column("orders", "confirmed_at", schema="billing")
