"""Which title a licence that stays on a device is for: by a right to a season each episode has one of its own.

The table is small, and is locked for the moment. A process of the version before this one issues no such licence any
more (it answers 500, and nothing was issued): replace it first where that matters.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0048"
down_revision: str | None = "0047"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_FILL = """
    UPDATE store.offline_licences AS licence SET title_id = coalesce(asset.title_id, entitlement.title_id)
      FROM store.entitlements AS entitlement, store.media_assets AS asset
     WHERE entitlement.id = licence.entitlement_id AND asset.id = licence.asset_id
"""


def upgrade() -> None:
    """Add the column, fill it from film and right, and let each title be on a device once."""
    op.add_column("offline_licences", sa.Column("title_id", sa.Uuid(), nullable=True), schema="store")
    op.execute(_FILL)
    op.alter_column("offline_licences", "title_id", nullable=False, schema="store")
    op.create_foreign_key(
        op.f("fk_offline_licences_title_id"),
        "offline_licences",
        "titles",
        ["title_id"],
        ["id"],
        source_schema="store",
        referent_schema="store",
    )
    _index("ux_offline_licences_title", ["entitlement_id", "device_id", "title_id"])
    op.drop_index("ux_offline_licences_device", "offline_licences", schema="store")


def downgrade() -> None:
    """Take it away. Where a device holds several episodes by one right, the index before cannot be made: say so."""
    _index("ux_offline_licences_device", ["entitlement_id", "device_id"])
    op.drop_index("ux_offline_licences_title", "offline_licences", schema="store")
    op.drop_constraint(op.f("fk_offline_licences_title_id"), "offline_licences", schema="store")
    op.drop_column("offline_licences", "title_id", schema="store")


def _index(name: str, columns: list[str]) -> None:
    where = sa.text("ended_at IS NULL")
    op.create_index(name, "offline_licences", columns, unique=True, schema="store", postgresql_where=where)
