"""Makes the rows of the demonstration's catalogue from its three sources, table by table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from store.catalogue import folding
from store.catalogue.demo.age_labels import INVENTED, invent_age_label
from store.catalogue.demo.draws import demo_id, draw
from store.catalogue.demo.invented_series import InventedSeason, InventedSeries
from store.catalogue.demo.packing import PackedFilm
from store.catalogue.demo.prices import InventedOffer, invent_arrival, invent_episode_offers, invent_film_offers
from store.catalogue.demo.records import AUTHORS, LOCALES, OwnRecord

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "licensors": ("id", "name", "invented"),
    "people": ("id", "slug", "name", "search_text", "film_count", "invented"),
    "titles": (
        *("id", "slug", "kind", "parent_id", "number", "original_title", "year", "runtime_minutes", "countries"),
        *("languages", "genres", "rights_line", "invented", "source", "cast_order", "popularity", "sort_key"),
        *("search_text", "added_at", "changed_at"),
    ),
    "title_texts": ("title_id", "locale", "title", "synopsis"),
    "opinions": ("title_id", "locale", "heading", "text", "author", "published_on"),
    "ratings": ("title_id", "market", "system", "label", "minimum_age", "method"),
    "credits": ("title_id", "role", "position", "person_id", "character"),
    "editions": ("id", "title_id", "runtime_minutes", "audio_languages", "subtitle_languages"),
    "products": ("id", "edition_id", "licensor_id", "alid"),
    "offers": (
        *("id", "product_id", "supersedes_id", "market", "kind", "quality", "languages", "starts_at", "ends_at"),
        *("visible_from", "playable_from", "gross", "currency", "cost", "minimum_price", "start_days"),
        *("watch_hours", "near_end", "may_download"),
    ),
    "search_words": ("word", "frequency"),
}
"""Tables in the order in which they must be filled, and the columns that are filled."""

LICENSORS: Final = ("Lichthof Filmrechte", "Nordlicht Lizenz", "Passage Pictures", "Atelier Vier")
"""Invented licensors, marked so."""

Row = tuple[Any, ...]


@dataclass(slots=True)
class CatalogueRows:
    """Rows of every table, collected source by source."""

    tables: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    _slugs: set[str] = field(default_factory=set)
    _people: dict[str, UUID] = field(default_factory=dict)
    _films_of: Counter[str] = field(default_factory=Counter)
    _words: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.tables["licensors"] = [(demo_id("licensor", name), f"{name} (erfunden)", True) for name in LICENSORS]

    def add_record(self, record: OwnRecord) -> None:
        """A film of our own records, with its texts."""
        title_id = demo_id("film", record.imdb)
        self._add_title(
            title_id,
            slug=record.slug,
            kind="film",
            names=[record.original_title, *(record.titles[locale] for locale in LOCALES)],
            year=record.year,
            minutes=record.minutes,
            countries=record.countries,
            languages=record.languages,
            genres=record.genres,
            rights_line=f"{record.holder} ({record.year})",
            source="editors",
            cast_order="billing",
            popularity=1000 - len(self.tables["opinions"]) // 2,
            added_at=invent_arrival(record.imdb, popularity=0),
        )
        self._add_credits(title_id, "actor", [(name, character or None) for name, character in record.cast])
        self._add_credits(title_id, "director", [(name, None) for name in record.directors])
        self._add_credits(title_id, "writer", [(name, None) for name in record.writers])
        for locale in LOCALES:
            synopsis = msgspec.json.encode(record.synopsis[locale]).decode()
            self.tables["title_texts"].append((title_id, locale, record.titles[locale], synopsis))
            praise = record.opinion[locale]
            self.tables["opinions"].append(
                (title_id, locale, praise.heading, praise.text, AUTHORS[locale], record.reviewed_on)
            )
        if record.fsk is not None:
            self.tables["ratings"].append((title_id, "DE", "FSK", str(record.fsk), record.fsk, None))
        self._add_offers(
            title_id,
            record.imdb,
            minutes=record.minutes,
            audio=record.audio,
            subtitles=record.subtitles,
            offers=invent_film_offers(record.imdb, year=record.year, always=True),
        )

    def add_film(self, film: PackedFilm, people: Sequence[str]) -> None:
        """A real film of which we know the facts only."""
        title_id = demo_id("film", film.imdb)
        self._add_title(
            title_id,
            slug=folding.slug(f"{film.title} {film.year}"),
            kind="film",
            names=[film.title],
            year=film.year,
            minutes=film.minutes,
            countries=film.countries,
            languages=film.languages,
            genres=film.genres,
            rights_line=f"{', '.join(film.producers)} ({film.year})" if film.producers else None,
            source="wikidata",
            cast_order="alphabetical" if film.cast else "unknown",
            popularity=film.popularity,
            added_at=invent_arrival(film.imdb, popularity=film.popularity),
        )
        for role, places in (("actor", film.cast), ("director", film.directors), ("writer", film.writers)):
            self._add_credits(title_id, role, [(people[place], None) for place in places])
        self._add_invented_label(title_id, film.imdb, film.genres)
        original = film.languages[:1] or ["en"]
        self._add_offers(
            title_id,
            film.imdb,
            minutes=film.minutes,
            audio=list(dict.fromkeys(["de", *original])) if draw(f"dubbed/{film.imdb}", 100) < 72 else original,
            subtitles=["de"],
            offers=invent_film_offers(film.imdb, year=film.year),
        )

    def add_series(self, series: InventedSeries) -> None:
        """An invented series with all its seasons and episodes."""
        title_id = demo_id("series", series.key)
        added_at = invent_arrival(series.key, popularity=series.popularity)
        slug = folding.slug(f"{series.original_title}")
        self._add_serial(title_id, None, None, series, slug, series.titles, series.seasons[0].year, None, added_at)
        self._add_invented_label(title_id, series.key, series.genres)
        in_austria = draw(f"austria/{series.key}", 100) < 45
        for season in series.seasons:
            season_id = demo_id("season", f"{series.key}/{season.number}")
            german, english = f"Staffel {season.number}", f"Season {season.number}"
            season_slug = f"{slug}-s{season.number:02}"
            self._add_serial(
                season_id, title_id, season.number, series, season_slug, (german, english), season.year, None, added_at
            )
            self._add_episodes(series, season, season_id, season_slug, added_at, in_austria=in_austria)

    def finish(self) -> None:
        """What can only be said when all is known: people with their number of films, and the vocabulary."""
        slugs: set[str] = set()
        for name, person_id in self._people.items():
            words = folding.fold_for_search(name)
            slug = unique(folding.slug(name) or person_id.hex[-12:], slugs)
            self.tables["people"].append((person_id, slug, name, words, self._films_of[name], False))
            self._words.update(word for word in words.split() if word != "|")
        self.tables["search_words"] = [(word, count) for word, count in self._words.items() if len(word) > 3]
        for table, key in _ORDERS.items():
            self.tables[table].sort(key=key)

    def _add_episodes(
        self,
        series: InventedSeries,
        season: InventedSeason,
        season_id: UUID,
        season_slug: str,
        added_at: datetime,
        *,
        in_austria: bool,
    ) -> None:
        for episode in season.episodes:
            key = f"{series.key}/{season.number}/{episode.number}"
            title_id = demo_id("episode", key)
            slug = f"{season_slug}e{episode.number:02}"
            self._add_serial(
                title_id,
                season_id,
                episode.number,
                series,
                slug,
                episode.titles,
                season.year,
                episode.minutes,
                added_at,
            )
            self._add_offers(
                title_id,
                key,
                minutes=episode.minutes,
                audio=["de"] if series.language == "de" else ["de", series.language],
                subtitles=["de"],
                offers=invent_episode_offers(year=season.year, in_austria=in_austria),
            )

    def _add_invented_label(self, title_id: UUID, key: str, genres: Sequence[str]) -> None:
        age = invent_age_label(key, genres)
        if age is not None:
            self.tables["ratings"].append((title_id, "DE", "FSK", str(age), age, INVENTED))

    def _add_serial(
        self,
        title_id: UUID,
        parent_id: UUID | None,
        number: int | None,
        series: InventedSeries,
        slug: str,
        titles: tuple[str, str],
        year: int,
        minutes: int | None,
        added_at: datetime,
    ) -> None:
        """A series, a season or an episode: its own title and the one in the other language."""
        kind = "series" if parent_id is None else "season" if minutes is None else "episode"
        own, other = (titles[1], titles[0]) if series.language == "en" else titles
        self._add_title(
            title_id,
            slug=slug,
            kind=kind,
            names=[own, other],
            year=year,
            minutes=minutes,
            countries=[series.country],
            languages=[series.language],
            genres=list(series.genres),
            rights_line=None,
            source="invented",
            cast_order="unknown",
            popularity=series.popularity if kind == "series" else 0,
            added_at=added_at,
            parent_id=parent_id,
            number=number,
        )
        if other != own:
            self.tables["title_texts"].append((title_id, "de" if series.language == "en" else "en", other, None))

    def _add_title(
        self,
        title_id: UUID,
        *,
        slug: str,
        kind: str,
        names: Sequence[str],
        year: int,
        minutes: int | None,
        countries: list[str],
        languages: list[str],
        genres: list[str],
        rights_line: str | None,
        source: str,
        cast_order: str,
        popularity: int,
        added_at: datetime,
        parent_id: UUID | None = None,
        number: int | None = None,
    ) -> None:
        search_text = "" if kind == "season" else folding.fold_for_search(*names)
        if kind in ("film", "series"):
            self._words.update(word for word in search_text.split() if word != "|")
        slug = unique(slug or title_id.hex[-12:], self._slugs)
        sort_key = folding.sort_key(names[0])
        self.tables["titles"].append(
            (
                *(title_id, slug, kind, parent_id, number, names[0], year, minutes, countries, languages, genres),
                *(rights_line, source == "invented", source, cast_order, popularity, sort_key, search_text),
                *(added_at, added_at),
            )
        )

    def _add_credits(self, title_id: UUID, role: str, people: Iterable[tuple[str, str | None]]) -> None:
        for position, (name, character) in enumerate(people, start=1):
            person_id = self._people.get(name)
            if person_id is None:
                person_id = self._people[name] = demo_id("person", name)
            self._films_of[name] += 1
            self.tables["credits"].append((title_id, role, position, person_id, character))

    def _add_offers(
        self,
        title_id: UUID,
        key: str,
        *,
        minutes: int | None,
        audio: list[str],
        subtitles: list[str],
        offers: Iterable[InventedOffer],
    ) -> None:
        edition_id, product_id = demo_id("edition", key), demo_id("product", key)
        licensor_id = self.tables["licensors"][draw(f"licensor/{key}", len(LICENSORS))][0]
        self.tables["editions"].append((edition_id, title_id, minutes, audio, subtitles))
        self.tables["products"].append((product_id, edition_id, licensor_id, f"md:alid:demo:{key}"))
        ids: list[UUID] = []
        for offer in offers:
            ids.append(demo_id("offer", f"{key}/{len(ids)}"))
            before = ids[offer.supersedes] if offer.supersedes is not None else None
            self.tables["offers"].append(
                (
                    *(ids[-1], product_id, before, offer.market, offer.kind, offer.quality, audio),
                    *(offer.starts_at, offer.ends_at, offer.visible_from, offer.starts_at, offer.gross, "EUR"),
                    *(offer.cost, offer.minimum_price, offer.start_days, offer.watch_hours, offer.near_end, True),
                )
            )


def unique(wanted: str, taken: set[str]) -> str:
    """The wanted slug, or with a number where it is taken."""
    slug, number = wanted, 1
    while slug in taken:
        number += 1
        slug = f"{wanted}-{number}"
    taken.add(slug)
    return slug


def _first(row: Row) -> Any:
    return row[0].int if isinstance(row[0], UUID) else row[0]


def _first_three(row: Row) -> Any:
    return row[0].int, row[1], row[2]


def _product(row: Row) -> Any:
    return row[1].int


def _kind_and_id(row: Row) -> Any:
    """Parents before their children."""
    return ("film", "series", "season", "episode").index(row[2]), row[0].int


_ORDERS: Final = {
    # In the order of the primary key: its index then grows at its end only.
    "people": _first,
    "titles": _kind_and_id,
    "title_texts": _first,
    "credits": _first_three,
    "editions": _first,
    "products": _first,
    # Not its primary key but its dearest index: the exclusion constraint begins with the product.
    "offers": _product,
    "search_words": _first,
}
