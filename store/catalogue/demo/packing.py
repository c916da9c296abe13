"""Packs the facts of real films (Wikidata, CC0) into the compact copy that ships: run once, by whoever renews them.

    python -m store.catalogue.demo.packing wikidata_films_cc0.jsonl.gz

The source has one JSON object per line: imdb, title, year, runtime, genres, directors, writers, cast, languages,
countries, metacritic, production, oscars. Its cast is in alphabetical order.
"""

import gzip
import lzma
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec
from babel import Locale

PACKED_FILMS: Final = Path(__file__).parent / "films.json.xz"


class PackedFilm(msgspec.Struct, array_like=True, frozen=True):
    """The facts of one film; people are positions in `PackedFilms.people`."""

    imdb: str
    title: str
    year: int
    minutes: int | None
    genres: list[str]
    countries: list[str]
    languages: list[str]
    directors: list[int]
    writers: list[int]
    cast: list[int]
    producers: list[str]
    popularity: int


class PackedFilms(msgspec.Struct, array_like=True, frozen=True):
    """All films, and every name once."""

    people: list[str]
    films: list[PackedFilm]


COUNTRIES: Final = {
    "Bosnia and Herzegovina": "BA",
    "British Hong Kong": "HK",
    "Czech Republic": "CZ",
    "Czechoslovakia": "CSHH",
    "Democratic Republic of the Congo": "CD",
    "Federal Republic of Yugoslavia": "YUCS",
    "Georgian SSR": "SUHH",
    "Hong Kong": "HK",
    "Ivory Coast": "CI",
    "Kingdom of Great Britain": "GB",
    "Kingdom of Italy": "IT",
    "Kingdom of the Netherlands": "NL",
    "Occupied Palestinian territory": "PS",
    "Palestine": "PS",
    "People's Republic of China": "CN",
    "Republic of China": "TW",
    "Serbia and Montenegro": "CSXX",
    "Socialist Federal Republic of Yugoslavia": "YUCS",
    "Soviet Union": "SUHH",
    "Taiwan Island": "TW",
    "Turkey": "TR",
    "Wales": "GB",
    "West Germany": "DE",
    "Yugoslavia": "YUCS",
}
"""Wikidata's names that CLDR does not use."""

LANGUAGES: Final = {
    "Abkhaz": "ab",
    "American English": "en",
    "Aramaic": "arc",
    "Australian English": "en",
    "Brazilian Portuguese": "pt",
    "Classical Arabic": "ar",
    "Egyptian Arabic": "arz",
    "Flemish Dutch": "nl",
    "German Sign Language": "gsg",
    "Kurdish language": "ku",
    "Mandarin": "cmn",
    "Modern Greek": "el",
    "Modern Hebrew": "he",
    "Moroccan Arabic": "ary",
    "Mooré": "mos",
    "Neapolitan language": "nap",
    "Putonghua": "cmn",
    "Quebec French": "fr",
    "Romani": "rom",
    "Sesotho": "st",
    "Slovene": "sl",
    "Standard Chinese": "cmn",
    "Standard Taiwanese Mandarin": "cmn",
    "Taiwanese Hokkien": "nan",
    "Singaporean Hokkien": "nan",
    "Swiss German": "gsw",
    "Yue Chinese": "yue",
    "multiple languages": "mul",
}
"""The same for languages; a name that neither table nor CLDR has is kept as it is."""


def pack(source: Path, target: Path = PACKED_FILMS) -> PackedFilms:
    """Read the source, write the copy, and give what was written."""
    with gzip.open(source) as lines:
        rows: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines]
    names = sorted({name for row in rows for name in (*row["directors"], *row["writers"], *row["cast"])})
    positions = {name: position for position, name in enumerate(names)}
    frequency = Counter(genre for row in rows for genre in row["genres"])
    territories = {name: code for code, name in Locale("en").territories.items()} | COUNTRIES
    tongues = {name: code for code, name in Locale("en").languages.items()} | LANGUAGES

    def place(people: list[str]) -> list[int]:
        return [positions[name] for name in people]

    films = [
        PackedFilm(
            imdb=row["imdb"],
            title=row["title"].strip(),
            year=row["year"],
            minutes=row["runtime"],
            # A rare genre says more than a common one: "Western" before "Drama".
            genres=[genre.lower() for genre in sorted(row["genres"], key=lambda genre: frequency[genre])],
            countries=_codes(row["countries"], territories, first="United States"),
            languages=_codes(row["languages"], tongues, first="English"),
            directors=place(row["directors"]),
            writers=place(row["writers"]),
            cast=place(row["cast"]),
            producers=row["production"][:4],
            popularity=_popularity(row),
        )
        for row in rows
    ]
    packed = PackedFilms(people=names, films=films)
    target.write_bytes(lzma.compress(msgspec.json.encode(packed), preset=9 | lzma.PRESET_EXTREME))
    return packed


def _codes(names: list[str], known: dict[str, str], *, first: str) -> list[str]:
    """Codes in the order of the names, each once; the source sorts by name, so `first` goes first."""
    ordered = sorted(names, key=lambda name: name != first)
    return list(dict.fromkeys(known.get(name, name) for name in ordered))


def _popularity(row: dict[str, Any]) -> int:
    """0 to 900: a guess from what the facts hold (how many took the trouble to enter them, reviews, awards)."""
    guess: int = 8 * min(len(row["cast"]), 45) + 10 * min(row["oscars"], 11)
    guess += 20 * min(len(row["production"]), 4) + 3 * (row["metacritic"] or 0)
    return min(guess, 900)


if __name__ == "__main__":
    made = pack(Path(sys.argv[1]))
    sys.stdout.write(f"{len(made.films)} films, {len(made.people)} people, {PACKED_FILMS.stat().st_size} bytes\n")
