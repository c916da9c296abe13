"""Keys of the provider's may have 255 characters.

Widening a `varchar` changes the catalogue only: no row is read and no index built, so each lock is held for an instant.
Older processes go on with both lengths.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KEYS = {
    "payments": ("intent_id", "charge_id"),
    "refunds": ("intent_id", "provider_refund_id"),
    "disputes": ("provider_dispute_id",),
    "payment_tries": ("charge_id", "fingerprint"),
    "blocked_cards": ("fingerprint",),
    "provider_transactions": ("id", "source_id", "intent_id", "payout_id"),
    "webhook_events": ("event_id", "object_id"),
}


def upgrade() -> None:
    """Widen."""
    for table, columns in KEYS.items():
        for column in columns:
            op.execute(f"ALTER TABLE billing.{table} ALTER COLUMN {column} TYPE varchar(255)")
    op.execute("ALTER TABLE billing.refunds ALTER COLUMN idempotency_key TYPE varchar(255)")


def downgrade() -> None:
    """Refused by the database while a longer key is kept."""
    for table, columns in KEYS.items():
        for column in columns:
            op.execute(f"ALTER TABLE billing.{table} ALTER COLUMN {column} TYPE varchar(80)")
    op.execute("ALTER TABLE billing.refunds ALTER COLUMN idempotency_key TYPE varchar(160)")
