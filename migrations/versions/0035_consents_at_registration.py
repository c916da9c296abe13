"""What was agreed to at registration: kept with the wish, and for good with the account.

Safe under load: a new table, and two new columns with a constant default or none.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0035"
down_revision: str | None = "0034"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KEPT = (
    """
    CREATE OR REPLACE FUNCTION auth.keep_consent() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND EXISTS (
            SELECT FROM auth.erasures WHERE account_id = OLD.account_id AND erased_at < now() - interval '4 years'
        ) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    "CREATE OR REPLACE TRIGGER consents_are_kept BEFORE UPDATE OR DELETE ON auth.consents "
    "FOR EACH ROW EXECUTE FUNCTION auth.keep_consent()",
    "CREATE OR REPLACE TRIGGER consents_are_not_emptied BEFORE TRUNCATE ON auth.consents "
    "FOR EACH STATEMENT EXECUTE FUNCTION auth.keep_consent()",
)


def upgrade() -> None:
    """Add them."""
    op.add_column(
        "registrations",
        sa.Column("texts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        schema="auth",
    )
    op.add_column("registrations", sa.Column("channel", sa.String(), nullable=True), schema="auth")
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("is_declaration", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("channel IN ('web', 'app')", name=op.f("ck_consents_channel")),
        sa.CheckConstraint("locale IN ('de', 'en')", name=op.f("ck_consents_locale")),
        sa.ForeignKeyConstraint(["account_id"], ["auth.accounts.id"], name=op.f("fk_consents_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        schema="auth",
    )
    op.create_index("ix_consents_account_id", "consents", ["account_id"], schema="auth")
    for statement in KEPT:
        op.execute(statement)
    op.execute("GRANT SELECT, INSERT, DELETE ON auth.consents TO videothek_app")


def downgrade() -> None:
    """Take them away, unless a proof would be lost with them."""
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM auth.consents) THEN
                RAISE EXCEPTION 'there are consents that version 0034 does not keep';
            END IF;
        END $$
        """
    )
    op.drop_table("consents", schema="auth")
    op.execute("DROP FUNCTION auth.keep_consent()")
    op.drop_column("registrations", "channel", schema="auth")
    op.drop_column("registrations", "texts", schema="auth")
