"""A customer withdraws from a contract in two steps: from the order, and from the footer without signing in."""

from tests.journeys.browser import Browser, Page
from tests.journeys.programs import Program
from tests.journeys.street import Street
from tests.journeys.waiting import eventually


async def test_a_customer_withdraws_from_an_order_and_has_the_money_on_its_way_and_a_receipt(street: Street) -> None:
    customer, anna = await street.customer(), street.browser()
    app = await street.signed_in_program(customer)
    order = (await app.buy("rent"))["order"]
    await anna.open("/de/orders")
    await anna.press("Anmelden", {"E-Mail-Adresse": customer.email, "Passwort": customer.password})
    await anna.follow("„Her“ (2013) in HD leihen")
    page = await anna.follow("Vertrag widerrufen")
    assert page.heading == "Vertrag widerrufen"
    assert "4,99" in page.words
    page = await anna.press("Widerruf bestätigen")
    assert "Ihr Widerruf ist eingegangen." in page.words
    assert any(words.startswith("Gutschrift G-") for words in page.part("Gutschriften dazu").links)
    letter = await customer.mailbox.receives(f"Ihr Widerruf zu {order['order_number']} ist eingegangen")
    assert "Eingegangen am:" in letter.text
    await eventually(lambda: the_money_arrived(anna, order["id"]))
    assert (await app.get("/v1/library"))["watchable"] == []


async def test_who_cannot_sign_in_withdraws_from_the_footer_of_any_page(street: Street) -> None:
    customer, stranger = await street.customer(), street.browser()
    app = await street.signed_in_program(customer)
    order = (await app.buy("buy"))["order"]
    for number, email in ((order["order_number"], "jemand@beispiel.example"), ("V-2026-ZZZZ-0000", customer.email)):
        page = await declare(stranger, number, email)
        assert page.heading == "Ihr Widerruf ist eingegangen"
    await customer.mailbox.receives("Ihre Widerrufserklärung ist eingegangen")
    assert len((await app.get("/v1/library"))["watchable"]) == 1, "neither was this customer's own contract"

    page = await declare(stranger, order["order_number"], customer.email)
    assert page.heading == "Ihr Widerruf ist eingegangen", "the same answer"
    await customer.mailbox.receives(f"Ihr Widerruf zu {order['order_number']} ist eingegangen")
    await eventually(lambda: the_film_is_gone(app))


async def declare(stranger: Browser, number: str, email: str) -> Page:
    await stranger.open("/de/films")
    await stranger.follow("Vertrag widerrufen")
    facts = {"Ihr Name": "Anna Beispiel", "Bestell- oder Rechnungsnummer": number, "E-Mail-Adresse": email}
    page = await stranger.press("Vertrag widerrufen", facts)
    assert page.heading == "Stimmt alles?"
    return await stranger.press("Widerruf bestätigen")


async def the_money_arrived(anna: Browser, order_id: str) -> Page | None:
    page = await anna.open(f"/de/orders/{order_id}")
    return page if "Wir haben Ihnen 4,99" in page.part("Verlauf").words else None


async def the_film_is_gone(app: Program) -> bool | None:
    return True if (await app.get("/v1/library"))["watchable"] == [] else None
