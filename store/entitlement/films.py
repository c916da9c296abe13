"""The encrypted films that can be played: which one belongs to a title, and taking in the test film."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import driver_of
from store.entitlement.keys import KeySeal
from store.entitlement.models import ContentKey, MediaAsset

TEST_FILM_FOLDER: Final = Path(__file__).parent / "test_film"


@dataclass(frozen=True, slots=True)
class FilmFiles:
    """What `film.json` beside a packaged film says of it."""

    asset_id: UUID
    version: str
    manifest: str
    seconds: int
    keys: Sequence[tuple[str, UUID, bytes]]
    """Track, key id and key of each content key."""


def read_film(folder: Path) -> FilmFiles:
    """Read a packaged film's `film.json`."""
    described = json.loads((folder / "film.json").read_text(encoding="utf-8"))
    return FilmFiles(
        asset_id=UUID(described["asset"]),
        version=described["version"],
        manifest=described["manifest"],
        seconds=described["seconds"],
        keys=[(key["track"], UUID(key["kid"]), bytes.fromhex(key["key"])) for key in described["keys"]],
    )


async def register_test_film(session: AsyncSession, *, seal: KeySeal, at: datetime) -> UUID:
    """Take in the test film and its keys, to stand in for every title without a film; gives the asset's id.

    For the sandbox only: the keys lie open in this repository. Safe to repeat; keys that were sealed with another
    secret before are sealed anew.
    """
    film = read_film(TEST_FILM_FOLDER)
    described = {"version": film.version, "manifest": film.manifest, "seconds": film.seconds, "clear_key": True}
    await session.execute(
        insert(MediaAsset)
        .values(id=film.asset_id, title_id=None, published_at=at, **described)
        .on_conflict_do_update(index_elements=[MediaAsset.id], set_=described)
    )
    for track, kid, key in film.keys:
        row = seal.seal(kid=kid, asset_id=film.asset_id, track=track, key=key)
        sealed = {"sealed": row.sealed, "sealed_with": row.sealed_with}
        await session.execute(
            insert(ContentKey)
            .values(kid=kid, asset_id=film.asset_id, track=track, **sealed)
            .on_conflict_do_update(index_elements=[ContentKey.kid], set_=sealed)
        )
    return film.asset_id


async def find_film(session: AsyncSession, title_id: UUID) -> MediaAsset | None:
    """The newest film of a title; where it has none, the one that stands in for all (in the sandbox)."""
    return await session.scalar(_FILM, {"title_id": title_id})


async def tracks_of(session: AsyncSession, title_id: UUID) -> Sequence[str]:
    """The tracks of the film that `find_film` finds, which have a key each; none without a film."""
    driver = await driver_of(session)
    return [found["track"] for found in await driver.fetch(_TRACKS, title_id)]


_FILM: Final = (
    select(MediaAsset)
    .where((MediaAsset.title_id == bindparam("title_id")) | MediaAsset.title_id.is_(None))
    .order_by(MediaAsset.title_id.is_(None), MediaAsset.published_at.desc())
    .limit(1)
)

_TRACKS: Final = """
    SELECT track FROM store.content_keys WHERE asset_id = (
        SELECT id FROM store.media_assets WHERE title_id = $1 OR title_id IS NULL
         ORDER BY title_id IS NULL, published_at DESC LIMIT 1)
"""
