"""When a password was changed.

A column without default: no row is written, and programs of the version before do not know it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "accounts", sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True), schema="auth"
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_column("accounts", "password_changed_at", schema="auth")
