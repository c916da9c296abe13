"""What customers report: kinds with their time to answer, cases, and what was said about each.

Three new tables; nothing that exists is touched, so programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KINDS = (
    "INSERT INTO store.case_kinds (kind, answer_within) VALUES ('playback', '1 day'), ('account', '1 day'), "
    "('payment', '2 days'), ('device', '2 days'), ('defect', '3 days'), ('other', '3 days')"
)

KEPT = (
    "CREATE FUNCTION store.keep_case_entry() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN IF TG_OP = 'DELETE' AND pg_trigger_depth() > 1 THEN RETURN OLD; END IF; "
    "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$",
    "CREATE TRIGGER case_entries_are_kept BEFORE UPDATE OR DELETE ON store.case_entries"
    " FOR EACH ROW EXECUTE FUNCTION store.keep_case_entry()",
    "CREATE TRIGGER case_entries_are_not_emptied BEFORE TRUNCATE ON store.case_entries"
    " FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_change()",
)


def upgrade() -> None:
    """Add the tables, and what keeps what was said."""
    op.create_table(
        "case_kinds",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("answer_within", sa.Interval(), nullable=False),
        sa.CheckConstraint("answer_within > interval '0'", name=op.f("ck_case_kinds_answer_within")),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_case_kinds")),
        schema="store",
    )
    op.execute(KINDS)
    op.execute("GRANT SELECT ON store.case_kinds TO videothek_app")
    op.create_table(
        "cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_number", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("entitlement_id", sa.Uuid(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("assigned_to", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'waiting', 'done')", name=op.f("ck_cases_state")),
        sa.CheckConstraint("(state = 'open') = (due_at IS NOT NULL)", name=op.f("ck_cases_open_is_due")),
        sa.CheckConstraint("(state = 'done') = (closed_at IS NOT NULL)", name=op.f("ck_cases_done_is_closed")),
        sa.ForeignKeyConstraint(["account_id"], ["auth.accounts.id"], name=op.f("fk_cases_account_id")),
        sa.ForeignKeyConstraint(["kind"], ["store.case_kinds.kind"], name=op.f("fk_cases_kind")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["billing.orders.id"], name=op.f("fk_cases_order_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["entitlement_id"], ["store.entitlements.id"], name=op.f("fk_cases_entitlement_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["store.devices.id"], name=op.f("fk_cases_device_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["assigned_to"], ["auth.accounts.id"], name=op.f("fk_cases_assigned_to")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("case_number", name=op.f("uq_cases_case_number")),
        schema="store",
    )
    op.create_index(op.f("ix_cases_account_id_opened_at"), "cases", ["account_id", "opened_at"], schema="store")
    op.create_index(
        op.f("ix_cases_due_at_id"),
        "cases",
        ["due_at", "id"],
        schema="store",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        op.f("ix_cases_state_changed_at_id"),
        "cases",
        ["state", "changed_at", "id"],
        schema="store",
        postgresql_where=sa.text("state <> 'open'"),
    )
    for column in ("order_id", "entitlement_id", "device_id"):
        op.create_index(
            op.f(f"ix_cases_{column}"),
            "cases",
            [column],
            schema="store",
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_table(
        "case_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("is_internal", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "agent_id IS NOT NULL OR NOT is_internal", name=op.f("ck_case_entries_customers_write_openly")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["store.cases.id"], name=op.f("fk_case_entries_case_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["auth.accounts.id"], name=op.f("fk_case_entries_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_entries")),
        schema="store",
    )
    op.create_index(op.f("ix_case_entries_case_id_id"), "case_entries", ["case_id", "id"], schema="store")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON store.cases TO videothek_app")
    op.execute("GRANT SELECT, INSERT ON store.case_entries TO videothek_app")
    for statement in KEPT:
        op.execute(statement)


def downgrade() -> None:
    """Remove the tables, and with them what was reported."""
    op.drop_table("case_entries", schema="store")
    op.execute("DROP FUNCTION store.keep_case_entry()")
    op.drop_table("cases", schema="store")
    op.drop_table("case_kinds", schema="store")
