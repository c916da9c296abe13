"""Codes that callers read out, and resets by support that their owner can call off.

A new table, and three columns without a default on a small one: programs of the version before go on working. The
foreign key is added unchecked, which takes a moment, and then checked beside whatever else is done.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KEY = "fk_password_resets_verification_id"


def upgrade() -> None:
    """Add table and columns."""
    op.create_table(
        "caller_verifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("channel IN ('mail', 'session')", name=op.f("ck_caller_verifications_channel")),
        sa.CheckConstraint("tries BETWEEN 0 AND 5", name=op.f("ck_caller_verifications_tries")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["auth.accounts.id"], name=op.f("fk_caller_verifications_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["auth.accounts.id"], name=op.f("fk_caller_verifications_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caller_verifications")),
        schema="auth",
    )
    for column in ("account_id", "agent_id"):
        op.create_index(
            op.f(f"ix_caller_verifications_{column}_requested_at"),
            "caller_verifications",
            [column, "requested_at"],
            schema="auth",
        )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON auth.caller_verifications TO videothek_app")
    op.add_column("password_resets", sa.Column("verification_id", sa.Uuid(), nullable=True), schema="auth")
    op.add_column("password_resets", sa.Column("cancel_token_hash", sa.LargeBinary(), nullable=True), schema="auth")
    op.add_column(
        "password_resets", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True), schema="auth"
    )
    op.create_unique_constraint(
        op.f("uq_password_resets_cancel_token_hash"), "password_resets", ["cancel_token_hash"], schema="auth"
    )
    op.create_index(
        op.f("ix_password_resets_verification_id"),
        "password_resets",
        ["verification_id"],
        schema="auth",
        postgresql_where=sa.text("verification_id IS NOT NULL"),
    )
    op.execute(
        f"ALTER TABLE auth.password_resets ADD CONSTRAINT {KEY} FOREIGN KEY (verification_id) "
        "REFERENCES auth.caller_verifications (id) ON DELETE SET NULL NOT VALID"
    )
    op.execute(f"ALTER TABLE auth.password_resets VALIDATE CONSTRAINT {KEY}")


def downgrade() -> None:
    """Take it back; resets that were called off stay void."""
    for column in ("verification_id", "cancel_token_hash", "cancelled_at"):
        op.drop_column("password_resets", column, schema="auth")
    op.drop_table("caller_verifications", schema="auth")
