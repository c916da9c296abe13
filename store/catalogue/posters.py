"""Posters: a title, its year and country, and a composition; the same title always gets the same drawing."""

from dataclasses import dataclass
from hashlib import blake2b
from html import escape
from random import Random
from typing import Final, Self
from uuid import UUID

import asyncpg

from store.catalogue import names
from store.catalogue.age_labels import may_be_seen_sql
from store.catalogue.errors import PosterNotFound
from store.catalogue.poster_art import BY_GENRE, DEFAULT
from store.catalogue.poster_colours import Palette, palettes_of
from store.catalogue.poster_lettering import MITRE_LIMIT, Face, draw_line, readable, width_of
from store.catalogue.poster_shapes import Sheet, n
from store.catalogue.poster_title import set_title
from store.catalogue.schemas import Poster
from store.database import Database

DRAWING_VERSION: Final = 1
"""To be raised when the drawing changes: it is part of every poster's address."""

WIDTH: Final = 600.0
HEIGHT: Final = 900.0
MARGIN: Final = 40.0
CAPTION: Final = 15.0
"""Height of the letters of year and country."""

_MEASURE: Final = WIDTH - 2 * MARGIN
_TALLEST_TITLE: Final = 350.0
_AIR: Final = 34.0
"""Room between picture, title and caption."""
_SMALL: Final = Face(1.05, 0.13, 0.3)


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
        facts = f"{DRAWING_VERSION}|{self.title}|{self.year}|{self.countries}|{self.genres}|{self.kind}"
        return blake2b(facts.encode(), digest_size=8).hexdigest()

    @property
    def palette(self) -> Palette:
        """The colours of its decade that are the title's own."""
        palettes = palettes_of(self.year)
        return palettes[self._seed % len(palettes)]

    @property
    def _seed(self) -> int:
        return int.from_bytes(blake2b(self.id.bytes, digest_size=8).digest())

    def chance(self) -> Random:
        """Chance that is the same each time."""
        return Random(self._seed)  # noqa: S311 - a drawing, no secret


_SUBJECT: Final = """
    SELECT t.id, t.original_title, t.year, t.countries, t.genres, t.kind
    FROM store.titles t CROSS JOIN store.markets m WHERE t.id = $1 AND m.code = $2 AND {may_be_seen}
"""


async def load_subject(database: Database, *, title_id: UUID, market: str, age_limit: int) -> Subject:
    """What the poster of a title is drawn from; raises `PosterNotFound`, also where the viewer may not see it."""
    row = await database.reads.fetchrow(
        _SUBJECT.format(may_be_seen=may_be_seen_sql(age_limit, title="t.id", market="m.code")), title_id, market
    )
    if row is None:
        raise PosterNotFound(title_id=str(title_id))
    return Subject.of(row)


def poster_of(row: asyncpg.Record) -> Poster:
    """Address and colours of a title's poster."""
    subject = Subject.of(row)
    palette = subject.palette
    return Poster(
        url=f"/posters/{subject.id}/{subject.version}.svg",
        ground=palette.ground,
        ink=palette.ink,
        accent=palette.first,
    )


def draw_poster(subject: Subject) -> str:
    """The poster as an SVG document, 600 by 900."""
    chance, palette = subject.chance(), subject.palette
    title = set_title(subject.title, measure=_MEASURE, tallest=_TALLEST_TITLE, chance=chance)
    caption_y = HEIGHT - MARGIN - CAPTION
    if chance.random() < 0.36:
        title_y, top, bottom = MARGIN, MARGIN + title.height + _AIR, caption_y - _AIR
    else:
        title_y = caption_y - _AIR - title.height
        top, bottom = 0.0, title_y - _AIR
    sheet = Sheet(top=top, width=WIDTH, height=bottom - top, palette=palette, chance=chance)
    genre = next((code for code in subject.genres if code in BY_GENRE), None)
    composition = chance.choice(BY_GENRE[genre] if genre else DEFAULT)
    lines = [draw_line(line.text, line.face, x=MARGIN, y=title_y + line.y, height=line.height) for line in title.lines]
    strokes = "".join(f'<path d="{line.path}" stroke-width="{line.weight}"/>' for line in lines)
    name = "".join(char for char in subject.title if char.isprintable())  # XML has no control characters
    label = escape(f"{name} ({subject.year})" if subject.year else name)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 900" width="600" height="900" role="img">'
        f"<title>{label}</title>"
        f'<clipPath id="a"><rect y="{n(top)}" width="600" height="{n(bottom - top)}"/></clipPath>'
        f'<rect width="600" height="900" fill="{palette.ground}"/>'
        f'<g clip-path="url(#a)">{composition(sheet)}</g>'
        f'<g fill="none" stroke="{palette.ink}" stroke-miterlimit="{MITRE_LIMIT}">'
        f"{strokes}{_caption(subject, caption_y)}</g></svg>"
    )


def _caption(subject: Subject, y: float) -> str:
    """Year on the left, country on the right, small and always at the same place: what makes them a series."""
    parts = []
    if subject.year is not None:
        parts.append(draw_line(str(subject.year), _SMALL, x=MARGIN, y=y, height=CAPTION))
    if subject.countries:
        country = readable(names.country(subject.countries[0], "en").name)
        height = min(CAPTION, CAPTION * 360 / width_of(country, _SMALL, CAPTION))
        x = WIDTH - MARGIN - width_of(country, _SMALL, height)
        parts.append(draw_line(country, _SMALL, x=x, y=y + CAPTION - height, height=height))
    return "".join(f'<path d="{part.path}" stroke-width="{part.weight}"/>' for part in parts)
