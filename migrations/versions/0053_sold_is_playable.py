"""What is sold plays at once: no offer that sells a title before it may be watched.

The table is read once, locked against writing meanwhile. Fails where there is such an offer: end it and publish one that
starts when the title may be watched.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0053"
down_revision: str | None = "0052"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the rule."""
    op.create_check_constraint(op.f("ck_offers_playable_from"), "offers", "playable_from <= starts_at", schema="store")


def downgrade() -> None:
    """Take it away: nothing else looks at when a title may be watched."""
    op.drop_constraint(op.f("ck_offers_playable_from"), "offers", schema="store")
