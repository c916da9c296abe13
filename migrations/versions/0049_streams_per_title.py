"""How many streams of one title there may be at a time, and no limit below one.

A column without a default, which rewrites nothing; the table has a row for all and few for single accounts. Fails where
a limit is below one, for what was meant by it is not known: set it to 1 or more (as the tables' owner, by UPDATE of
`store.device_limits`), and migrate again.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0049"
down_revision: str | None = "0048"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add them: nothing changes for anybody until a number is set."""
    op.add_column("device_limits", sa.Column("streams_per_title", sa.Integer(), nullable=True), schema="store")
    op.create_check_constraint(
        op.f("ck_device_limits_at_least_one"),
        "device_limits",
        "least(devices, new_devices, new_device_days, streams, streams_per_rental, streams_per_title,"
        " download_devices, downloads_per_rental) > 0",
        schema="store",
    )


def downgrade() -> None:
    """Take them away: accounts have their limit of streams, and rentals theirs."""
    op.drop_constraint(op.f("ck_device_limits_at_least_one"), "device_limits", schema="store")
    op.drop_column("device_limits", "streams_per_title", schema="store")
