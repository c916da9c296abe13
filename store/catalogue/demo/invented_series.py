"""Invents series with seasons and episodes, always the same ones, so that the demonstration is as large as a store.

Nothing of it exists: titles are put together from words, places are made up, there is no cast.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from store.catalogue.demo import series_words as words
from store.catalogue.demo.draws import Draws
from store.catalogue.folding import fold

EPISODES_WANTED: Final = 46_000
"""So many episodes at least: with the 15,653 films more than 60,000 videos."""

LAST_YEAR: Final = 2026

Titles = tuple[str, str]
"""German and English."""

_STYLES: Final[tuple[tuple[int, tuple[str, ...], tuple[words.Noun, ...], tuple[int, ...]], ...]] = (
    # Percent, genres, nouns beside the everyday ones, usual minutes of an episode.
    (26, ("crime", "drama"), words.CRIME, (44, 58, 88)),
    (10, ("thriller", "crime"), words.CRIME, (44, 52)),
    (18, ("drama",), (), (44, 48, 52)),
    (15, ("comedy",), words.CHEERFUL, (22, 25, 28)),
    (11, ("documentary",), words.OBSERVED, (28, 43, 52)),
    (8, ("sci-fi", "drama"), words.DISTANT, (44, 50)),
    (6, ("history", "drama"), words.PAST, (48, 55)),
    (4, ("family", "comedy"), words.CHEERFUL, (22, 24)),
    (2, ("mystery", "fantasy"), words.DISTANT, (44, 50)),
)

_ORIGINS: Final = (("DE", "de"), ("DE", "de"), ("DE", "de"), ("AT", "de"), ("GB", "en"), ("GB", "en"), ("US", "en"))
_SEASON_COUNTS: Final = (1, 1, 2, 2, 3, 3, 4, 5, 6, 8)
_EPISODE_COUNTS: Final = (6, 8, 8, 10, 10, 12, 13, 16, 20)


@dataclass(frozen=True, slots=True)
class InventedEpisode:
    """An episode."""

    number: int
    titles: Titles
    minutes: int


@dataclass(frozen=True, slots=True)
class InventedSeason:
    """A season."""

    number: int
    year: int
    episodes: list[InventedEpisode]


@dataclass(frozen=True, slots=True)
class InventedSeries:
    """A series; `language` is the one it was made in, whose title is the original one."""

    key: str
    titles: Titles
    country: str
    language: str
    genres: tuple[str, ...]
    seasons: list[InventedSeason]
    popularity: int

    @property
    def original_title(self) -> str:
        """The title in the series' own language."""
        return self.titles[self.language == "en"]


def invent_series(episodes_wanted: int = EPISODES_WANTED) -> Iterator[InventedSeries]:
    """Series after series until there are enough episodes."""
    taken: set[str] = set()
    episodes = number = 0
    while episodes < episodes_wanted:
        number += 1
        series = _series(f"series-{number}", taken)
        episodes += sum(len(season.episodes) for season in series.seasons)
        yield series


def _series(key: str, taken: set[str]) -> InventedSeries:
    draws = Draws(key)
    country, language = draws.one(_ORIGINS)
    genres, nouns, minutes = _style(draws)
    titles = _series_titles(draws, language, genres[0])
    while any(fold(title) in taken for title in titles):
        titles = _series_titles(draws, language, genres[0])
    taken.update(fold(title) for title in titles)
    length = draws.one(minutes)
    count = draws.one(_SEASON_COUNTS)
    first_year = min(1988 + draws.number(38), LAST_YEAR - count)
    used: set[str] = set()
    seasons = []
    for index in range(count):
        episodes = [
            InventedEpisode(
                number=place + 1,
                titles=_episode_titles(draws, language, nouns, used),
                minutes=length + draws.number(5) - 2,
            )
            for place in range(draws.one(_EPISODE_COUNTS))
        ]
        seasons.append(InventedSeason(number=index + 1, year=first_year + index, episodes=episodes))
    return InventedSeries(key, titles, country, language, genres, seasons, popularity=20 + draws.number(230))


def _style(draws: Draws) -> tuple[tuple[str, ...], tuple[words.Noun, ...], tuple[int, ...]]:
    left = draws.number(100)
    for percent, genres, nouns, minutes in _STYLES:
        left -= percent
        if left < 0:
            return genres, (*words.EVERYDAY, *nouns, *nouns), minutes
    raise AssertionError("the percentages make 100")


def _episode_titles(draws: Draws, language: str, nouns: tuple[words.Noun, ...], used: set[str]) -> Titles:
    """A title that this series does not have yet."""
    while True:
        titles = draws.one(_EPISODE_PATTERNS)(draws, language, nouns)
        if titles[0] not in used and titles[1] not in used:
            used.update(titles)
            return titles


def _adjective_noun(draws: Draws, _language: str, nouns: tuple[words.Noun, ...]) -> Titles:
    noun, (german, english) = draws.one(nouns), draws.one(words.ADJECTIVES)
    return f"{noun.article.title()} {german} {noun.de}", f"The {english} {noun.en}"


def _noun_somewhere(draws: Draws, _language: str, nouns: tuple[words.Noun, ...]) -> Titles:
    noun, (german, english) = draws.one(nouns), draws.one(words.PLACES_WITHIN)
    return f"{noun.article.title()} {noun.de} {german}", f"The {noun.en} {english}"


def _name_and_noun(draws: Draws, language: str, nouns: tuple[words.Noun, ...]) -> Titles:
    name, noun = draws.one(words.FIRST_NAMES[language]), draws.one(nouns)
    return f"{name} und {noun.article} {noun.de}", f"{name} and the {noun.en}"


def _about_name(draws: Draws, language: str, _nouns: tuple[words.Noun, ...]) -> Titles:
    name, (german, english) = draws.one(words.FIRST_NAMES[language]), draws.one(words.NAME_PHRASES)
    return german.format(name=name), english.format(name=name)


def _number_of_nouns(draws: Draws, _language: str, nouns: tuple[words.Noun, ...]) -> Titles:
    noun, (german, english) = draws.one(nouns), draws.one(words.NUMBERS)
    return f"{german} {noun.plural}", f"{english} {noun.en_plural}"


def _bare(draws: Draws, _language: str, _nouns: tuple[words.Noun, ...]) -> Titles:
    german, english = draws.one(words.BARE)
    if draws.chance(45):
        return german, english
    other = draws.one(words.BARE)
    while other[0] == german:
        other = draws.one(words.BARE)
    return f"{german} und {other[0]}", f"{english} and {other[1]}"


def _moment(draws: Draws, _language: str, _nouns: tuple[words.Noun, ...]) -> Titles:
    return draws.one(words.MOMENTS)


def _only_noun(draws: Draws, _language: str, nouns: tuple[words.Noun, ...]) -> Titles:
    noun = draws.one(nouns)
    return f"{noun.article.title()} {noun.de}", f"The {noun.en}"


_Pattern = Callable[[Draws, str, tuple[words.Noun, ...]], Titles]

_EPISODE_PATTERNS: Final[tuple[_Pattern, ...]] = (
    _adjective_noun,
    _adjective_noun,
    _noun_somewhere,
    _noun_somewhere,
    _name_and_noun,
    _about_name,
    _number_of_nouns,
    _bare,
    _moment,
    _only_noun,
)


def _series_titles(draws: Draws, language: str, genre: str) -> Titles:
    """The title of a series; places and people are those of its country, in both languages."""
    endings = words.PLACE_ENDINGS[language]
    place = draws.one(words.PLACE_STEMS[language]) + draws.one(endings)
    one, other = draws.one(words.SURNAMES[language]), draws.one(words.SURNAMES[language])
    first, friend = draws.one(words.FIRST_NAMES[language]), draws.one(words.FIRST_NAMES[language])
    adjective, noun = draws.one(words.ADJECTIVES), draws.one((*words.EVERYDAY, *words.PAST))
    german, english = draws.one(_SERIES_PATTERNS[genre])
    facts = {
        "place": place,
        "one": one,
        "other": other if other != one else first,
        "first": first,
        "friend": friend if friend != first else one,
        "the_adj_de": f"{noun.article.title()} {adjective[0]}",
        "adj_en": adjective[1],
        "noun_de": noun.de,
        "noun_en": noun.en,
        "observed_de": (observed := draws.one(words.OBSERVED)).plural,
        "observed_en": observed.en_plural,
        "year": str(1490 + draws.number(430)),
    }
    return german.format_map(facts), english.format_map(facts)


_SERIES_PATTERNS: Final[dict[str, tuple[Titles, ...]]] = {
    "crime": (
        ("Revier {place}", "{place} Precinct"),
        ("{one} & {other}", "{one} & {other}"),
        ("Die Akten von {place}", "The {place} Files"),
        ("Kommissariat {place}", "{place} CID"),
        ("{one} ermittelt", "{one} Investigates"),
        ("Nachtschicht {place}", "{place} Nights"),
        ("Der Fall {one}", "The {one} Case"),
        ("{the_adj_de} {noun_de} von {place}", "The {adj_en} {noun_en} of {place}"),
    ),
    "thriller": (
        ("Kein Weg nach {place}", "No Way to {place}"),
        ("Die Linie {one}", "The {one} Line"),
        ("{place} schweigt", "{place} Is Silent"),
        ("Operation {place}", "Operation {place}"),
        ("Gegen {one}", "Against {one}"),
    ),
    "drama": (
        ("Das Haus {one}", "The House of {one}"),
        ("Sommer in {place}", "Summer in {place}"),
        ("Die Werft von {place}", "The {place} Shipyard"),
        ("{the_adj_de} {noun_de} der {one}s", "The {adj_en} {noun_en} of the {one}s"),
        ("Station {place}", "{place} Ward"),
        ("Heimkehr nach {place}", "Return to {place}"),
        ("Die Lehrerin von {place}", "The Teacher of {place}"),
        ("{first} {one}", "{first} {one}"),
    ),
    "comedy": (
        ("{one} zieht um", "{one} Moves House"),
        ("Die Leute von {place}", "The People of {place}"),
        ("{first} macht das schon", "{first} Will Sort It"),
        ("Nebenan: {one}", "Next Door: {one}"),
        ("Zimmer frei in {place}", "Rooms to Let in {place}"),
        ("{first} & {friend}", "{first} & {friend}"),
        ("Chor {place}", "The {place} Choir"),
    ),
    "documentary": (
        ("Wo {observed_de} wohnen: {place}", "Where {observed_en} Live: {place}"),
        ("Ein Jahr in {place}", "A Year in {place}"),
        ("Das Gedächtnis von {place}", "The Memory of {place}"),
        ("{observed_de} und Menschen in {place}", "{observed_en} and People in {place}"),
        ("Handwerk in {place}", "The Crafts of {place}"),
        ("Stilles Land: {place}", "Quiet Country: {place}"),
    ),
    "sci-fi": (
        ("Kolonie {place}", "Colony {place}"),
        ("{place} antwortet nicht", "{place} Does Not Answer"),
        ("Das {one}-Signal", "The {one} Signal"),
        ("Jenseits von {place}", "Beyond {place}"),
        ("Die {one}-Protokolle", "The {one} Logs"),
    ),
    "history": (
        ("{place} {year}", "{place} {year}"),
        ("Die Kaufleute von {place}", "The Merchants of {place}"),
        ("Das Siegel von {place}", "The Seal of {place}"),
        ("Anno {year}: {place}", "Anno {year}: {place}"),
        ("Die Setzerin von {place}", "The Typesetter of {place}"),
    ),
    "family": (
        ("{first} und der Dachs", "{first} and the Badger"),
        ("Das Baumhaus von {place}", "The {place} Treehouse"),
        ("{first}, {friend} und das Meer", "{first}, {friend} and the Sea"),
        ("Die Bande von {place}", "The {place} Gang"),
        ("{first} fragt warum", "{first} Asks Why"),
    ),
    "mystery": (
        ("Nebel über {place}", "Fog over {place}"),
        ("Das zweite {place}", "The Second {place}"),
        ("Die Glocken von {place}", "The Bells of {place}"),
        ("Was in {place} geschah", "What Happened in {place}"),
    ),
}
