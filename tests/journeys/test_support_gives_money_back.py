"""Support gives money back, and above the limit a second person from finance decides; finance's invariants hold."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.journeys.browser import Browser, Page
from tests.journeys.staff import staff_sign_in
from tests.journeys.street import Street
from tests.journeys.waiting import eventually

NOTE = "Ton fehlte, Vorgang 4711 der Kundin."


@pytest.fixture
async def low_limit(books: asyncpg.Connection) -> AsyncIterator[None]:
    """Above ten euros a second person decides: the limit is a row, which finance may change."""
    before = await books.fetchval("SELECT needs_approval_above FROM billing.refund_limits WHERE currency = 'EUR'")
    change = "UPDATE billing.refund_limits SET needs_approval_above = $1 WHERE currency = 'EUR'"
    await books.execute(change, 1000)
    yield
    await books.execute(change, before)


@pytest.mark.usefixtures("low_limit")
async def test_support_asks_finance_approves_and_the_customer_has_money_credit_note_and_mail(street: Street) -> None:
    customer, anna = await street.customer(), street.browser()
    app = await street.signed_in_program(customer)
    bought = await app.buy("buy")
    number = bought["order"]["order_number"]

    sonja = await at_work(street, "support")
    await sonja.follow("Kundendienst")
    await sonja.press("Konto öffnen", {"E-Mail-Adresse": number})
    page = await sonja.follow(f"Erstatten {number}")
    assert "11,99" in page.words
    page = await sonja.press("Zurückzahlen", {"Warum": "technischer Fehler", "Begründung": "kurz"})
    assert "mindestens zehn Zeichen" in page.words
    page = await sonja.press("Zurückzahlen", {"Warum": "technischer Fehler", "Begründung": NOTE})
    assert "Die Rückzahlung wartet auf eine zweite Person." in page.words
    assert "wartet auf zweite Person" in page.part("Zahlungen").words
    assert len((await app.get("/v1/library"))["watchable"]) == 1, "until then nothing happens"

    fritz = await at_work(street, "finance")
    page = await fritz.follow("Rückzahlungen")
    assert any(number in row and NOTE in row for row in page.rows("Warten auf eine zweite Person"))
    page = await fritz.press("Genehmigen")
    assert "Genehmigt. Das Geld geht zurück." in page.words
    await customer.mailbox.receives(f"zu {number}")
    await anna.open("/de/orders")
    await anna.press("Anmelden", {"E-Mail-Adresse": customer.email, "Passwort": customer.password})
    page = await eventually(lambda: the_money_arrived(anna, bought))
    assert any(words.startswith("Gutschrift G-") for words in page.part("Gutschriften dazu").links)
    assert (await app.get("/v1/library"))["watchable"] == []

    page = await fritz.open("/de/finance/invariants")
    page = await fritz.press("Jetzt zählen")
    assert "Gezählt." in page.words
    assert [row for row in page.rows("Alle Regeln") if "stimmt" not in row] == []


async def at_work(street: Street, role: str) -> Browser:
    """A browser in which a member of staff is signed in, at the first page of the work."""
    browser = street.browser()
    await staff_sign_in(browser, f"{role}@demo.videothek.example")
    await browser.follow("Arbeitsplätze")
    return browser


async def the_money_arrived(anna: Browser, bought: Any) -> Page | None:
    page = await anna.open(f"/de/orders/{bought['order']['id']}")
    return page if "Wir haben Ihnen 11,99" in page.words else None
