"""Support helps a customer who cannot sign in, on the console and by a program, and never sees anything secret."""

from uuid import UUID

import pytest

from store.sandbox.demo_accounts import PASSWORD as DEMO_PASSWORD
from tests.journeys.browser import Browser, Page
from tests.journeys.programs import Program
from tests.journeys.staff import staff_sign_in
from tests.journeys.street import Customer, Street
from tests.journeys.waiting import eventually
from tests.store.entitlement import parts
from tests.store.entitlement.parts import TestDevice

SUPPORT = "support@demo.videothek.example"
REASON = "Anruf, Vorgang 4711: kann sich nicht anmelden"
NEW_PASSWORD = "vier Pinguine lesen Zeitung"


async def test_support_finds_the_customer_and_has_a_reset_link_mailed_that_only_the_customer_sees(
    street: Street,
) -> None:
    customer = await street.customer()
    app, device = await street.signed_in_program(customer), TestDevice(street.store.web)
    bought = await app.buy("rent")
    await device.register(app.client, parts.Customer(UUID(app.account_id), app.token), name="Wohnzimmer")
    await customer.mailbox.receives("Ihre Bestellung")

    sonja = await at_the_console(street)
    await sonja.follow("Kundendienst")
    page = await sonja.press("Konto öffnen", {"E-Mail-Adresse": bought["order"]["order_number"]})
    file_of_the_customer(page, customer, bought)
    await sonja.follow("Anderes Konto")
    page = await sonja.press("Konto öffnen", {"E-Mail-Adresse": "niemand@beispiel.example"})
    assert "Zu dieser Adresse gibt es kein Kundenkonto." in page.words
    file = await sonja.press("Konto öffnen", {"E-Mail-Adresse": customer.email})
    page = await sonja.press("Link schicken lassen", {"Grund": "zu kurz"})
    assert "mindestens zehn Zeichen" in page.words
    page = await sonja.press("Link schicken lassen", {"Grund": REASON})
    assert "Der Link für ein neues Passwort geht an" in page.words

    letter = await customer.mailbox.receives("Ihr Link für ein neues Passwort")
    assert "unser Kundendienst schickt Ihnen diesen Link" in letter.text
    page = await eventually(lambda: mail_is_told_as_sent(sonja, file))
    assert REASON in page.part("Protokoll").words
    nothing_secret_in(page, customer, app, letter.code)

    anna = street.browser()
    await anna.open(letter.link_with_code)
    await anna.press("Passwort festlegen", {"Code aus der E-Mail": letter.code, "Neues Passwort": NEW_PASSWORD})
    await street.signed_in_program(Customer(customer.email, NEW_PASSWORD, customer.mailbox))
    page = await sonja.open(str(file.address))
    assert "benutzt" in page.part("Neue Passwörter").words
    nothing_secret_in(page, customer, app, letter.code)


async def test_the_same_by_a_program(street: Street) -> None:
    customer = await street.customer()
    app = await street.signed_in_program(customer)
    bought = await app.buy("buy")
    tool = street.program()
    await tool.sign_in(SUPPORT, DEMO_PASSWORD)
    for key, value in (("order_number", bought["order"]["order_number"]), ("invoice_number", bought["invoice_number"])):
        assert len((await tool.get("/v1/staff/customers", **{key: value}))["customers"]) == 1
    [found] = (await tool.get("/v1/staff/customers", email=customer.email))["customers"]
    file = await tool.get(f"/v1/staff/customers/{found['id']}")
    assert [order["order_number"] for order in file["orders"]] == [bought["order"]["order_number"]]
    assert [(right["title"], right["state"]) for right in file["rights"]] == [("Her", "ready")]
    assert {mail["kind"] for mail in file["mails"]} >= {"order_confirmation"}

    path = f"/v1/staff/customers/{found['id']}/password-resets"
    started = await tool.post(path, {"reason": REASON}, status=202)
    assert "•" in started["sent_to"]
    letter = await customer.mailbox.receives("Ihr Link für ein neues Passwort")
    told = str([found, file, started, await tool.get(f"/v1/staff/customers/{found['id']}")])
    assert not [secret for secret in secrets_of(customer, app, letter.code) if secret in told]
    refused = await app.get(f"/v1/staff/customers/{found['id']}", status=403)
    assert refused["code"] == "not_permitted"


async def test_a_customer_does_not_get_to_the_console(street: Street) -> None:
    customer, anna = await street.customer(), street.browser()
    await anna.open("/de/sign-in")
    await anna.press("Anmelden", {"E-Mail-Adresse": customer.email, "Passwort": customer.password})
    for path in ("/de/support", "/de/finance"):
        page = await anna.open(path)
        assert page.status == 403
        with pytest.raises(AssertionError, match="no form"):
            page.form("Konto öffnen", {})


async def at_the_console(street: Street) -> Browser:
    """A browser in which support is signed in, at the first page of its work."""
    sonja = street.browser()
    await staff_sign_in(sonja, SUPPORT)
    page = await sonja.follow("Arbeitsplätze")
    assert page.heading == "Arbeitsplatz"
    return sonja


def file_of_the_customer(page: Page, customer: Customer, bought: dict[str, object]) -> None:
    assert "•" in page.heading
    assert customer.email not in str([element.text for element in page.elements]), "the address is masked"
    assert str(bought["invoice_number"]) in page.part("Bestellungen").words
    assert "Her" in page.part("Rechte").words
    assert "Wohnzimmer" in page.part("Geräte").words
    assert "Bestellbestätigung" in page.part("E-Mails").words
    assert "App" in page.part("Anmeldungen").words


async def mail_is_told_as_sent(sonja: Browser, file: Page) -> Page | None:
    """The customer's page, once it tells that the mail server took the mail."""
    page = await sonja.open(str(file.address))
    [mail] = [words for words in page.rows("E-Mails") if words.startswith("Neues Passwort")]
    return page if "vom Mailserver angenommen" in mail else None


def nothing_secret_in(page: Page, customer: Customer, app: Program, code: str) -> None:
    whole = str([(element.attributes, element.text) for element in page.elements])
    assert not [secret for secret in secrets_of(customer, app, code) if secret in whole]


def secrets_of(customer: Customer, app: Program, code: str) -> list[str]:
    return [customer.password, NEW_PASSWORD, app.token, code, customer.email, "argon2", "_secret_"]
