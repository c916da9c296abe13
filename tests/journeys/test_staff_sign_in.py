"""The demo staff sign in with the code that the sandbox itself shows, as the walk-through says."""

from store.sandbox.demo_accounts import PASSWORD
from tests.journeys.street import Street


async def test_the_code_on_the_sandboxs_page_lets_a_demo_account_in(street: Street) -> None:
    erik, helper = street.browser(), street.browser()
    await erik.open("/de/sign-in")
    page = await erik.press("Anmelden", {"E-Mail-Adresse": "editor@demo.videothek.example", "Passwort": PASSWORD})
    assert page.heading == "Code eingeben"
    page = await erik.press("Anmelden", {"Code": "000000"})
    assert "Dieser Code stimmt nicht" in page.words
    await helper.open("/de")
    page = await helper.follow("Codes der Demo-Konten")
    [code] = [element.words for element in page.elements if element.tag == "strong" and element.words.isdigit()]
    await erik.press("Anmelden", {"Code": code})
    assert (await erik.follow("Arbeitsplätze")).heading == "Arbeitsplatz"
