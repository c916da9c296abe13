"""Payments that fail: refusals of further tries with a way out, and the mail about a debit that failed days later."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.database import Database
from store.settings import Settings
from tests.auth.people import parts_of
from tests.auth.post_office import open_post_office, text_of
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock, run_due_jobs
from tests.store.consoles.people import a_person
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event, sign_in_staff
from tests.store.web.page_reading import faults_of

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


async def a_failed_debit(
    buyer: Buyer,
    gateway: FakeGateway,
    offer: object,
    clock: MovableTestClock,
    *,
    after: timedelta = timedelta(days=3),
) -> str:
    """Order, allow a debit, and have it fail later; gives the order's id."""
    clock.fixed = NOON
    order = await buyer.order(offer)  # type: ignore[arg-type]
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.begin_debit(intent)
    assert (await buyer.check(order["id"]))["payment"]["state"] == "processing"
    clock.fixed = NOON + after
    gateway.end_debit(intent, is_paid=False)
    await send_event(buyer.client, intent)
    return str(order["id"])


async def test_too_many_declines_are_a_429_that_says_what_to_do(
    buyer: Buyer,
    database: Database,
    gateway: FakeGateway,
    clock: MovableTestClock,
    app: Litestar,
    owner: asyncpg.Connection,
) -> None:
    clock.fixed = NOON
    order = await buyer.order(await make_offer(database))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    for _ in range(5):
        gateway.decline(intent)
        await send_event(buyer.client, intent)
    await run_due_jobs(owner, parts_of(app))

    refused = await buyer.post(f"/v1/orders/{order['id']}/payments")

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert refused.json()["code"] == "too_many_payment_tries"
    assert "in 60 Minuten noch einmal" in refused.json()["detail"]
    assert gateway.intents[intent].state.value == "canceled"
    assert [*gateway.intents] == [intent], "no other was opened"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["nicht eingegangen", "Lastschrift nicht eingelöst", "nichts abgebucht", "geschlossen"]),
        ("en", ["did not arrive", "direct debit", "Nothing was charged", "closed"]),
    ],
)
async def test_a_debit_that_failed_is_told_by_mail_with_reason_and_way_out(
    buyer: Buyer,
    database: Database,
    gateway: FakeGateway,
    clock: MovableTestClock,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
    language: str,
    words: list[str],
) -> None:
    buyer.headers["Accept-Language"] = language
    order_id = await a_failed_debit(buyer, gateway, await make_offer(database, kind="buy"), clock)

    with open_post_office(settings.smtp_url) as office:
        await run_due_jobs(owner, parts_of(app))
    await parts_of(app).payments.sweep(at=NOON + timedelta(days=3, minutes=1))

    (letter,) = office.letters
    text = " ".join(text_of(letter).split())
    assert [word for word in words if word not in text] == []
    assert f"{settings.base_url}/{language}/orders/{order_id}/pay" in text
    assert (await buyer.get(f"/v1/orders/{order_id}")).json()["order"]["state"] == "cancelled"
    assert await owner.fetchval("SELECT count(*) FROM store.entitlements") == 0


async def test_the_mail_about_an_order_that_still_waits_asks_for_another_way_to_pay(
    buyer: Buyer,
    database: Database,
    gateway: FakeGateway,
    clock: MovableTestClock,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
) -> None:
    offer = await make_offer(database, kind="buy")
    await a_failed_debit(buyer, gateway, offer, clock, after=timedelta(minutes=59))

    with open_post_office(settings.smtp_url) as office:
        await run_due_jobs(owner, parts_of(app))

    (letter,) = office.letters
    assert "Ihre Bestellung ist noch offen." in text_of(letter)


async def test_the_mail_is_dropped_if_the_order_was_paid_meanwhile(
    buyer: Buyer,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    clock: MovableTestClock,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
) -> None:
    await a_failed_debit(buyer, gateway, await make_offer(database, kind="buy"), clock)
    [intent] = gateway.intents
    gateway.pay(intent)
    await send_event(client, intent)

    with open_post_office(settings.smtp_url) as office:
        await run_due_jobs(owner, parts_of(app))

    assert [row["kind"] for row in await owner.fetch("SELECT kind FROM store.mails WHERE status = 'dropped'")] == [
        "payment_failed"
    ]
    assert len(office.letters) == 1


async def test_an_earlier_decline_stays_on_the_order_and_support_sees_the_providers_reason(
    buyer: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    order = await buyer.order(await make_offer(database))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.decline(intent, "insufficient_funds")
    await send_event(buyer.client, intent)
    gateway.pay(intent)
    await send_event(buyer.client, intent)

    for language, words in (("de", "Die Karte hat nicht genug Deckung."), ("en", "The card has insufficient funds.")):
        page = (await buyer.get(f"/{language}/orders/{order['id']}")).text
        assert faults_of(page, locale=language) == []
        assert words in page
        assert "provider_insufficient_funds" not in page

    customer_id = await owner.fetchval("SELECT account_id FROM billing.orders")
    headers = await sign_in_staff(database, "support")
    file = (await buyer.client.get(f"/v1/staff/customers/{customer_id}", headers=headers)).json()
    entries = [(entry["kind"], entry["state"], entry["provider_reason"]) for entry in file["payments"]]
    assert entries == [("try", "declined", "provider_insufficient_funds"), ("payment", "succeeded", None)]
    console = await a_person(database, roles=("support",))
    page = (await buyer.client.get(f"/de/support/customers/{customer_id}", headers=console.headers)).text
    assert "provider_insufficient_funds" in page
    assert faults_of(page, locale="de") == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["Lastschrift", "11,99 €", "frühestens am 26. November 2026", "endet auf 3000", "acht Wochen"]),
        ("en", ["direct debit", "€11.99", "26 November 2026 at the earliest", "ends in 3000", "eight weeks"]),
    ],
)
async def test_a_debit_is_announced_by_mail_with_all_that_the_rulebook_asks_for(
    buyer: Buyer,
    database: Database,
    gateway: FakeGateway,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
    language: str,
    words: list[str],
) -> None:
    buyer.headers["Accept-Language"] = language
    order = await buyer.order(await make_offer(database, kind="buy"))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.begin_debit(intent)
    await send_event(buyer.client, intent)

    with open_post_office(settings.smtp_url) as office:
        for _ in range(3):
            await run_due_jobs(owner, parts_of(app))

    [letter] = office.letters
    text = " ".join(text_of(letter).replace("\N{NO-BREAK SPACE}", " ").split())
    reference = await owner.fetchval("SELECT mandate_reference FROM billing.payments")
    wanted = [*words, reference, "DE98ZZZ09999999999", order["order_number"], "Videothek Demo GmbH"]
    assert [word for word in wanted if word not in text] == []


async def test_a_debit_that_failed_before_it_was_announced_is_not(
    buyer: Buyer,
    database: Database,
    gateway: FakeGateway,
    clock: MovableTestClock,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
) -> None:
    await a_failed_debit(buyer, gateway, await make_offer(database, kind="buy"), clock)
    with open_post_office(settings.smtp_url) as office:
        for _ in range(2):
            await run_due_jobs(owner, parts_of(app))
    assert [kind["kind"] for kind in await owner.fetch("SELECT kind FROM store.mails")] == ["payment_failed"]
    assert len(office.letters) == 1
