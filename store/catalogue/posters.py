"""Posters: the same title always gets the same drawing."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self
from uuid import UUID

from store.catalogue.schemas import Poster

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
    def of(cls, row: Mapping[str, Any]) -> Self:
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


def poster_of(row: Mapping[str, Any]) -> Poster:
    """Address and colours of a title's poster."""
    subject = Subject.of(row)
    return Poster(url=f"/posters/{subject.id}/{subject.version}.svg", ground="#14110f", ink="#f2ede4", accent="#d1552b")
