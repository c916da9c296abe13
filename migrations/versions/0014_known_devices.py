"""Devices that accounts were signed in on before.

One new table; nothing that exists is touched, so programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "known_devices",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_known_devices_token_hash")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["auth.accounts.id"], name=op.f("fk_known_devices_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "token_hash", name=op.f("pk_known_devices")),
        schema="auth",
    )
    op.create_index(op.f("ix_known_devices_token_hash"), "known_devices", ["token_hash"], schema="auth")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON auth.known_devices TO videothek_app")


def downgrade() -> None:
    """Remove the table; every device is new again."""
    op.drop_table("known_devices", schema="auth")
