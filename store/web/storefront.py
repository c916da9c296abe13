"""Pages where people look around: start, films, series, search, genres, people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from store.catalogue.cards import load_genre_names
from store.catalogue.errors import GenreNotFound
from store.catalogue.film_page import load_film_page
from store.catalogue.genres import list_genres
from store.catalogue.lists import Order, list_titles
from store.catalogue.people import load_person
from store.catalogue.schemas import FilmPage, GenreOut, OfferOut, TitleCard
from store.database import Database
from store.entitlement.library import find_ownership
from store.entitlement.progress import Begun, list_begun, minutes_left
from store.kept_facts import keep
from store.web.pages import Frame
from store.web.titles import cards_by_id

ROW: Final = 12
"""Titles that a row of the start page asks for."""
SHELF: Final = 36
"""Titles on one page of a list."""
SORTS: Final[tuple[Order, ...]] = ("popularity", "new", "title")
_PREFERRED: Final = ("HD", "SD", "UHD")
"""Which quality of the buy box is chosen at first."""


def _first_sentences(text: str, longest: int = 220) -> str:
    """The beginning of a text, cut after a sentence where that is possible."""
    line = text.split("\n\n")[0].strip()
    if len(line) <= longest:
        return line
    cut = line[:longest]
    end = max(cut.rfind(mark) for mark in (". ", "? ", ": "))
    return cut[: end + 1] if end > longest // 3 else cut.rsplit(" ", 1)[0] + " …"


async def _film(frame: Frame, database: Database, slug: str) -> FilmPage:
    page = await load_film_page(
        database, slug=slug, market=frame.market, locale=frame.locale, at=frame.at, age_limit=frame.age_limit
    )
    return msgspec.json.decode(page.document, type=FilmPage)


@get("/", for_every_age=True)
async def show_start(
    frame: NamedDependency[Frame],
    database: NamedDependency[Database],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """One film large, then rows; signed in, first what was begun."""
    rows = await _start_rows(frame, database)
    choice = rows.opinions or rows.popular
    # Another film every day, the same for everyone.
    chosen = choice[frame.at.toordinal() % len(choice)] if choice else None
    lead = await _film(frame, database, chosen.slug) if chosen else None
    continued: list[dict[str, object]] = []
    if frame.visitor is not None and frame.visitor.is_customer:
        begun = await list_begun(
            session,
            account_id=frame.visitor.account_id,
            market=frame.market,
            age_limit=frame.age_limit,
            at=frame.at,
        )
        cards = await cards_by_id(frame, database, [one.title_id for one in begun[:6]])
        continued = [_continued(frame, one, cards[one.title_id]) for one in begun[:6] if one.title_id in cards]
    return frame.page(
        "storefront/start.html",
        lead=lead,
        teaser=_first_sentences(lead.opinion.text) if lead and lead.opinion else "",
        continued=continued,
        new=rows.new,
        opinions=[card for card in rows.opinions if card != chosen],
        popular=rows.popular,
        genres=rows.genres,
    )


def _continued(frame: Frame, begun: Begun, film: TitleCard) -> dict[str, object]:
    """A film to go on with, and how much of it is left."""
    left = frame.w.text("start.left", span=frame.w.minutes(minutes_left(begun)))
    return {"film": film, "left": left, "part": 1 - begun.position / begun.seconds}


@dataclass(frozen=True, slots=True)
class StartRows:
    """What the start page shows to everyone of a market, a language and an age limit, as of one minute."""

    opinions: Sequence[TitleCard]
    new: Sequence[TitleCard]
    popular: Sequence[TitleCard]
    genres: Sequence[GenreOut]


async def _start_rows(frame: Frame, database: Database) -> StartRows:
    """The rows, read at most once a minute per process: each of them costs a walk through all that is on sale."""
    place: dict[str, Any] = {"market": frame.market, "locale": frame.locale, "at": frame.at}
    shown: dict[str, Any] = {**place, "age_limit": frame.age_limit}

    async def read() -> StartRows:
        opinions = (await list_titles(database, order="opinions", limit=ROW, **shown)).titles
        # What has an opinion is popular too: without this the two rows would show the same films.
        popular = (await list_titles(database, order="popularity", limit=2 * ROW, **shown)).titles
        return StartRows(
            opinions=opinions,
            new=(await list_titles(database, order="new", kind="film", limit=ROW, **shown)).titles,
            popular=[card for card in popular if card not in opinions][:ROW],
            genres=(await list_genres(frame.request.app.state, database, **place)).genres,
        )

    minute = frame.at.replace(second=0, microsecond=0)
    name = ("start_rows", frame.market, frame.locale, str(frame.age_limit))
    return await keep(frame.request.app.state, name, as_of=minute, read=read)


@get(["/films/{slug:str}", "/series/{slug:str}"], for_every_age=True)
async def show_film(
    frame: NamedDependency[Frame],
    slug: FromPath[str],
    database: NamedDependency[Database],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """The page of a film, a series, a season or an episode."""
    film = await _film(frame, database, slug)
    owned = None
    if frame.visitor is not None and frame.visitor.is_customer:
        owned = await _owned(frame, session, film)
    kinds = [] if owned and owned["kind"] == "buy" else ["rent", "buy"]
    if owned and owned["kind"] == "rent":
        kinds = ["buy"]
    return frame.page(
        "storefront/film.html",
        film=film,
        description=_description(frame, film),
        owned=owned,
        choices=[choice for kind in kinds if (choice := _choice(frame, film, kind))],
    )


def _choice(frame: Frame, film: FilmPage, kind: str) -> dict[str, object] | None:
    """One of the two choices of the buy box: the offers of a kind, one per quality, the cheapest of each."""
    by_quality: dict[str, OfferOut] = {}
    for offer in sorted(film.offers, key=lambda offer: offer.price.amount):
        if offer.kind == kind:
            by_quality.setdefault(offer.quality, offer)
    offers = [by_quality[quality] for quality in ("SD", "HD", "UHD") if quality in by_quality]
    if not offers:
        return None
    preferred = next(quality for quality in _PREFERRED if quality in by_quality)
    t = frame.w.text
    return {
        "kind": kind,
        "heading": t(f"film.{kind}"),
        "action": t(f"film.{kind}_action"),
        "offers": [
            {
                "id": offer.id,
                "quality": offer.quality,
                "price": offer.price,
                "preferred": offer.quality == preferred,
                "sentence": _terms(frame, offer),
            }
            for offer in offers
        ],
    }


def _terms(frame: Frame, offer: OfferOut) -> str:
    """What an offer means if it is paid now; a rental with its real dates."""
    if offer.start_days is None or offer.watch_hours is None:
        return offer.sentence
    start_by = frame.w.moment(frame.at + timedelta(days=offer.start_days))
    return frame.w.text(f"film.rent_means_{offer.near_end}", start_by=start_by, hours=frame.w.hours(offer.watch_hours))


async def _owned(frame: Frame, session: AsyncSession, film: FilmPage) -> dict[str, object] | None:
    """What the visitor has of the film already, in words."""
    assert frame.visitor is not None
    right = await find_ownership(session, frame.visitor.account_id, film.id, frame.at)
    if right is None:
        return None
    t, moment = frame.w.text, frame.w.moment
    if right.kind == "buy":
        sentence = t("film.owned_buy_sentence")
    elif right.started:
        sentence = t("film.owned_until", until=moment(right.ends_at))
    else:
        sentence = t("film.owned_start_by", until=moment(right.start_by))
    return {
        "kind": right.kind,
        "quality": right.quality,
        "sentence": sentence,
        "watchable": film.kind not in ("season", "series"),
    }


def _description(frame: Frame, film: FilmPage) -> str:
    if film.synopsis:
        return _first_sentences(film.synopsis[0].text)
    facts = [film.title, str(film.year or ""), ", ".join(genre.name for genre in film.genres)]
    return ", ".join(filter(None, facts)) + ". " + frame.w.text("site.description")


@get("/films", for_every_age=True)
async def show_films(
    frame: NamedDependency[Frame],
    database: NamedDependency[Database],
    sort: FromQuery[str] = "popularity",
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """All films, by popularity, title or age."""
    return await _shelf(
        frame, database, "/films", frame.w.text("browse.films"), "films_sentence", sort, cursor, kind="film"
    )


@get("/series", for_every_age=True)
async def show_all_series(
    frame: NamedDependency[Frame],
    database: NamedDependency[Database],
    sort: FromQuery[str] = "popularity",
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """All series."""
    return await _shelf(
        frame, database, "/series", frame.w.text("series.heading"), "series_sentence", sort, cursor, kind="series"
    )


@get("/genres", for_every_age=True)
async def show_genres(frame: NamedDependency[Frame], database: NamedDependency[Database]) -> Response[str]:
    """All genres."""
    found = await list_genres(frame.request.app.state, database, market=frame.market, locale=frame.locale, at=frame.at)
    return frame.page("storefront/genres.html", genres=found.genres)


@get("/genres/{code:str}", for_every_age=True)
async def show_genre(
    frame: NamedDependency[Frame],
    code: FromPath[str],
    database: NamedDependency[Database],
    sort: FromQuery[str] = "popularity",
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """The films and series of a genre."""
    genre = (await load_genre_names(database.reads, locale=frame.locale)).get(code)
    if genre is None:
        raise GenreNotFound
    return await _shelf(frame, database, f"/genres/{code}", genre.name, "genre_sentence", sort, cursor, genre=code)


async def _shelf(
    frame: Frame,
    database: Database,
    path: str,
    heading: str,
    sentence: str,
    sort: str,
    cursor: str | None,
    **only: str,
) -> Response[str]:
    """A list of titles with its ways to sort; the place in it is in the address."""
    order: Order = next((known for known in SORTS if known == sort), "popularity")
    found = await list_titles(
        database,
        order=order,
        cursor=cursor,
        limit=SHELF,
        market=frame.market,
        locale=frame.locale,
        at=frame.at,
        age_limit=frame.age_limit,
        **only,
    )
    t = frame.w.text
    return frame.page(
        "storefront/list.html",
        heading=heading,
        sentence=t(f"browse.{sentence}"),
        sort=order,
        sorts=[(key, t(f"browse.sort_{key}"), frame.url(path, sort=key)) for key in SORTS],
        shelves=[{"heading": "", "films": found.titles}] if found.titles else [],
        previous=frame.url(path, sort=order) if cursor else "",
        next=frame.url(path, sort=order, cursor=found.next_cursor) if found.next_cursor else "",
    )


@get("/people/{slug:str}", for_every_age=True)
async def show_person(
    frame: NamedDependency[Frame], slug: FromPath[str], database: NamedDependency[Database]
) -> Response[str]:
    """A person's films, by what the person did in them."""
    person = await load_person(
        database, slug=slug, market=frame.market, locale=frame.locale, at=frame.at, age_limit=frame.age_limit
    )
    # What someone did most comes first.
    roles = sorted(person.films, key=lambda role: len(role.titles), reverse=True)
    return frame.page(
        "storefront/list.html",
        heading=person.name,
        sentence=frame.w.text("film.invented_person") if person.invented else "",
        sort="",
        sorts=[],
        shelves=[{"heading": role.role_name, "films": role.titles} for role in roles],
        previous="",
        next="",
    )


@get("/search", for_every_age=True)
async def show_search(
    frame: NamedDependency[Frame],
    database: NamedDependency[Database],
    q: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """What was found; htmx gets the results alone while one types, the address is the same."""
    words = " ".join(q.replace("\0", " ").split())[:200]
    values: dict[str, Any] = {"q": words, "films": [], "people": [], "corrected": None, "previous": "", "next": ""}
    if words:
        found = await list_titles(
            database,
            q=words,
            cursor=cursor,
            limit=SHELF,
            market=frame.market,
            locale=frame.locale,
            at=frame.at,
            age_limit=frame.age_limit,
        )
        values |= {"films": found.titles, "people": found.people, "corrected": found.corrected}
        if found.next_cursor:
            values["next"] = frame.url("/search", q=found.corrected or words, cursor=found.next_cursor)
        values["previous"] = frame.url("/search", q=words) if cursor else ""
    return frame.page("storefront/_results.html" if frame.is_fragment else "storefront/search.html", **values)


handlers = [
    show_start,
    show_film,
    show_films,
    show_all_series,
    show_genres,
    show_genre,
    show_person,
    show_search,
]
