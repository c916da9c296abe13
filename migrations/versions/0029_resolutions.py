"""What acknowledged movements turned out to be.

It only adds: a table with its triggers, for which nothing that runs is waited for.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TRIGGERS = (
    "CREATE OR REPLACE TRIGGER decided_for_good BEFORE UPDATE OR DELETE ON billing.resolutions"
    " FOR EACH ROW WHEN (OLD.state <> 'awaiting_approval') EXECUTE FUNCTION billing.refuse_change()",
    "CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON billing.resolutions"
    " FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change()",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON billing.resolutions TO videothek_app",
    "GRANT SELECT ON billing.resolutions TO videothek_finance",
)


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "resolutions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("movement_id", sa.String(length=255), nullable=False),
        sa.Column("finding", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("journal_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_resolutions_amount")),
        sa.CheckConstraint("decided_by <> requested_by", name=op.f("ck_resolutions_four_eyes")),
        sa.CheckConstraint("(state = 'booked') = (journal_id IS NOT NULL)", name=op.f("ck_resolutions_booked")),
        sa.CheckConstraint(
            "finding IN ('own_account', 'provider_fee', 'other_business', 'written_off')",
            name=op.f("ck_resolutions_finding"),
        ),
        sa.CheckConstraint("state IN ('awaiting_approval', 'rejected', 'booked')", name=op.f("ck_resolutions_state")),
        sa.ForeignKeyConstraint(
            ["movement_id"],
            ["billing.provider_transactions.id"],
            name=op.f("fk_resolutions_movement_id"),
        ),
        sa.ForeignKeyConstraint(["requested_by"], ["auth.accounts.id"], name=op.f("fk_resolutions_requested_by")),
        sa.ForeignKeyConstraint(["decided_by"], ["auth.accounts.id"], name=op.f("fk_resolutions_decided_by")),
        sa.ForeignKeyConstraint(["journal_id"], ["billing.journals.id"], name=op.f("fk_resolutions_journal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolutions")),
        sa.UniqueConstraint("journal_id", name=op.f("uq_resolutions_journal_id")),
        schema="billing",
    )
    op.create_index(
        "uq_resolutions_movement_id",
        "resolutions",
        ["movement_id"],
        unique=True,
        schema="billing",
        postgresql_where=sa.text("state <> 'rejected'"),
    )
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    """Take it away; what was booked stays in the books."""
    op.drop_table("resolutions", schema="billing")
