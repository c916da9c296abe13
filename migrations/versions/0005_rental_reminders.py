"""Reminders of a rental's deadlines: which were sent, and an index that finds those that are due.

The table is new. The index is built in one scan, and sales wait for it: a second for a million rights. It covers
running rentals only; where there are many more rights, build it beforehand with CREATE INDEX CONCURRENTLY IF NOT EXISTS
and this name, then the migration finds it there.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the table and the index."""
    op.create_table(
        "rental_reminders",
        sa.Column("entitlement_id", sa.Uuid(), nullable=False),
        sa.Column("deadline", sa.String(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("deadline IN ('start', 'end')", name=op.f("ck_rental_reminders_deadline")),
        sa.ForeignKeyConstraint(
            ["entitlement_id"], ["store.entitlements.id"], name=op.f("fk_rental_reminders_entitlement_id")
        ),
        sa.PrimaryKeyConstraint("entitlement_id", "deadline", name=op.f("pk_rental_reminders")),
        schema="store",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON store.rental_reminders TO videothek_app")
    op.create_index(
        "ix_entitlements_deadline",
        "entitlements",
        [sa.text("coalesce(ends_at, start_by)")],
        schema="store",
        postgresql_where=sa.text("kind = 'rent' AND revoked_at IS NULL"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Remove them; which reminders were sent is lost, so they would be sent again."""
    op.drop_index("ix_entitlements_deadline", table_name="entitlements", schema="store")
    op.drop_table("rental_reminders", schema="store")
