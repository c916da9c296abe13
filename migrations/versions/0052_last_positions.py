"""Where a playback stood at its last sign of life: a column without a default, which rewrites nothing."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0052"
down_revision: str | None = "0051"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add it."""
    op.add_column("playback_sessions", sa.Column("last_position", sa.Float(), nullable=True), schema="store")


def downgrade() -> None:
    """Take it away: a paused player moves the place again."""
    op.drop_column("playback_sessions", "last_position", schema="store")
