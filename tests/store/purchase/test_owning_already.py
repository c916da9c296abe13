"""What is owned or rented already: refused before payment in every quality, and given back where money came anyway."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from litestar import Litestar

from store.database import Database
from tests.auth.people import parts_of
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import Buyer, intent_of, make_film, make_offer, send_event

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


async def buy(buyer: Buyer, gateway: FakeGateway, offer: UUID) -> str:
    """Order, pay and come back; gives the order's id."""
    order = await buyer.order(offer)
    gateway.pay(intent_of(gateway, await buyer.payment(order["id"])))
    assert (await buyer.check(order["id"]))["order_state"] == "paid"
    return str(order["id"])


@pytest.mark.parametrize("quality", ["SD", "HD", "UHD"])
@pytest.mark.parametrize(
    ("has", "wants", "status"), [("buy", "buy", 409), ("buy", "rent", 409), ("rent", "rent", 409), ("rent", "buy", 201)]
)
async def test_a_film_that_the_customer_has_is_sold_in_no_quality_but_a_rented_one_may_be_bought(
    buyer: Buyer, database: Database, gateway: FakeGateway, has: str, wants: str, status: int, quality: str
) -> None:
    film = await make_film(database)
    had = await make_offer(database, title_id=film, kind=has, quality="HD")
    # One offer of a kind and quality holds at a time.
    wanted = had if (has, "HD") == (wants, quality) else None
    wanted = wanted or await make_offer(database, title_id=film, kind=wants, quality=quality)
    quoted_before = (await buyer.quote(wanted)).json()["id"]
    await buy(buyer, gateway, had)

    answers = [await buyer.quote(wanted), await buyer.order_quote(quoted_before)]

    assert [answer.status_code for answer in answers] == [status, status]
    assert {answer.json().get("code") for answer in answers} == ({"already_entitled"} if status == 409 else {None})


async def test_money_that_comes_after_the_film_was_rented_by_another_order_goes_back(
    buyer: Buyer,
    database: Database,
    gateway: FakeGateway,
    clock: MovableTestClock,
    app: Litestar,
    owner: asyncpg.Connection,
) -> None:
    clock.fixed = NOON
    film = await make_film(database)
    first = await buyer.order(await make_offer(database, title_id=film, quality="UHD", gross=499))
    intent = intent_of(gateway, await buyer.payment(first["id"]))
    clock.fixed = NOON + timedelta(hours=2)
    await parts_of(app).payments.sweep(at=clock.fixed)
    assert (await buyer.get(f"/v1/orders/{first['id']}")).json()["order"]["state"] == "cancelled"
    second = await buy(buyer, gateway, await make_offer(database, title_id=film))

    gateway.pay(intent)
    for _ in range(2):
        await send_event(buyer.client, intent)

    states = {row["id"]: row["state"] for row in await owner.fetch("SELECT id, state FROM billing.orders")}
    assert states == {UUID(first["id"]): "refunded", UUID(second): "paid"}
    back = await owner.fetch("SELECT order_id, kind, amount, reason FROM billing.refunds")
    assert [tuple(row) for row in back] == [(UUID(first["id"]), "return", 499, "already_entitled")]
    rights = await owner.fetch("SELECT quality, revoked_at FROM store.entitlements")
    assert [tuple(row) for row in rights] == [("HD", None)]
    assert await owner.fetchval("SELECT count(*) FROM billing.documents") == 1
    kinds = await owner.fetch("SELECT kind FROM store.mails ORDER BY id")
    assert [row["kind"] for row in kinds] == ["order_confirmation", "refund"]
