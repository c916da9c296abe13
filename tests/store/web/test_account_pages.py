"""The pages of the account, driven as a browser without JavaScript would."""

import re
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from auth.models import Account
from auth.sessions import list_sessions
from store.database import Database
from store.suppressions import RETURNED, suppress
from store.web.account_pages import program_of
from store.web.pages import local_path
from tests.store.web.visitors import OURS, PASSWORD, sign_in, token_in


async def living_sessions(database: Database, account: Account) -> int:
    async with database.sessions() as session:
        return len(await list_sessions(session, account_id=account.id, at=datetime.now(UTC)))


async def test_signing_in_leads_back_to_the_page_it_began_on(client: httpx.AsyncClient, customer: Account) -> None:
    answer = await sign_in(client, customer, next="/de/genres?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/de/genres?x=1")
    page = await client.get("/de/account")
    assert page.status_code == 200
    assert (customer.email or "-") in page.text


@pytest.mark.parametrize(
    "elsewhere", ["https://example.org/", "//example.org/de", "/\\example.org", "/v1/account", "javascript:alert(1)"]
)
async def test_signing_in_never_leads_to_another_site(
    client: httpx.AsyncClient, customer: Account, elsewhere: str
) -> None:
    answer = await sign_in(client, customer, next=elsewhere)
    assert (answer.status_code, answer.headers["location"]) == (303, "/de")
    assert local_path(elsewhere, default="/de") == "/de"


async def test_a_wrong_password_is_told_in_the_form_and_keeps_the_address(
    client: httpx.AsyncClient, customer: Account, database: Database
) -> None:
    form = {"email": customer.email or "", "password": "etwas ganz anderes", "next": "/de/library"}
    answer = await client.post("/de/sign-in", data=form, headers=OURS)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert (customer.email or "-") in answer.text
    assert 'value="/de/library"' in answer.text
    assert "etwas ganz anderes" not in answer.text
    assert await living_sessions(database, customer) == 0


async def test_the_panel_on_the_sign_in_page_leads_on_to_the_same_page_as_the_page_itself(
    client: httpx.AsyncClient, customer: Account
) -> None:
    page = await client.get("/de/sign-in", params={"next": "/de/library"})
    form = {"email": customer.email or "", "password": "etwas ganz anderes", "next": "/de/library"}
    refused = await client.post("/de/sign-in", data=form, headers=OURS)
    for answer in (page, refused):
        assert re.findall(r'name="next" value="([^"]+)"', answer.text)[:2] == ["/de/library"] * 2


async def test_a_refusal_in_the_panel_is_the_form_alone(client: httpx.AsyncClient, customer: Account) -> None:
    form = {"email": customer.email or "", "password": "etwas ganz anderes"}
    answer = await client.post("/de/sign-in", data=form, headers={**OURS, "HX-Request": "true"})
    assert answer.status_code == 401
    assert "<html" not in answer.text
    assert 'role="alert"' in answer.text


async def test_a_form_without_the_token_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, customer: Account, database: Database
) -> None:
    await sign_in(client, customer)
    answer = await client.post("/de/sign-out", data={}, headers=OURS)
    assert answer.status_code == 403
    assert "<h1>" in answer.text
    assert await living_sessions(database, customer) == 1


async def test_a_form_from_another_site_is_refused(
    client: httpx.AsyncClient, customer: Account, database: Database
) -> None:
    form = {"email": customer.email or "", "password": PASSWORD}
    answer = await client.post("/de/sign-in", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert await living_sessions(database, customer) == 0


async def test_signing_out_ends_the_session(client: httpx.AsyncClient, customer: Account, database: Database) -> None:
    await sign_in(client, customer)
    token = token_in((await client.get("/de/account")).text)
    answer = await client.post("/de/sign-out", data={"csrf_token": token}, headers=OURS)
    assert answer.status_code == 303
    assert await living_sessions(database, customer) == 0
    assert (await client.get("/de/account")).headers["location"] == "/de/sign-in?next=%2Fde%2Faccount"


async def test_other_sessions_can_be_ended_one_by_one(
    client: httpx.AsyncClient, customer: Account, database: Database
) -> None:
    await sign_in(client, customer)
    client.cookies.clear()
    await sign_in(client, customer)
    page = (await client.get("/de/account")).text
    (path,) = re.findall(r'action="(/de/account/sessions/[0-9a-f-]{36}/end)"', page)
    answer = await client.post(path, data={"csrf_token": token_in(page)}, headers=OURS)
    assert answer.headers["location"] == "/de/account?done=session_ended"
    assert await living_sessions(database, customer) == 1


async def test_registering_needs_the_terms_and_says_so_beside_the_box(
    client: httpx.AsyncClient, database: Database
) -> None:
    form = {"email": "neu@example.org", "password": PASSWORD, "country": "DE"}
    answer = await client.post("/de/register", data=form, headers=OURS)
    assert answer.status_code == 400
    assert 'aria-invalid="true" aria-describedby="terms-note"' in answer.text
    assert await database.reads.fetchval("SELECT count(*) FROM auth.registrations") == 0


async def test_a_weak_password_is_told_beside_its_field(client: httpx.AsyncClient, database: Database) -> None:
    form = {"email": "neu@example.org", "password": "kurz", "country": "DE", "terms": "yes"}
    answer = await client.post("/de/register", data=form, headers=OURS)
    assert answer.status_code == 400
    assert 'id="password-note"' in answer.text
    assert "mindestens 12 Zeichen" in answer.text
    assert await database.reads.fetchval("SELECT count(*) FROM auth.registrations") == 0


async def test_registering_and_forgetting_answer_alike_for_every_address(
    client: httpx.AsyncClient, customer: Account
) -> None:
    for email in (customer.email or "", "niemand@example.org"):
        form = {"email": email, "password": PASSWORD, "country": "AT", "terms": "yes"}
        registered = await client.post("/de/register", data=form, headers=OURS)
        assert (registered.status_code, registered.headers["location"]) == (303, "/de/register/sent")
        forgotten = await client.post("/de/password/forgot", data={"email": email}, headers=OURS)
        assert (forgotten.status_code, forgotten.headers["location"]) == (303, "/de/password/sent")


async def test_who_asks_too_often_is_told_in_the_form_when_to_come_back(client: httpx.AsyncClient) -> None:
    form = {"email": f"niemand-{new_id()}@example.org"}
    answers = [await client.post("/de/password/forgot", data=form, headers=OURS) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [303] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) > 60
    assert 'role="alert"' in answers[-1].text


async def test_all_other_sessions_are_ended_at_once(
    client: httpx.AsyncClient, customer: Account, database: Database
) -> None:
    for _ in range(3):
        client.cookies.clear()
        await sign_in(client, customer)
    form = {"csrf_token": token_in((await client.get("/de/account")).text)}
    answer = await client.post("/de/account/sessions/end-others", data=form, headers=OURS)
    assert answer.headers["location"] == "/de/account?done=sessions_ended"
    assert (await client.get("/de/account")).status_code == 200
    assert await living_sessions(database, customer) == 1


@pytest.mark.parametrize("path", ["/de/register/confirm", "/de/password/reset"])
async def test_a_code_that_is_not_valid_is_told_beside_its_field(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, data={"token": "erfunden", "password": PASSWORD}, headers=OURS)
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.text
    assert 'id="token-note"' in answer.text


async def test_language_and_residence_are_changed_on_the_account_page(
    client: httpx.AsyncClient, customer: Account, database: Database
) -> None:
    await sign_in(client, customer)
    token = token_in((await client.get("/de/account")).text)
    form = {"csrf_token": token, "locale": "en", "country": "AT"}
    answer = await client.post("/de/account", data=form, headers=OURS)
    assert answer.headers["location"] == "/en/account?done=saved"
    row = await database.reads.fetchrow(
        "SELECT locale, residence_country FROM auth.accounts WHERE id = $1", customer.id
    )
    assert row is not None
    assert tuple(row) == ("en", "AT")


def test_a_browser_is_named_by_what_it_says_of_itself() -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    assert program_of(firefox) == "Firefox, Linux"
    assert program_of("VideothekTV/2.1") == "VideothekTV"
    assert program_of(None) == ""


async def test_whoever_gets_no_mails_reads_why_on_the_account_page_and_has_a_test_mail_sent(
    client: httpx.AsyncClient, customer: Account, database: Database, owner: asyncpg.Connection
) -> None:
    await sign_in(client, customer)
    assert "mail-checks" not in (await client.get("/de/account")).text
    async with database.sessions.begin() as session:
        await suppress(session, customer.email_key or "", reason=RETURNED, at=datetime.now(UTC))
    page = (await client.get("/de/account")).text
    assert "dass es das Postfach nicht gibt" in page
    assert 'href="/de/account/email"' in page
    form = {"csrf_token": token_in(page)}
    answer = await client.post("/de/account/mail-checks", data=form, headers=OURS)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/de/account")
    assert await owner.fetchval("SELECT kind FROM store.mails") == "mail_check"
    assert "mail-checks" not in (await client.get("/de/account")).text
