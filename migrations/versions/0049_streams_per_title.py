"""How many streams of one title there may be at a time: a column without a default, which rewrites nothing."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0049"
down_revision: str | None = "0048"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add it: nothing changes for anybody until a number is set."""
    op.add_column("device_limits", sa.Column("streams_per_title", sa.Integer(), nullable=True), schema="store")


def downgrade() -> None:
    """Take it away: accounts have their limit of streams, and rentals theirs."""
    op.drop_column("device_limits", "streams_per_title", schema="store")
