"""Buying through HTTP: quote, order, payment, and what is refused on the way."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import stripe

from auth.ids import new_id
from store.database import Database
from store.legal_texts import load_text
from tests.billing.tills import count
from tests.fakes import WEBHOOK_SECRETS, FakeGateway
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import (
    Buyer,
    intent_of,
    make_film,
    make_offer,
    send_event,
    sign_in,
    sign_in_staff,
)


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    return (
        (answer.status_code, answer.json()["code"]) == (status, code)
        and answer.headers["content-type"].startswith("application/problem+json")
    )  # fmt: skip


async def test_a_quote_says_price_tax_terms_and_legal_texts(
    buyer: Buyer, database: Database, clock: MovableTestClock
) -> None:
    clock.fixed = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    quote = (await buyer.quote(await make_offer(database))).json()

    assert quote["description"] == "„Her“ (2013) in HD leihen"
    assert quote["price"] == {"amount": 399, "currency": "EUR"}
    assert quote["net"] == {"amount": 335, "currency": "EUR"}
    assert quote["tax"] == {"country": "DE", "rate": "19", "amount": {"amount": 64, "currency": "EUR"}}
    assert (quote["terms"]["start_days"], quote["terms"]["watch_hours"]) == (30, 48)
    assert quote["start_by"] == "2026-12-24T12:00:00Z"
    assert quote["expires_at"] == "2026-11-24T12:10:00Z"
    assert quote["button"] == "Zahlungspflichtig bestellen"
    names = {text["name"]: text["is_consent"] for text in quote["texts"]}
    assert names == {"terms": False, "withdrawal": False, "immediate_performance": True, "withdrawal_loss": True}
    for text in quote["texts"]:
        assert load_text(text["name"], text["version"], "de").sha256 == text["sha256"]


async def test_a_film_is_bought_paid_and_owned_in_one_go(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    order = await buyer.order(await make_offer(database, kind="buy"))
    payable = await buyer.payment(order["id"])
    assert (payable["payment"]["state"], payable["publishable_key"]) == ("requires_payment_method", "pk_test_fake")
    gateway.pay(intent_of(gateway, payable))

    assert (await buyer.check(order["id"]))["order_state"] == "paid"

    detail = (await buyer.get(f"/v1/orders/{order['id']}")).json()
    assert (detail["order"]["state"], detail["payment"]["state"]) == ("paid", "succeeded")
    assert detail["invoice_number"].endswith("-000001")
    right = await owner.fetchrow("SELECT kind, quality, source FROM store.entitlements")
    assert tuple(right) == ("buy", "HD", "sale")
    assert await count(owner, "store.mails", kind="order_confirmation", status="queued") == 1
    assert await count(owner, "billing.journals", kind="sale") == 1


async def test_the_same_webhook_five_times_at_once_and_the_return_grant_one_right(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection, client: httpx.AsyncClient
) -> None:
    order = await buyer.order(await make_offer(database))
    intent_id = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent_id)

    answers = await asyncio.gather(
        *(send_event(client, intent_id) for _ in range(5)), buyer.post(f"/v1/orders/{order['id']}/payment-checks")
    )

    assert {answer.status_code for answer in answers} == {200}
    for table in ("store.entitlements", "billing.journals", "billing.documents", "store.mails"):
        assert await count(owner, table) == 1, table


@pytest.mark.parametrize("signature", [None, "t=1,v1=aa"])
async def test_an_unsigned_webhook_is_a_problem_and_stores_nothing(
    client: httpx.AsyncClient, owner: asyncpg.Connection, signature: str | None
) -> None:
    headers = {"Stripe-Signature": signature} if signature else {}

    answer = await client.post("/webhooks/stripe", content=b'{"id": "evt_1"}', headers=headers)

    assert is_problem(answer, 400, "webhook_not_verified")
    assert await count(owner, "billing.webhook_events") == 0


async def test_a_huge_webhook_is_refused_unread_and_stores_nothing(
    client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    body = b'{"id": "evt_1", "padding": "' + b"x" * 1_100_000 + b'"}'
    headers = {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body.decode(), WEBHOOK_SECRETS[0])}

    answer = await client.post("/webhooks/stripe", content=body, headers=headers)

    assert is_problem(answer, 413, "body_too_large")
    assert await count(owner, "billing.webhook_events") == 0


async def test_a_provider_that_does_not_answer_is_a_503_and_the_payment_goes_on_later(
    buyer: Buyer, database: Database, gateway: FakeGateway
) -> None:
    order = await buyer.order(await make_offer(database))
    gateway.is_mute = True

    answer = await buyer.post(f"/v1/orders/{order['id']}/payments")

    assert is_problem(answer, 503, "payment_outcome_unknown")
    assert answer.headers["retry-after"] == "5"
    gateway.is_mute = False
    assert len({(await buyer.payment(order["id"]))["client_secret"] for _ in range(2)}) == 1
    assert len(gateway.intents) == 1


async def test_a_decline_is_told_in_words_and_the_order_stays_open(
    buyer: Buyer, database: Database, gateway: FakeGateway
) -> None:
    order = await buyer.order(await make_offer(database))
    gateway.decline(intent_of(gateway, await buyer.payment(order["id"])), "insufficient_funds")

    checked = await buyer.check(order["id"])

    assert checked["order_state"] == "open"
    assert checked["payment"]["problem"]["code"] == "insufficient_funds"
    assert "Deckung" in checked["payment"]["problem"]["sentence"]


async def test_what_is_owned_is_not_quoted_again(buyer: Buyer, database: Database, gateway: FakeGateway) -> None:
    film = await make_film(database)
    rental, purchase = (
        await make_offer(database, title_id=film, kind="rent"),
        await make_offer(database, title_id=film, kind="buy"),
    )
    order = await buyer.order(rental)
    gateway.pay(intent_of(gateway, await buyer.payment(order["id"])))
    await buyer.check(order["id"])

    refused = await buyer.quote(rental)

    assert is_problem(refused, 409, "already_entitled")
    assert refused.json()["until"] is not None
    assert (await buyer.quote(purchase)).status_code == 201


async def test_two_tabs_pay_for_one_film_once(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    offer = await make_offer(database)
    quotes = [(await buyer.quote(offer)).json()["id"] for _ in range(2)]
    answers = await asyncio.gather(*(buyer.order_quote(quote) for quote in quotes))
    first, second = sorted(answers, key=lambda answer: answer.status_code)
    assert (first.status_code, is_problem(second, 409, "order_already_open")) == (201, True)
    order = first.json()["order"]
    assert second.json()["order_id"] == order["id"]

    gateway.pay(intent_of(gateway, await buyer.payment(order["id"])))
    await buyer.check(order["id"])

    lost = next(quote for quote, answer in zip(quotes, answers, strict=True) if answer is second)
    assert is_problem(await buyer.order_quote(lost), 409, "already_entitled")
    assert await count(owner, "billing.orders") == 1


async def test_a_cancelled_order_makes_room_for_another(buyer: Buyer, database: Database) -> None:
    film = await make_film(database)
    order = await buyer.order(await make_offer(database, title_id=film))

    cancelled = await buyer.post(f"/v1/orders/{order['id']}/cancellations")

    assert (cancelled.status_code, cancelled.json()["order_state"]) == (200, "cancelled")
    assert is_problem(await buyer.post(f"/v1/orders/{order['id']}/payments"), 409, "order_closed")
    await buyer.order(await make_offer(database, title_id=film, kind="buy"))


@pytest.mark.parametrize(
    "changes",
    [
        {"market": "AT"},
        {"starts_at": datetime(2026, 11, 24, 12, 0, 0, 1, tzinfo=UTC)},
        {"ends_at": datetime(2026, 11, 24, 12, 0, tzinfo=UTC)},
    ],
)
async def test_what_is_not_on_sale_here_and_now_is_not_quoted(
    buyer: Buyer, database: Database, clock: MovableTestClock, owner: asyncpg.Connection, changes: dict[str, Any]
) -> None:
    clock.fixed = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    assert is_problem(await buyer.quote(await make_offer(database, **changes)), 409, "offer_not_on_sale")
    assert is_problem(await buyer.quote(new_id()), 409, "offer_not_on_sale")
    assert await count(owner, "billing.quotes") == 0


async def test_a_quote_expires_after_ten_minutes(
    buyer: Buyer, database: Database, clock: MovableTestClock, owner: asyncpg.Connection
) -> None:
    clock.fixed = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    quote = (await buyer.quote(await make_offer(database))).json()
    clock.fixed += timedelta(minutes=10)

    assert is_problem(await buyer.order_quote(quote["id"]), 409, "quote_expired")
    assert await count(owner, "billing.orders") == 0


async def test_without_consents_nothing_is_ordered(buyer: Buyer, database: Database, owner: asyncpg.Connection) -> None:
    quote = (await buyer.quote(await make_offer(database))).json()

    refused = await buyer.order_quote(quote["id"], {"immediate_performance": True})

    assert is_problem(refused, 409, "consents_missing")
    assert refused.json()["missing"] == ["withdrawal_loss"]
    assert await count(owner, "billing.orders") == 0


async def test_a_device_of_somebody_else_is_not_quoted(buyer: Buyer, database: Database) -> None:
    assert is_problem(await buyer.quote(await make_offer(database), device_id=str(new_id())), 404, "device_not_found")


async def test_other_peoples_quotes_and_orders_look_like_none(
    buyer: Buyer, database: Database, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    quote = (await buyer.quote(await make_offer(database))).json()
    order = await buyer.order(await make_offer(database))
    stranger = Buyer(client, await sign_in(database))

    assert is_problem(await stranger.order_quote(quote["id"]), 404, "quote_not_found")
    for path in ("payments", "payment-checks", "cancellations"):
        assert is_problem(await stranger.post(f"/v1/orders/{order['id']}/{path}"), 404, "order_not_found")
    assert is_problem(await stranger.get(f"/v1/orders/{order['id']}"), 404, "order_not_found")
    assert (await stranger.get("/v1/orders")).json() == {"orders": [], "next_cursor": None}
    assert await owner.fetchval("SELECT state FROM billing.orders") == "open"


async def test_orders_are_listed_newest_first_in_pages(buyer: Buyer, database: Database) -> None:
    orders = [await buyer.order(await make_offer(database)) for _ in range(3)]

    first = (await buyer.get("/v1/orders?limit=2")).json()
    rest = (await buyer.get(f"/v1/orders?limit=2&cursor={first['next_cursor']}")).json()

    listed = [order["id"] for order in first["orders"] + rest["orders"]]
    assert listed == [order["id"] for order in reversed(orders)]
    assert rest["next_cursor"] is None
    for wrong in ("cursor=nonsense", "limit=0", "limit=101", "limit=x"):
        assert (await buyer.get(f"/v1/orders?{wrong}")).status_code == 400


CALLS = [
    ("POST", "/v1/quotes"),
    ("POST", "/v1/orders"),
    ("GET", "/v1/orders"),
    ("GET", "/v1/orders/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10"),
    ("POST", "/v1/orders/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10/payments"),
    ("POST", "/v1/orders/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10/payment-checks"),
    ("POST", "/v1/orders/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10/cancellations"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_only_customers_buy(client: httpx.AsyncClient, database: Database, method: str, path: str) -> None:
    nobody = await client.request(method, path)
    staff = await client.request(method, path, headers=await sign_in_staff(database, "finance"))

    assert (nobody.status_code, staff.status_code) == (401, 403)


@pytest.mark.parametrize("name", ["terms", "withdrawal", "immediate_performance", "withdrawal_loss", "privacy"])
async def test_legal_texts_can_be_read_by_anybody_in_both_languages(client: httpx.AsyncClient, name: str) -> None:
    german = await client.get(f"/v1/legal-texts/{name}", headers={"Accept-Language": "de"})
    english = await client.get(f"/v1/legal-texts/{name}", headers={"Accept-Language": "en"})

    assert german.json()["version"] == english.json()["version"]
    assert german.json()["body"] != english.json()["body"]


@pytest.mark.parametrize("name", ["README", "..", "%2e%2e%2fterms", "nothing"])
async def test_there_are_no_other_legal_texts(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/v1/legal-texts/{name}")).status_code == 404
