"""Passkeys, and the challenges that they sign.

Two new tables; the foreign key locks the accounts for a moment. No table that exists is changed, so programs of the
version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("can_be_backed_up", sa.Boolean(), nullable=False),
        sa.Column("is_backed_up", sa.Boolean(), nullable=False),
        sa.Column("transports", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(public_key IS NULL) = (removed_at IS NOT NULL)", name=op.f("ck_passkeys_key_while_in_force")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["auth.accounts.id"], name=op.f("fk_passkeys_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        schema="auth",
    )
    op.create_index(op.f("ix_passkeys_account_id"), "passkeys", ["account_id"], schema="auth")
    op.create_index(
        "ux_passkeys_credential_id",
        "passkeys",
        ["credential_id"],
        unique=True,
        schema="auth",
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "passkey_challenges",
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("holder", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(challenge) = 32", name=op.f("ck_passkey_challenges_challenge")),
        sa.CheckConstraint(
            "purpose IN ('registration', 'sign_in', 'second_step', 'step_up')",
            name=op.f("ck_passkey_challenges_purpose"),
        ),
        sa.CheckConstraint("octet_length(holder) IN (16, 32)", name=op.f("ck_passkey_challenges_holder")),
        sa.PrimaryKeyConstraint("challenge", name=op.f("pk_passkey_challenges")),
        schema="auth",
    )
    op.create_index(op.f("ix_passkey_challenges_expires_at"), "passkey_challenges", ["expires_at"], schema="auth")
    for table in ("passkeys", "passkey_challenges"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth.{table} TO videothek_app")


def downgrade() -> None:
    """Remove the tables, unless a member of staff would be left without a second factor."""
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (
                SELECT FROM auth.passkeys p JOIN auth.accounts a ON a.id = p.account_id
                 WHERE a.kind = 'staff' AND a.status = 'active' AND p.removed_at IS NULL AND NOT EXISTS (
                    SELECT FROM auth.second_factors f
                     WHERE f.account_id = a.id AND f.confirmed_at IS NOT NULL AND f.removed_at IS NULL)
            ) THEN
                RAISE EXCEPTION 'there are staff whose only second factor is a passkey, which version 0023 does not know';
            END IF;
        END $$
        """
    )
    op.drop_table("passkey_challenges", schema="auth")
    op.drop_table("passkeys", schema="auth")
