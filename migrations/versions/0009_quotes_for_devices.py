"""What a quote says of the buyer's device, and whether a payment may be a debit.

Safe under load: a column that may be empty and one with a constant default, neither of which rewrites its table.
Programs of the version before leave both alone; payments that they open allow no debit.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "quotes", sa.Column("device_fit", postgresql.JSONB(astext_type=sa.Text()), nullable=True), schema="billing"
    )
    op.add_column(
        "payments",
        sa.Column("allows_debit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="billing",
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_column("payments", "allows_debit", schema="billing")
    op.drop_column("quotes", "device_fit", schema="billing")
