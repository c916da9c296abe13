"""Second factors with their recovery codes, sign-ins that wait for one, and invitations of staff.

Four new tables; no table that exists is changed, so programs of the version before go on working. Sessions of staff
that were opened by a password alone are not believed by the new version: staff sign in anew and set up their factor.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TABLES = ("second_factors", "recovery_codes", "sign_in_steps", "invitations")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "second_factors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("offered_to", sa.Uuid(), nullable=True),
        sa.Column("sealed_secret", sa.String(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["auth.accounts.id"], name=op.f("fk_second_factors_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_factors")),
        sa.UniqueConstraint("offered_to", name=op.f("uq_second_factors_offered_to")),
        schema="auth",
    )
    op.create_index(op.f("ix_second_factors_account_id"), "second_factors", ["account_id"], schema="auth")
    op.create_index(
        "ux_second_factors_in_force",
        "second_factors",
        ["account_id"],
        unique=True,
        schema="auth",
        postgresql_where=sa.text("confirmed_at IS NOT NULL AND removed_at IS NULL"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("octet_length(code_hash) = 32", name=op.f("ck_recovery_codes_code_hash")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["auth.accounts.id"], name=op.f("fk_recovery_codes_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_codes")),
        schema="auth",
    )
    op.create_index(op.f("ix_recovery_codes_account_id"), "recovery_codes", ["account_id"], schema="auth")
    op.create_table(
        "sign_in_steps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("session_kind", sa.String(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("session_kind IN ('web', 'app', 'staff')", name=op.f("ck_sign_in_steps_session_kind")),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_sign_in_steps_token_hash")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["auth.accounts.id"], name=op.f("fk_sign_in_steps_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_steps")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_in_steps_token_hash")),
        schema="auth",
    )
    op.create_index(op.f("ix_sign_in_steps_account_id"), "sign_in_steps", ["account_id"], schema="auth")
    op.create_index(op.f("ix_sign_in_steps_expires_at"), "sign_in_steps", ["expires_at"], schema="auth")
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["invited_by"], ["auth.accounts.id"], name=op.f("fk_invitations_invited_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
        schema="auth",
    )
    op.create_index(op.f("ix_invitations_email_key"), "invitations", ["email_key"], schema="auth")
    op.create_index(op.f("ix_invitations_invited_by"), "invitations", ["invited_by"], schema="auth")
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth.{table} TO videothek_app")


def downgrade() -> None:
    """Remove the tables, and with them every second factor."""
    for table in reversed(TABLES):
        op.drop_table(table, schema="auth")
