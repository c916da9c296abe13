"""What an app and a customer read of an order whose money moved again after it was paid."""

import re
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest

from billing.dispute_records import DisputeState
from billing.models import RefundState
from billing.money import Money
from billing.refunds import Refunds
from store.database import Database
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, make_offer, send_event, sign_in_staff
from tests.store.purchase.test_giving_back import NOTE, a_paid_order
from tests.store.web.page_reading import faults_of


async def money_in(buyer: Buyer, order_id: str) -> tuple[str, str, int]:
    """State of the order, state of its money and what goes back, the same in the list and in the order itself."""
    one = (await buyer.get(f"/v1/orders/{order_id}")).json()["order"]
    listed = next(order for order in (await buyer.get("/v1/orders")).json()["orders"] if order["id"] == order_id)
    assert one == listed
    assert one["money"]["sentence"]
    assert one["money"]["given_back"]["currency"] == "EUR"
    return one["state"], one["money"]["state"], one["money"]["given_back"]["amount"]


async def give_back(client: httpx.AsyncClient, database: Database, order_id: str, amount: int | None) -> None:
    """Support's refund."""
    body = {"order_id": order_id, "reason": "goodwill", "note": NOTE}
    money = {"amount": {"amount": amount, "currency": "EUR"}} if amount else {}
    headers = await sign_in_staff(database, "support")
    answer = await client.post("/v1/refunds", headers=headers, json={**body, **money})
    assert answer.status_code == 201, answer.text


async def test_an_order_that_waits_is_unpaid_and_a_paid_one_is_paid(
    buyer: Buyer, database: Database, gateway: FakeGateway
) -> None:
    waiting = await buyer.order(await make_offer(database))
    assert await money_in(buyer, waiting["id"]) == ("open", "unpaid", 0)
    assert await money_in(buyer, await a_paid_order(buyer, database, gateway)) == ("paid", "paid", 0)


async def test_a_partial_refund_is_told_while_the_order_stays_paid(
    buyer: Buyer, database: Database, gateway: FakeGateway
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    await give_back(buyer.client, database, order_id, 150)
    assert await money_in(buyer, order_id) == ("paid", "partly_refunded", 150)
    await give_back(buyer.client, database, order_id, 100)
    assert await money_in(buyer, order_id) == ("paid", "partly_refunded", 250)


async def test_a_refund_is_on_its_way_arrives_and_may_come_back(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    await give_back(buyer.client, database, order_id, None)
    assert await money_in(buyer, order_id) == ("refunded", "refunding", 399)
    refund_id = await owner.fetchval("SELECT id FROM billing.refunds")
    await Refunds(database, gateway).request(refund_id=refund_id, at=datetime.now(UTC))
    assert await money_in(buyer, order_id) == ("refunded", "refunded", 399)
    [key] = gateway.refunds
    gateway.refund_becomes(key, RefundState.FAILED)
    await send_event(buyer.client, key, kind="refund")
    assert await money_in(buyer, order_id) == ("refunded", "refund_delayed", 399)


async def test_of_an_order_that_was_paid_twice_the_price_is_told_and_not_the_second_payment(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    payment_id = await owner.fetchval("SELECT id FROM billing.payments")
    second = await gateway.open_intent(
        price=Money(399, "EUR"), idempotency_key="2", order_id=UUID(order_id), payment_id=payment_id, description=""
    )
    gateway.pay(second.id)
    await send_event(buyer.client, second.id)
    assert await money_in(buyer, order_id) == ("paid", "paid", 0)

    await give_back(buyer.client, database, order_id, None)
    assert await money_in(buyer, order_id) == ("refunded", "refunding", 399)
    refund_id = await owner.fetchval("SELECT id FROM billing.refunds WHERE kind = 'sale'")
    await Refunds(database, gateway).request(refund_id=refund_id, at=datetime.now(UTC))
    assert await money_in(buyer, order_id) == ("refunded", "refunded", 399), "the second payment is still on its way"


@pytest.mark.parametrize(
    ("end", "state"), [(DisputeState.WON, "paid"), (DisputeState.LOST, "lost_by_dispute")], ids=["won", "lost"]
)
async def test_a_dispute_is_told_from_its_beginning_to_its_end(
    buyer: Buyer, database: Database, gateway: FakeGateway, end: DisputeState, state: str
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    [intent] = gateway.intents
    for news, wanted in ((DisputeState.OPEN, "disputed"), (end, state)):
        await send_event(buyer.client, gateway.dispute(intent, news).id, kind="dispute")
        assert await money_in(buyer, order_id) == ("paid", wanted, 0), "what was agreed and paid is history"


@pytest.mark.parametrize(
    ("language", "words"),
    [("de", ("Rückbuchung läuft", "ruht der Film")), ("en", ("Chargeback in progress", "the film rests"))],
)
async def test_the_pages_of_the_customer_and_of_support_tell_it_in_words(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection, language: str, words: tuple[str]
) -> None:
    buyer.headers["Accept-Language"] = language
    order_id = await a_paid_order(buyer, database, gateway)
    [intent] = gateway.intents
    await send_event(buyer.client, gateway.dispute(intent).id, kind="dispute")

    listed = await buyer.get(f"/{language}/orders")
    assert words[0] in listed.text
    page = await buyer.get(f"/{language}/orders/{order_id}")
    assert faults_of(page.text, locale=language) == []
    notice = re.search(r'<div class="notice warn".*?</div>', page.text, flags=re.DOTALL)
    assert notice is not None
    assert words[1] in notice[0]

    customer_id = await owner.fetchval("SELECT account_id FROM billing.orders")
    headers = await sign_in_staff(database, "support")
    file = await buyer.client.get(f"/v1/staff/customers/{customer_id}", headers=headers)
    assert [(order["state"], order["money"]) for order in file.json()["orders"]] == [("paid", "disputed")]
