"""What an offer says of days and hours is what is sold, granted and played: none of it is a constant of the store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import Customer, TestDevice, make_title
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CUT: dict[str, Any] = {"start_days": 14, "watch_hours": 24, "near_end": "cut"}
FULL: dict[str, Any] = {"start_days": 20, "watch_hours": 72, "near_end": "full"}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


async def sell(
    buyer: Buyer, database: Database, gateway: FakeGateway, title: Title, terms: dict[str, Any]
) -> dict[str, Any]:
    """Quote, order, payment and confirmation of a rental by these terms; gives the terms that were quoted."""
    quote = (await buyer.quote(await make_offer(database, title_id=title.id, **terms))).json()
    order = (await buyer.order_quote(quote["id"])).json()["order"]
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    assert (await send_event(buyer.client, intent)).json() == {"outcome": "paid"}
    assert (await buyer.post(f"/v1/orders/{order['id']}/confirmations")).status_code == 201
    assert quote["start_by"] == (NOW + terms["start_days"] * DAY).isoformat().replace("+00:00", "Z")
    return {name: quote["terms"][name] for name in terms}


@pytest.mark.parametrize("left", [14 * DAY, 10 * HOUR], ids=["begun at once", "begun ten hours before the end"])
async def test_two_rentals_sold_by_different_terms_keep_them_from_the_quote_to_the_licence(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    gateway: FakeGateway,
    customer: Customer,
    device: TestDevice,
    title: Title,
    left: timedelta,
) -> None:
    clock.fixed = NOW
    buyer = Buyer(client, customer.headers)
    films = [title, await make_title(database)]
    for film, terms in zip(films, (CUT, FULL), strict=True):
        assert await sell(buyer, database, gateway, film, terms) == terms
        right = await owner.fetchrow("SELECT * FROM store.entitlements WHERE title_id = $1", film.id)
        assert (right["watch_hours"], right["near_end"]) == (terms["watch_hours"], terms["near_end"])
        assert (right["start_by"], right["ends_at"]) == (NOW + terms["start_days"] * DAY, None)

    clock.fixed = begun = NOW + 14 * DAY - left
    ends = [min(begun + 24 * HOUR, NOW + 14 * DAY), begun + 72 * HOUR]
    for film, ends_at in zip(films, ends, strict=True):
        playback = (await device.open(client, customer, film)).json()
        assert datetime.fromisoformat(playback["ends_at"]) == ends_at
        assert playback["bound_by"] == ("start_by" if ends_at == NOW + 14 * DAY else "watch_hours")
        licence = await device.licence(client, playback["token"])
        assert datetime.fromisoformat(licence.json()["licence_ends_at"]) == ends_at
        query = "SELECT first_played_at, ends_at FROM store.entitlements WHERE title_id = $1"
        assert tuple(await owner.fetchrow(query, film.id)) == (begun, ends_at)
