"""To whom debits are offered, and by which mandate one was announced.

It only adds: a table with one row, and a column without a default, whose lock is held for an instant.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0038"
down_revision: str | None = "0037"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add both."""
    op.create_table(
        "debit_rules",
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("card_days", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("card_days >= 0", name=op.f("ck_debit_rules_card_days")),
        sa.PrimaryKeyConstraint("currency", name=op.f("pk_debit_rules")),
        schema="billing",
    )
    op.execute("INSERT INTO billing.debit_rules (currency, card_days) VALUES ('EUR', 30)")
    op.execute("GRANT SELECT ON billing.debit_rules TO videothek_app, videothek_finance")
    op.add_column("payments", sa.Column("mandate_reference", sa.String(length=255), nullable=True), schema="billing")


def downgrade() -> None:
    """Take both away."""
    op.drop_column("payments", "mandate_reference", schema="billing")
    op.drop_table("debit_rules", schema="billing")
