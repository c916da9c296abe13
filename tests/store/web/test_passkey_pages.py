"""The pages of passkeys, driven as a browser would whose script has asked the authenticator."""

import json
from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.models import Account
from store.app import attach
from store.database import Database
from store.settings import Settings
from tests.soft_authenticator import SoftAuthenticator
from tests.store.consoles.people import a_person
from tests.store.web.page_reading import faults_of
from tests.store.web.visitors import OURS, sign_in, token_in

PATH = "/de/account/passkeys"


@pytest.fixture
def authenticator(settings: Settings) -> SoftAuthenticator:
    return SoftAuthenticator(settings.base_url)


@pytest.fixture
async def form(browser: httpx.AsyncClient) -> dict[str, str]:
    """What every form of whoever is signed in carries."""
    return {"csrf_token": token_in((await browser.get(PATH)).text)}


async def offered(browser: httpx.AsyncClient, form: dict[str, str]) -> dict[str, Any]:
    answer = await browser.post("/v1/passkey-offers", headers={**OURS, "X-CSRF-Token": form["csrf_token"]})
    options: dict[str, Any] = answer.json()["options"]
    return options


async def asked(browser: httpx.AsyncClient, purpose: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    """What the script of a page gets to have signed."""
    headers = {**OURS, **({"X-CSRF-Token": form["csrf_token"]} if form else {})}
    answer = await browser.post("/v1/passkey-challenges", json={"purpose": purpose, "client": "web"}, headers=headers)
    assert answer.status_code == 201, answer.text
    options: dict[str, Any] = answer.json()["options"]
    return options


async def add(
    browser: httpx.AsyncClient, form: dict[str, str], authenticator: SoftAuthenticator, name: str = "Mein Rechner"
) -> httpx.Response:
    made = authenticator.make(await offered(browser, form))
    return await browser.post(PATH, data={**form, "name": name, "credential": json.dumps(made)}, headers=OURS)


async def test_a_customer_adds_names_and_removes_a_passkey_on_its_page(
    browser: httpx.AsyncClient, form: dict[str, str], authenticator: SoftAuthenticator, owner: asyncpg.Connection
) -> None:
    added = await add(browser, form, authenticator)
    assert (added.status_code, added.headers["location"]) == (303, f"{PATH}?done=passkey_added")
    page = (await browser.get(PATH)).text
    assert "Mein Rechner" in page
    assert "Noch nicht benutzt" in page
    assert faults_of(page, locale="de") == []
    passkey = await owner.fetchval("SELECT id FROM auth.passkeys")
    for name, expected in (("  Schlüssel ", "Schlüssel"), ("   ", "Schlüssel"), ("x" * 41, "Schlüssel")):
        renamed = await browser.post(f"{PATH}/{passkey}/name", data={**form, "name": name}, headers=OURS)
        assert renamed.status_code == 303
        assert await owner.fetchval("SELECT name FROM auth.passkeys") == expected
    removed = await browser.post(f"{PATH}/{passkey}/removal", data=form, headers=OURS)
    assert (removed.status_code, removed.headers["location"]) == (303, f"{PATH}?done=passkey_removed")
    assert "Schlüssel" not in (await browser.get(PATH)).text


async def test_a_refused_passkey_is_told_on_the_page(
    browser: httpx.AsyncClient, form: dict[str, str], authenticator: SoftAuthenticator, owner: asyncpg.Connection
) -> None:
    authenticator.verifies = False
    refused = await add(browser, form, authenticator)
    assert (refused.status_code, 'role="alert"' in refused.text) == (400, True)
    assert "Dieser Passkey wurde nicht angenommen" in refused.text
    for nonsense in ("", "{}", "[]", '{"id": 1}', "null", "[" * 20_000):
        answer = await browser.post(PATH, data={**form, "name": "x", "credential": nonsense}, headers=OURS)
        assert answer.status_code == 400, nonsense[:20]
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys") == 0


async def test_the_sign_in_page_lets_in_who_has_a_passkey_and_tells_who_has_none(
    browser: httpx.AsyncClient,
    form: dict[str, str],
    authenticator: SoftAuthenticator,
    customer: Account,
    settings: Settings,
) -> None:
    await add(browser, form, authenticator)
    browser.cookies.clear()
    page = (await browser.get("/de/sign-in?next=/de/library")).text
    assert 'autocomplete="username webauthn"' in page
    assert 'data-passkey="sign_in" data-autofill' in page
    assert faults_of(page, locale="de") == []
    signed = json.dumps(authenticator.sign(await asked(browser, "sign_in"), origin="https://evil.example"))
    data = {"credential": signed, "next": "/de/library"}
    refused = await browser.post("/de/sign-in/passkey", data=data, headers=OURS)
    assert refused.status_code == 400
    assert "nicht angenommen" in refused.text
    assert 'name="next" value="/de/library"' in refused.text
    signed = json.dumps(authenticator.sign(await asked(browser, "sign_in")))
    data = {"credential": signed, "next": "/de/library"}
    foreign = await browser.post("/de/sign-in/passkey", data=data, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert settings.session_cookie not in browser.cookies
    done = await browser.post("/de/sign-in/passkey", data=data, headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, "/de/library")
    assert customer.email in (await browser.get("/de/account")).text


async def test_a_passkey_stands_in_for_the_code(
    browser: httpx.AsyncClient,
    form: dict[str, str],
    authenticator: SoftAuthenticator,
    customer: Account,
    owner: asyncpg.Connection,
) -> None:
    await add(browser, form, authenticator)
    await owner.execute(
        "INSERT INTO auth.second_factors (id, account_id, created_at, confirmed_at)"
        " VALUES (gen_random_uuid(), $1, now(), now())",
        customer.id,
    )
    browser.cookies.clear()
    begun = await sign_in(browser, customer, next="/de/library")
    assert begun.headers["location"].startswith("/de/sign-in/code")
    page = (await browser.get(begun.headers["location"])).text
    assert 'name="code"' in page
    assert 'data-passkey="second_step"' in page
    assert faults_of(page, locale="de") == []
    for lies, status in (({"origin": "https://evil.example"}, 400), ({}, 303)):
        signed = json.dumps(authenticator.sign(await asked(browser, "second_step"), **lies))
        data = {"credential": signed, "next": "/de/library"}
        answer = await browser.post("/de/sign-in/code/passkey", data=data, headers=OURS)
        assert answer.status_code == status
        assert ("nicht angenommen" in answer.text) is (status == 400)
    assert answer.headers["location"] == "/de/library"
    assert "step" not in browser.cookies


async def test_without_a_begun_sign_in_a_passkey_finishes_none(
    client: httpx.AsyncClient, authenticator: SoftAuthenticator
) -> None:
    authenticator.make({"challenge": "AA", "user": {"id": "AA"}})
    data = {"credential": json.dumps(authenticator.sign({"challenge": "AA"}))}
    answer = await client.post("/de/sign-in/code/passkey", data=data, headers=OURS)
    assert answer.status_code == 401
    assert "beginnen Sie noch einmal mit Ihrem Passwort" in answer.text


async def test_a_passkey_proves_anew_who_is_there_and_leads_back(
    browser: httpx.AsyncClient,
    form: dict[str, str],
    authenticator: SoftAuthenticator,
    owner: asyncpg.Connection,
    settings: Settings,
) -> None:
    await add(browser, form, authenticator)
    await owner.execute("UPDATE auth.sessions SET auth_at = now() - interval '16 minutes'")
    passkey = await owner.fetchval("SELECT id FROM auth.passkeys")
    back = {**OURS, "Referer": f"{settings.base_url}{PATH}?done=passkey_added"}
    stale = await browser.post(f"{PATH}/{passkey}/removal", data=form, headers=back)
    assert stale.headers["location"] == "/de/step-up?next=%2Fde%2Faccount%2Fpasskeys"
    page = (await browser.get("/de/step-up", params={"next": PATH})).text
    assert 'data-passkey="step_up"' in page
    assert 'name="password"' in page
    assert faults_of(page, locale="de") == []
    signed = json.dumps(authenticator.sign(await asked(browser, "step_up", form), origin="https://evil.example"))
    refused = await browser.post("/de/step-up/passkey", data={**form, "credential": signed, "next": PATH}, headers=OURS)
    assert (refused.status_code, "nicht angenommen" in refused.text) == (400, True)
    signed = json.dumps(authenticator.sign(await asked(browser, "step_up", form)))
    done = await browser.post("/de/step-up/passkey", data={**form, "credential": signed, "next": PATH}, headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, PATH)
    removed = await browser.post(f"{PATH}/{passkey}/removal", data=form, headers=OURS)
    assert removed.status_code == 303
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys WHERE removed_at IS NULL") == 0


async def test_staff_are_told_that_their_last_factor_stays(
    client: httpx.AsyncClient, database: Database, authenticator: SoftAuthenticator, owner: asyncpg.Connection
) -> None:
    agent = await a_person(database, roles=("support",))
    form = {"csrf_token": agent.csrf_token}
    offer = await client.post("/v1/passkey-offers", headers=agent.headers)
    made = json.dumps(authenticator.make(offer.json()["options"]))
    data = {**form, "name": "Schlüssel", "credential": made}
    assert (await client.post(PATH, data=data, headers=agent.headers)).status_code == 303
    passkey = await owner.fetchval("SELECT id FROM auth.passkeys")
    answer = await client.post(f"{PATH}/{passkey}/removal", data=form, headers=agent.headers)
    assert (answer.status_code, "letzter zweiter Faktor" in answer.text) == (409, True)
    page = (await client.get("/de/step-up", headers=agent.headers)).text
    assert 'name="password"' not in page, "a password alone proves nothing where only a passkey does"
    assert "Browser mit JavaScript" in page


async def test_somebody_else_s_passkey_is_not_there(
    browser: httpx.AsyncClient,
    form: dict[str, str],
    authenticator: SoftAuthenticator,
    database: Database,
    owner: asyncpg.Connection,
) -> None:
    await add(browser, form, authenticator)
    passkey = await owner.fetchval("SELECT id FROM auth.passkeys")
    browser.cookies.clear()
    other = await a_person(database)
    for action, data in (("name", {"name": "meiner"}), ("removal", {})):
        fields = {"csrf_token": other.csrf_token, **data}
        answer = await browser.post(f"{PATH}/{passkey}/{action}", data=fields, headers=other.headers)
        assert answer.status_code in (404, 409), action
    assert await owner.fetchval("SELECT name FROM auth.passkeys WHERE removed_at IS NULL") == "Mein Rechner"


async def test_nobody_who_only_looks_leaves_a_row_or_a_cookie(
    client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    answer = await client.get("/de/sign-in")
    assert "set-cookie" not in answer.headers
    assert await owner.fetchval("SELECT count(*) FROM auth.passkey_challenges") == 0


async def test_an_address_without_a_name_offers_no_passkeys(app: Litestar, browser: httpx.AsyncClient) -> None:
    assert "data-passkey" in (await browser.get(PATH)).text
    parts = app.state.parts
    numbered = replace(parts.settings, base_url=parts.settings.base_url.replace("localhost", "127.0.0.1"))
    attach(app, replace(parts, settings=numbered))
    page = (await browser.get(PATH)).text
    assert "data-passkey" not in page
    assert "nicht für eine IP-Adresse" in page
    browser.cookies.clear()
    assert "passkey" not in (await browser.get("/de/sign-in")).text
