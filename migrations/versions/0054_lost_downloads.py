"""Support may write off a download on a device that was lost. Both tables are small, and are read once."""

from collections.abc import Sequence

from alembic import op

revision: str = "0054"
down_revision: str | None = "0053"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Let both tables say so."""
    _allow("offline_licences", "end_reason", "'returned', 'lapsed', 'written_off'")
    _allow("rental_remedies", "kind", "'extended', 'rearmed', 'written_off'")


def downgrade() -> None:
    """Forbid it again; fails where it was done, for what was done stays as it was."""
    _allow("rental_remedies", "kind", "'extended', 'rearmed'")
    _allow("offline_licences", "end_reason", "'returned', 'lapsed'")


def _allow(table: str, column: str, values: str) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, schema="store")
    op.create_check_constraint(name, table, f"{column} IN ({values})", schema="store")
