"""Titles as lists show them: one query for any number of them, in the order asked for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from billing.money import MoneyOut
from store.catalogue.age_labels import may_be_seen_sql
from store.catalogue.posters import poster_of
from store.catalogue.schemas import Named, Prices, TitleCard, TitleRef

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy | asyncpg.Pool

_CARDS: Final = """
    SELECT t.id, t.slug, t.kind, t.original_title, t.year, t.runtime_minutes, t.countries, t.genres, t.invented,
           coalesce(own.title, t.original_title) AS title,
           price.rent, price.buy, price.currency,
           series.slug AS series_slug, coalesce(series_text.title, series.original_title) AS series_title
    FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, position)
    JOIN store.titles t ON t.id = wanted.id
    LEFT JOIN store.title_texts own ON own.title_id = t.id AND own.locale = $2
    LEFT JOIN store.titles season ON t.kind = 'episode' AND season.id = t.parent_id
    LEFT JOIN store.titles series
        ON series.id = CASE t.kind WHEN 'episode' THEN season.parent_id WHEN 'season' THEN t.parent_id END
    LEFT JOIN store.title_texts series_text ON series_text.title_id = series.id AND series_text.locale = $2
    LEFT JOIN LATERAL (
        SELECT min(o.gross) FILTER (WHERE o.kind = 'rent') AS rent,
               min(o.gross) FILTER (WHERE o.kind = 'buy') AS buy,
               min(o.currency) AS currency
        FROM (
            SELECT t.id WHERE t.kind IN ('film', 'episode')
            UNION ALL
            SELECT episode.id FROM store.titles episode WHERE t.kind = 'season' AND episode.parent_id = t.id
            UNION ALL
            SELECT episode.id FROM store.titles part JOIN store.titles episode ON episode.parent_id = part.id
            WHERE t.kind = 'series' AND part.parent_id = t.id
        ) AS sold
        JOIN store.editions e ON e.title_id = sold.id
        JOIN store.products p ON p.edition_id = e.id
        JOIN store.offers o ON o.product_id = p.id
        WHERE o.market = $3 AND o.starts_at <= $4 AND (o.ends_at IS NULL OR o.ends_at > $4)
    ) price ON true
    WHERE {may_be_seen}
    ORDER BY wanted.position
"""
"""Cards of the titles $1 in language $2, with the lowest prices on sale in market $3 at instant $4.

A series or season costs what its cheapest episode costs.
"""


async def load_genre_names(connection: Connection, *, locale: str) -> dict[str, Named]:
    """Every genre by its code, with its name in one language."""
    rows = await connection.fetch("SELECT code, name_de, name_en FROM store.genres")
    column = "name_en" if locale == "en" else "name_de"
    return {row["code"]: Named(row["code"], row[column]) for row in rows}


async def load_cards(
    connection: Connection, ids: Sequence[UUID], *, market: str, locale: str, at: datetime, age_limit: int
) -> list[TitleCard]:
    """Cards of titles in the given order; unknown ids are left out, and what the viewer may not see."""
    if not ids:
        return []
    genres = await load_genre_names(connection, locale=locale)
    may_be_seen = may_be_seen_sql(age_limit, title="t.id", market="$3")
    rows = await connection.fetch(_CARDS.format(may_be_seen=may_be_seen), ids, locale, market, at)
    return [_card(row, genres) for row in rows]


def name_genres(codes: Sequence[str], genres: dict[str, Named]) -> list[Named]:
    """The genres that have a name."""
    return [genres[code] for code in codes if code in genres]


def lowest(amount: int | None, currency: str | None) -> MoneyOut | None:
    """A price, where there is one."""
    return MoneyOut(amount, currency) if amount is not None and currency is not None else None


def _card(row: asyncpg.Record, genres: dict[str, Named]) -> TitleCard:
    return TitleCard(
        id=row["id"],
        slug=row["slug"],
        kind=row["kind"],
        title=row["title"],
        original_title=row["original_title"] if row["original_title"] != row["title"] else None,
        year=row["year"],
        minutes=row["runtime_minutes"],
        genres=name_genres(row["genres"], genres),
        poster=poster_of(row),
        prices=Prices(rent=lowest(row["rent"], row["currency"]), buy=lowest(row["buy"], row["currency"])),
        invented=row["invented"],
        series=TitleRef(row["series_slug"], row["series_title"]) if row["series_slug"] else None,
    )
