"""How far the provider's lists were read, and which journal explains which movement of our account there.

Safe under load: a new table, and a column that may be empty on a table that no program has written so far, so that its
key and its index are made of no rows. The books are locked against nothing but other changes of their shape, for a
moment; programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "provider_cursors",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("read_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_provider_cursors")),
        schema="billing",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON billing.provider_cursors TO videothek_app")
    op.execute("GRANT SELECT ON billing.provider_cursors TO videothek_finance")
    op.add_column("provider_transactions", sa.Column("journal_id", sa.Uuid(), nullable=True), schema="billing")
    op.create_unique_constraint(
        op.f("uq_provider_transactions_journal_id"), "provider_transactions", ["journal_id"], schema="billing"
    )
    op.create_foreign_key(
        op.f("fk_provider_transactions_journal_id"),
        "provider_transactions",
        "journals",
        ["journal_id"],
        ["id"],
        source_schema="billing",
        referent_schema="billing",
    )


def downgrade() -> None:
    """Take both away again: what was matched is matched anew by the next upgrade."""
    op.execute("UPDATE billing.provider_transactions SET matched_at = NULL WHERE journal_id IS NOT NULL")
    op.drop_column("provider_transactions", "journal_id", schema="billing")
    op.drop_table("provider_cursors", schema="billing")
