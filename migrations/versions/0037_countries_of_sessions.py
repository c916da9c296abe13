"""From which country a session was opened.

Safe under load: a new column without a default, and a check of it that is added unchecked and then checked.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0037"
down_revision: str | None = "0036"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add it."""
    op.add_column("sessions", sa.Column("country", sa.String(), nullable=True), schema="auth")
    op.execute("ALTER TABLE auth.sessions ADD CONSTRAINT ck_sessions_country CHECK (country ~ '^[A-Z]{2}$') NOT VALID")
    op.execute("ALTER TABLE auth.sessions VALIDATE CONSTRAINT ck_sessions_country")


def downgrade() -> None:
    """Take it away."""
    op.drop_constraint(op.f("ck_sessions_country"), "sessions", schema="auth")
    op.drop_column("sessions", "country", schema="auth")
