"""Our own records: a dozen real films with their cast in billing order, synopses and opinions by the editors.

Each is a TOML file in `records/`; what the fields mean says `OwnRecord`.
"""

import tomllib
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

FOLDER: Final = Path(__file__).parent / "records"

LOCALES: Final = ("de", "en")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of a synopsis."""

    heading: str
    text: str


class Praise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The editors' opinion in one language."""

    heading: str
    text: str


class OwnRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A film as the editors wrote it down."""

    imdb: str
    slug: str
    original_title: str
    year: int
    minutes: int
    countries: list[str]
    """ISO 3166-1."""
    languages: list[str]
    """Original languages, BCP 47."""
    audio: list[str]
    """Audio languages of what the demonstration sells."""
    subtitles: list[str]
    genres: list[str]
    """Codes, the most telling first."""
    holder: str
    """Production companies, for the rights line."""
    directors: list[str]
    writers: list[str]
    cast: list[tuple[str, str]]
    """Name and character, in billing order; no character (empty) where people appear as themselves."""
    titles: dict[str, str]
    """By locale."""
    reviewed_on: date
    synopsis: dict[str, list[Part]]
    """By locale."""
    opinion: dict[str, Praise]
    """By locale."""
    fsk: int | None = None
    """Age label of the FSK in years, where we are certain of it."""


AUTHORS: Final = {"de": "Redaktion", "en": "The editors"}


def own_records() -> list[OwnRecord]:
    """All records, in the order of their files' names."""
    return [
        msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), OwnRecord)
        for path in sorted(FOLDER.glob("*.toml"))
    ]
