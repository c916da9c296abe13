"""Lists of titles that are on sale in a market: searched, by genre, by person, new, praised by the editors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import asyncpg

from store.catalogue import cursors
from store.catalogue.cards import load_cards
from store.catalogue.errors import GenreNotFound, LimitNotValid
from store.catalogue.folding import fold
from store.catalogue.schemas import GenreList, GenreOut, PersonHit, Suggestion, SuggestionList, TitleList
from store.catalogue.search import correct_words, find_people, text_query
from store.database import Database

Order = Literal["popularity", "new", "title", "opinions"]
_KEY_KINDS: Final[dict[str, str]] = {"popularity": "iu", "new": "tu", "title": "su", "opinions": "du"}
"""Types of each order's sort keys, as `cursors.read` names them."""
LARGEST_PAGE: Final = 100

_LISTED: Final = "t.kind IN ('film', 'series')"

_OFFERED: Final = """
    EXISTS (
        SELECT FROM store.editions e
        JOIN store.products p ON p.edition_id = e.id
        JOIN store.offers o ON o.product_id = p.id
        WHERE o.market = {market} AND o.visible_from <= {at} AND (o.ends_at IS NULL OR o.ends_at > {at})
          AND e.title_id {of}
        OFFSET 0
    )
"""
"""Whether something is to be had; `OFFSET 0` keeps PostgreSQL from asking it of the whole catalogue beforehand."""

_MADE_BY: Final = (
    "t.id IN (SELECT c.title_id FROM store.credits c JOIN store.people p ON p.id = c.person_id WHERE p.slug = {person})"
)


@dataclass(slots=True)
class _Statement:
    """A statement in the making: its conditions and the values of its placeholders."""

    offered: str = ""
    """The condition that is asked last, of rows that are sorted already."""
    values: list[Any] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)

    def value(self, value: object) -> str:
        """The placeholder of a value."""
        self.values.append(value)
        return f"${len(self.values)}"


async def list_titles(
    database: Database,
    *,
    market: str,
    locale: str,
    at: datetime,
    q: str | None = None,
    genre: str | None = None,
    person: str | None = None,
    kind: str | None = None,
    order: Order = "popularity",
    cursor: str | None = None,
    limit: int = 24,
) -> TitleList:
    """A page of a list, with the people found by the same words on the first page of a search.

    Only what is on sale or announced in the market is listed. Without `kind`, searching finds films, series and
    episodes; other lists hold films and series. `genre` is a code, `person` a slug. A search is sorted by how well
    the title fits, then by popularity. Raises `LimitNotValid`, `CursorNotValid`, `GenreNotFound`.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise LimitNotValid(largest=LARGEST_PAGE)
    words = fold(q) if q is not None else None
    others = (genre or "", person or "", kind or "", order, market, locale if order == "opinions" else "")
    binding = (words or "", *others)
    kinds = "iiu" if words else _KEY_KINDS[order]
    after = cursors.read(cursor, binding=binding, kinds=kinds) if cursor else None
    async with database.reads.acquire() as connection:
        if genre is not None and not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM store.genres WHERE code = $1)", genre
        ):
            raise GenreNotFound(genre=genre)
        if words == "":
            return TitleList(titles=[], people=[], next_cursor=None)

        async def page(searched: str | None) -> Sequence[asyncpg.Record]:
            statement, keys = _statement(
                market=market, locale=locale, at=at, words=searched, genre=genre, person=person, kind=kind, order=order
            )
            return await connection.fetch(_select(statement, keys, after, limit + 1), *statement.values)

        rows = await page(words)
        people: list[PersonHit] = []
        corrected = None
        if words is not None and after is None:
            people = await find_people(connection, words)
            if not rows and not people:
                corrected = await correct_words(connection, words)
            if corrected is not None:
                rows, people = await page(corrected), await find_people(connection, corrected)
                binding = (corrected, *others)
        shown = rows[:limit]
        ids = [row["id"] for row in shown]
        titles = await load_cards(connection, ids, market=market, locale=locale, at=at)
    return TitleList(
        titles=titles,
        people=people,
        next_cursor=cursors.write(tuple(shown[-1])[1:], binding=binding) if len(rows) > limit else None,
        corrected=corrected,
    )


async def suggest(
    database: Database, *, q: str, market: str, locale: str, at: datetime, limit: int = 8
) -> SuggestionList:
    """What the search field offers while one types: titles that fit, then people."""
    words = fold(q)
    if not words:
        return SuggestionList([])
    found = await list_titles(database, market=market, locale=locale, at=at, q=q, limit=limit)
    titles = [
        Suggestion(kind=card.kind, slug=card.slug, text=card.title, year=card.year)
        for card in found.titles
        if card.kind != "season"
    ]
    people = [Suggestion(kind="person", slug=hit.slug, text=hit.name, year=None) for hit in found.people]
    room = max(limit - len(people[:3]), limit // 2)
    return SuggestionList((titles[:room] + people)[:limit])


async def list_genres(database: Database, *, locale: str) -> GenreList:
    """All genres that have titles, by name."""
    rows = await database.reads.fetch(
        f"""
        SELECT g.code, CASE WHEN $1 = 'en' THEN g.name_en ELSE g.name_de END AS name, count(*) AS count
        FROM store.titles t CROSS JOIN unnest(t.genres) AS code JOIN store.genres g USING (code)
        WHERE {_LISTED} GROUP BY g.code ORDER BY 2
        """,  # noqa: S608 - no value of a request in it
        locale,
    )
    return GenreList([GenreOut(row["code"], row["name"], row["count"]) for row in rows])


async def count_videos(database: Database, *, market: str, at: datetime) -> int:
    """How many films and episodes are on sale in a market: about 0.1 s of the database's time, so keep it a while."""
    count: int = await database.reads.fetchval(
        """
        SELECT count(DISTINCT e.title_id)
        FROM store.offers o
        JOIN store.products p ON p.id = o.product_id
        JOIN store.editions e ON e.id = p.edition_id
        WHERE o.market = $1 AND o.starts_at <= $2 AND (o.ends_at IS NULL OR o.ends_at > $2)
        """,
        market,
        at,
    )
    return count


def _statement(
    *,
    market: str,
    locale: str,
    at: datetime,
    words: str | None,
    genre: str | None,
    person: str | None,
    kind: str | None,
    order: Order,
) -> tuple[_Statement, list[tuple[str, str]]]:
    """The conditions of a list and what it is sorted by: (expression, direction) pairs, unique as a whole."""
    made = _Statement()
    in_market = {"market": made.value(market), "at": made.value(at)}
    made.offered = (
        f"CASE t.kind WHEN 'series' THEN {_OFFERED.format(of=_EPISODES_OF_SERIES, **in_market)} "
        f"ELSE {_OFFERED.format(of='= t.id', **in_market)} END"
    )
    if kind is not None:
        made.conditions.append(f"t.kind = {made.value(kind)}")
        if kind in ("film", "series"):
            made.conditions.append(_LISTED)  # lets the partial indexes serve
    elif words is None:
        made.conditions.append(_LISTED)
    if genre is not None:
        made.conditions.append(f"t.genres @> ARRAY[{made.value(genre)}]::varchar[]")
    if person is not None:
        made.conditions.append(_MADE_BY.format(person=made.value(person)))
    if order == "opinions":
        made.joins.append(f"JOIN store.opinions op ON op.title_id = t.id AND op.locale = {made.value(locale)}")
    if words is not None:
        made.conditions.append(f"t.search @@ to_tsquery('simple', {made.value(text_query(words))})")
        exact = made.value(words)
        fit = (
            f"CASE WHEN ' | ' || t.search_text || ' | ' LIKE '% | ' || {exact} || ' | %' THEN 2 "
            f"WHEN ' | ' || t.search_text LIKE '% | ' || {exact} || '%' THEN 1 ELSE 0 END"
        )
        return made, [(fit, "DESC"), ("t.popularity", "DESC"), ("t.id", "ASC")]
    sortings: dict[str, list[tuple[str, str]]] = {
        "popularity": [("t.popularity", "DESC"), ("t.id", "ASC")],
        "new": [("t.added_at", "DESC"), ("t.id", "ASC")],
        "title": [('t.sort_key COLLATE "C"', "ASC"), ("t.id", "ASC")],
        "opinions": [("op.published_on", "DESC"), ("t.id", "ASC")],
    }
    return made, sortings[order]


_EPISODES_OF_SERIES: Final = (
    "IN (SELECT episode.id FROM store.titles part JOIN store.titles episode ON episode.parent_id = part.id "
    "WHERE part.parent_id = t.id)"
)


def _select(statement: _Statement, keys: Sequence[tuple[str, str]], after: Sequence[Any] | None, limit: int) -> str:
    """The statement's text; `after` holds the keys of the last row of the page before."""
    conditions = list(statement.conditions)
    if after is not None:
        # (a, b) < (x, y) with mixed directions, spelt out: a < x OR (a = x AND b > y) ...
        places = [statement.value(value) for value in after]
        steps = []
        for index, (expression, direction) in enumerate(keys):
            equal = [f"{keys[before][0]} = {places[before]}" for before in range(index)]
            steps.append(" AND ".join([*equal, f"{expression} {'<' if direction == 'DESC' else '>'} {places[index]}"]))
        conditions.append("(" + " OR ".join(f"({step})" for step in steps) + ")")
        first, direction = keys[0]
        conditions.append(f"{first} {'<=' if direction == 'DESC' else '>='} {places[0]}")
    columns = ", ".join(f"{expression} AS key_{index}" for index, (expression, _) in enumerate(keys))
    sorting = ", ".join(f"{expression} {direction}" for expression, direction in keys)
    return (
        f"SELECT t.id, {', '.join(f't.key_{index}' for index in range(len(keys)))} FROM ("  # noqa: S608 - values bound
        f"SELECT t.id, t.kind, {columns} FROM store.titles t {' '.join(statement.joins)} "
        f"WHERE {' AND '.join(conditions) or 'true'} ORDER BY {sorting} OFFSET 0"
        f") AS t WHERE {statement.offered} LIMIT {limit}"
    )
