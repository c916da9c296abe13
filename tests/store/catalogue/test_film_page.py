"""A film page is stored, holds until one of its windows changes, and is built anew when something else does."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from auth.identity import ALL_AGES
from store.catalogue.film_page import load_film_page, prepare_pages
from store.catalogue.models import Rating, TitleText
from store.database import Database
from tests.scratch import MovableTestClock
from tests.store.catalogue.shelves import NOON, make_person, make_title
from tests.store.purchase.shops import make_offer

DAY = timedelta(days=1)


async def read(client: httpx.AsyncClient, slug: str, **headers: str) -> Any:
    answer = await client.get(f"/v1/titles/{slug}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def span(database: Database, slug: str) -> tuple[Any, Any]:
    row = await database.reads.fetchrow("SELECT valid_from, valid_until FROM store.title_pages WHERE slug = $1", slug)
    return row["valid_from"], row["valid_until"]


async def stored(database: Database) -> list[str]:
    return [row["slug"] for row in await database.reads.fetch("SELECT slug FROM store.title_pages ORDER BY slug")]


async def test_a_page_is_built_once_and_then_read_as_it_is_stored(
    client: httpx.AsyncClient, database: Database
) -> None:
    await make_title(database, "Her")
    first = await client.get("/v1/titles/her")
    stored = await database.reads.fetchval("SELECT document FROM store.title_pages")
    assert first.content == stored
    changed = stored.replace(b'"title":"Her"', b'"title":"Him"')
    await database.reads.execute("UPDATE store.title_pages SET document = $1", changed)
    assert (await client.get("/v1/titles/her")).content == changed != stored


async def test_a_page_holds_until_the_next_instant_at_which_one_of_its_windows_changes(
    client: httpx.AsyncClient, database: Database, clock: MovableTestClock
) -> None:
    film = await make_title(database, "Her", offered=False)
    await make_offer(
        database,
        title_id=film.id,
        visible_from=NOON,
        starts_at=NOON + DAY,
        ends_at=NOON + 2 * DAY,
        kind="buy",
        gross=999,
    )
    shown = []
    for at in (NOON, NOON + DAY, NOON + 2 * DAY):
        clock.fixed = at
        page = await read(client, "her")
        shown.append((len(page["announced"]), len(page["offers"]), (page["prices"]["buy"] or {}).get("amount")))
        valid_from, valid_until = await span(database, "her")
        assert valid_from <= at
        assert valid_until == (at + DAY if at < NOON + 2 * DAY else None)
    assert shown == [(1, 0, None), (0, 1, 999), (0, 0, None)]


async def test_a_title_is_not_spoken_of_in_a_market_before_its_first_offer_may_be_announced(
    client: httpx.AsyncClient, database: Database, clock: MovableTestClock
) -> None:
    her = await make_title(database, "Her")
    film = await make_title(database, "Geheim", offered=False)
    series = await make_title(database, "Serie", kind="series")
    season = await make_title(database, "Staffel", kind="season", parent=series.id, number=1)
    episode = await make_title(database, "Folge", kind="episode", parent=season.id, number=1, offered=False)
    for title in (film, episode):
        await make_offer(database, title_id=title.id, visible_from=NOON, starts_at=NOON + DAY)
    await make_person(database, "Spike Jonze", director=[her, film, series])
    addresses = [f"/v1/titles/{slug}" for slug in ("geheim", "serie", "staffel", "folge")] + ["/de/films/geheim"]

    async def named() -> tuple[list[str], list[str]]:
        page, person = await read(client, "her"), (await client.get("/v1/people/spike-jonze")).json()
        brackets = [other["slug"] for other in page["directors"][0]["other_films"]]
        return sorted(brackets), sorted(title["slug"] for title in person["films"][0]["titles"])

    clock.fixed = NOON - DAY
    assert await prepare_pages(database, market="DE", locale="de", at=clock.fixed) == 5
    assert [(await client.get(path)).status_code for path in addresses] == [404] * 5
    assert await named() == ([], ["her"])
    assert (await client.get("/v1/titles/geheim?market=AT")).status_code == 200
    clock.fixed = NOON
    await database.reads.execute("DELETE FROM store.title_pages WHERE title_id = $1", her.id)
    assert [(await client.get(path)).status_code for path in addresses] == [200] * 5
    assert await named() == (["geheim", "serie"], ["geheim", "her", "serie"])


async def test_a_page_holds_no_longer_than_the_prices_of_its_similar_films_and_series(
    client: httpx.AsyncClient, database: Database, clock: MovableTestClock
) -> None:
    series = {}
    for name, ends_at in (("Eine Serie", None), ("Andere Serie", NOON + DAY)):
        one = series[name] = await make_title(database, name, kind="series")
        season = await make_title(database, f"{name} S1", kind="season", parent=one.id, number=1)
        episode = await make_title(database, f"{name} F1", kind="episode", parent=season.id, number=1, offered=False)
        await make_offer(database, title_id=episode.id, ends_at=ends_at)
    clock.fixed = NOON
    page = await read(client, "eine-serie")
    assert [entry["card"]["slug"] for entry in page["similar"]] == ["andere-serie"]
    assert (await span(database, "eine-serie"))[1] == NOON + DAY
    clock.fixed = NOON + DAY
    assert (await read(client, "eine-serie"))["similar"] == []


async def test_a_changed_text_is_on_the_page_at_once(client: httpx.AsyncClient, database: Database) -> None:
    film = await make_title(database, "Her")
    before = await client.get("/v1/titles/her", headers={"Accept-Language": "de"})
    async with database.sessions.begin() as session:
        session.add(TitleText(title_id=film.id, locale="de", title="Sie", synopsis=[{"heading": "", "text": "Er."}]))
    after = await client.get(
        "/v1/titles/her", headers={"Accept-Language": "de", "If-None-Match": before.headers["etag"]}
    )
    assert after.status_code == 200
    assert (after.json()["title"], after.json()["original_title"]) == ("Sie", "Her")
    assert after.json()["synopsis"] == [{"heading": "", "text": "Er."}]


async def test_a_page_that_is_being_built_while_its_text_changes_does_not_stay(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    film = await make_title(database, "Her")
    async with database.sessions.begin() as session:
        session.add(TitleText(title_id=film.id, locale="de", title="Sie", synopsis=None))
        await session.flush()
        building = asyncio.create_task(read(client, "her", **{"Accept-Language": "de"}))
        while not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not building.done()
    assert (await building)["title"] == "Sie"
    assert (await read(client, "her", **{"Accept-Language": "de"}))["title"] == "Sie"


@pytest.mark.parametrize("shown", ["serie", "staffel", "folge-1", "folge-2"])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE store.titles SET runtime_minutes = 61 WHERE slug = 'folge-1'",
        "INSERT INTO store.title_texts (title_id, locale, title) SELECT id, 'de', 'Neu' FROM store.titles"
        " WHERE slug = 'folge-1'",
        "INSERT INTO store.ratings (title_id, market, system, label, minimum_age) SELECT id, 'DE', 'FSK', '12', 12"
        " FROM store.titles WHERE slug = 'folge-1'",
        "UPDATE store.offers SET ends_at = '2030-01-01T00:00Z' WHERE product_id = (SELECT p.id FROM store.products p"
        " JOIN store.editions e ON e.id = p.edition_id JOIN store.titles t ON t.id = e.title_id"
        " WHERE t.slug = 'folge-1')",
        "DELETE FROM store.credits WHERE title_id = (SELECT id FROM store.titles WHERE slug = 'folge-1')",
    ],
)
async def test_a_change_of_an_episode_is_forgotten_on_all_pages_of_its_series_and_on_no_other(
    client: httpx.AsyncClient, database: Database, change: str, shown: str
) -> None:
    series = await make_title(database, "Serie", kind="series")
    season = await make_title(database, "Staffel", kind="season", parent=series.id, number=1)
    episodes = [
        await make_title(database, f"Folge {number}", kind="episode", parent=season.id, number=number)
        for number in (1, 2)
    ]
    await make_title(database, "Her")
    await make_person(database, "Spike Jonze", director=episodes)
    for slug in (shown, "her"):
        await read(client, slug)
    assert await stored(database) == sorted([shown, "her"])
    await database.reads.execute(change)
    assert await stored(database) == ["her"]


async def test_a_page_that_many_build_at_once_is_the_same_for_all_and_stored_once(
    client: httpx.AsyncClient, database: Database
) -> None:
    await make_title(database, "Her")
    answers = await asyncio.gather(*(client.get("/v1/titles/her") for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({(answer.content, answer.headers["etag"]) for answer in answers}) == 1
    assert await database.reads.fetchval("SELECT count(*) FROM store.title_pages") == 1


async def test_many_pages_are_prepared_by_two_at_once_without_a_deadlock(database: Database) -> None:
    for place in range(30):
        await make_title(database, f"Film {place}")
    prepared = await asyncio.gather(
        *(prepare_pages(database, market="DE", locale="de", at=NOON) for _ in range(3)),
    )
    assert prepared == [30, 30, 30]
    assert await database.reads.fetchval("SELECT count(*) FROM store.title_pages") == 30


async def test_the_tag_differs_by_language_and_market_and_answers_304_only_to_its_own(
    client: httpx.AsyncClient, database: Database
) -> None:
    await make_title(database, "Her")
    tags = set()
    for language in ("de", "en"):
        for market in ("DE", "AT"):
            headers = {"Accept-Language": language}
            answer = await client.get(f"/v1/titles/her?market={market}", headers=headers)
            assert (answer.json()["locale"], answer.json()["market"]) == (language, market)
            assert answer.headers["content-language"] == language
            assert {"Accept-Language", "Authorization", "Cookie"} <= set(answer.headers["vary"].split(", "))
            tags.add(answer.headers["etag"])
            for known, status in ((answer.headers["etag"], 304), (f"W/{answer.headers['etag']}", 304), ('"x"', 200)):
                again = await client.get(
                    f"/v1/titles/her?market={market}", headers={**headers, "If-None-Match": f'"other", {known}'}
                )
                assert again.status_code == status
                assert again.headers["vary"] == answer.headers["vary"]
    assert len(tags) == 4


async def test_similar_titles_are_on_sale_and_say_why_they_are_there(
    client: httpx.AsyncClient, database: Database
) -> None:
    her = await make_title(database, "Her")
    by_director = await make_title(database, "Adaptation")
    with_actors = await make_title(database, "Gladiator", year=1990, genres=["action"])
    await make_title(database, "Same Time")
    await make_title(database, "Other Time", year=1950)
    gone = await make_title(database, "Not on Sale", offered=False)
    await make_person(database, "Spike Jonze", director=[her, by_director, gone])
    await make_person(database, "Joaquin Phoenix", actor=[her, with_actors])
    page = await read(client, "her", **{"Accept-Language": "de"})
    assert [(entry["card"]["slug"], entry["reason"], entry["sentence"]) for entry in page["similar"]] == [
        ("adaptation", "director", "Auch von Spike Jonze"),
        ("gladiator", "actors", "Auch mit Joaquin Phoenix"),
        ("same-time", "genre", "Drama aus derselben Zeit"),
    ]


async def test_an_episode_stands_between_its_neighbours_across_the_seasons(
    client: httpx.AsyncClient, database: Database
) -> None:
    series = await make_title(database, "Serie", kind="series")
    for number in (1, 2):
        season = await make_title(database, f"Serie S{number}", kind="season", parent=series.id, number=number)
        for place in (1, 2):
            await make_title(database, f"Folge {number} {place}", kind="episode", parent=season.id, number=place)
    place = (await read(client, "folge-1-2"))["place"]
    assert (place["series"]["slug"], place["season_number"], place["episode_number"]) == ("serie", 1, 2)
    assert (place["previous"]["slug"], place["next"]["slug"]) == ("folge-1-1", "folge-2-1")
    assert (await read(client, "serie-s1"))["place"]["next"]["slug"] == "serie-s2"
    shelf = [[episode["slug"] for episode in season["episodes"]] for season in (await read(client, "serie"))["seasons"]]
    assert shelf == [["folge-1-1", "folge-1-2"], ["folge-2-1", "folge-2-2"]]


async def test_a_market_with_two_age_labels_shows_the_stricter_one(
    client: httpx.AsyncClient, database: Database
) -> None:
    film = await make_title(database, "Her")
    async with database.sessions.begin() as session:
        session.add(Rating(title_id=film.id, market="DE", system="FSF", label="12", minimum_age=12))
        session.add(Rating(title_id=film.id, market="DE", system="FSK", label="16", minimum_age=16))
    assert (await read(client, "her"))["age_label"] == {
        "system": "FSK",
        "label": "16",
        "minimum_age": 16,
        "invented": False,
    }


async def test_a_stored_page_costs_one_statement(database: Database) -> None:
    await make_title(database, "Her")
    await load_film_page(database, slug="her", market="DE", locale="de", at=NOON, age_limit=ALL_AGES)
    statements: list[str] = []
    async with database.reads.acquire() as connection:
        with connection.query_logger(lambda query: statements.append(query.query)):
            one = type(database)(database.engine, database.sessions, connection)
            await load_film_page(one, slug="her", market="DE", locale="de", at=NOON, age_limit=ALL_AGES)
    assert len(statements) == 1


@pytest.mark.parametrize("slug", ["nichts", "%00", "%ED%A0%80", "a" * 3000, "..%2f..", "HER"])
async def test_a_title_that_there_is_not_is_a_404(client: httpx.AsyncClient, database: Database, slug: str) -> None:
    await make_title(database, "Her")
    assert (await client.get(f"/v1/titles/{slug}")).status_code == 404
