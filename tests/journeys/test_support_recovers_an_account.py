"""Support is asked for another address by whoever has lost a mailbox, or says so: two people, and the owner first."""

from tests.journeys.staff import staff_sign_in
from tests.journeys.street import Street

SUPPORT, LEAD = "support@demo.videothek.example", "lead@demo.videothek.example"
REASON = "Anruf, Vorgang 4713: Postfach beim alten Anbieter gekündigt"


async def test_a_stranger_tells_support_a_story_and_the_owner_calls_it_off(street: Street) -> None:
    customer, stranger = await street.customer(), street.mailbox("fremd")
    app = await street.signed_in_program(customer)

    sonja = street.browser()
    await staff_sign_in(sonja, SUPPORT)
    await sonja.open("/de/support")
    await sonja.press("Konto öffnen", {"E-Mail-Adresse": customer.email})
    wish: dict[str, str | bool] = {"Neue Adresse": stranger.address, "Grund": REASON, "registrierte Geräte": True}
    page = await sonja.press("Antrag stellen", wish)
    assert "zwei Arten von Belegen" in page.words
    page = await sonja.press("Antrag stellen", {**wish, "Bestellnummer": True})
    assert "eine zweite Person entscheidet" in page.words
    assert "wartet auf zweite Person" in page.part("Wiederherstellungen").words
    page = await sonja.open("/de/staff/recoveries")
    assert "Von Ihnen beantragt: darüber entscheidet jemand anderes." in page.words

    lena = street.browser()
    await staff_sign_in(lena, LEAD)
    await lena.open("/de/staff")
    page = await lena.follow("Wiederherstellungen")
    assert REASON in page.words
    page = await lena.press("Zustimmen", {})
    assert "sobald die Wartezeit vorbei ist" in page.words

    [action] = (await app.get("/v1/support-actions"))["actions"]
    assert action["kind"] == "email_change"
    notice = await customer.mailbox.receives("eine Änderung an Ihrem Konto ist beantragt")
    anna = street.browser()
    await anna.open(notice.link_with_code)
    page = await anna.press("Absagen", {"Code aus der E-Mail": notice.code})
    assert "Abgesagt" in page.words

    page = await lena.open("/de/staff/recoveries")
    assert "Kein Antrag läuft zurzeit." in page.words
    assert [row for row in page.rows("Von Kundinnen und Kunden abgesagt") if "Wiederherstellung abgesagt" in row]
    await sonja.open("/de/support")
    page = await sonja.press("Konto öffnen", {"E-Mail-Adresse": customer.email})
    assert "abgesagt" in page.part("Wiederherstellungen").words
    assert await stranger.subjects() == []
    assert (await app.get("/v1/account"))["email"] == customer.email
