"""Routes of the catalogue: lists, film pages, people, genres under /v1, and the posters."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from litestar.types import ASGIApp

from auth.authentication import identity_of
from auth.errors import Refusal
from auth.headers import header_of
from auth.identity import ALL_AGES
from auth.schemas import NO_CONTROLS, problems
from store.catalogue import lists
from store.catalogue.errors import (
    CursorNotValid,
    GenreNotFound,
    LimitNotValid,
    PersonNotFound,
    PosterNotFound,
    TitleNotFound,
)
from store.catalogue.film_page import CatalogueView, load_film_page, tag_of
from store.catalogue.genres import list_genres
from store.catalogue.people import load_person
from store.catalogue.posters import draw_poster, load_subject
from store.catalogue.schemas import FilmPage, GenreList, PersonPage, SuggestionList, TitleList
from store.database import Database
from store.ready_answer import ReadyAnswer

AnyRequest = Request[Any, Any, Any]

Typed = QueryParameter(max_length=200, description="Words of a title or a name.")
GenreCode = QueryParameter(max_length=40, pattern=NO_CONTROLS, description="A genre's code.")
PersonSlug = QueryParameter(max_length=200, pattern=NO_CONTROLS, description="A person's slug.")
CursorText = QueryParameter(max_length=600, description="`next_cursor` of the page before.")

_VARIES: Final = (
    (b"vary", b"Accept-Language, Authorization, Cookie"),
    (b"cache-control", b"no-cache"),
)
"""Language and market decide the answer; it may be kept, but is asked for again (ETag)."""

_POSTER_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Authorization, Cookie",
}
"""A poster is a picture: it loads nothing and runs nothing, also when it is opened by itself."""


def _responses(shape: type[msgspec.Struct], *refusals: type[Refusal]) -> dict[int, ResponseSpec]:
    """What a read answers: the shape, or that nothing has changed, or a refusal."""
    return {
        200: ResponseSpec(shape, description="As it is in the market and the language.", generate_examples=False),
        304: ResponseSpec(None, description="Nothing has changed since `If-None-Match`."),
        **problems(*refusals),
    }


@get(
    "/v1/titles",
    for_every_age=True,
    summary="List and search titles",
    responses=_responses(TitleList, CursorNotValid, LimitNotValid, GenreNotFound),
)
async def show_titles(
    request: AnyRequest,
    database: NamedDependency[Database],
    market: NamedDependency[str],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    age_limit: NamedDependency[int],
    q: Annotated[str | None, Typed] = None,
    genre: Annotated[str | None, GenreCode] = None,
    person: Annotated[str | None, PersonSlug] = None,
    kind: FromQuery[Literal["film", "series", "episode"] | None] = None,
    order: FromQuery[Literal["popularity", "new", "title", "opinions"]] = "popularity",
    cursor: Annotated[str | None, CursorText] = None,
    limit: FromQuery[int] = 24,
) -> ASGIApp:
    """What is on sale or announced in the market; a search is sorted by how well it fits."""
    found = await lists.list_titles(
        database,
        market=market,
        locale=locale,
        at=at,
        age_limit=age_limit,
        q=q,
        genre=genre,
        person=person,
        kind=kind,
        order=order,
        cursor=cursor,
        limit=limit,
    )
    return _encoded(request, found, locale)


@get(
    "/v1/titles/{slug:str}",
    for_every_age=True,
    summary="Read a film page",
    responses=_responses(FilmPage, TitleNotFound),
)
async def show_title(request: AnyRequest, slug: FromPath[str]) -> ASGIApp:
    """The stored page as it is."""
    view: CatalogueView = await request.app.state.view_of(request)
    page = await load_film_page(
        view.database, slug=slug, market=view.market, locale=view.locale, at=view.at, age_limit=view.age_limit
    )
    return _answer(request, page.document, page.etag, view.locale)


@get(
    "/v1/suggestions",
    for_every_age=True,
    summary="Suggest titles and people while one types",
    responses=_responses(SuggestionList),
)
async def show_suggestions(
    request: AnyRequest,
    database: NamedDependency[Database],
    market: NamedDependency[str],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    age_limit: NamedDependency[int],
    q: Annotated[str, Typed],
) -> ASGIApp:
    """At most eight lines."""
    found = await lists.suggest(database, q=q, market=market, locale=locale, at=at, age_limit=age_limit)
    return _encoded(request, found, locale)


@get("/v1/genres", for_every_age=True, summary="List the genres", responses=_responses(GenreList))
async def show_genres(
    request: AnyRequest,
    database: NamedDependency[Database],
    market: NamedDependency[str],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
) -> ASGIApp:
    """All genres by name, with how many films and series of each are on sale or announced in the market.

    The numbers may be five minutes old.
    """
    found = await list_genres(request.app.state, database, market=market, locale=locale, at=at)
    return _encoded(request, found, locale)


@get(
    "/v1/people/{slug:str}",
    for_every_age=True,
    summary="Read a person's films",
    responses=_responses(PersonPage, PersonNotFound),
)
async def show_person(
    request: AnyRequest,
    database: NamedDependency[Database],
    slug: FromPath[str],
    market: NamedDependency[str],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    age_limit: NamedDependency[int],
) -> ASGIApp:
    """What someone made, newest first in each role."""
    person = await load_person(database, slug=slug, market=market, locale=locale, at=at, age_limit=age_limit)
    return _encoded(request, person, locale)


@get(
    "/posters/{title_id:uuid}/{version:str}",
    for_every_age=True,
    summary="Draw a poster",
    responses=problems(PosterNotFound),
)
async def show_poster(
    request: AnyRequest,
    database: NamedDependency[Database],
    title_id: FromPath[UUID],
    version: FromPath[str],
    market: NamedDependency[str],
    age_limit: NamedDependency[int],
) -> Response[Any]:
    """The drawing; an address of an older drawing leads to today's."""
    subject = await load_subject(database, title_id=title_id, market=market, age_limit=age_limit)
    name, etag = f"{subject.version}.svg", f'"{subject.version}"'
    if version != name:
        return Redirect(f"/posters/{title_id}/{name}", status_code=302)
    headers = {"ETag": etag, "Cache-Control": _kept_by(request, age_limit), **_POSTER_HEADERS}
    if is_known(header_of(request.scope, b"if-none-match"), etag):
        return Response(b"", status_code=304, headers=headers, media_type="image/svg+xml")
    return Response(draw_poster(subject), headers=headers, media_type="image/svg+xml")


def _kept_by(request: AnyRequest, age_limit: int) -> str:
    """Who may keep a poster: a cache for many only what a visitor got, and whoever has an age limit asks each time."""
    if age_limit < ALL_AGES:
        return "private, no-cache"
    keeper = "public" if identity_of(request) is None else "private"
    return f"{keeper}, max-age=31536000, immutable"


def _encoded(request: AnyRequest, shape: msgspec.Struct, locale: str) -> ASGIApp:
    """A shape that is made for this request, with the tag of its bytes."""
    document = msgspec.json.encode(shape)
    return _answer(request, document, tag_of(document), locale)


def _answer(request: AnyRequest, document: bytes, etag: str, locale: str) -> ASGIApp:
    """A document, or 304 for whoever has it already."""
    headers = [(b"etag", etag.encode()), (b"content-language", locale.encode()), *_VARIES]
    if is_known(header_of(request.scope, b"if-none-match"), etag):
        return ReadyAnswer(304, headers, b"")
    return ReadyAnswer.of_json(document, headers)


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether a client has this version already (RFC 9110, 13.1.2: weak comparison)."""
    if not if_none_match:
        return False
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in known or "*" in known


router = Router(
    path="/",
    route_handlers=[
        show_titles,
        show_title,
        show_suggestions,
        show_genres,
        show_person,
        show_poster,
    ],
    tags=["Catalogue"],
)
