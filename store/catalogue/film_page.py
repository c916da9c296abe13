"""Stored film pages: read by one query, built when missing or past their time (`stored_pages` forgets them)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

import asyncpg
import msgspec

from auth.identity import ALL_AGES
from store.catalogue.errors import TitleNotFound
from store.catalogue.page_building import BuiltPage, build_pages
from store.database import Database

BATCH: Final = 400
"""Pages that are built together when many are prepared."""

_READ: Final = """
    SELECT document, etag FROM store.title_pages
    WHERE slug = $1 AND market = $2 AND locale = $3
        AND valid_from <= $4 AND (valid_until IS NULL OR valid_until > $4)
"""

_STORE: Final = """
    INSERT INTO store.title_pages (slug, market, locale, title_id, document, etag, valid_from, valid_until)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (slug, market, locale) DO UPDATE SET title_id = excluded.title_id, document = excluded.document,
        etag = excluded.etag, valid_from = excluded.valid_from, valid_until = excluded.valid_until
"""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A film page as it is answered: `schemas.FilmPage` as JSON, and its strong entity tag."""

    document: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class CatalogueView:
    """The catalogue as one visitor sees it: one dependency instead of four, which the busiest route can feel."""

    database: Database
    market: str
    locale: str
    at: datetime
    """Business time."""
    age_limit: int
    """Years up to which a title's age label may go; 18: everything."""


async def load_film_page(
    database: Database, *, slug: str, market: str, locale: str, at: datetime, age_limit: int
) -> StoredPage:
    """The page of a title; one query where it is stored and still holds, else it is built and stored.

    What a viewer with an age limit sees is built anew each time. Raises `TitleNotFound`, also of a title that may not
    be announced in the market yet or that the viewer may not see.
    """
    if not slug.isprintable():  # PostgreSQL cannot even look for a NUL
        raise TitleNotFound(slug="")
    if age_limit < ALL_AGES:
        return await _build_for(database, slug=slug, market=market, locale=locale, at=at, age_limit=age_limit)
    row = await database.reads.fetchrow(_READ, slug, market, locale, at)
    if row is not None:
        return StoredPage(row["document"], row["etag"])
    return await _build_and_store(database, slug=slug, market=market, locale=locale, at=at)


async def prepare_pages(
    database: Database,
    *,
    market: str,
    locale: str,
    at: datetime,
    slugs: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Build and store the pages of all titles (or of `slugs`) ahead of their first readers; gives how many.

    `progress` is told how many of how many are done.
    """
    wanted = await database.reads.fetch(
        "SELECT id FROM store.titles WHERE $1::text[] IS NULL OR slug = ANY ($1) ORDER BY id", slugs
    )
    ids = [row["id"] for row in wanted]
    for start in range(0, len(ids), BATCH):
        async with database.reads.acquire() as connection, connection.transaction():
            batch = ids[start : start + BATCH]
            await connection.execute(
                "SELECT FROM store.titles WHERE id = ANY ($1::uuid[]) ORDER BY id FOR SHARE", batch
            )
            await _store(
                connection,
                await build_pages(connection, batch, market=market, locale=locale, at=at, age_limit=ALL_AGES),
                market=market,
                locale=locale,
            )
        if progress is not None:
            progress(min(start + BATCH, len(ids)), len(ids))
    return len(ids)


async def _build_and_store(database: Database, *, slug: str, market: str, locale: str, at: datetime) -> StoredPage:
    """Build one page in a short transaction of its own, under a lock that whoever changes the title waits for."""
    async with database.reads.acquire() as connection, connection.transaction():
        title_id = await connection.fetchval("SELECT id FROM store.titles WHERE slug = $1 FOR SHARE", slug)
        if title_id is None:
            raise TitleNotFound(slug=slug)
        built = await build_pages(connection, [title_id], market=market, locale=locale, at=at, age_limit=ALL_AGES)
        if not built:
            raise TitleNotFound(slug=slug)
        return (await _store(connection, built, market=market, locale=locale))[0]


async def _build_for(
    database: Database, *, slug: str, market: str, locale: str, at: datetime, age_limit: int
) -> StoredPage:
    """The page as a viewer with an age limit sees it: without titles that are shut to them."""
    async with database.reads.acquire() as connection:
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM store.titles WHERE slug = $1", slug)]
        built = await build_pages(connection, ids, market=market, locale=locale, at=at, age_limit=age_limit)
    if not built:
        raise TitleNotFound(slug=slug)
    document = msgspec.json.encode(built[0].page)
    return StoredPage(document, tag_of(document))


async def _store(
    connection: asyncpg.pool.PoolConnectionProxy, pages: Sequence[BuiltPage], *, market: str, locale: str
) -> list[StoredPage]:
    stored = [StoredPage(document, tag_of(document)) for document in (msgspec.json.encode(p.page) for p in pages)]
    await connection.executemany(
        _STORE,
        [
            (
                built.page.slug,
                market,
                locale,
                built.page.id,
                page.document,
                page.etag,
                built.valid_from,
                built.valid_until,
            )
            for built, page in zip(pages, stored, strict=True)
        ],
    )
    return stored


def tag_of(document: bytes) -> str:
    """The strong entity tag of an answer's bytes, with its quotation marks."""
    return f'"{blake2b(document, digest_size=12).hexdigest()}"'
