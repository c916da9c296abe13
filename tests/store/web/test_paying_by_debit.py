"""Debits on the pages: offered for purchases where the shop takes them, and patient words while the bank takes days."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from store.database import Database
from store.settings import Settings
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import make_offer
from tests.store.web.page_reading import faults_of
from tests.store.web.test_checkout_pages import order_in


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of a shop that takes debits."""
    return replace(settings, sepa_debit=True)


async def an_offer(database: Database, kind: str) -> UUID:
    return await make_offer(database, kind=kind)


@pytest.mark.parametrize(
    ("kind", "is_known", "excluded"),
    [("buy", True, ""), ("buy", False, "sepa_debit"), ("rent", True, "sepa_debit")],
)
async def test_debits_are_offered_for_purchases_of_known_customers_only(
    browser: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    clock: MovableTestClock,
    kind: str,
    is_known: bool,
    excluded: str,
) -> None:
    order_id = await order_in(browser, await an_offer(database, "rent"))
    if is_known:
        gateway.pay(next(iter(gateway.intents)))
        await browser.get(f"/de/orders/{order_id}/return")
    clock.ahead = timedelta(days=31)
    gateway.debits.clear()
    offer = await an_offer(database, kind)

    page = (await browser.get(f"/de/checkout/{offer}")).text
    order_id = await order_in(browser, offer)
    later = (await browser.get(f"/de/orders/{order_id}/pay")).text

    assert "Auf Ihrem Gerät" in page
    assert all(f'data-excluded="{excluded}"' in one for one in (page, later))
    assert list(gateway.debits.values()) == [excluded == ""]


async def test_a_debit_that_takes_days_says_so_and_is_not_paid_a_second_time(
    browser: httpx.AsyncClient, database: Database, gateway: FakeGateway
) -> None:
    order_id = await order_in(browser, await an_offer(database, "buy"))
    gateway.begin_debit(next(iter(gateway.intents)))

    page = (await browser.get(f"/de/orders/{order_id}/return")).text
    again = await browser.get(f"/de/orders/{order_id}/pay")
    history = [(await browser.get(path)).text for path in ("/de/orders", f"/de/orders/{order_id}")]

    assert faults_of(page, locale="de") == []
    assert "Sobald sie eingegangen ist, schalten wir den Film frei" in page
    assert (again.status_code, again.headers["location"]) == (303, f"/de/orders/{order_id}/return")
    assert ["Zahlung wird geprüft" in shown and "Jetzt bezahlen" not in shown for shown in history] == [True, True]
