"""Which system a licence is of.

It only adds: a column without a default, whose lock is held for an instant.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0040"
down_revision: str | None = "0039"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add it."""
    op.add_column("licence_events", sa.Column("system", sa.String(), nullable=True), schema="store")


def downgrade() -> None:
    """Take it away: of which system a licence was is forgotten."""
    op.drop_column("licence_events", "system", schema="store")
