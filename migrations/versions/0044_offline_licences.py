"""Licences that stay on a device, and the offers and rights that allow them.

Columns with a constant default, which rewrite nothing: what was sold before allows no download. A new table.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0044"
down_revision: str | None = "0043"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add them."""
    for table in ("offers", "entitlements"):
        op.add_column(
            table, sa.Column("may_download", sa.Boolean(), server_default="false", nullable=False), schema="store"
        )
    op.add_column(
        "device_limits", sa.Column("download_devices", sa.Integer(), server_default="2", nullable=False), schema="store"
    )
    op.add_column(
        "device_limits",
        sa.Column("downloads_per_rental", sa.Integer(), server_default="3", nullable=False),
        schema="store",
    )
    op.create_table(
        "offline_licences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("entitlement_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lasts_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_played_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.CheckConstraint("kind IN ('rent', 'buy')", name=op.f("ck_offline_licences_kind")),
        sa.CheckConstraint("system IN ('axinom', 'drmtoday')", name=op.f("ck_offline_licences_system")),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_offline_licences_ending")),
        sa.CheckConstraint("end_reason IN ('returned', 'lapsed')", name=op.f("ck_offline_licences_end_reason")),
        *(
            sa.ForeignKeyConstraint([f"{name}_id"], [f"{target}.id"], name=op.f(f"fk_offline_licences_{name}_id"))
            for name, target in (
                ("account", "auth.accounts"),
                ("entitlement", "store.entitlements"),
                ("device", "store.devices"),
                ("asset", "store.media_assets"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offline_licences")),
        schema="store",
    )
    op.create_index(op.f("ix_offline_licences_account_id"), "offline_licences", ["account_id"], schema="store")
    op.create_index(op.f("ix_offline_licences_entitlement_id"), "offline_licences", ["entitlement_id"], schema="store")
    op.create_index(
        "ux_offline_licences_rental",
        "offline_licences",
        ["entitlement_id"],
        unique=True,
        schema="store",
        postgresql_where=sa.text("ended_at IS NULL AND kind = 'rent'"),
    )
    op.create_index(
        "ux_offline_licences_device",
        "offline_licences",
        ["entitlement_id", "device_id"],
        unique=True,
        schema="store",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON store.offline_licences TO videothek_app")


def downgrade() -> None:
    """Take them away: what is on devices stays there until it lapses, and is forgotten here."""
    op.drop_table("offline_licences", schema="store")
    op.drop_column("device_limits", "downloads_per_rental", schema="store")
    op.drop_column("device_limits", "download_devices", schema="store")
    for table in ("entitlements", "offers"):
        op.drop_column(table, "may_download", schema="store")
