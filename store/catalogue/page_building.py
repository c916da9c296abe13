"""Builds film pages: a few queries for any number of titles at once, then one `FilmPage` for each.

One page is a batch of one, so there is a single way in which pages come about.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from billing.money import MoneyOut
from store.catalogue import names
from store.catalogue.age_labels import may_be_seen_sql
from store.catalogue.cards import Connection, load_cards, load_genre_names, name_genres
from store.catalogue.offers import MAY_BE_NAMED_SQL
from store.catalogue.posters import poster_of
from store.catalogue.schemas import (
    AgeLabel,
    Cast,
    Contributor,
    FilmPage,
    Named,
    Notes,
    OfferOut,
    OpinionOut,
    Prices,
    Section,
    SimilarTitle,
    TitleCard,
    TitleRef,
)
from store.catalogue.series import Family, load_families
from store.catalogue.similar import Candidate, choose, find_candidates
from store.catalogue.takedowns import IS_TAKEN_DOWN_SQL
from store.catalogue.wording import enumerate_names, say, starting, terms

OTHER_FILMS: Final = 2
"""How many other films stand in brackets after a name."""

Rows = Mapping[UUID, list[asyncpg.Record]]


@dataclass(frozen=True, slots=True)
class BuiltPage:
    """A page and the span in which it shows what holds: half-open, None where no window ends it."""

    page: FilmPage
    valid_from: datetime
    valid_until: datetime | None


_TITLES: Final = f"""
    SELECT t.id, t.slug, t.kind, t.original_title, t.year, t.runtime_minutes, t.countries, t.languages, t.genres,
           t.rights_line, t.invented, t.source, t.cast_order,
           coalesce(x.title, t.original_title) AS title, x.synopsis::text AS synopsis,
           o.heading, o.text, o.author, o.published_on,
           r.system, r.label, r.minimum_age, r.method = 'invented' AS is_invented_label
    FROM store.titles t
    LEFT JOIN store.title_texts x ON x.title_id = t.id AND x.locale = $2
    LEFT JOIN store.opinions o ON o.title_id = t.id AND o.locale = $2
    LEFT JOIN LATERAL (
        SELECT system, label, minimum_age, method FROM store.ratings
        WHERE title_id = t.id AND market = $3 ORDER BY minimum_age DESC, system LIMIT 1
    ) r ON true
    WHERE t.id = ANY ($1::uuid[]) AND {MAY_BE_NAMED_SQL.format(market="$3", at="$4")} AND {{may_be_seen}}
    ORDER BY t.id
"""  # noqa: S608 - no value of a request in it
"""Where a market has several age labels, the strictest counts."""

_CREDITS: Final = """
    SELECT c.title_id, c.role, c.person_id, c.character, p.slug, p.name
    FROM store.credits c JOIN store.people p ON p.id = c.person_id
    WHERE c.title_id = ANY ($1::uuid[])
    ORDER BY c.title_id, c.role, c.position
"""

_OTHER_FILMS: Final = f"""
    SELECT wanted.id AS person_id, other.id, other.slug, other.title, other.year
    FROM unnest($1::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT t.id, t.slug, t.title, t.year
        FROM (
            SELECT t.id, t.slug, coalesce(x.title, t.original_title) AS title, t.year
            FROM (SELECT DISTINCT c.title_id FROM store.credits c WHERE c.person_id = wanted.id) AS made
            JOIN store.titles t ON t.id = made.title_id
            LEFT JOIN store.title_texts x ON x.title_id = t.id AND x.locale = $2
            ORDER BY t.popularity DESC, t.id
            OFFSET 0
        ) AS t
        WHERE {MAY_BE_NAMED_SQL.format(market="$4", at="$5")} AND {{may_be_seen}}
        LIMIT $3
    ) other
"""  # noqa: S608 - no value of a request in it
"""The best-known titles of each person, one more than is shown, for the page's own is left out."""

_OFFERS: Final = f"""
    SELECT e.title_id, o.id, o.kind, o.quality, o.languages, o.gross, o.currency, o.start_days, o.watch_hours,
           o.near_end, o.may_download, o.starts_at, o.ends_at, o.visible_from, o.playable_from, l.invented,
           e.subtitle_languages, m.time_zone
    FROM store.editions e
    JOIN store.products p ON p.edition_id = e.id
    JOIN store.licensors l ON l.id = p.licensor_id
    JOIN store.offers o ON o.product_id = p.id
    JOIN store.markets m ON m.code = o.market
    WHERE e.title_id = ANY ($1::uuid[]) AND o.market = $2 AND NOT {IS_TAKEN_DOWN_SQL.format(title="e.title_id")}
    ORDER BY o.kind DESC, array_position(ARRAY['SD', 'HD', 'UHD'], o.quality::text), o.gross, o.id
"""  # noqa: S608 - no value of a request in it

_WINDOWS: Final = """
    SELECT sold.title_id, o.visible_from, o.starts_at, o.ends_at
    FROM (
        SELECT id AS title_id, id FROM unnest($1::uuid[]) AS id
        UNION ALL
        SELECT season.parent_id, episode.id
        FROM store.titles season JOIN store.titles episode ON episode.parent_id = season.id
        WHERE season.parent_id = ANY ($1::uuid[])
    ) AS sold
    JOIN store.editions e ON e.title_id = sold.id
    JOIN store.products p ON p.edition_id = e.id
    JOIN store.offers o ON o.product_id = p.id
    WHERE o.market = $2
"""
"""When the prices on the cards of films and series may change: a series is sold by its episodes."""


async def build_pages(
    connection: Connection, ids: Sequence[UUID], *, market: str, locale: str, at: datetime, age_limit: int
) -> list[BuiltPage]:
    """The pages of titles in a market and a language at an instant, for viewers with an age limit.

    Ids that may not be named there, or not be seen by them, are left out.
    """
    in_market: dict[str, Any] = {"market": market, "locale": locale, "at": at, "age_limit": age_limit}
    seen = may_be_seen_sql(age_limit, title="t.id", market="$3")
    titles = await connection.fetch(_TITLES.format(may_be_seen=seen), ids, locale, market, at)
    genres = await load_genre_names(connection, locale=locale)
    credits = _by(await connection.fetch(_CREDITS, ids), "title_id")
    people = {row["person_id"] for rows in credits.values() for row in rows}
    others = await _other_films(connection, list(people), **in_market)
    families = await load_families(connection, titles, **in_market)
    offers = _by(await connection.fetch(_OFFERS, ids, market), "title_id")
    candidates = await find_candidates(connection, ids)
    wanted = list({candidate.title_id for found in candidates.values() for candidate in found})
    cards = {card.id: card for card in await load_cards(connection, wanted, **in_market)}
    similar = {title_id: choose(found, sold=_sold(cards)) for title_id, found in candidates.items()}
    shown = list({candidate.title_id for found in similar.values() for candidate in found})
    windows = _by(await connection.fetch(_WINDOWS, shown, market), "title_id")
    pages = []
    for title in titles:
        family = families.get(title["id"], Family())
        own = offers.get(title["id"], [])
        alike = similar.get(title["id"], [])
        spans = [*own, *(row for candidate in alike for row in windows.get(candidate.title_id, []))]
        moments = [*_moments(spans), *family.moments]
        page = _page(
            title,
            market=market,
            locale=locale,
            genres=genres,
            credits=credits.get(title["id"], []),
            others=others,
            family=family,
            sold=[row for row in own if row["starts_at"] <= at and _ends_after(row, at)],
            announced=[row for row in own if row["visible_from"] <= at < row["starts_at"]],
            similar=[_similar(candidate, cards, genres, locale) for candidate in alike],
        )
        pages.append(
            BuiltPage(
                page=page,
                valid_from=max((moment for moment in moments if moment <= at), default=at),
                valid_until=min((moment for moment in moments if moment > at), default=None),
            )
        )
    return pages


async def _other_films(
    connection: Connection, people: Sequence[UUID], *, market: str, locale: str, at: datetime, age_limit: int
) -> Rows:
    """What else people made, by their ids."""
    query = _OTHER_FILMS.format(may_be_seen=may_be_seen_sql(age_limit, title="t.id", market="$4"))
    return _by(await connection.fetch(query, people, locale, OTHER_FILMS + 1, market, at), "person_id")


def _page(
    title: asyncpg.Record,
    *,
    market: str,
    locale: str,
    genres: dict[str, Named],
    credits: Sequence[asyncpg.Record],
    others: Rows,
    family: Family,
    sold: Sequence[asyncpg.Record],
    announced: Sequence[asyncpg.Record],
    similar: list[SimilarTitle],
) -> FilmPage:
    offers = [_offer(row, locale) for row in sold]
    tongues = _unique(tongue for offer in offers for tongue in offer.languages) or title["languages"]
    subtitles = _unique(tongue for row in sold for tongue in row["subtitle_languages"])
    synopsis = msgspec.json.decode(title["synopsis"], type=list[Section]) if title["synopsis"] else None
    roles = {
        role: [_contributor(row, title["id"], others) for row in credits if row["role"] == role]
        for role in ("actor", "director", "writer")
    }
    return FilmPage(
        id=title["id"],
        slug=title["slug"],
        kind=title["kind"],
        locale=locale,
        market=market,
        title=title["title"],
        original_title=title["original_title"] if title["original_title"] != title["title"] else None,
        year=title["year"],
        minutes=title["runtime_minutes"],
        countries=[names.country(code, locale) for code in title["countries"]],
        languages=[names.language(code, locale) for code in tongues],
        subtitles=[names.language(code, locale) for code in subtitles],
        genres=name_genres(title["genres"], genres),
        cast=Cast(title["cast_order"], _cast_note(title, roles["actor"], locale), roles["actor"]),
        directors=roles["director"],
        writers=roles["writer"],
        synopsis=synopsis,
        opinion=_opinion(title),
        rights_line=_rights(title, locale),
        age_label=_age_label(title),
        poster=poster_of(title),
        prices=_prices(offers) if title["kind"] in ("film", "episode") else family.prices,
        offers=offers,
        announced=[_offer(row, locale) for row in announced],
        similar=similar,
        place=family.place,
        seasons=family.seasons,
        invented=title["invented"],
        notes=_notes(title, synopsis, [*sold, *announced], family, locale),
    )


def _offer(row: asyncpg.Record, locale: str) -> OfferOut:
    sentence = terms(
        kind=row["kind"],
        start_days=row["start_days"],
        watch_hours=row["watch_hours"],
        near_end=row["near_end"],
        locale=locale,
    )
    return OfferOut(
        id=row["id"],
        kind=row["kind"],
        quality=row["quality"],
        price=MoneyOut(row["gross"], row["currency"]),
        languages=row["languages"],
        start_days=row["start_days"],
        watch_hours=row["watch_hours"],
        near_end=row["near_end"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        playable_from=row["playable_from"],
        sentence=sentence,
        starts=starting(row["starts_at"], zone=row["time_zone"], locale=locale),
        may_download=row["may_download"],
    )


def _prices(offers: Sequence[OfferOut]) -> Prices:
    def cheapest(kind: str) -> MoneyOut | None:
        prices = [offer.price for offer in offers if offer.kind == kind]
        return min(prices, key=lambda price: price.amount) if prices else None

    return Prices(rent=cheapest("rent"), buy=cheapest("buy"))


def _contributor(row: asyncpg.Record, title_id: UUID, others: Rows) -> Contributor:
    films = [other for other in others.get(row["person_id"], []) if other["id"] != title_id]
    return Contributor(
        slug=row["slug"],
        name=row["name"],
        character=row["character"],
        other_films=[TitleRef(film["slug"], film["title"], film["year"]) for film in films[:OTHER_FILMS]],
    )


def _similar(
    candidate: Candidate, cards: Mapping[UUID, TitleCard], genres: dict[str, Named], locale: str
) -> SimilarTitle:
    if candidate.reason == "genre":
        genre = genres.get(candidate.shared[0])
        sentence = say("similar.genre", locale, genre=genre.name if genre else candidate.shared[0])
    else:
        sentence = say(f"similar.{candidate.reason}", locale, names=enumerate_names(list(candidate.shared), locale))
    return SimilarTitle(cards[candidate.title_id], candidate.reason, sentence)


def _age_label(title: asyncpg.Record) -> AgeLabel | None:
    if title["system"] is None:
        return None
    return AgeLabel(title["system"], title["label"], title["minimum_age"], bool(title["is_invented_label"]))


def _opinion(title: asyncpg.Record) -> OpinionOut | None:
    if title["heading"] is None:
        return None
    return OpinionOut(title["heading"], title["text"], title["author"], title["published_on"])


def _rights(title: asyncpg.Record, locale: str) -> str | None:
    """The rights holder's line as delivered; a plain one for real films of the demonstration."""
    if title["source"] == "licensor":
        return str(title["rights_line"]) if title["rights_line"] else None
    if title["invented"]:
        return None
    if title["rights_line"]:
        return say("rights", locale, holder=title["rights_line"])
    return say("rights.unknown", locale)


def _cast_note(title: asyncpg.Record, actors: Sequence[Contributor], locale: str) -> str | None:
    if not actors:
        return say("cast.invented" if title["invented"] else "cast.none", locale)
    return None if title["cast_order"] == "billing" else say(f"cast.{title['cast_order']}", locale)


def _notes(
    title: asyncpg.Record,
    synopsis: Sequence[Section] | None,
    offers: Sequence[asyncpg.Record],
    family: Family,
    locale: str,
) -> Notes:
    if title["kind"] in ("series", "season"):
        about_offers = "offers.episodes" if family.prices != Prices(None, None) else "offers.none"
    elif not offers:
        about_offers = "offers.none"
    else:
        about_offers = "offers.invented" if any(row["invented"] for row in offers) else ""
    facts = f"facts.{title['source']}"
    return Notes(
        facts=say(facts, locale) if title["source"] in ("wikidata", "invented") else None,
        offers=say(about_offers, locale) if about_offers else None,
        synopsis=None if synopsis else say("synopsis.none", locale),
        opinion=None if title["heading"] else say("opinion.none", locale),
        age_label=None if title["system"] else say("age_label.none", locale),
    )


def _sold(cards: Mapping[UUID, TitleCard]) -> set[UUID]:
    return {card.id for card in cards.values() if card.prices.rent or card.prices.buy}


def _moments(offers: Iterable[asyncpg.Record]) -> Iterable[datetime]:
    """The instants at which something about offers changes by itself."""
    for row in offers:
        yield row["visible_from"]
        yield row["starts_at"]
        if row["ends_at"] is not None:
            yield row["ends_at"]


def _ends_after(row: asyncpg.Record, at: datetime) -> bool:
    return row["ends_at"] is None or row["ends_at"] > at


def _by(rows: Iterable[asyncpg.Record], column: str) -> dict[UUID, list[asyncpg.Record]]:
    grouped: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        grouped[row[column]].append(row)
    return grouped


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
