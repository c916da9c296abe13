"""Wishes to be erased, and the addresses of audited deeds apart from the trail.

Safe under load: two new tables, whose foreign keys lock the tables that they point to for a moment. Programs of the
version before go on writing addresses into the trail itself until they are replaced.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

IS_OPEN = "cancelled_at IS NULL AND erased_at IS NULL"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("delayed_by", sa.String(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("cancelled_at IS NULL OR erased_at IS NULL", name=op.f("ck_erasures_one_end")),
        sa.ForeignKeyConstraint(["account_id"], ["auth.accounts.id"], name=op.f("fk_erasures_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_erasures_token_hash")),
        schema="auth",
    )
    op.create_index(
        "uq_erasures_account_id_open",
        "erasures",
        ["account_id"],
        unique=True,
        schema="auth",
        postgresql_where=sa.text(IS_OPEN),
    )
    op.create_index("ix_erasures_due_at_open", "erasures", ["due_at"], schema="auth", postgresql_where=sa.text(IS_OPEN))
    op.create_table(
        "audit_addresses",
        sa.Column("audit_event_id", sa.Uuid(), nullable=False),
        sa.Column("ip", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["audit_event_id"], ["auth.audit_events.id"], name=op.f("fk_audit_addresses_audit_event_id")
        ),
        sa.PrimaryKeyConstraint("audit_event_id", name=op.f("pk_audit_addresses")),
        schema="auth",
    )
    op.create_index("ix_audit_addresses_at", "audit_addresses", ["at"], schema="auth")
    for table in ("erasures", "audit_addresses"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth.{table} TO videothek_app")


def downgrade() -> None:
    """Take both away, unless somebody would then wait for an erasure in vain."""
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM auth.erasures WHERE {IS_OPEN}) THEN
                RAISE EXCEPTION 'there are erasures that version 0019 does not carry out';
            END IF;
        END $$
        """
    )
    op.drop_table("audit_addresses", schema="auth")
    op.drop_table("erasures", schema="auth")
