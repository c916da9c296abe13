"""Changes that support asks for and a second person agrees to: another address, no second factors.

One new table; nothing that exists is touched, so programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0034"
down_revision: str | None = "0033"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "recoveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("old_email_key", sa.String(), nullable=False),
        sa.Column("new_email", sa.String(), nullable=True),
        sa.Column("new_email_key", sa.String(), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("evidence", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("verification_id", sa.Uuid(), nullable=True),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("link_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("cancel_token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("kind IN ('email_change', 'second_factor_removal')", name=op.f("ck_recoveries_kind")),
        sa.CheckConstraint(
            "(kind = 'email_change') = (new_email_key IS NOT NULL) AND (new_email IS NULL) = (new_email_key IS NULL)",
            name=op.f("ck_recoveries_new_address"),
        ),
        sa.CheckConstraint(
            "evidence <@ ARRAY['order_number', 'invoice_number', 'last_digits', 'devices', 'films']::varchar[]",
            name=op.f("ck_recoveries_evidence"),
        ),
        sa.CheckConstraint("approved_by <> requested_by", name=op.f("ck_recoveries_four_eyes")),
        sa.CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name=op.f("ck_recoveries_approval")),
        sa.CheckConstraint(
            "outcome IN ('completed', 'cancelled', 'rejected', 'lapsed')", name=op.f("ck_recoveries_outcome")
        ),
        sa.CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name=op.f("ck_recoveries_end")),
        sa.CheckConstraint(
            "outcome <> 'completed' OR approved_at IS NOT NULL", name=op.f("ck_recoveries_completed_is_approved")
        ),
        sa.CheckConstraint(
            "link_sent_at IS NULL OR link_sent_at >= hold_until AND approved_at IS NOT NULL",
            name=op.f("ck_recoveries_link_after_hold"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["auth.accounts.id"], name=op.f("fk_recoveries_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["requested_by"], ["auth.accounts.id"], name=op.f("fk_recoveries_requested_by")),
        sa.ForeignKeyConstraint(["approved_by"], ["auth.accounts.id"], name=op.f("fk_recoveries_approved_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["auth.accounts.id"], name=op.f("fk_recoveries_ended_by")),
        sa.ForeignKeyConstraint(
            ["verification_id"],
            ["auth.caller_verifications.id"],
            name=op.f("fk_recoveries_verification_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recoveries")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_recoveries_token_hash")),
        sa.UniqueConstraint("cancel_token_hash", name=op.f("uq_recoveries_cancel_token_hash")),
        schema="auth",
    )
    op.create_index(
        "uq_recoveries_account_id_open",
        "recoveries",
        ["account_id"],
        unique=True,
        schema="auth",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_recoveries_hold_until_open",
        "recoveries",
        ["hold_until"],
        schema="auth",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    for column in ("account_id", "requested_by"):
        op.create_index(
            op.f(f"ix_recoveries_{column}_requested_at"), "recoveries", [column, "requested_at"], schema="auth"
        )
    op.create_index(
        op.f("ix_recoveries_verification_id"),
        "recoveries",
        ["verification_id"],
        schema="auth",
        postgresql_where=sa.text("verification_id IS NOT NULL"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON auth.recoveries TO videothek_app")


def downgrade() -> None:
    """Remove the table; what is under way can neither be carried out nor called off any more."""
    op.drop_table("recoveries", schema="auth")
