"""Lists show what is on sale or announced in a market, in a sure order, page by page."""

from datetime import timedelta

import httpx
import pytest

from store.catalogue.models import Opinion
from store.database import Database
from tests.scratch import MovableTestClock
from tests.store.catalogue.shelves import NOON, make_person, make_title, walk
from tests.store.purchase.shops import make_offer, sign_in


@pytest.mark.parametrize("order", ["popularity", "new", "title", "opinions"])
async def test_every_order_shows_every_title_once_whatever_the_size_of_its_pages(
    client: httpx.AsyncClient, database: Database, order: str
) -> None:
    films = [await make_title(database, f"Film {place}", popularity=500 + place // 3) for place in range(7)]
    async with database.sessions.begin() as session:
        session.add_all(
            Opinion(title_id=film.id, locale="de", heading="-", text="-", author="-", published_on=NOON.date())
            for film in films
        )
    whole = await walk(client, f"/v1/titles?order={order}", limit=100)
    assert sorted(whole) == sorted(film.slug for film in films)
    assert await walk(client, f"/v1/titles?order={order}", limit=1) == whole
    assert await walk(client, f"/v1/titles?order={order}", limit=3) == whole


async def test_a_list_goes_on_where_it_was_while_titles_are_added(
    client: httpx.AsyncClient, database: Database
) -> None:
    for place in range(4):
        await make_title(database, f"Alt {place}", popularity=400 - place)
    first = (await client.get("/v1/titles?limit=2")).json()
    await make_title(database, "Neu vorn", popularity=900)
    await make_title(database, "Neu hinten", popularity=398)
    second = (await client.get("/v1/titles", params={"limit": 100, "cursor": first["next_cursor"]})).json()
    assert [title["slug"] for title in first["titles"]] == ["alt-0", "alt-1"]
    assert [title["slug"] for title in second["titles"]] == ["alt-2", "neu-hinten", "alt-3"]


async def test_the_order_by_title_knows_umlauts_and_no_articles(client: httpx.AsyncClient, database: Database) -> None:
    for name in ("Zebra", "Die Ärztin", "The Bank", "Aal", "Über"):
        await make_title(database, name)
    slugs = await walk(client, "/v1/titles?order=title", limit=2)
    assert slugs == ["aal", "die-aerztin", "the-bank", "ueber", "zebra"]


async def test_a_title_is_listed_from_its_announcement_to_the_end_of_its_window(
    client: httpx.AsyncClient, database: Database, clock: MovableTestClock
) -> None:
    film = await make_title(database, "Kurz", offered=False)
    await make_offer(
        database,
        title_id=film.id,
        visible_from=NOON - timedelta(days=1),
        starts_at=NOON,
        ends_at=NOON + timedelta(days=1),
    )
    instant = timedelta(microseconds=1)
    for at, slugs in (
        (NOON - timedelta(days=1) - instant, []),
        (NOON - timedelta(days=1), ["kurz"]),
        (NOON + timedelta(days=1) - instant, ["kurz"]),
        (NOON + timedelta(days=1), []),
    ):
        clock.fixed = at
        assert await walk(client, "/v1/titles", limit=10) == slugs, at


async def test_the_country_of_residence_decides_the_market_and_a_visitor_may_choose(
    client: httpx.AsyncClient, database: Database
) -> None:
    film = await make_title(database, "Nur in Wien", offered=False)
    await make_offer(database, title_id=film.id, market="AT")
    austrian, german = await sign_in(database, country="AT"), await sign_in(database, country="DE")
    for headers, query, count in (
        ({}, "", 0),
        ({}, "?market=AT", 1),
        ({}, "?market=XX", 0),
        ({"Cookie": "market=AT"}, "", 1),
        (austrian, "", 1),
        (austrian, "?market=DE", 1),
        (german, "?market=AT", 0),
    ):
        answer = await client.get(f"/v1/titles{query}", headers=headers)
        assert len(answer.json()["titles"]) == count, (headers, query)


async def test_a_list_can_be_narrowed_to_a_genre_a_person_and_a_kind(
    client: httpx.AsyncClient, database: Database
) -> None:
    drama = await make_title(database, "Drama", genres=["drama", "war"])
    await make_title(database, "Western", genres=["western"])
    series = await make_title(database, "Serie", kind="series", genres=["war"])
    season = await make_title(database, "Staffel", kind="season", parent=series.id, number=1)
    await make_title(database, "Folge", kind="episode", parent=season.id, number=1, genres=["war"])
    await make_person(database, "Ida Lupino", director=[drama])
    for query, slugs in (
        ("genre=war", ["drama", "serie"]),
        ("genre=western", ["western"]),
        ("person=ida-lupino", ["drama"]),
        ("person=niemand", []),
        ("kind=series", ["serie"]),
        ("kind=episode", ["folge"]),
        ("kind=film&genre=war", ["drama"]),
    ):
        assert sorted(await walk(client, f"/v1/titles?{query}", limit=1)) == slugs, query


async def test_a_series_without_an_episode_on_sale_is_not_listed(client: httpx.AsyncClient, database: Database) -> None:
    series = await make_title(database, "Serie", kind="series")
    season = await make_title(database, "Staffel", kind="season", parent=series.id, number=1)
    await make_title(database, "Folge", kind="episode", parent=season.id, number=1, offered=False)
    assert await walk(client, "/v1/titles", limit=10) == []


async def test_a_genre_that_does_not_exist_is_refused_in_the_api_and_on_the_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/titles?genre=nichts")
    assert (answer.status_code, answer.json()["code"]) == (404, "genre_not_found")
    for path in ("/de/genres/nichts", "/de/genres/%00", "/de/genres/%ED%A0%80"):
        assert (await client.get(path)).status_code == 404, path


async def test_genres_count_what_is_on_sale_or_announced_in_the_market_at_the_latest_five_minutes_later(
    client: httpx.AsyncClient, database: Database, clock: MovableTestClock
) -> None:
    clock.fixed = NOON
    film = await make_title(database, "Hier", genres=["war"])
    await make_offer(database, title_id=film.id, kind="buy")
    there = await make_title(database, "Dort", genres=["war"], offered=False)
    await make_offer(database, title_id=there.id, market="AT")
    await make_title(database, "Nirgends", genres=["drama"], offered=False)
    for name in ("Serie", "Leere Serie"):
        series = await make_title(database, name, kind="series", genres=["war"])
        season = await make_title(database, f"{name} S", kind="season", parent=series.id, number=1)
        for number in (1, 2):
            offered = name == "Serie"
            title = f"{name} {number}"
            await make_title(database, title, kind="episode", parent=season.id, number=number, offered=offered)

    async def counts(market: str) -> dict[str, int]:
        genres = (await client.get(f"/v1/genres?market={market}")).json()["genres"]
        return {genre["code"]: genre["count"] for genre in genres}

    assert await counts("DE") == {"war": 2}
    assert await counts("AT") == {"war": 1}
    await make_title(database, "Neu", genres=["war"])
    clock.fixed = NOON + timedelta(minutes=5)
    assert await counts("DE") == {"war": 3}


async def test_genres_are_counted_and_sorted_by_their_name(client: httpx.AsyncClient, database: Database) -> None:
    await make_title(database, "Eins", genres=["drama", "war"])
    await make_title(database, "Zwei", genres=["war", "no-genre-of-ours"])
    for language, names in (("de", [("Drama", 1), ("Kriegsfilm", 2)]), ("en", [("Drama", 1), ("War", 2)])):
        answer = await client.get("/v1/genres", headers={"Accept-Language": language})
        assert [(genre["name"], genre["count"]) for genre in answer.json()["genres"]] == names


async def test_a_person_has_a_page_with_all_their_titles_newest_first_in_each_role(
    client: httpx.AsyncClient, database: Database
) -> None:
    old, new = await make_title(database, "Alt", year=1950), await make_title(database, "Neu", year=1960)
    await make_person(database, "Ida Lupino", actor=[old, new], director=[old])
    page = (await client.get("/v1/people/ida-lupino", headers={"Accept-Language": "de"})).json()
    roles = {role["role_name"]: [title["slug"] for title in role["titles"]] for role in page["films"]}
    assert roles == {"Regie": ["alt"], "Darsteller": ["neu", "alt"]}
    for slug in ("niemand", "%00", "a" * 3000):
        assert (await client.get(f"/v1/people/{slug}")).status_code == 404


@pytest.mark.parametrize(
    "path", ["/v1/titles", "/v1/titles?q=heat", "/v1/genres", "/v1/people/ida-lupino", "/v1/suggestions?q=he"]
)
async def test_reads_carry_a_tag_that_changes_with_what_they_say(
    client: httpx.AsyncClient, database: Database, clock: MovableTestClock, path: str
) -> None:
    clock.fixed = NOON
    heat = await make_title(database, "Heat")
    await make_person(database, "Ida Lupino", actor=[heat])
    first = await client.get(path)
    assert {"Accept-Language", "Authorization", "Cookie"} <= set(first.headers["vary"].split(", "))
    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    cold = await make_title(database, "Heather", genres=["war"])
    await make_person(database, "Joan Fontaine", actor=[cold])
    await database.reads.execute("UPDATE store.people SET name = 'I. Lupino' WHERE slug = 'ida-lupino'")
    clock.fixed = NOON + timedelta(minutes=5)  # genres may be that old
    changed = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
