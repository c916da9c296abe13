"""What belongs to a series is shown to a viewer with an age limit only where the series itself is."""

from collections.abc import Sequence

from alembic import op

revision: str = "0050"
down_revision: str | None = "0049"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_FUNCTION = """
    CREATE OR REPLACE FUNCTION store.titles_up_to(of_market text, age_limit integer) RETURNS SETOF uuid
    LANGUAGE sql STABLE AS $$
        SELECT t.id FROM store.titles t LEFT JOIN store.titles parent ON parent.id = t.parent_id
        WHERE EXISTS (
            SELECT FROM store.ratings r
            WHERE r.market = of_market AND r.title_id = {labelled}
        ) AND NOT EXISTS (
            SELECT FROM store.ratings r
            WHERE r.market = of_market AND r.title_id = ANY (ARRAY[t.id, t.parent_id, parent.parent_id])
                AND r.minimum_age > age_limit
        )
    $$
    """


def upgrade() -> None:
    """The label that must be there is that of the film, or of the series at the top."""
    op.execute(_FUNCTION.format(labelled="coalesce(parent.parent_id, t.parent_id, t.id)"))


def downgrade() -> None:
    """A label anywhere between the episode and its series is enough again."""
    op.execute(_FUNCTION.format(labelled="ANY (ARRAY[t.id, t.parent_id, parent.parent_id])"))
