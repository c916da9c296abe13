"""Mails that come back: their states, whom they were written to as a keyed hash, and the reports themselves.

Safe under load: a new table, new columns without a default, and checks that only grow more lenient; they are added
unchecked, which takes a moment, and then checked beside whatever else is done.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

BEFORE = "'queued', 'sent', 'refused', 'dropped', 'suppressed'"


def upgrade() -> None:
    """Add them."""
    op.add_column("mails", sa.Column("recipient_hash", sa.LargeBinary(), nullable=True), schema="store")
    op.add_column("mails", sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True), schema="store")
    _check("mails", "recipient_hash", "octet_length(recipient_hash) = 32")
    _check("mails", "status", f"status IN ({BEFORE}, 'bounced', 'complained')")
    _check("suppressed_addresses", "reason", "reason IN ('bounced', 'returned', 'complained')")
    op.create_table(
        "mail_reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("mail_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("is_permanent", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("source IN ('message', 'provider')", name=op.f("ck_mail_reports_source")),
        sa.CheckConstraint("kind IN ('bounced', 'delayed', 'complained')", name=op.f("ck_mail_reports_kind")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_mail_reports_digest")),
        sa.ForeignKeyConstraint(
            ["mail_id"], ["store.mails.id"], name=op.f("fk_mail_reports_mail_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_reports")),
        sa.UniqueConstraint("digest", name=op.f("uq_mail_reports_digest")),
        schema="store",
    )
    op.create_index("ix_mail_reports_mail_id", "mail_reports", ["mail_id"], schema="store")
    op.create_index("ix_mail_reports_received_at", "mail_reports", ["received_at"], schema="store")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON store.mail_reports TO videothek_app")


def downgrade() -> None:
    """Take it back; what came back or was complained about counts as sent, and its address as one that bounced."""
    op.drop_table("mail_reports", schema="store")
    op.execute("UPDATE store.suppressed_addresses SET reason = 'bounced' WHERE reason = 'returned'")
    _check("suppressed_addresses", "reason", "reason IN ('bounced', 'complained')")
    op.execute("UPDATE store.mails SET status = 'sent' WHERE status IN ('bounced', 'complained')")
    _check("mails", "status", f"status IN ({BEFORE})")
    op.execute("ALTER TABLE store.mails DROP CONSTRAINT ck_mails_recipient_hash")
    op.drop_column("mails", "returned_at", schema="store")
    op.drop_column("mails", "recipient_hash", schema="store")


def _check(table: str, name: str, rule: str) -> None:
    constraint = f"ck_{table}_{name}"
    op.execute(f"ALTER TABLE store.{table} DROP CONSTRAINT IF EXISTS {constraint}")
    op.execute(f"ALTER TABLE store.{table} ADD CONSTRAINT {constraint} CHECK ({rule}) NOT VALID")
    op.execute(f"ALTER TABLE store.{table} VALIDATE CONSTRAINT {constraint}")
