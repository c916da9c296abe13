"""A customer gets an account, signs in and out, and renews a forgotten password, by forms and by a program."""

from tests.journeys.browser import Browser, Page
from tests.journeys.street import PASSWORD, Customer, Street

NEW_PASSWORD = "vier Pinguine lesen Zeitung"


async def test_a_customer_registers_confirms_by_the_mailed_link_and_signs_out_and_in(street: Street) -> None:
    mailbox, anna = street.mailbox(), street.browser()
    await anna.open("/de/films/her-2013")
    await anna.follow("Konto anlegen")
    wish = {"E-Mail-Adresse": mailbox.address, "Passwort": PASSWORD, "Wohnsitz": "Deutschland", "Ich nehme": True}
    page = await anna.press("Konto anlegen", wish)
    assert page.heading == "Noch ein Schritt"

    letter = await mailbox.receives("Bestätigen Sie Ihre Adresse")
    page = await anna.open(letter.link_with_code)
    assert page.heading == "E-Mail-Adresse bestätigen"
    page = await anna.press("Bestätigen", {"Code aus der E-Mail": letter.code, "Passwort": PASSWORD})
    assert "Ihr Konto ist bereit, und Sie sind angemeldet." in page.words
    page = await anna.follow("Konto")
    assert mailbox.address in page.words
    assert "diese Anmeldung" in page.part("Wo Sie angemeldet sind").words

    page = await anna.press("Abmelden")
    assert "Sie sind abgemeldet." in page.words
    page = await anna.open("/de/account")
    assert page.heading == "Anmelden"
    page = await sign_in(anna, mailbox.address, "etwas ganz anderes")
    assert page.status == 401
    page = await sign_in(anna, mailbox.address, PASSWORD)
    assert page.heading == "Konto", "signing in goes on where it was needed"


async def test_a_forgotten_password_is_renewed_by_mail_and_all_other_sessions_end(street: Street) -> None:
    customer = await street.customer()
    at_home, at_work, app = street.browser(), street.browser(), await street.signed_in_program(customer)
    for browser in (at_home, at_work):
        await browser.open("/de")
        await sign_in(browser, customer.email, customer.password)
    assert len((await app.get("/v1/sessions"))["sessions"]) == 3

    on_the_road = street.browser()
    await on_the_road.open("/de/films/her-2013")
    await on_the_road.follow("Neues Passwort anfordern")
    page = await on_the_road.press("Link anfordern", {"E-Mail-Adresse": customer.email})
    assert page.heading == "Schauen Sie in Ihr Postfach"
    letter = await customer.mailbox.receives("Ihr Link für ein neues Passwort")
    await on_the_road.open(letter.link_with_code)
    new = {"Code aus der E-Mail": letter.code, "Neues Passwort": NEW_PASSWORD}
    page = await on_the_road.press("Passwort festlegen", new)
    assert "Ihr neues Passwort gilt." in page.words

    for browser in (at_home, at_work):
        assert (await browser.open("/de/account")).heading == "Anmelden", "signed out"
    await app.get("/v1/account", status=401)
    await customer.mailbox.receives("Ihr Passwort wurde geändert")
    assert (await sign_in(at_home, customer.email, customer.password)).status == 401
    assert (await sign_in(at_home, customer.email, NEW_PASSWORD)).heading == "Konto"
    await on_the_road.open(letter.link_with_code)
    page = await on_the_road.press("Passwort festlegen", new)
    assert (page.status, page.heading) == (400, "Neues Passwort festlegen"), "a link serves once"


async def test_the_same_by_a_program(street: Street) -> None:
    mailbox, app = street.mailbox(), street.program()
    wish = {"email": mailbox.address, "password": PASSWORD, "residence_country": "AT"}
    assert await app.post("/v1/registrations", wish, status=202) == {"status": "accepted"}
    refused = await app.post("/v1/sessions", {"email": mailbox.address, "password": PASSWORD}, status=401)
    assert refused["code"] == "sign_in_refused", "there is no account before the address is confirmed"
    letter = await mailbox.receives("Bestätigen Sie Ihre Adresse")
    account = await app.post("/v1/registration-confirmations", {"token": letter.code, "password": PASSWORD})
    assert (account["email"], account["residence_country"], account["roles"]) == (mailbox.address, "AT", ["customer"])
    await app.sign_in(mailbox.address, PASSWORD)
    assert (await app.get("/v1/account"))["id"] == account["id"]
    other = await street.signed_in_program(Customer(mailbox.address, PASSWORD, mailbox))

    await app.post("/v1/password-resets", {"email": mailbox.address}, status=202)
    letter = await mailbox.receives("Ihr Link für ein neues Passwort")
    new = {"token": letter.code, "password": NEW_PASSWORD}
    await street.program().post("/v1/password-reset-completions", new, status=204)
    for signed_out in (app, other):
        assert (await signed_out.get("/v1/account", status=401))["code"] == "not_signed_in"
    await app.sign_in(mailbox.address, NEW_PASSWORD)
    assert [session["is_current"] for session in (await app.get("/v1/sessions"))["sessions"]] == [True]


async def test_a_stranger_who_knows_the_password_changes_the_address_and_the_owner_takes_it_back(
    street: Street,
) -> None:
    customer, strange_mailbox = await street.customer(), street.mailbox("dieb")
    anna, thief = street.browser(), street.browser()
    for browser in (anna, thief):
        await browser.open("/de/account")
        await sign_in(browser, customer.email, customer.password)
    await customer.mailbox.receives("Neue Anmeldung in Ihrem Konto")

    await thief.follow("E-Mail-Adresse ändern")
    page = await thief.press("Link an die neue Adresse schicken", {"Neue Adresse": strange_mailbox.address})
    assert "Der Link ist unterwegs an die neue Adresse." in page.words
    letter = await strange_mailbox.receives("Bestätigen Sie Ihre neue Adresse")
    await thief.open(letter.link_with_code)
    page = await thief.press("Bestätigen", {"Code aus der E-Mail": letter.code})
    assert "Ihre neue Adresse gilt." in page.words
    assert strange_mailbox.address in page.words
    assert (await anna.open("/de/account")).heading == "Anmelden", "all other sessions end"

    letter = await customer.mailbox.receives("Die E-Mail-Adresse Ihres Kontos")
    await anna.open(letter.link_with_code)
    page = await anna.press("Rückgängig machen", {"Code aus der E-Mail": letter.code})
    assert "Es gilt wieder die alte Adresse." in page.words
    assert (await thief.open("/de/account")).heading == "Anmelden"
    for address in (customer.email, strange_mailbox.address):
        assert (await sign_in(thief, address, customer.password)).status == 401, "the password is void"
    letter = await customer.mailbox.receives("Ihr Link für ein neues Passwort")
    await anna.open(letter.link_with_code)
    await anna.press("Passwort festlegen", {"Code aus der E-Mail": letter.code, "Neues Passwort": NEW_PASSWORD})
    await sign_in(anna, customer.email, NEW_PASSWORD)
    assert customer.email in (await anna.open("/de/account")).words


async def test_a_password_is_changed_signed_in_and_all_other_sign_ins_end(street: Street) -> None:
    customer = await street.customer()
    anna, app = street.browser(), await street.signed_in_program(customer)
    await anna.open("/de/account")
    await sign_in(anna, customer.email, customer.password)
    await anna.follow("Passwort ändern")
    page = await anna.press(
        "Passwort ändern", {"Bisheriges Passwort": customer.password, "Neues Passwort": NEW_PASSWORD}
    )
    assert "Ihr neues Passwort gilt." in page.words
    await app.get("/v1/account", status=401)
    await customer.mailbox.receives("Ihr Passwort wurde geändert")
    await app.sign_in(customer.email, NEW_PASSWORD)


async def test_an_address_that_has_an_account_already_learns_so_by_mail_only(street: Street) -> None:
    customer, stranger = await street.customer(), street.browser()
    await stranger.open("/de/register")
    wish = {"E-Mail-Adresse": customer.email, "Passwort": NEW_PASSWORD, "Ich nehme": True}
    page = await stranger.press("Konto anlegen", wish)
    assert page.heading == "Noch ein Schritt", "the same answer as for a new address"
    await customer.mailbox.receives("Sie haben schon ein Konto")
    await street.signed_in_program(customer)


async def sign_in(browser: Browser, email: str, password: str) -> Page:
    return await browser.press("Anmelden", {"E-Mail-Adresse": email, "Passwort": password})
