"""The pages of the second factor, driven as a browser without JavaScript would."""

import re
from datetime import UTC, datetime
from html import unescape

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.accounts import Accounts
from auth.factor_records import SecondFactor
from auth.ids import new_id
from auth.models import Account
from auth.passwords import PasswordHasher
from store.database import Database
from store.web.qr_codes import qr_code
from tests.authenticators import Authenticator
from tests.store.web.visitors import OURS, PASSWORD, sign_in, token_in


async def a_newcomer(database: Database, hasher: PasswordHasher) -> Account:
    """A member of staff who has not signed in yet."""
    async with database.sessions.begin() as session:
        return await Accounts(session, hasher).create_staff(
            email=f"neu-{new_id().hex[-12:]}@example.org", password=PASSWORD, roles={"support"}, at=datetime.now(UTC)
        )


@pytest.fixture
async def newcomer(app: Litestar, database: Database) -> Account:
    return await a_newcomer(database, app.state.parts.hasher)


def authenticator_on(page: str) -> Authenticator:
    """The app that was given the key on a page."""
    found = re.search(r'<code class="code">([A-Z2-7 ]{39})</code>', page)
    assert found is not None
    assert f"secret={found[1].replace(' ', '')}" in page
    address = re.search(r'<a href="(otpauth://[^"]+)"', page)
    assert address is not None
    assert qr_code(unescape(address[1]), label="QR-Code mit dem Schlüssel, der darunter auch als Text steht") in page
    return Authenticator(found[1].replace(" ", ""))


def recovery_codes_on(page: str) -> list[str]:
    return re.findall(r"(?:[A-Z2-7]{4}-){5}[A-Z2-7]{4}", page)


async def test_staff_set_the_second_step_up_at_their_first_sign_in_and_then_get_to_where_they_wanted(
    client: httpx.AsyncClient, newcomer: Account, owner: asyncpg.Connection
) -> None:
    answer = await sign_in(client, newcomer, next="/de/staff")
    assert (answer.status_code, answer.headers["location"]) == (303, "/de/sign-in/code?next=%2Fde%2Fstaff")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert (await client.get("/de/staff")).status_code == 303, "nobody is signed in yet"
    page = await client.get(answer.headers["location"])
    own = authenticator_on(page.text)
    assert authenticator_on((await client.get("/de/sign-in/code")).text).secret == own.secret
    wrong = await client.post("/de/sign-in/code", data={"code": "000000", "next": "/de/staff"}, headers=OURS)
    assert wrong.status_code == 400
    assert "Dieser Code stimmt nicht" in wrong.text
    assert authenticator_on(wrong.text).secret == own.secret
    done = await client.post("/de/sign-in/code", data={"code": own.code(), "next": "/de/staff"}, headers=OURS)
    assert done.status_code == 200
    assert len(recovery_codes_on(done.text)) == 10
    assert 'href="/de/staff"' in done.text
    assert done.headers["cache-control"].endswith(("no-store", "no-cache"))
    assert "step" not in client.cookies
    assert (await client.get("/de/staff")).status_code == 200
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions WHERE revoked_at IS NULL") == 1


async def test_a_customer_with_a_second_step_is_asked_for_the_code_at_the_next_sign_in(
    browser: httpx.AsyncClient, customer: Account, owner: asyncpg.Connection
) -> None:
    path = "/de/account/second-factor"
    form = {"csrf_token": token_in((await browser.get(path)).text)}
    wrong = await browser.post(f"{path}/offers", data={**form, "password": "etwas ganz anderes"}, headers=OURS)
    assert (wrong.status_code, "Das ist nicht Ihr Passwort." in wrong.text) == (400, True)
    begun = await browser.post(f"{path}/offers", data={**form, "password": PASSWORD}, headers=OURS)
    assert (begun.status_code, begun.headers["location"]) == (303, path)
    own = authenticator_on((await browser.get(path)).text)
    refused = await browser.post(f"{path}/confirmations", data={**form, "code": "12345"}, headers=OURS)
    assert refused.status_code == 400
    codes = recovery_codes_on(
        (await browser.post(f"{path}/confirmations", data={**form, "code": own.code()}, headers=OURS)).text
    )
    assert len(codes) == 10
    page = (await browser.get(path)).text
    assert "Eingeschaltet seit" in page
    assert not recovery_codes_on(page)
    assert own.secret not in page.replace(" ", "")

    browser.cookies.clear()
    answer = await sign_in(browser, customer, next="/de/library")
    assert answer.headers["location"].startswith("/de/sign-in/code")
    assert "Öffnen Sie Ihre Authenticator-App" in (await browser.get(answer.headers["location"])).text
    done = await browser.post("/de/sign-in/code", data={"code": codes[0], "next": "/de/library"}, headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, "/de/library")

    form = {"csrf_token": token_in((await browser.get(path)).text)}
    new = await browser.post(f"{path}/recovery-codes", data={**form, "code": own.code()}, headers=OURS)
    renewed = recovery_codes_on(new.text)
    assert not set(renewed) & set(codes)
    refused = await browser.post(f"{path}/removals", data={**form, "code": codes[1]}, headers=OURS)
    assert (refused.status_code, "Dieser Code stimmt nicht" in refused.text) == (400, True)
    off = await browser.post(f"{path}/removals", data={**form, "code": renewed[0]}, headers=OURS)
    assert (off.status_code, off.headers["location"]) == (303, "/de/account?done=second_factor_off")
    assert await owner.fetchval("SELECT count(*) FROM auth.second_factors WHERE removed_at IS NULL") == 0


async def test_a_proof_asks_for_the_code_too_and_a_form_with_the_password_alone_leads_to_it(
    app: Litestar, browser: httpx.AsyncClient, customer: Account, owner: asyncpg.Connection
) -> None:
    parts, own, at = app.state.parts, Authenticator("KRUGKAUUKRAUKRUGKAUUKRAUKRUGKAUU"), datetime.now(UTC)
    async with parts.database.sessions.begin() as session:
        sealed = parts.one_time_codes.seal(own.secret)
        session.add(SecondFactor(account_id=customer.id, sealed_secret=sealed, created_at=at, confirmed_at=at))
    await owner.execute("UPDATE auth.sessions SET auth_at = now() - interval '16 minutes'")
    form = {"csrf_token": token_in((await browser.get("/de/account/privacy")).text), "password": PASSWORD}
    export = await browser.post("/de/account/privacy/export", data=form, headers=OURS)
    assert (export.status_code, export.headers["location"]) == (303, "/de/step-up?next=%2Fde")
    page = (await browser.get("/de/step-up")).text
    assert 'name="code"' in page
    alone = await browser.post("/de/step-up", data=form, headers=OURS)
    assert (alone.status_code, 'id="code-note"' in alone.text) == (403, True)
    assert 'name="code"' in alone.text
    proved = await browser.post("/de/step-up", data={**form, "code": own.code()}, headers=OURS)
    assert proved.status_code == 303
    export = await browser.post("/de/account/privacy/export", data=form, headers=OURS)
    assert export.status_code == 200


async def test_without_a_begun_sign_in_the_page_of_the_code_leads_to_the_password(client: httpx.AsyncClient) -> None:
    answer = await client.get("/de/sign-in/code")
    assert (answer.status_code, answer.headers["location"]) == (303, "/de/sign-in")
    page = await client.post("/de/sign-in/code", data={"code": "123456"}, headers=OURS)
    assert page.status_code == 401
    assert "Bitte beginnen Sie noch einmal mit Ihrem Passwort" in page.text


async def test_the_panel_leads_to_the_code_too(client: httpx.AsyncClient, newcomer: Account) -> None:
    form = {"email": newcomer.email or "", "password": PASSWORD, "next": "/de"}
    answer = await client.post("/de/sign-in", data=form, headers={**OURS, "HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/de/sign-in/code?next=%2Fde")
    assert "step" in client.cookies


async def test_another_site_cannot_send_a_code(client: httpx.AsyncClient, newcomer: Account) -> None:
    await sign_in(client, newcomer)
    own = authenticator_on((await client.get("/de/sign-in/code")).text)
    answer = await client.post("/de/sign-in/code", data={"code": own.now()}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "sid" not in client.cookies
