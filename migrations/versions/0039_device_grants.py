"""Sign-ins on a TV by a code: who asked, what was decided, until it is exchanged or over.

A new table only.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0039"
down_revision: str | None = "0038"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add it."""
    op.create_table(
        "device_grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_code", sa.String(), nullable=False),
        sa.Column("jkt", sa.String(), nullable=False),
        sa.Column("device_name", sa.String(), nullable=False),
        sa.Column("ip_trunc", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(), server_default="pending", nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("amr", postgresql.ARRAY(sa.String()), nullable=True),
        sa.CheckConstraint("octet_length(device_code_hash) = 32", name=op.f("ck_device_grants_device_code_hash")),
        sa.CheckConstraint("state IN ('pending', 'approved', 'refused', 'used')", name=op.f("ck_device_grants_state")),
        sa.CheckConstraint(
            "(state = 'pending') = (account_id IS NULL)", name=op.f("ck_device_grants_decided_by_somebody")
        ),
        sa.CheckConstraint(
            "(account_id IS NULL) = (epoch IS NULL) AND (account_id IS NULL) = (amr IS NULL)",
            name=op.f("ck_device_grants_decided_whole"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["auth.accounts.id"],
            name=op.f("fk_device_grants_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_grants")),
        sa.UniqueConstraint("device_code_hash", name=op.f("uq_device_grants_device_code_hash")),
        sa.UniqueConstraint("user_code", name=op.f("uq_device_grants_user_code")),
        schema="auth",
    )
    op.create_index("ix_device_grants_expires_at", "device_grants", ["expires_at"], schema="auth")
    op.create_index("ix_device_grants_account_id", "device_grants", ["account_id"], schema="auth")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON auth.device_grants TO videothek_app")


def downgrade() -> None:
    """Take it away: who is signing in at this moment begins anew."""
    op.drop_table("device_grants", schema="auth")
