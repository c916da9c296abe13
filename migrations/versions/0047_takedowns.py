"""Titles that may not be shown any more, by order of a court or an authority.

A new table, a function that says what a takedown covers, and a trigger that forgets the film pages when one is lifted.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0047"
down_revision: str | None = "0046"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_IS_TAKEN_DOWN = """
    CREATE OR REPLACE FUNCTION store.is_taken_down(asked uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN EXISTS (
            SELECT FROM store.titles t
            LEFT JOIN store.titles season ON season.id = t.parent_id
            JOIN store.takedowns k ON k.title_id IN (t.id, t.parent_id, season.parent_id)
            WHERE t.id = asked AND k.lifted_at IS NULL
        );
    END $$
    """


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "takedowns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("done_by", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_takedowns_reason")),
        sa.ForeignKeyConstraint(["title_id"], ["store.titles.id"], name=op.f("fk_takedowns_title_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takedowns")),
        schema="store",
    )
    op.create_index(
        "ux_takedowns_title_id_in_force",
        "takedowns",
        ["title_id"],
        unique=True,
        schema="store",
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT ON store.takedowns TO videothek_app")
    op.execute("GRANT UPDATE (lifted_at) ON store.takedowns TO videothek_app")
    op.execute(_IS_TAKEN_DOWN)
    op.execute(
        "CREATE TRIGGER forget_pages_update AFTER UPDATE ON store.takedowns "
        "REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION store.forget_pages()"
    )


def downgrade() -> None:
    """Take them away: what was taken down is shown again, to those who still have a right to it."""
    op.drop_table("takedowns", schema="store")
    op.execute("DROP FUNCTION store.is_taken_down(uuid)")
