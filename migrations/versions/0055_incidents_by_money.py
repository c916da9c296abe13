"""An incident may be made good by money, which two people agree to. Both tables are small, and are read once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0055"
down_revision: str | None = "0054"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

SPAN = ["title_id", "code", "begins_at", "ends_at"]


def upgrade() -> None:
    """Let incidents say by what, and remedies which money."""
    op.add_column("incidents", sa.Column("means", sa.String(), nullable=False, server_default="time"), schema="store")
    op.add_column("incidents", sa.Column("approved_by", sa.UUID()), schema="store")
    op.add_column("incidents", sa.Column("approved_at", sa.DateTime(timezone=True)), schema="store")
    op.create_foreign_key(
        op.f("fk_incidents_approved_by"),
        "incidents",
        "accounts",
        ["approved_by"],
        ["id"],
        source_schema="store",
        referent_schema="auth",
    )
    for name, rule in (
        ("means", "means IN ('time', 'money')"),
        ("four_eyes", "approved_by <> agent_id"),
        ("approval", "(approved_by IS NULL) = (approved_at IS NULL)"),
    ):
        op.create_check_constraint(op.f(f"ck_incidents_{name}"), "incidents", rule, schema="store")
    _be_unique("uq_incidents_title_id_code_begins_at_ends_at_means", [*SPAN, "means"])
    op.drop_constraint(op.f("uq_incidents_title_id_code_begins_at_ends_at"), "incidents", schema="store")
    op.execute("GRANT UPDATE (approved_by, approved_at) ON store.incidents TO videothek_app")

    op.add_column("rental_remedies", sa.Column("refund_id", sa.UUID()), schema="store")
    op.create_foreign_key(
        op.f("fk_rental_remedies_refund_id"),
        "rental_remedies",
        "refunds",
        ["refund_id"],
        ["id"],
        source_schema="store",
        referent_schema="billing",
    )
    _rule("kind", "kind IN ('extended', 'rearmed', 'written_off', 'credited')")
    _rule("hours", "(kind IN ('extended', 'credited')) = (hours IS NOT NULL)")
    op.create_check_constraint(
        op.f("ck_rental_remedies_refund"),
        "rental_remedies",
        "(kind = 'credited') = (refund_id IS NOT NULL)",
        schema="store",
    )


def downgrade() -> None:
    """Forbid it again; fails where money went, for what was done stays as it was."""
    op.drop_constraint(op.f("ck_rental_remedies_refund"), "rental_remedies", schema="store")
    _rule("hours", "(kind = 'extended') = (hours IS NOT NULL)")
    _rule("kind", "kind IN ('extended', 'rearmed', 'written_off')")
    op.drop_column("rental_remedies", "refund_id", schema="store")
    _be_unique("uq_incidents_title_id_code_begins_at_ends_at", SPAN)
    op.drop_constraint(op.f("uq_incidents_title_id_code_begins_at_ends_at_means"), "incidents", schema="store")
    for name in ("approval", "four_eyes", "means"):
        op.drop_constraint(op.f(f"ck_incidents_{name}"), "incidents", schema="store")
    for column in ("approved_at", "approved_by", "means"):
        op.drop_column("incidents", column, schema="store")


def _rule(name: str, rule: str) -> None:
    constraint = op.f(f"ck_rental_remedies_{name}")
    op.drop_constraint(constraint, "rental_remedies", schema="store")
    op.create_check_constraint(constraint, "rental_remedies", rule, schema="store")


def _be_unique(name: str, columns: list[str]) -> None:
    op.create_unique_constraint(op.f(name), "incidents", columns, schema="store")
