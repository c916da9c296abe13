"""Who has a season finds its episodes, and each of them to watch."""

import httpx
import pytest
from litestar import Litestar

from store.catalogue.models import Title
from store.database import Database
from tests.auth.people import Bearer, a_customer, sign_in
from tests.fakes import FakeGateway
from tests.store.catalogue.shelves import make_title
from tests.store.entitlement.parts import Customer, make_right
from tests.store.purchase.shops import make_offer
from tests.store.web.test_checkout_pages import order_in


@pytest.fixture
async def viewer(app: Litestar, client: httpx.AsyncClient) -> tuple[Customer, Bearer]:
    account = await a_customer(app)
    bearer = await sign_in(client, account)
    return Customer(account.id, ""), bearer


async def a_season(database: Database) -> tuple[Title, Title, list[Title]]:
    """A series, its season, and two episodes."""
    series = await make_title(database, "Harbour Town", german="Hafenstadt", kind="series")
    season = await make_title(database, "Harbour Town 1", kind="season", parent=series.id, number=1)
    episodes = [
        await make_title(database, f"Kites {number}", kind="episode", parent=season.id, number=number)
        for number in (1, 2)
    ]
    for title in (season, *episodes):
        await make_offer(database, title_id=title.id, kind="buy")
    return series, season, episodes


@pytest.mark.parametrize("of", ["season", "series"])
async def test_who_has_a_season_is_led_to_its_episodes_and_may_watch_each(
    client: httpx.AsyncClient, database: Database, viewer: tuple[Customer, Bearer], of: str
) -> None:
    customer, bearer = viewer
    series, season, episodes = await a_season(database)
    owned = season if of == "season" else series
    await make_right(database, customer, owned, kind="buy")
    library = (await client.get("/de/library", headers=bearer.headers)).text
    assert f'href="/de/films/{owned.slug}#seasons"' in library
    assert f"/de/watch/{owned.slug}" not in library
    page = (await client.get(f"/de/films/{owned.slug}", headers=bearer.headers)).text
    assert 'href="#seasons"' in page
    assert 'id="seasons"' in page
    assert f"/de/watch/{owned.slug}" not in page
    for episode in episodes:
        page = (await client.get(f"/de/films/{episode.slug}", headers=bearer.headers)).text
        assert f'href="/de/watch/{episode.slug}"' in page
        assert 'action="/de/checkout"' not in page, "what is owned is not sold again"


async def test_who_has_another_season_is_offered_the_episode(
    client: httpx.AsyncClient, database: Database, viewer: tuple[Customer, Bearer]
) -> None:
    customer, bearer = viewer
    series, _, episodes = await a_season(database)
    other = await make_title(database, "Harbour Town 2", kind="season", parent=series.id, number=2)
    await make_right(database, customer, other, kind="buy")
    page = (await client.get(f"/de/films/{episodes[0].slug}", headers=bearer.headers)).text
    assert f"/de/watch/{episodes[0].slug}" not in page
    assert 'action="/de/checkout"' in page


@pytest.mark.parametrize("kind", ["film", "season"])
async def test_who_has_paid_is_led_to_what_plays(
    browser: httpx.AsyncClient, database: Database, gateway: FakeGateway, kind: str
) -> None:
    series = await make_title(database, "Harbour Town", kind="series")
    parent = series.id if kind == "season" else None
    title = await make_title(database, "Harbour Town 1", kind=kind, parent=parent, number=1 if parent else None)
    order_id = await order_in(browser, await make_offer(database, title_id=title.id, kind="buy"))
    gateway.pay(next(iter(gateway.intents)))
    page = (await browser.get(f"/de/orders/{order_id}/return")).text
    leads_to_player = f'href="/de/watch/{title.slug}"' in page
    leads_to_episodes = f'href="/de/films/{title.slug}#seasons">Zu den Folgen</a>' in page
    assert (leads_to_player, leads_to_episodes) == (kind == "film", kind == "season")
