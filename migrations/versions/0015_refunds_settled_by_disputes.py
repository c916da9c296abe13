"""A refund can be settled by a dispute that was lost.

It widens one check. Its lock on `billing.refunds` is held for an instant, for rows are looked at afterwards, without
stopping writers; an older process goes on and never meets the new word before the new one has written it.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

BEFORE = ("awaiting_approval", "rejected", "requested", "pending", "succeeded", "failed", "canceled")


def upgrade() -> None:
    _allow(*BEFORE, "settled")


def downgrade() -> None:
    """Refused by the check itself while a refund is settled."""
    _allow(*BEFORE)


def _allow(*states: str) -> None:
    words = ", ".join(f"'{state}'" for state in states)
    op.execute("ALTER TABLE billing.refunds DROP CONSTRAINT ck_refunds_state")
    op.execute(f"ALTER TABLE billing.refunds ADD CONSTRAINT ck_refunds_state CHECK (state IN ({words})) NOT VALID")
    op.execute("ALTER TABLE billing.refunds VALIDATE CONSTRAINT ck_refunds_state")
