"""Giving money back over HTTP: the customer's withdrawal, support's refund and its second person."""

from uuid import UUID

import asyncpg
import httpx
import pytest

from store.database import Database
from store.legal_texts import load_text
from store.purchase_confirmation import ReadOrderConfirmation
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event, sign_in_staff

NOTE = "Ton fehlte, Vorgang 4711 der Kundin."


async def a_paid_order(buyer: Buyer, database: Database, gateway: FakeGateway, **offer: object) -> str:
    """Order and pay; gives the order's id."""
    order = await buyer.order(await make_offer(database, **offer))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    assert (await send_event(buyer.client, intent)).json() == {"outcome": "paid"}
    return str(order["id"])


async def state_of(owner: asyncpg.Connection, order_id: str) -> tuple[str, bool]:
    """State of the order, and whether its right holds."""
    row = await owner.fetchrow(
        "SELECT o.state, e.revoked_at IS NULL AS holds FROM billing.orders o "
        "JOIN billing.order_lines l ON l.order_id = o.id JOIN store.entitlements e ON e.order_line_id = l.id "
        "WHERE o.id = $1",
        UUID(order_id),
    )
    return row["state"], row["holds"]


async def test_a_customer_withdraws_and_has_neither_film_nor_bill(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    answer = await buyer.post(f"/v1/orders/{order_id}/withdrawals", {"declared": True})

    assert answer.status_code == 201, answer.text
    assert (answer.json()["state"], answer.json()["amount"]) == ("requested", {"amount": 399, "currency": "EUR"})
    assert await state_of(owner, order_id) == ("refunded", False)
    mails = [row["kind"] for row in await owner.fetch("SELECT kind FROM store.mails ORDER BY id")]
    assert mails == ["order_confirmation", "withdrawal"]
    again = await buyer.post(f"/v1/orders/{order_id}/withdrawals", {"declared": True})
    assert again.json()["id"] == answer.json()["id"]


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_the_confirmation_repeats_the_agreed_texts_as_plain_paragraphs(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection, locale: str
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    account_id = await owner.fetchval("SELECT account_id FROM billing.orders")
    read = ReadOrderConfirmation("https://videothek.example")
    letter = await read(database.reads, account_id=account_id, reference=UUID(order_id), locale=locale)
    assert letter is not None
    kept = {text["heading"]: text["body"] for text in letter.values["texts"]}
    agreed = [load_text(name, "2026-11-01", locale) for name in ("terms", "withdrawal")]
    assert [*kept] == [text.heading for text in agreed]
    for text in agreed:
        words = text.body.replace("*", "").replace("## ", "")
        assert kept[text.heading].split() == words.split()
        assert [block.count("\n- ") for block in kept[text.heading].split("\n\n") if "\n" in block] in ([], [1])


async def test_a_contract_is_confirmed_also_when_it_was_undone_before_its_mail_left(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    await buyer.post(f"/v1/orders/{order_id}/withdrawals", {"declared": True})
    account_id = await owner.fetchval("SELECT account_id FROM billing.orders")
    read = ReadOrderConfirmation("https://videothek.example")
    letter = await read(database.reads, account_id=account_id, reference=UUID(order_id), locale="de")
    assert letter is not None
    assert letter.values["invoice_number"] == await owner.fetchval(
        "SELECT document_number FROM billing.documents WHERE kind = 'invoice'"
    )


@pytest.mark.parametrize("body", [None, {}, {"declared": False}, {"declared": "true"}, {"declared": True, "x": 1}])
async def test_a_withdrawal_that_was_not_declared_does_nothing(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection, body: object
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    assert (await buyer.post(f"/v1/orders/{order_id}/withdrawals", body)).status_code in (400, 422)
    assert await state_of(owner, order_id) == ("paid", True)


async def test_support_gives_back_and_above_its_limit_a_lead_decides(
    buyer: Buyer, client: httpx.AsyncClient, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    order_id = await a_paid_order(buyer, database, gateway, kind="buy", gross=2499)
    support = Buyer(client, await sign_in_staff(database, "support"))
    lead = Buyer(client, await sign_in_staff(database, "support_lead"))
    wish = {"order_id": order_id, "reason": "technical_fault", "note": NOTE}

    part = await support.post("/v1/refunds", {**wish, "amount": {"amount": 499, "currency": "EUR"}})
    assert (part.status_code, part.json()["state"]) == (201, "requested")
    another = await support.post("/v1/refunds", {**wish, "amount": {"amount": 1999, "currency": "EUR"}})
    assert another.json()["state"] == "requested", "up to the limit nobody else is needed"
    assert await state_of(owner, order_id) == ("paid", True)

    large = await a_paid_order(buyer, database, gateway, kind="buy", gross=2499)
    rest = await support.post("/v1/refunds", {**wish, "order_id": large})
    assert rest.json()["state"] == "awaiting_approval"
    assert [refund["id"] for refund in (await lead.get("/v1/refunds")).json()["refunds"]] == [rest.json()["id"]]
    assert (await support.post(f"/v1/refunds/{rest.json()['id']}/approvals")).status_code == 403
    approved = await lead.post(f"/v1/refunds/{rest.json()['id']}/approvals")
    assert (approved.status_code, approved.json()["state"]) == (201, "requested")
    assert await state_of(owner, large) == ("refunded", False)
    trail = await owner.fetch("SELECT action, outcome FROM auth.audit_events ORDER BY id")
    assert [tuple(row) for row in trail] == [
        ("refund.requested", "done"),
        ("refund.requested", "done"),
        ("refund.requested", "done"),
        ("finance.refund.approve", "refused"),
        ("refund.approved", "done"),
    ]


@pytest.mark.parametrize(
    "amount",
    [
        {"amount": 0, "currency": "EUR"},
        {"amount": -300, "currency": "EUR"},
        {"amount": 3.5, "currency": "EUR"},
        {"amount": "viel", "currency": "EUR"},
        {"amount": 10**30, "currency": "EUR"},
        {"amount": 300, "currency": "eur"},
        {"amount": 300, "currency": "USD"},
        {"amount": 400, "currency": "EUR"},
        {"amount": 300},
    ],
)
async def test_an_absurd_amount_is_refused_and_nothing_happens(
    buyer: Buyer,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    amount: object,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    support = Buyer(client, await sign_in_staff(database, "support"))
    wish = {"order_id": order_id, "reason": "goodwill", "note": NOTE, "amount": amount}
    assert 400 <= (await support.post("/v1/refunds", wish)).status_code < 500
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 0


@pytest.mark.parametrize("note", ["", "Kulanz", " " * 12, "  Kulanz    ", "Kulanz\n\n\n\n\n"])
async def test_a_refund_without_a_reason_in_words_is_refused_and_nothing_happens(
    buyer: Buyer,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    note: str,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    support = Buyer(client, await sign_in_staff(database, "support"))
    refused = await support.post("/v1/refunds", {"order_id": order_id, "reason": "goodwill", "note": note})
    assert (refused.status_code, refused.json()["place"]) == (400, "body.note")
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 0
