"""Declined tries to pay are kept with their order.

It only adds a table. Tries of before are not in it: what was declined then is known of the last one only.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "declined_tries",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("decline", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=120), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["billing.payments.id"], name=op.f("fk_declined_tries_payment_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_declined_tries")),
        schema="billing",
    )
    op.create_index(op.f("ix_declined_tries_payment_id"), "declined_tries", ["payment_id"], schema="billing")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON billing.declined_tries TO videothek_app")
    op.execute("GRANT SELECT ON billing.declined_tries TO videothek_finance")


def downgrade() -> None:
    """Take it away."""
    op.drop_table("declined_tries", schema="billing")
