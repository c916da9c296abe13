"""Shapes of the catalogue's answers; `FilmPage` is the one description of a film page, for programs and for the web."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from billing.money import MoneyOut

Kind = Literal["film", "series", "season", "episode"]


class Named(msgspec.Struct, frozen=True):
    """A code and its name in the answer's language: a country, a language, a genre."""

    code: str
    name: str


class Poster(msgspec.Struct, frozen=True):
    """The drawn poster (2:3) and its colours, as `#rrggbb`, for the page around it."""

    url: str
    ground: str
    ink: str
    accent: str


class Prices(msgspec.Struct, frozen=True):
    """The lowest price of each kind on sale now; null where it is not sold in that way."""

    rent: MoneyOut | None
    buy: MoneyOut | None


class TitleRef(msgspec.Struct, frozen=True):
    """A title that is only mentioned."""

    slug: str
    title: str
    year: int | None = None


class TitleCard(msgspec.Struct, frozen=True):
    """A title as lists show it."""

    id: UUID
    slug: str
    kind: Kind
    title: str
    original_title: str | None
    """Only where it differs."""
    year: int | None
    minutes: int | None
    genres: list[Named]
    poster: Poster
    prices: Prices
    invented: bool
    series: TitleRef | None = None
    """For an episode: what it belongs to."""


class SimilarTitle(msgspec.Struct, frozen=True):
    """A title on sale in this market, and why it stands here."""

    card: TitleCard
    reason: Literal["director", "actors", "genre"]
    sentence: str


class Contributor(msgspec.Struct, frozen=True):
    """Someone who made the film, with up to two other films of theirs."""

    slug: str
    name: str
    character: str | None
    other_films: list[TitleRef]


class Cast(msgspec.Struct, frozen=True):
    """The actors, in the order that `order` names."""

    order: Literal["billing", "alphabetical", "unknown"]
    note: str | None
    """What a reader must know of the order; null for billing order."""
    people: list[Contributor]


class Section(msgspec.Struct, frozen=True):
    """A part of a synopsis."""

    heading: str
    text: str


class OpinionOut(msgspec.Struct, frozen=True):
    """What the store's editors think."""

    heading: str
    text: str
    author: str
    published_on: date


class AgeLabel(msgspec.Struct, frozen=True):
    """The age label of the market."""

    system: str
    label: str
    minimum_age: int
    invented: bool = False
    """Made up for the demonstration."""


class OfferOut(msgspec.Struct, frozen=True):
    """What can be ordered, at which terms."""

    id: UUID
    kind: Literal["rent", "buy"]
    quality: Literal["SD", "HD", "UHD"]
    price: MoneyOut
    """VAT included."""
    languages: list[str]
    """Audio languages, BCP 47."""
    start_days: int | None
    """Rentals: days in which the film must be started."""
    watch_hours: int | None
    """Rentals: hours from the first play to the end."""
    near_end: Literal["full", "cut"]
    starts_at: datetime
    ends_at: datetime | None
    """It is sold until then (exclusive)."""
    playable_from: datetime
    sentence: str
    """What it means, in words."""
    starts: str
    """From when on it is sold, in words and in the market's time."""
    may_download: bool = False
    """Whether it may be kept on a device, where its DRM can."""


class Episode(msgspec.Struct, frozen=True):
    """An episode in its season's list."""

    slug: str
    number: int
    title: str
    minutes: int | None
    prices: Prices


class Season(msgspec.Struct, frozen=True):
    """A season of a series with its episodes."""

    slug: str
    number: int
    title: str
    year: int | None
    episodes: list[Episode]


class EpisodePlace(msgspec.Struct, frozen=True):
    """Where an episode or season stands in its series."""

    series: TitleRef
    season: TitleRef
    season_number: int
    episode_number: int | None
    previous: TitleRef | None
    next: TitleRef | None


class Notes(msgspec.Struct, frozen=True):
    """Sentences that must stand beside what they speak of; null where there is nothing to say."""

    facts: str | None
    """Where the facts come from, or that they are invented."""
    offers: str | None
    """That the offers are invented, or that nothing is on sale here."""
    synopsis: str | None
    """That there is no synopsis."""
    opinion: str | None
    """That there is no opinion."""
    age_label: str | None
    """That there is no age label."""


class FilmPage(msgspec.Struct, frozen=True):
    """All that a film page shows, in one market and one language."""

    id: UUID
    slug: str
    kind: Kind
    locale: str
    market: str
    title: str
    original_title: str | None
    """Only where it differs."""
    year: int | None
    minutes: int | None
    countries: list[Named]
    languages: list[Named]
    """Audio languages of what is sold; where nothing is sold, the original ones."""
    subtitles: list[Named]
    genres: list[Named]
    cast: Cast
    directors: list[Contributor]
    writers: list[Contributor]
    synopsis: list[Section] | None
    opinion: OpinionOut | None
    rights_line: str | None
    age_label: AgeLabel | None
    poster: Poster
    prices: Prices
    offers: list[OfferOut]
    announced: list[OfferOut]
    """Not on sale yet, but to be seen: `starts_at` says from when on."""
    similar: list[SimilarTitle]
    place: EpisodePlace | None
    seasons: list[Season]
    invented: bool
    notes: Notes


class GenreOut(msgspec.Struct, frozen=True):
    """A genre and how many films and series of it the store lists."""

    code: str
    name: str
    count: int


class GenreList(msgspec.Struct, frozen=True):
    """All genres."""

    genres: list[GenreOut]


class PersonHit(msgspec.Struct, frozen=True):
    """Someone found by name."""

    slug: str
    name: str
    film_count: int


class TitleList(msgspec.Struct, frozen=True):
    """A page of a list; `next_cursor` leads on, null at the end."""

    titles: list[TitleCard]
    people: list[PersonHit]
    """Found by the same words; on the first page of a search only."""
    next_cursor: str | None
    corrected: str | None = None
    """What was searched for instead, where nothing was found for the words as they were typed; `next_cursor` goes on
    with these words."""


class Suggestion(msgspec.Struct, frozen=True):
    """One line below the search field."""

    kind: Literal["film", "series", "episode", "person"]
    slug: str
    text: str
    year: int | None


class SuggestionList(msgspec.Struct, frozen=True):
    """What the search field offers while one types."""

    suggestions: list[Suggestion]


class Filmography(msgspec.Struct, frozen=True):
    """Titles in which someone had one role."""

    role: Literal["director", "writer", "actor"]
    role_name: str
    titles: list[TitleCard]


class PersonPage(msgspec.Struct, frozen=True):
    """A person and their titles, newest first in each role."""

    slug: str
    name: str
    invented: bool
    films: list[Filmography]
