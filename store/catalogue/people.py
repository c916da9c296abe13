"""A person's page: what they made, newest first in each role."""

from datetime import datetime
from typing import Final, Literal

from store.catalogue.age_labels import may_be_seen_sql
from store.catalogue.cards import load_cards
from store.catalogue.errors import PersonNotFound
from store.catalogue.offers import MAY_BE_NAMED_SQL
from store.catalogue.schemas import Filmography, PersonPage
from store.catalogue.wording import say
from store.database import Database

ROLES: Final[tuple[Literal["director", "writer", "actor"], ...]] = ("director", "writer", "actor")

_TITLES: Final = f"""
    SELECT c.role, array_agg(t.id ORDER BY t.year DESC NULLS LAST, t.popularity DESC, t.id) AS ids
    FROM store.credits c JOIN store.titles t ON t.id = c.title_id
    WHERE c.person_id = $1 AND {MAY_BE_NAMED_SQL.format(market="$2", at="$3")} AND {{may_be_seen}}
    GROUP BY c.role
"""  # noqa: S608 - no value of a request in it


async def load_person(
    database: Database, *, slug: str, market: str, locale: str, at: datetime, age_limit: int
) -> PersonPage:
    """A person with all their titles that may be named here and seen by the viewer, on sale or not.

    Raises `PersonNotFound`.
    """
    if not slug.isprintable():  # PostgreSQL cannot even look for a NUL
        raise PersonNotFound(slug="")
    async with database.reads.acquire() as connection:
        person = await connection.fetchrow("SELECT id, slug, name, invented FROM store.people WHERE slug = $1", slug)
        if person is None:
            raise PersonNotFound(slug=slug)
        seen = may_be_seen_sql(age_limit, title="t.id", market="$2")
        rows = await connection.fetch(
            _TITLES.format(may_be_seen=seen),
            person["id"],
            market,
            at,
        )
        by_role = {row["role"]: row["ids"] for row in rows}
        wanted = list({title_id for ids in by_role.values() for title_id in ids})
        loaded = await load_cards(connection, wanted, market=market, locale=locale, at=at, age_limit=age_limit)
    cards = {card.id: card for card in loaded}
    return PersonPage(
        slug=person["slug"],
        name=person["name"],
        invented=person["invented"],
        films=[
            Filmography(role, say(f"role.{role}", locale), [cards[title_id] for title_id in by_role[role]])
            for role in ROLES
            if role in by_role
        ],
    )
