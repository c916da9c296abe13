"""Orders without a price: what support gives by hand, by whom and why, and how much may be given.

The changed check of `billing.orders` reads that table once, under a lock that keeps orders from being written meanwhile
(about a second for a few million). Two new tables.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0045"
down_revision: str | None = "0044"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add them."""
    op.alter_column("orders", "quote_id", nullable=True, schema="billing")
    op.drop_constraint(op.f("ck_orders_amounts"), "orders", schema="billing")
    op.create_check_constraint(
        op.f("ck_orders_amounts"), "orders", "gross >= 0 AND net + tax = gross AND tax >= 0", schema="billing"
    )
    op.create_check_constraint(op.f("ck_orders_given"), "orders", "(quote_id IS NULL) = (gross = 0)", schema="billing")
    op.create_table(
        "gifts",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(reason) <= 500", name=op.f("ck_gifts_reason")),
        sa.ForeignKeyConstraint(["order_id"], ["billing.orders.id"], name=op.f("fk_gifts_order_id")),
        sa.ForeignKeyConstraint(["agent_id"], ["auth.accounts.id"], name=op.f("fk_gifts_agent_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_gifts")),
        schema="billing",
    )
    op.create_index(op.f("ix_gifts_agent_id_given_at"), "gifts", ["agent_id", "given_at"], schema="billing")
    op.execute("GRANT SELECT, INSERT ON billing.gifts TO videothek_app")
    op.execute("GRANT SELECT ON billing.gifts TO videothek_finance")
    op.execute("GRANT UPDATE (reason) ON billing.gifts TO videothek_app")
    op.create_table(
        "gift_limits",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.CheckConstraint("most > 0", name=op.f("ck_gift_limits_most")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_gift_limits")),
        schema="store",
    )
    op.execute(
        "INSERT INTO store.gift_limits (name, most) VALUES ('per_customer_and_month', 3), ('per_agent_and_day', 10)"
    )
    op.execute("GRANT SELECT ON store.gift_limits TO videothek_app")


def downgrade() -> None:
    """Take them away; refused by the database once something was given, for that cannot be told otherwise."""
    op.drop_table("gift_limits", schema="store")
    op.drop_table("gifts", schema="billing")
    op.drop_constraint(op.f("ck_orders_given"), "orders", schema="billing")
    op.drop_constraint(op.f("ck_orders_amounts"), "orders", schema="billing")
    op.create_check_constraint(
        op.f("ck_orders_amounts"), "orders", "gross > 0 AND net + tax = gross AND tax >= 0", schema="billing"
    )
    op.alter_column("orders", "quote_id", nullable=False, schema="billing")
