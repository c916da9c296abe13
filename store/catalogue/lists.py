"""Lists of titles that are on sale in a market: searched, by genre, by person, new, praised by the editors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import asyncpg

from store.catalogue import cursors
from store.catalogue.age_labels import may_be_seen_sql
from store.catalogue.cards import load_cards
from store.catalogue.errors import GenreNotFound, LimitNotValid
from store.catalogue.folding import fold
from store.catalogue.schemas import PersonHit, Suggestion, SuggestionList, TitleList
from store.catalogue.search import correct_words, find_people, text_query
from store.database import Database

Order = Literal["popularity", "new", "title", "opinions"]
_KEY_KINDS: Final[dict[str, str]] = {"popularity": "iu", "new": "tu", "title": "su", "opinions": "du"}
"""Types of each order's sort keys, as `cursors.read` names them."""
LARGEST_PAGE: Final = 100

_Keys = list[tuple[str, str]]
"""What a list is sorted by: expressions with their directions."""
_Row = tuple[Any, ...]
"""A title's id and the values of its list's keys."""

_LISTED: Final = "t.kind IN ('film', 'series')"

_OFFERED: Final = """
    EXISTS (
        SELECT FROM {sold}
        JOIN store.products p ON p.edition_id = e.id
        JOIN store.offers o ON o.product_id = p.id
        WHERE o.market = {market} AND o.visible_from <= {at} AND (o.ends_at IS NULL OR o.ends_at > {at})
        OFFSET 0
    )
"""
"""Whether something is to be had; `OFFSET 0` keeps PostgreSQL from asking it of the whole catalogue beforehand."""

_OWN_EDITIONS: Final = "(SELECT id FROM store.editions WHERE title_id = t.id) e"
_EDITIONS_OF_EPISODES: Final = (
    "store.titles season JOIN store.titles episode ON season.parent_id = t.id AND episode.parent_id = season.id "
    "JOIN store.editions e ON e.title_id = episode.id"
)

_FITS: Final = {
    2: "{whole}",
    1: "{beginning} AND NOT {whole}",
    0: "NOT {beginning}",
}
"""How well a title fits the words of a search, best first: it is them, begins with them, has them somewhere.

Each is a query of its own: PostgreSQL then walks titles from the best known on and stops at the page's end where a word
is common, and gathers all that have the word where it is rare. Sorted by a computed fit, all are always gathered.
"""
_WHOLE: Final = "string_to_array(t.search_text::text, ' | ') @> ARRAY[{words}]"
_BEGINNING: Final = "(t.search_text LIKE {words} || '%' OR t.search_text LIKE '% | ' || {words} || '%')"

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
    age_limit: int,
    q: str | None = None,
    genre: str | None = None,
    person: str | None = None,
    kind: str | None = None,
    order: Order = "popularity",
    cursor: str | None = None,
    limit: int = 24,
) -> TitleList:
    """A page of a list, with the people found by the same words on the first page of a search.

    Only what is on sale or announced in the market and may be seen by the viewer is listed. Without `kind`, searching
    finds films, series and episodes; other lists hold films and series. `genre` is a code, `person` a slug. A search is
    sorted by how well the title fits, then by popularity. Raises `LimitNotValid`, `CursorNotValid`, `GenreNotFound`.
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

        statement_of = partial(
            _statement,
            market=market,
            locale=locale,
            at=at,
            age_limit=age_limit,
            genre=genre,
            person=person,
            kind=kind,
            order=order,
        )

        async def page(searched: str | None) -> list[_Row]:
            if searched is None:
                return await _fetch(connection, *statement_of(), after, limit + 1)
            return await _search(connection, partial(statement_of, words=searched), after, limit + 1)

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
                # The word may be one of a title that is not shown: then it is not told either.
                corrected = corrected if rows or people else None
        shown = rows[:limit]
        ids = [row[0] for row in shown]
        titles = await load_cards(connection, ids, market=market, locale=locale, at=at, age_limit=age_limit)
    return TitleList(
        titles=titles,
        people=people,
        next_cursor=cursors.write(shown[-1][1:], binding=binding) if len(rows) > limit else None,
        corrected=corrected,
    )


async def suggest(
    database: Database, *, q: str, market: str, locale: str, at: datetime, age_limit: int, limit: int = 8
) -> SuggestionList:
    """What the search field offers while one types: titles that fit, then people."""
    words = fold(q)
    if not words:
        return SuggestionList([])
    found = await list_titles(database, market=market, locale=locale, at=at, age_limit=age_limit, q=q, limit=limit)
    titles = [
        Suggestion(kind=card.kind, slug=card.slug, text=card.title, year=card.year)
        for card in found.titles
        if card.kind != "season"
    ]
    people = [Suggestion(kind="person", slug=hit.slug, text=hit.name, year=None) for hit in found.people]
    room = max(limit - len(people[:3]), limit // 2)
    return SuggestionList((titles[:room] + people)[:limit])


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
    age_limit: int,
    genre: str | None,
    person: str | None,
    kind: str | None,
    order: Order,
    words: str | None = None,
    fit: int = 0,
) -> tuple[_Statement, _Keys]:
    """The conditions of a list and what it is sorted by: (expression, direction) pairs, unique as a whole.

    A search is one list for each of `_FITS`.
    """
    made = _Statement()
    in_market = {"market": made.value(market), "at": made.value(at)}
    made.offered = (
        f"CASE t.kind WHEN 'series' THEN {_OFFERED.format(sold=_EDITIONS_OF_EPISODES, **in_market)} "
        f"ELSE {_OFFERED.format(sold=_OWN_EDITIONS, **in_market)} END "
        f"AND {may_be_seen_sql(age_limit, title='t.id', market=in_market['market'])}"
    )
    if kind is not None:
        made.conditions.append(f"t.kind = {made.value(kind)}")
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
        place = made.value(words)
        made.conditions.append(
            _FITS[fit].format(whole=_WHOLE.format(words=place), beginning=_BEGINNING.format(words=place))
        )
        order = "popularity"
    sortings: dict[str, _Keys] = {
        "popularity": [("t.popularity", "DESC"), ("t.id", "ASC")],
        "new": [("t.added_at", "DESC"), ("t.id", "ASC")],
        "title": [('t.sort_key COLLATE "C"', "ASC"), ("t.id", "ASC")],
        "opinions": [("op.published_on", "DESC"), ("t.id", "ASC")],
    }
    return made, sortings[order]


async def _search(
    connection: asyncpg.pool.PoolConnectionProxy,
    statement_of: Callable[..., tuple[_Statement, _Keys]],
    after: Sequence[Any] | None,
    limit: int,
) -> list[_Row]:
    """The best fitting rows, with the fit as their first key; `after` is such a row's keys."""
    best, *within = after or (max(_FITS),)
    rows: list[_Row] = []
    async with connection.transaction():
        # A plan for every word: one that suits all words would gather all titles that have a common one.
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        for fit in range(best, -1, -1):
            found = await _fetch(connection, *statement_of(fit=fit), within if fit == best else None, limit)
            rows += [(row[0], fit, *row[1:]) for row in found]
            if len(rows) >= limit:
                break
    return rows[:limit]


async def _fetch(
    connection: asyncpg.pool.PoolConnectionProxy,
    statement: _Statement,
    keys: _Keys,
    after: Sequence[Any] | None,
    limit: int,
) -> list[_Row]:
    rows = await connection.fetch(_select(statement, keys, after, limit), *statement.values)
    return [tuple(row) for row in rows]


def _select(statement: _Statement, keys: _Keys, after: Sequence[Any] | None, limit: int) -> str:
    """The statement's text; `after` holds the keys of the last row of the page before."""
    conditions = list(statement.conditions)
    if after:
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
