"""Used proofs have no index on their end: every heartbeat had to write into it, and only an hourly sweep read it.

The table holds an hour of proofs. Programs of the version before go on working.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Drop the index."""
    op.drop_index(op.f("ix_dpop_proofs_expires_at"), table_name="dpop_proofs", schema="store")


def downgrade() -> None:
    """Make it again."""
    op.create_index(op.f("ix_dpop_proofs_expires_at"), "dpop_proofs", ["expires_at"], schema="store")
