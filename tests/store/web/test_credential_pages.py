"""Proving anew who is there and a new password, driven as a browser without JavaScript would."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.models import Account
from store.database import Database
from store.settings import Settings
from tests.auth.people import someone_at
from tests.auth.post_office import deliver_mails, open_post_office
from tests.auth.post_office import token_in as code_in
from tests.store.consoles.people import REASON, a_person
from tests.store.web.visitors import OURS, PASSWORD, sign_in, token_in

NEW_PASSWORD = "vier Pinguine lesen Zeitung"


async def grow_old(owner: asyncpg.Connection) -> None:
    """Let every proof have been given an hour ago."""
    await owner.execute(
        "UPDATE auth.sessions SET auth_at = $1, step_up_at = NULL", datetime.now(UTC) - timedelta(hours=1)
    )


async def test_a_refused_form_leads_to_the_proof_and_back_to_its_page(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, settings: Settings
) -> None:
    agent, customer = await a_person(database, roles=("support",)), await a_person(database)
    page = f"/de/support/customers/{customer.account.id}"
    await grow_old(owner)
    answer = await client.post(
        f"{page}/password-resets",
        data={"reason": REASON},
        headers={**agent.headers, "Referer": f"{settings.base_url}{page}?done=saved&x=1"},
    )
    onward = f"/de/step-up?next=%2Fde%2Fsupport%2Fcustomers%2F{customer.account.id}%3Fx%3D1"
    assert (answer.status_code, answer.headers["location"]) == (303, onward)
    form = await client.get(onward, headers=agent.headers)
    assert f'name="next" value="{page}?x=1"' in form.text
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 0


@pytest.mark.parametrize("referer", ["https://boese.example/de", "{base}.boese.example/de", ""])
async def test_the_way_back_never_leads_elsewhere(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, settings: Settings, referer: str
) -> None:
    agent, customer = await a_person(database, roles=("support",)), await a_person(database)
    await grow_old(owner)
    answer = await client.post(
        f"/de/support/customers/{customer.account.id}/password-resets",
        data={"reason": REASON},
        headers={**agent.headers, "Referer": referer.format(base=settings.base_url)},
    )
    assert answer.headers["location"] == "/de/step-up?next=%2Fde"


async def test_who_follows_a_link_to_an_export_proves_it_on_a_page(
    app: Litestar, database: Database, owner: asyncpg.Connection, settings: Settings
) -> None:
    finance = await a_person(database, roles=("finance",))
    await grow_old(owner)
    browser = {**finance.headers, "Sec-Fetch-Mode": "navigate", "Referer": f"{settings.base_url}/de/finance"}
    path = "/v1/finance/transactions.csv?from=2026-11-01&to=2026-12-01"
    async with someone_at(app, "192.0.2.7") as visitor:
        answer = await visitor.get(path, headers=browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/de/step-up?next=%2Fde%2Ffinance")


async def test_the_right_password_leads_back_and_a_wrong_one_is_told_beside_its_field(
    browser: httpx.AsyncClient, owner: asyncpg.Connection, settings: Settings
) -> None:
    await grow_old(owner)
    before = browser.cookies[settings.session_cookie]
    page = (await browser.get("/de/step-up", params={"next": "/de/library"})).text
    form = {"csrf_token": token_in(page), "next": "/de/library"}
    wrong = await browser.post("/de/step-up", data={**form, "password": "etwas ganz anderes"}, headers=OURS)
    assert wrong.status_code == 400
    assert 'id="password-note"' in wrong.text
    assert 'name="next" value="/de/library"' in wrong.text
    right = await browser.post("/de/step-up", data={**form, "password": PASSWORD}, headers=OURS)
    assert (right.status_code, right.headers["location"]) == (303, "/de/library")
    assert browser.cookies[settings.session_cookie] != before
    assert (await browser.get("/de/account")).status_code == 200


async def test_the_password_is_changed_on_its_page(
    browser: httpx.AsyncClient, customer: Account, database: Database
) -> None:
    form = {"csrf_token": token_in((await browser.get("/de/account/password/change")).text), "password": NEW_PASSWORD}
    path = "/de/account/password/change"
    for current in ("", "etwas ganz anderes"):
        refused = await browser.post(path, data={**form, "current": current}, headers=OURS)
        assert refused.status_code == 400
        assert 'id="current-note"' in refused.text
    weak = await browser.post(path, data={**form, "current": PASSWORD, "password": "kurz"}, headers=OURS)
    assert (weak.status_code, 'id="password-note"' in weak.text) == (400, True)
    done = await browser.post(path, data={**form, "current": PASSWORD}, headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, "/de/account?done=password_changed")
    assert "Ihr neues Passwort gilt." in (await browser.get("/de/account?done=password_changed")).text
    browser.cookies.clear()
    assert (await sign_in(browser, customer)).status_code == 401


async def test_the_address_is_changed_on_its_pages_and_given_back_from_the_old_mailbox(
    app: Litestar, browser: httpx.AsyncClient, customer: Account, settings: Settings, owner: asyncpg.Connection
) -> None:
    form = {"csrf_token": token_in((await browser.get("/de/account/email")).text)}
    wrong = await browser.post("/de/account/email", data={**form, "email": customer.email or ""}, headers=OURS)
    assert (wrong.status_code, 'id="email-note"' in wrong.text) == (400, True)
    new = "neu@example.org"
    asked = await browser.post("/de/account/email", data={**form, "email": new}, headers=OURS)
    assert asked.headers["location"] == "/de/account?done=email_change_sent"
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    forged = await browser.post("/de/account/email/confirm", data={**form, "token": "erfunden"}, headers=OURS)
    assert (forged.status_code, 'id="token-note"' in forged.text) == (400, True)
    code = {**form, "token": code_in(office.to(new)[0])}
    done = await browser.post("/de/account/email/confirm", data=code, headers=OURS)
    assert done.headers["location"] == "/de/account?done=email_changed"
    assert new in (await browser.get("/de/account")).text

    browser.cookies.clear()
    assert (await browser.get("/de/account/email/undo")).status_code == 200
    back = {"token": code_in(office.to(customer.email)[0])}
    undone = await browser.post("/de/account/email/undo", data=back, headers=OURS)
    assert (undone.status_code, undone.headers["location"]) == (303, "/de/sign-in?done=email_undone")
    assert await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", customer.id) == customer.email


async def test_a_stale_session_proves_itself_before_the_form_for_a_new_address(
    browser: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    await grow_old(owner)
    answer = await browser.get("/de/account/email")
    assert (answer.status_code, answer.headers["location"]) == (303, "/de/step-up?next=%2Fde%2Faccount%2Femail")
