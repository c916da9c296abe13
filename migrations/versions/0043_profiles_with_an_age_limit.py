"""Profiles with an age limit, the parental PIN, and who watches in a session.

Columns with a constant default or none, which rewrite nothing; the checks read `profiles` and `sessions` once. The new
function is what every read of the catalogue asks that is made for a viewer with an age limit.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0043"
down_revision: str | None = "0042"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TITLES_UP_TO = """
    CREATE OR REPLACE FUNCTION store.titles_up_to(of_market text, age_limit integer) RETURNS SETOF uuid
    LANGUAGE sql STABLE AS $$
        SELECT t.id FROM store.titles t LEFT JOIN store.titles parent ON parent.id = t.parent_id
        WHERE EXISTS (
            SELECT FROM store.ratings r
            WHERE r.market = of_market AND r.title_id = ANY (ARRAY[t.id, t.parent_id, parent.parent_id])
        ) AND NOT EXISTS (
            SELECT FROM store.ratings r
            WHERE r.market = of_market AND r.title_id = ANY (ARRAY[t.id, t.parent_id, parent.parent_id])
                AND r.minimum_age > age_limit
        )
    $$
"""


def upgrade() -> None:
    """Add them."""
    op.add_column(
        "profiles", sa.Column("age_limit", sa.SmallInteger(), server_default="18", nullable=False), schema="auth"
    )
    op.create_check_constraint(
        op.f("ck_profiles_age_limit"), "profiles", "age_limit IN (0, 6, 12, 16, 18)", schema="auth"
    )
    op.create_table(
        "parental_pins",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("pin_hash", sa.String(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["auth.accounts.id"], name=op.f("fk_parental_pins_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_parental_pins")),
        schema="auth",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON auth.parental_pins TO videothek_app")
    op.add_column("sessions", sa.Column("profile_id", sa.Uuid(), nullable=True), schema="auth")
    op.add_column("sessions", sa.Column("unlocked_until", sa.DateTime(timezone=True), nullable=True), schema="auth")
    op.create_foreign_key(
        op.f("fk_sessions_profile_id"),
        "sessions",
        "profiles",
        ["profile_id"],
        ["id"],
        source_schema="auth",
        referent_schema="auth",
    )
    op.create_index(
        op.f("ix_sessions_profile_id"),
        "sessions",
        ["profile_id"],
        schema="auth",
        postgresql_where=sa.text("profile_id IS NOT NULL"),
    )
    op.add_column("licence_events", sa.Column("age_limit", sa.SmallInteger(), nullable=True), schema="store")
    op.execute(_TITLES_UP_TO)


def downgrade() -> None:
    """Take them away: every profile may watch everything again."""
    op.execute("DROP FUNCTION store.titles_up_to(text, integer)")
    op.drop_column("licence_events", "age_limit", schema="store")
    op.drop_index(op.f("ix_sessions_profile_id"), "sessions", schema="auth")
    op.drop_constraint(op.f("fk_sessions_profile_id"), "sessions", schema="auth")
    op.drop_column("sessions", "unlocked_until", schema="auth")
    op.drop_column("sessions", "profile_id", schema="auth")
    op.drop_table("parental_pins", schema="auth")
    op.drop_constraint(op.f("ck_profiles_age_limit"), "profiles", schema="auth")
    op.drop_column("profiles", "age_limit", schema="auth")
