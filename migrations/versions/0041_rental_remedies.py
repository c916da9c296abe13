"""Rentals that support extends or lets begin anew: each remedy for itself, and how much of them there may be.

New tables only.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0041"
down_revision: str | None = "0040"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add both."""
    op.create_table(
        "remedy_limits",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.CheckConstraint("most > 0", name=op.f("ck_remedy_limits_most")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_remedy_limits")),
        schema="store",
    )
    op.create_table(
        "rental_remedies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("entitlement_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("start_by_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("start_by_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('extended', 'rearmed')", name=op.f("ck_rental_remedies_kind")),
        sa.CheckConstraint("(kind = 'extended') = (hours IS NOT NULL)", name=op.f("ck_rental_remedies_hours")),
        sa.ForeignKeyConstraint(["account_id"], ["auth.accounts.id"], name=op.f("fk_rental_remedies_account_id")),
        sa.ForeignKeyConstraint(
            ["entitlement_id"], ["store.entitlements.id"], name=op.f("fk_rental_remedies_entitlement_id")
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["auth.accounts.id"], name=op.f("fk_rental_remedies_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rental_remedies")),
        schema="store",
    )
    op.create_index("ix_rental_remedies_entitlement_id", "rental_remedies", ["entitlement_id"], schema="store")
    op.create_index("ix_rental_remedies_account_id", "rental_remedies", ["account_id"], schema="store")
    op.create_index("ix_rental_remedies_agent_id_done_at", "rental_remedies", ["agent_id", "done_at"], schema="store")
    op.execute(
        "INSERT INTO store.remedy_limits (name, most)"
        " VALUES ('per_rental', 2), ('hours', 72), ('rearmed_days', 7), ('late_days', 30), ('per_agent_and_day', 30)"
    )
    op.execute("GRANT SELECT ON store.remedy_limits TO videothek_app")
    # What was done stays as it was; only its words go when their customer is erased.
    op.execute("GRANT SELECT, INSERT, UPDATE (reason) ON store.rental_remedies TO videothek_app")


def downgrade() -> None:
    """Take both away: what was changed stays, how it came to be is forgotten."""
    op.drop_table("rental_remedies", schema="store")
    op.drop_table("remedy_limits", schema="store")
