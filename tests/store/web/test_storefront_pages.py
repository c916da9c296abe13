"""The pages where people look around."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State

from store.catalogue.models import Opinion
from store.database import Database
from store.kept_facts import keep
from store.web.routes import warm_up
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import make_film, make_offer
from tests.store.web.page_reading import faults_of

LEGAL = ("/legal/privacy", "/legal/imprint")
PAGES = ("", "/films", "/series", "/genres", "/search", "/search?q=her", "/sign-in", "/register", "/register/sent")
MORE_PAGES = ("/register/confirm", "/password/forgot", "/password/sent", "/password/reset", "/legal/terms", *LEGAL)


async def slug_of(database: Database, title_id: object) -> str:
    slug: str = await database.reads.fetchval("SELECT slug FROM store.titles WHERE id = $1", title_id)
    return slug


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_every_page_can_be_read_by_everyone(client: httpx.AsyncClient, locale: str) -> None:
    for path in (*PAGES, *MORE_PAGES):
        answer = await client.get(f"/{locale}{path}")
        assert (answer.status_code, answer.headers["content-language"]) == (200, locale), path
        assert faults_of(answer.text, locale=locale) == [], path


async def test_every_page_forbids_scripts_and_frames_that_are_not_ours(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/de")).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["form-action"] == "'self'"
    assert "unsafe" not in policy


async def test_the_bare_address_leads_to_the_language_that_the_browser_asks_for(client: httpx.AsyncClient) -> None:
    for wanted, found in (("en-GB,de;q=0.5", "/en"), ("fr", "/de"), ("", "/de")):
        answer = await client.get("/", headers={"Accept-Language": wanted})
        assert (answer.status_code, answer.headers["location"]) == (303, found)


async def test_a_film_page_shows_both_choices_with_prices_and_leads_to_the_checkout(
    client: httpx.AsyncClient, database: Database
) -> None:
    film = await make_film(database, name="Der Fernsehturm")
    rental = await make_offer(database, title_id=film, kind="rent", gross=399)
    await make_offer(database, title_id=film, kind="buy", gross=1199)
    page = (await client.get(f"/de/films/{await slug_of(database, film)}")).text
    assert faults_of(page, locale="de") == []
    assert "<h1>Der Fernsehturm</h1>" in page
    assert "3,99\N{NO-BREAK SPACE}€" in page
    assert "11,99\N{NO-BREAK SPACE}€" in page
    assert f'name="offer" value="{rental}"' in page
    assert "Zu diesem Titel" in page  # no synopsis is told, not hidden


async def test_a_film_page_signs_in_invites_and_resets_without_being_left(
    client: httpx.AsyncClient, database: Database
) -> None:
    film = await make_film(database, name="Der Fernsehturm")
    await make_offer(database, title_id=film, kind="rent", gross=399)
    path = f"/de/films/{await slug_of(database, film)}"
    page = (await client.get(path)).text
    panel = page[page.index('<div id="sign-in"') :]
    assert 'popovertarget="sign-in"' in page
    assert 'method="post" action="/de/sign-in"' in panel
    assert f'name="next" value="{path}"' in panel
    assert "Neu bei Videothek?" in panel
    assert "1 Video" in panel
    assert 'href="/de/register"' in panel
    assert '<a href="/de/password/forgot">Neues Passwort anfordern</a>' in panel


async def test_the_buy_box_says_until_when_a_rental_of_this_moment_must_be_started(
    client: httpx.AsyncClient, database: Database, clock: MovableTestClock
) -> None:
    clock.fixed = datetime(2026, 11, 25, 21, 39, tzinfo=UTC)
    film = await make_film(database, name="Der Fernsehturm")
    await make_offer(database, title_id=film, kind="rent", gross=399)
    slug = await slug_of(database, film)
    german, english = [(await client.get(f"/{locale}/films/{slug}")).text for locale in ("de", "en")]
    assert "Starten bis Fr. 25. Dezember, 22:39, dann 48 Stunden lang so oft ansehen, wie Sie möchten." in german
    assert "Start by Fri 25 December, 22:39, then watch as often as you like for 48 hours." in english


async def test_a_film_without_offers_says_so(client: httpx.AsyncClient, database: Database) -> None:
    film = await make_film(database, name="Unverkäuflich")
    page = (await client.get(f"/de/films/{await slug_of(database, film)}")).text
    assert "Zurzeit nicht im Angebot" in page
    assert "/checkout" not in page


async def test_the_start_page_leads_with_an_opinion_and_tells_the_real_number_of_videos(
    client: httpx.AsyncClient, database: Database
) -> None:
    film = await make_film(database, name="Der Fernsehturm")
    await make_offer(database, title_id=film, kind="rent", gross=399)
    async with database.sessions.begin() as session:
        session.add(
            Opinion(
                title_id=film,
                locale="de",
                heading="Von oben",
                text="Ein Turm sieht zu. Und wir mit ihm.",
                author="Redaktion",
                published_on=datetime.now(UTC).date(),
            )
        )
    page = (await client.get("/de")).text
    assert "Ein Turm sieht zu." in page
    assert "Ein Video." in page


async def test_typing_into_the_search_gets_the_results_alone(client: httpx.AsyncClient) -> None:
    whole = await client.get("/de/search", params={"q": "xyzzy"})
    part = await client.get("/de/search", params={"q": "xyzzy"}, headers={"HX-Request": "true"})
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert "Nichts gefunden" in whole.text
    assert "Nichts gefunden" in part.text
    assert "HX-Request" in part.headers["vary"]


async def test_any_words_can_be_searched_for(client: httpx.AsyncClient) -> None:
    for words in ("<script>alert(1)</script>", "a\0b", "%", "ä" * 5000, "' OR 1=1 --"):
        answer = await client.get("/de/search", params={"q": words})
        assert answer.status_code == 200, words
        assert "<script>alert" not in answer.text


async def test_what_is_not_there_is_told_on_a_page_with_a_way_on(client: httpx.AsyncClient) -> None:
    for path in ("/films/nein", "/people/niemand", "/genres/nichts", "/nirgends", "/legal/nichts"):
        answer = await client.get(f"/de{path}")
        assert answer.status_code == 404, path
        assert faults_of(answer.text, locale="de") == []
        assert 'href="/de/search"' in answer.text


async def test_a_refusal_of_a_part_comes_as_a_sentence_for_the_dialog(client: httpx.AsyncClient) -> None:
    answer = await client.get("/de/films/nein", headers={"HX-Request": "true"})
    assert answer.headers["hx-retarget"] == "#sorry-body"
    assert "<html" not in answer.text


async def test_the_market_is_chosen_by_a_form_and_kept(client: httpx.AsyncClient) -> None:
    answer = await client.post("/de/market", data={"market": "AT", "next": "/de/films"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/de/films")
    assert client.cookies["market"] == "AT"
    page = (await client.get("/de")).text
    assert 'value="AT" aria-current="true"' in page


async def test_a_static_file_is_kept_for_ever_under_its_version_only(client: httpx.AsyncClient) -> None:
    page = (await client.get("/de")).text
    address = page.split('href="/static/store.css', 1)[1].split('"', 1)[0]
    with_version = await client.get(f"/static/store.css{address}")
    without = await client.get("/static/store.css")
    assert "immutable" in with_version.headers["cache-control"]
    assert "no-cache" in without.headers["cache-control"]
    again = await client.get("/static/store.css", headers={"If-None-Match": without.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_no_address_leaves_the_static_folder(client: httpx.AsyncClient) -> None:
    names = ("../pages.py", "..%2fpages.py", "vendor/.built-from", "%2e%2e/pages.py", "nichts.css", "vendor", "a%00b")
    for name in names:
        assert (await client.get(f"/static/{name}")).status_code == 404, name


async def test_a_new_process_has_counted_the_videos_before_its_first_visitor(
    app: Litestar, client: httpx.AsyncClient, database: Database
) -> None:
    await make_offer(database)
    await warm_up(app.state, database, markets=["DE"], at=datetime.now(UTC))
    await make_offer(database)
    assert "Ein Video." in (await client.get("/de")).text


async def test_a_fact_that_many_ask_for_at_once_is_read_once() -> None:
    state, readings, may_answer = State(), [], asyncio.Event()

    async def read() -> int:
        readings.append(len(readings))
        await may_answer.wait()
        return len(readings)

    async def ask(as_of: int) -> int:
        return await keep(state, ("fact",), as_of=as_of, read=read)

    first = [asyncio.create_task(ask(1)) for _ in range(8)]
    may_answer.set()
    assert await asyncio.gather(*first) == [1] * 8
    may_answer.clear()
    renewing = asyncio.create_task(ask(2))
    await asyncio.sleep(0)
    assert await ask(2) == 1  # the one before, without waiting
    may_answer.set()
    assert await renewing == await ask(2) == 2
    assert readings == [0, 1]
