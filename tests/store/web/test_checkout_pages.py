"""Buying in the browser, up to where JavaScript pays; and the way back, orders, receipts, the library."""

import re
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from billing.models import OrderState, PaymentState
from store.database import Database
from store.web.checkout_pages import outcome_of, payment_sources
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import CONSENTS, make_film, make_offer
from tests.store.web.page_reading import faults_of
from tests.store.web.visitors import OURS, make_customer, sign_in, token_in


async def order_in(browser: httpx.AsyncClient, offer: UUID) -> str:
    """What the checkout's script does until the payment is open; gives the order's id."""
    page = (await browser.get(f"/de/checkout/{offer}")).text
    found = re.search(r'data-quote="([^"]+)"', page)
    assert found is not None
    headers = {**OURS, "X-CSRF-Token": token_in_script(page)}
    ordered = await browser.post("/v1/orders", json={"quote_id": found[1], "consents": CONSENTS}, headers=headers)
    assert ordered.status_code == 201, ordered.text
    order_id: str = ordered.json()["order"]["id"]
    opened = await browser.post(f"/v1/orders/{order_id}/payments", json={}, headers=headers)
    assert opened.status_code == 201, opened.text
    return order_id


def token_in_script(page: str) -> str:
    """The token that the checkout's script sends as a header."""
    found = re.search(r'data-csrf="([^"]+)"', page)
    assert found is not None
    return found[1]


@pytest.fixture
async def rental(database: Database) -> UUID:
    """An offer to rent a film for 3.99 euros."""
    return await make_offer(
        database, title_id=await make_film(database, name="Der Fernsehturm"), kind="rent", gross=399
    )


async def test_the_buy_box_leads_to_the_checkout_of_the_chosen_offer(browser: httpx.AsyncClient, rental: UUID) -> None:
    answer = await browser.get("/de/checkout", params={"offer": str(rental)})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/de/checkout/{rental}")


async def test_a_visitor_signs_in_first_and_comes_back_to_the_checkout(
    client: httpx.AsyncClient, rental: UUID, database: Database
) -> None:
    answer = await client.get(f"/de/checkout/{rental}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/de/sign-in?next=%2Fde%2Fcheckout%2F{rental}")
    assert await database.reads.fetchval("SELECT count(*) FROM billing.quotes") == 0


async def test_the_checkout_shows_price_tax_consents_and_the_button_that_the_law_wants(
    browser: httpx.AsyncClient, rental: UUID
) -> None:
    answer = await browser.get(f"/de/checkout/{rental}")
    assert answer.status_code == 200
    assert faults_of(answer.text, locale="de") == []
    for words in ("3,99\N{NO-BREAK SPACE}€", "inkl. 19 % MwSt.", "Zahlungspflichtig bestellen", "48 Stunden"):
        assert words in answer.text
    assert 'name="immediate_performance"' in answer.text
    assert 'name="withdrawal_loss"' in answer.text
    assert " checked" not in answer.text
    assert "http://127.0.0.1:8420" in answer.headers["content-security-policy"]


async def test_only_the_checkout_may_load_the_payment_script(browser: httpx.AsyncClient) -> None:
    assert "8420" not in (await browser.get("/de/library")).headers["content-security-policy"]
    sources = payment_sources("https://js.stripe.com/v3/")
    assert sources["script-src"] == "https://js.stripe.com"
    assert sources["connect-src"] == "https://api.stripe.com"


async def test_a_paid_order_is_told_on_the_return_and_the_film_is_in_the_library(
    browser: httpx.AsyncClient, rental: UUID, gateway: FakeGateway
) -> None:
    order_id = await order_in(browser, rental)
    (intent_id,) = gateway.intents
    gateway.pay(intent_id)
    secret = {"payment_intent": intent_id, "payment_intent_client_secret": "x", "redirect_status": "succeeded"}
    first = await browser.get(f"/de/orders/{order_id}/return", params=secret)
    assert (first.status_code, first.headers["location"]) == (303, f"/de/orders/{order_id}/return")
    page = (await browser.get(first.headers["location"])).text
    assert "Viel Freude mit Der Fernsehturm" in page
    assert faults_of(page, locale="de") == []
    library = (await browser.get("/de/library")).text
    assert faults_of(library, locale="de") == []
    assert "Der Fernsehturm" in library
    assert "um zu starten" in library
    receipt = (await browser.get(f"/de/orders/{order_id}")).text
    assert faults_of(receipt, locale="de") == []
    assert "Rechnung R-" in receipt
    assert "0,64\N{NO-BREAK SPACE}€" in receipt


async def test_what_the_address_says_is_no_proof_of_payment(
    browser: httpx.AsyncClient, rental: UUID, database: Database
) -> None:
    order_id = await order_in(browser, rental)
    page = (await browser.get(f"/de/orders/{order_id}/return", params={"redirect_status": "succeeded"})).text
    assert "Die Zahlung kam nicht zustande" in page
    assert await database.reads.fetchval("SELECT count(*) FROM store.entitlements") == 0


async def test_a_silent_provider_is_waited_for_by_the_page_and_what_is_known_to_be_paid_is_told_all_the_same(
    browser: httpx.AsyncClient, rental: UUID, gateway: FakeGateway
) -> None:
    order_id = await order_in(browser, rental)
    gateway.pay(next(iter(gateway.intents)))
    gateway.is_mute = True
    silent = await browser.get(f"/de/orders/{order_id}/return")
    gateway.is_mute = False
    paid = await browser.get(f"/de/orders/{order_id}/return")
    gateway.is_mute = True
    again = await browser.get(f"/de/orders/{order_id}/return")

    assert faults_of(silent.text, locale="de") == []
    assert "Der Zahlungsdienst antwortet gerade nicht" in silent.text
    assert 'hx-trigger="every 4s"' in silent.text
    assert [page.status_code for page in (silent, paid, again)] == [200, 200, 200]
    assert ["Viel Freude mit" in page.text for page in (silent, paid, again)] == [False, True, True]


async def test_a_declined_card_is_told_and_the_order_can_be_paid_again_or_cancelled(
    browser: httpx.AsyncClient, rental: UUID, gateway: FakeGateway, database: Database
) -> None:
    order_id = await order_in(browser, rental)
    (intent_id,) = gateway.intents
    gateway.decline(intent_id, "insufficient_funds")
    page = (await browser.get(f"/de/orders/{order_id}/return")).text
    assert "nicht genug Deckung" in page
    assert f'href="/de/orders/{order_id}/pay"' in page
    again = await browser.get(f"/de/checkout/{rental}")
    assert again.headers["location"] == f"/de/orders/{order_id}/pay"
    pay = (await browser.get(f"/de/orders/{order_id}/pay")).text
    assert faults_of(pay, locale="de") == []
    assert 'name="immediate_performance"' not in pay
    form = {"csrf_token": token_in(pay)}
    cancelled = await browser.post(f"/de/orders/{order_id}/cancel", data=form, headers=OURS)
    assert cancelled.headers["location"] == "/de/orders?done=order_cancelled"
    assert await database.reads.fetchval("SELECT state FROM billing.orders") == "cancelled"
    closed = (await browser.get(f"/de/orders/{order_id}")).text
    assert "deshalb gibt es keine Rechnung" in closed
    assert "sobald die Bestellung bezahlt ist" not in closed


async def test_a_payment_that_the_bank_still_checks_is_waited_for_by_the_page_itself(
    browser: httpx.AsyncClient, rental: UUID, gateway: FakeGateway
) -> None:
    order_id = await order_in(browser, rental)
    (intent_id,) = gateway.intents
    gateway.move(intent_id, PaymentState.PROCESSING)
    page = (await browser.get(f"/de/orders/{order_id}/return")).text
    assert faults_of(page, locale="de") == []
    assert f'hx-get="/de/orders/{order_id}/return" hx-trigger="every 4s" hx-select="#outcome"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    gateway.pay(intent_id)
    page = (await browser.get(f"/de/orders/{order_id}/return", headers={"HX-Request": "true"})).text
    assert 'id="outcome">' in page
    assert "Viel Freude mit Der Fernsehturm" in page


async def test_after_a_withdrawal_every_page_of_the_order_says_that_the_money_goes_back(
    browser: httpx.AsyncClient, rental: UUID, gateway: FakeGateway
) -> None:
    order_id = await order_in(browser, rental)
    gateway.pay(next(iter(gateway.intents)))
    page = (await browser.get(f"/de/orders/{order_id}/return")).text
    headers = {**OURS, "X-CSRF-Token": token_in(page), "Idempotency-Key": "ein-widerruf"}
    done = await browser.post(f"/v1/orders/{order_id}/withdrawals", json={"declared": True}, headers=headers)
    assert done.status_code == 201, done.text
    assert "Das Geld geht zurück" in (await browser.get(f"/de/orders/{order_id}/return")).text
    receipt = (await browser.get(f"/de/orders/{order_id}")).text
    assert faults_of(receipt, locale="de") == []
    assert "Der Betrag dieser Rechnung geht zurück." in receipt
    assert "Sie haben den Vertrag widerrufen." in receipt
    credit_note = re.search(rf'href="(/de/orders/{order_id}/credit-notes/G-\d{{4}}-\d{{6}})"', receipt)
    assert credit_note is not None
    printed = await browser.get(credit_note[1])
    assert faults_of(printed.text, locale="de") == []
    assert "3,99\N{NO-BREAK SPACE}€" in printed.text
    assert (await browser.get(credit_note[1].replace("G-", "X-"))).status_code == 404
    assert "Erstattung unterwegs" in (await browser.get("/de/orders")).text
    library = (await browser.get("/de/library")).text
    assert "Nicht mehr verfügbar" in library
    assert 'href="/de/watch/' not in library


async def test_what_is_owned_cannot_be_ordered_again_and_the_page_says_until_when(
    browser: httpx.AsyncClient, rental: UUID, gateway: FakeGateway, database: Database
) -> None:
    order_id = await order_in(browser, rental)
    gateway.pay(next(iter(gateway.intents)))
    await browser.get(f"/de/orders/{order_id}/return")
    answer = await browser.get(f"/de/checkout/{rental}")
    assert answer.status_code == 409
    assert faults_of(answer.text, locale="de") == []
    assert await database.reads.fetchval("SELECT count(*) FROM billing.orders") == 1


async def test_a_rental_that_was_not_started_in_time_goes_into_the_history(
    browser: httpx.AsyncClient, rental: UUID, gateway: FakeGateway, clock: MovableTestClock
) -> None:
    order_id = await order_in(browser, rental)
    gateway.pay(next(iter(gateway.intents)))
    await browser.get(f"/de/orders/{order_id}/return")
    clock.ahead = timedelta(days=31)
    page = (await browser.get("/de/library")).text
    assert "Früher (1)" in page
    assert "Noch einmal leihen" in page
    assert "Nicht gestartet bis" in page


async def test_another_customers_order_looks_like_none(
    browser: httpx.AsyncClient, rental: UUID, app: Litestar, database: Database
) -> None:
    order_id = await order_in(browser, rental)
    browser.cookies.clear()
    await sign_in(browser, await make_customer(database, hasher=app.state.parts.hasher))
    for path in ("", "/pay", "/return"):
        assert (await browser.get(f"/de/orders/{order_id}{path}")).status_code == 404


async def test_pages_of_customers_are_kept_by_no_cache(browser: httpx.AsyncClient) -> None:
    for path in ("/de/library", "/de/orders", "/de/account", "/de/account/devices"):
        answer = await browser.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert faults_of(answer.text, locale="de") == []


@pytest.mark.parametrize(
    ("order", "payment", "outcome"),
    [
        (OrderState.PAID, PaymentState.SUCCEEDED, "paid"),
        (OrderState.OPEN, PaymentState.PROCESSING, "processing"),
        (OrderState.OPEN, PaymentState.UNKNOWN, "declined"),
        (OrderState.OPEN, PaymentState.REQUIRES_PAYMENT_METHOD, "declined"),
        (OrderState.OPEN, PaymentState.REQUIRES_ACTION, "declined"),
        (OrderState.CANCELLED, PaymentState.CANCELED, "cancelled"),
        (OrderState.REFUNDED, PaymentState.RETURNED, "refunded"),
    ],
)
def test_every_end_of_a_payment_has_its_words(order: OrderState, payment: PaymentState, outcome: str) -> None:
    assert outcome_of(order, payment) == outcome
