"""On the console an agent has a code shown to the customer, enters what the caller reads out, and never sees it."""

from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.recovery.caller_codes import CODES, CallerCodes
from store.database import Database
from tests.auth.people import parts_of
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.web.page_reading import faults_of


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


async def asked(client: httpx.AsyncClient, agent: Person, page: str, channel: str = "mail") -> str:
    answer = await client.post(f"{page}/caller-verifications", data={"channel": channel}, headers=agent.headers)
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    return (await client.get(page, headers=agent.headers)).text


async def verification_id(owner: asyncpg.Connection) -> UUID:
    found: UUID = await owner.fetchval("SELECT id FROM auth.caller_verifications ORDER BY id DESC LIMIT 1")
    return found


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_a_caller_is_proved_and_the_reset_keeps_it(
    app: Litestar, client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection, locale: str
) -> None:
    customer = (await a_person(database)).account
    page = f"/{locale}/support/customers/{customer.id}"
    before = (await client.get(page, headers=agent.headers)).text
    assert faults_of(before, locale=locale) == []
    shown = await asked(client, agent, page)
    found = await verification_id(owner)
    code = CallerCodes(parts_of(app).settings.derive(CODES)).code(found)
    assert faults_of(shown, locale=locale) == []
    assert code not in shown
    path = f"{page}/caller-verifications/{found}/confirmations"
    for wrong in ("", "abc", f"{(int(code) + 1) % 1_000_000:06d}"):
        refused = await client.post(path, data={"code": wrong}, headers=agent.headers)
        told = (await client.get(refused.headers["location"], headers=agent.headers)).text
        assert 'aria-invalid="true"' in told, wrong
    assert await owner.fetchval("SELECT tries FROM auth.caller_verifications") == 1
    right = await client.post(path, data={"code": f"{code[:3]} {code[3:]}"}, headers=agent.headers)
    assert right.headers["location"] == page
    proved = (await client.get(page, headers=agent.headers)).text
    assert {"de": "Die Person hat sich ausgewiesen", "en": "The person proved who they are"}[locale] in proved
    await client.post(f"{page}/password-resets", data={"reason": REASON}, headers=agent.headers)
    assert await owner.fetchval("SELECT verification_id FROM auth.password_resets") == found


async def test_without_a_proof_the_page_says_so_and_the_reset_goes_to_the_address_all_the_same(
    client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    customer = (await a_person(database)).account
    page = f"/de/support/customers/{customer.id}"
    assert "hat sich nicht ausgewiesen" in (await client.get(page, headers=agent.headers)).text
    await client.post(f"{page}/password-resets", data={"reason": REASON}, headers=agent.headers)
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets WHERE verification_id IS NULL") == 1


async def test_a_limit_is_told_where_the_code_is_asked_for(
    client: httpx.AsyncClient, database: Database, agent: Person
) -> None:
    customer = (await a_person(database)).account
    page = f"/de/support/customers/{customer.id}"
    for _ in range(10):
        await client.post(f"{page}/caller-verifications", data={"channel": "session"}, headers=agent.headers)
    over = await client.post(f"{page}/caller-verifications", data={"channel": "session"}, headers=agent.headers)
    told = (await client.get(over.headers["location"], headers=agent.headers)).text
    assert "Die Grenze ist erreicht: dreißig Codes" in told


async def test_the_customer_reads_the_code_on_the_account_page_and_calls_off_what_was_begun(
    app: Litestar, client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    customer = await a_person(database)
    page = f"/de/support/customers/{customer.account.id}"
    assert "Kundendienst begonnen" not in (await client.get("/de/account", headers=customer.headers)).text
    await asked(client, agent, page, "session")
    code = CallerCodes(parts_of(app).settings.derive(CODES)).code(await verification_id(owner))
    await client.post(f"{page}/password-resets", data={"reason": REASON}, headers=agent.headers)
    for locale in ("de", "en"):
        account = (await client.get(f"/{locale}/account", headers=customer.headers)).text
        assert f"{code[:3]} {code[3:]}" in account
        assert faults_of(account, locale=locale) == []
    reset_id = await owner.fetchval("SELECT id FROM auth.password_resets")
    stranger = await a_person(database)
    path = f"/de/account/support/{reset_id}/cancel"
    assert (await client.post(path, headers=stranger.headers)).status_code == 404
    done = await client.post(path, headers=customer.headers)
    assert done.headers["location"] == "/de/account?done=support_cancelled"
    assert await owner.fetchval("SELECT cancelled_at IS NOT NULL FROM auth.password_resets")
    shown = (await client.get(page, headers=agent.headers)).text
    assert "von Kundin oder Kunde abgesagt" in shown


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_the_page_of_the_mailed_link_says_what_it_does_and_refuses_beside_the_field(
    client: httpx.AsyncClient, locale: str
) -> None:
    page = await client.get(f"/{locale}/account/support/cancel")
    assert faults_of(page.text, locale=locale) == []
    refused = await client.post(
        f"/{locale}/account/support/cancel",
        data={"token": f"vt1_cancel_{'a' * 43}"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert refused.status_code == 400
    assert 'aria-invalid="true"' in refused.text
