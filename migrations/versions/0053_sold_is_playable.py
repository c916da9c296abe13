"""What is sold plays at once: no offer that sells a title before it may be watched.

The table is read once, locked against reading and writing meanwhile. No offer may be changed, so those of before are
led here, by the tables' owner and without the trigger that refuses: what may be watched by now, or is over, could be
watched from when it was sold (nothing ever asked). What may not be watched yet is sold from when it may, or, where its
sale ends before that, no more. What was sold plays as it did.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0053"
down_revision: str | None = "0052"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_REPAIRS = (
    # A span has a length: what was to be sold later only is on sale for a microsecond.
    "UPDATE store.offers SET ends_at = greatest(now(), starts_at + interval '1 microsecond')"
    " WHERE ends_at <= playable_from AND ends_at > now()",
    "UPDATE store.offers SET playable_from = starts_at"
    " WHERE playable_from > starts_at AND (playable_from <= now() OR ends_at <= playable_from)",
    "UPDATE store.offers SET starts_at = playable_from WHERE playable_from > starts_at",
)


def upgrade() -> None:
    """Add the rule, and lead the offers of before to it."""
    op.execute("ALTER TABLE store.offers DISABLE TRIGGER refuse_change")
    for repair in _REPAIRS:
        op.execute(repair)
    op.execute("ALTER TABLE store.offers ENABLE TRIGGER refuse_change")
    op.create_check_constraint(op.f("ck_offers_playable_from"), "offers", "playable_from <= starts_at", schema="store")


def downgrade() -> None:
    """Take the rule away: nothing else looks at when a title may be watched. The offers stay as they are."""
    op.drop_constraint(op.f("ck_offers_playable_from"), "offers", schema="store")
