"""Devices that were replaced in an emergency, and support's resets of the count of new ones.

It only adds: a column that may be empty, without a default, and a table; programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("devices", sa.Column("emergency_at", sa.DateTime(timezone=True), nullable=True), schema="store")
    op.create_table(
        "device_resets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["auth.accounts.id"], name=op.f("fk_device_resets_account_id")),
        sa.ForeignKeyConstraint(["agent_id"], ["auth.accounts.id"], name=op.f("fk_device_resets_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_resets")),
        schema="store",
    )
    op.create_index("ix_device_resets_account_id_at", "device_resets", ["account_id", "at"], schema="store")
    op.create_index("ix_device_resets_agent_id_done_at", "device_resets", ["agent_id", "done_at"], schema="store")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON store.device_resets TO videothek_app")


def downgrade() -> None:
    """Remove them; accounts lose the new devices that were let in beyond their limit, not those registered."""
    op.drop_table("device_resets", schema="store")
    op.drop_column("devices", "emergency_at", schema="store")
