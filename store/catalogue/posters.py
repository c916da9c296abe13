"""Posters: the same title always gets the same drawing."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Self
from uuid import UUID

import asyncpg

from store.catalogue.errors import PosterNotFound
from store.catalogue.schemas import Poster
from store.database import Database

DRAWING_VERSION = 1


@dataclass(frozen=True, slots=True)
class Subject:
    """What a poster is drawn from."""

    id: UUID
    title: str
    year: int | None
    countries: tuple[str, ...]
    genres: tuple[str, ...]
    kind: str

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """The subject of a row with the columns of `store.titles`."""
        return cls(
            row["id"],
            row["original_title"],
            row["year"],
            tuple(row["countries"]),
            tuple(row["genres"]),
            row["kind"],
        )

    @property
    def version(self) -> str:
        """Hash of all that the drawing depends on, the drawing's code included."""
        facts = f"{DRAWING_VERSION}|{self}"
        return blake2b(facts.encode(), digest_size=8).hexdigest()


def poster_of(row: asyncpg.Record) -> Poster:
    """Address and colours of a title's poster."""
    subject = Subject.of(row)
    return Poster(url=f"/posters/{subject.id}/{subject.version}.svg", ground="#14110f", ink="#f2ede4", accent="#d1552b")


def draw_poster(subject: Subject) -> str:
    """The poster as an SVG document."""
    return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 900"/>'


async def load_subject(database: Database, *, title_id: UUID) -> Subject:
    """What the poster of a title is drawn from; raises `PosterNotFound`."""
    row = await database.reads.fetchrow(
        "SELECT id, original_title, year, countries, genres, kind FROM store.titles WHERE id = $1", title_id
    )
    if row is None:
        raise PosterNotFound(title_id=str(title_id))
    return Subject.of(row)
