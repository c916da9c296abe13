"""Which titles a viewer with an age limit may see: the one place that reads age labels against a limit.

What has no label counts as 18. A season or an episode without one has its series'; nothing of a series is shown that
may not be shown itself, a series without a label included: its name would stand beside each episode. Every read that
shows titles asks for the limit and puts this condition into its statement.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import InstrumentedAttribute

from auth.identity import ALL_AGES

DDL: Final[tuple[str, ...]] = (
    # One statement without aggregates, so that the planner takes it into the statement that asks.
    """
    CREATE OR REPLACE FUNCTION store.titles_up_to(of_market text, age_limit integer) RETURNS SETOF uuid
    LANGUAGE sql STABLE AS $$
        SELECT t.id FROM store.titles t LEFT JOIN store.titles parent ON parent.id = t.parent_id
        WHERE EXISTS (
            SELECT FROM store.ratings r
            WHERE r.market = of_market AND r.title_id = coalesce(parent.parent_id, t.parent_id, t.id)
        ) AND NOT EXISTS (
            SELECT FROM store.ratings r
            WHERE r.market = of_market AND r.title_id = ANY (ARRAY[t.id, t.parent_id, parent.parent_id])
                AND r.minimum_age > age_limit
        )
    $$
    """,
)
"""Every label in a market counts, whoever gave it: the strictest decides."""


def may_be_seen_sql(age_limit: int, *, title: str, market: str) -> str:
    """The condition for raw reads; `title` and `market` are SQL expressions, the limit is one of our own numbers."""
    if age_limit >= ALL_AGES:
        return "true"
    return f"{title} IN (SELECT id FROM store.titles_up_to({market}, {age_limit:d}) AS allowed (id))"  # noqa: S608


def may_be_seen(title_id: InstrumentedAttribute[UUID], *, market: str, age_limit: int) -> ColumnElement[bool]:
    """The same condition for statements of SQLAlchemy."""
    if age_limit >= ALL_AGES:
        return true()
    allowed: Any = func.store.titles_up_to(market, age_limit).column_valued("allowed")
    return title_id.in_(select(allowed))
