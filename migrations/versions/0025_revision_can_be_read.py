"""Web and worker may read at which revision the database stands, so that production can refuse an older one.

Safe under load: a right on a table of one row.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Give the right."""
    op.execute("GRANT SELECT ON public.alembic_version TO videothek_app")


def downgrade() -> None:
    """Take it back."""
    op.execute("REVOKE SELECT ON public.alembic_version FROM videothek_app")
