"""Withdrawals that were declared without signing in, and what the invariants counted last.

Safe under load: two new tables, and nothing else; their foreign keys lock the tables that they point to for a moment,
and programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the tables; finance's own tools see no names and addresses."""
    op.create_table(
        "withdrawal_declarations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("contract", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("locale", sa.String(length=5), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.CheckConstraint(
            "state IN ('received', 'withdrawn', 'open', 'closed')", name=op.f("ck_withdrawal_declarations_state")
        ),
        sa.ForeignKeyConstraint(
            ["refund_id"], ["billing.refunds.id"], name=op.f("fk_withdrawal_declarations_refund_id")
        ),
        sa.ForeignKeyConstraint(["closed_by"], ["auth.accounts.id"], name=op.f("fk_withdrawal_declarations_closed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawal_declarations")),
        schema="billing",
    )
    op.create_index(
        "ix_withdrawal_declarations_open",
        "withdrawal_declarations",
        ["declared_at"],
        schema="billing",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "invariant_findings",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("broken_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_invariant_findings")),
        schema="store",
    )
    for table in ("billing.withdrawal_declarations", "store.invariant_findings"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO videothek_app")


def downgrade() -> None:
    """Take both away, unless that would lose a declaration that somebody still waits for."""
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM billing.withdrawal_declarations WHERE state IN ('received', 'open')) THEN
                RAISE EXCEPTION 'there are withdrawals that version 0007 cannot keep';
            END IF;
        END $$
        """
    )
    op.drop_table("invariant_findings", schema="store")
    op.drop_table("withdrawal_declarations", schema="billing")
