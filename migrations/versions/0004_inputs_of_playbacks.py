"""What a playback was asked with: the device's key and whether the customer agreed to the start.

It only adds two columns that may be empty and have no default, so no row is written and the lock on the table is
held for an instant; programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("licence_events", sa.Column("jkt", sa.String(length=43), nullable=True), schema="store")
    op.add_column("licence_events", sa.Column("start_confirmed", sa.Boolean(), nullable=True), schema="store")


def downgrade() -> None:
    """Remove the columns; what they said of past playbacks is lost, which no decision rests on."""
    op.drop_column("licence_events", "start_confirmed", schema="store")
    op.drop_column("licence_events", "jkt", schema="store")
