"""Every address is asked for as a restricted profile: no title above its age limit, or without a label, is in any."""

import re
from collections.abc import Iterator

import asyncpg
import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from auth.ids import new_id
from store.catalogue.posters import load_subject
from store.database import Database
from tests.crawling import STAFF_PATHS
from tests.store.age_gate.households import Household, traces_of

QUERIES = ("nacht der messer", "schatten", "klingenspiel", "mexser", "ada regie")
"""Searches that find what is shut: by its name, by a mistyped word of it, by who made it."""

SHOW_TITLES = {
    "/v1/titles",
    "/v1/titles/{slug}",
    "/v1/suggestions",
    "/v1/people/{slug}",
    "/v1/library",
    "/v1/watch-progress",
    "/v1/playback-sessions",
    "/v1/offline-licences",
    "/v1/orders",
    "/v1/orders/{order_id}",
    "/posters/{title_id}/{version}",
    "/de",
    "/de/films",
    "/de/films/{slug}",
    "/de/series",
    "/de/series/{slug}",
    "/de/genres/{code}",
    "/de/people/{slug}",
    "/de/search",
    "/de/library",
    "/de/watch/{title_slug}",
    "/de/orders",
    "/de/orders/{order_id}",
    "/de/orders/{order_id}/return",
    "/de/orders/{order_id}/withdrawal",
    "/de/withdrawal",
    "/de/account/cases/new",
    "/de/checkout/{offer_id}",
    "/de/account/streams",
    "/de/account/devices",
}
"""Routes at which the holder of this household sees a title that the child must not. A new one belongs here."""

NOTHING_TO_SHOW = {
    "/static/{name}",
    "/schema/{path}",
    "/media/{asset_id}/{version}/{path}",
    "/v1/cases/{case_id}",
    "/v1/legal-texts/{name}",
    "/de/account/cases/{case_id}",
    "/de/legal/{name}",
    "/de/orders/{order_id}/credit-notes/{number}",
}
"""Routes with a parameter that lead to no title: files, enciphered media, what people wrote, the law."""


def templates(app: Litestar) -> Iterator[str]:
    """Every GET route, the German one of a page."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith("/en") and "GET" in route.methods:
            yield route.path_format


async def addresses(template: str, household: Household, database: Database) -> list[str]:
    """Where a route could show what is shut: itself, and those that are like it or by the same people."""
    knives = household.shut[0]
    slugs = [title.slug for title in (*household.shut, *household.allowed)]
    if template.endswith(("/titles/{slug}", "/films/{slug}", "/series/{slug}")):
        return [template.replace("{slug}", slug) for slug in slugs]
    if template == "/de/watch/{title_slug}":
        return [template.replace("{title_slug}", slug) for slug in slugs]
    if template.endswith("/people/{slug}"):
        return [template.replace("{slug}", "ada-regie")]
    if template.startswith("/posters/"):
        subject = await load_subject(database, title_id=knives.id, market="DE", age_limit=18)
        return [f"/posters/{knives.id}/{version}.svg" for version in ("old", subject.version)]
    if template in ("/v1/titles", "/v1/suggestions", "/de/search"):
        return [template, *(f"{template}?q={words}" for words in QUERIES)]
    values = {"order_id": household.order_id, "offer_id": str(household.offer_id), "code": "drama"}
    names = set(re.findall(r"\{(\w+)\}", template))
    if template.startswith(STAFF_PATHS) or template in NOTHING_TO_SHOW:
        return [re.sub(r"\{\w+\}", str(new_id()), template)]
    assert names <= values.keys(), f"{template} is new: say which of its addresses could show a title"
    return [template.format_map(values)]


async def told(client: httpx.AsyncClient, address: str, headers: dict[str, str]) -> str:
    """All that an answer says in small letters, without what the address itself says."""
    answer = await client.get(address, headers=headers)
    assert answer.status_code < 500, (address, answer.text)
    said = f"{answer.text} {answer.headers.get('location', '')}".lower()
    for word in re.split(r"[/?=]", address):
        said = said.replace(word.lower(), "") if len(word) > 5 else said
    return said


def betrayed(said: str, traces: set[str]) -> set[str]:
    return {trace for trace in traces if trace in said}


@pytest.mark.parametrize("language", ["de", "en"])
async def test_no_address_shows_a_restricted_profile_what_is_shut(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    household: Household,
    language: str,
) -> None:
    traces = await traces_of(owner, household.shut)
    holder = {**household.holder.headers, "Accept-Language": language}
    child = {**household.child.headers, "Accept-Language": language}
    shown = set()
    for template in templates(app):
        for address in await addresses(template, household, database):
            said = await told(client, address, child)
            assert not betrayed(said, traces), (address, said)
            if betrayed(await told(client, address, holder), traces) or (await _draws(client, address, holder)):
                shown.add(template)
    assert shown == SHOW_TITLES, "else this test proves nothing there"


async def _draws(client: httpx.AsyncClient, address: str, headers: dict[str, str]) -> bool:
    """Whether a poster is drawn, or an old address leads to it: it shows the title in strokes, not in letters."""
    return address.startswith("/posters/") and (await client.get(address, headers=headers)).status_code in (200, 302)
