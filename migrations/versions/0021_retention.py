"""Addresses that take no mail, and licence events that may go once claims have lapsed.

Safe under load: a new table, a trigger's function replaced, a right given, and a check of a column that only grows more
lenient; it is added unchecked, which takes a moment, and then checked beside whatever else is done.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

LICENCE_EVENTS = (
    "CREATE OR REPLACE FUNCTION store.keep_licence_event() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN IF TG_OP = 'DELETE' AND OLD.recorded_at < now() - interval '4 years' THEN RETURN OLD; END IF; "
    "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$",
    "CREATE OR REPLACE TRIGGER licence_events_are_kept BEFORE UPDATE OR DELETE ON store.licence_events"
    " FOR EACH ROW EXECUTE FUNCTION store.keep_licence_event()",
    "GRANT DELETE ON store.licence_events TO videothek_app",
)


def upgrade() -> None:
    """Add the table and a state of mails; let old licence events go."""
    op.create_table(
        "suppressed_addresses",
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("reason IN ('bounced', 'complained')", name=op.f("ck_suppressed_addresses_reason")),
        sa.PrimaryKeyConstraint("email_key", name=op.f("pk_suppressed_addresses")),
        schema="store",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON store.suppressed_addresses TO videothek_app")
    _allow("'queued', 'sent', 'refused', 'dropped', 'suppressed'")
    for statement in LICENCE_EVENTS:
        op.execute(statement)


def downgrade() -> None:
    """Take it back; mails that were left out count as no longer due."""
    op.execute("REVOKE DELETE ON store.licence_events FROM videothek_app")
    op.execute(
        "CREATE OR REPLACE TRIGGER licence_events_are_kept BEFORE UPDATE OR DELETE ON store.licence_events"
        " FOR EACH ROW EXECUTE FUNCTION store.refuse_change()"
    )
    op.execute("DROP FUNCTION store.keep_licence_event()")
    op.execute("UPDATE store.mails SET status = 'dropped' WHERE status = 'suppressed'")
    _allow("'queued', 'sent', 'refused', 'dropped'")
    op.drop_table("suppressed_addresses", schema="store")


def _allow(statuses: str) -> None:
    op.execute("ALTER TABLE store.mails DROP CONSTRAINT ck_mails_status")
    op.execute(f"ALTER TABLE store.mails ADD CONSTRAINT ck_mails_status CHECK (status IN ({statuses})) NOT VALID")
    op.execute("ALTER TABLE store.mails VALIDATE CONSTRAINT ck_mails_status")
