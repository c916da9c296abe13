"""On the console an agent asks for a recovery and somebody who leads decides; the mailed link leads to a page."""

from uuid import UUID

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.web.page_reading import faults_of

WISH = {"kind": "email_change", "new_email": "neu@example.org", "reason": REASON, "films": "yes", "devices": "yes"}


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


@pytest.fixture
async def lead(database: Database) -> Person:
    return await a_person(database, roles=("support_lead",))


@pytest.fixture
async def customer(database: Database) -> Person:
    return await a_person(database)


async def file(
    client: httpx.AsyncClient, agent: Person, customer: Person, locale: str = "de", **fields: str
) -> httpx.Response:
    path = f"/{locale}/support/customers/{customer.account.id}/recoveries"
    return await client.post(path, data={**WISH, **fields}, headers=agent.headers)


async def recovery_id(owner: asyncpg.Connection) -> UUID:
    found: UUID = await owner.fetchval("SELECT id FROM auth.recoveries")
    return found


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_one_asks_and_another_decides(
    client: httpx.AsyncClient,
    customer: Person,
    agent: Person,
    lead: Person,
    owner: asyncpg.Connection,
    locale: str,
) -> None:
    filed = await file(client, agent, customer, locale)
    page = f"/{locale}/support/customers/{customer.account.id}"
    assert filed.headers["location"] == f"{page}?done=recovery_filed"
    shown = await client.get(filed.headers["location"], headers=agent.headers)
    assert "n•••@e•••.org" in shown.text
    assert "neu@example.org" not in shown.text
    listed = {one: await client.get(f"/{locale}/staff/recoveries", headers=one.headers) for one in (agent, lead)}
    path = f"/{locale}/staff/recoveries/{await recovery_id(owner)}"
    assert f"{path}/approvals" not in listed[agent].text
    assert f"{path}/approvals" in listed[lead].text
    short = await client.post(f"{path}/rejections", data={"reason": "kurz"}, headers=lead.headers)
    told = await client.get(short.headers["location"], headers=lead.headers)
    assert 'aria-invalid="true"' in told.text
    approved = await client.post(f"{path}/approvals", headers=lead.headers)
    assert approved.headers["location"] == f"/{locale}/staff/recoveries?done=recovery_approved"
    after = await client.get(approved.headers["location"], headers=lead.headers)
    assert f"{path}/approvals" not in after.text
    account = await client.get(f"/{locale}/account", headers=customer.headers)
    assert f"/{locale}/account/support/{await recovery_id(owner)}/cancel" in account.text
    rejected = await client.post(f"{path}/rejections", data={"reason": REASON}, headers=lead.headers)
    assert rejected.headers["location"] == f"/{locale}/staff/recoveries?done=recovery_rejected"
    for one in (shown, *listed.values(), told, after, account):
        assert faults_of(one.text, locale=locale) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": "kurz"}, "mindestens zehn Zeichen"),
        ({"films": ""}, "zwei Arten von Belegen"),
        ({"new_email": "kein@@postfach"}, "Diese Adresse ist ungültig"),
        ({"kind": "second_factor_removal"}, "zuerst mit einem Code ausweisen"),
    ],
)
async def test_what_is_refused_is_said_beside_the_field(
    client: httpx.AsyncClient,
    customer: Person,
    agent: Person,
    owner: asyncpg.Connection,
    fields: dict[str, str],
    sentence: str,
) -> None:
    refused = await file(client, agent, customer, **fields)
    assert refused.status_code == 303
    shown = await client.get(refused.headers["location"], headers=agent.headers)
    assert sentence in shown.text
    assert 'aria-invalid="true"' in shown.text
    assert await owner.fetchval("SELECT count(*) FROM auth.recoveries") == 0


async def test_an_agent_cannot_agree_nor_a_leader_to_their_own(
    client: httpx.AsyncClient, customer: Person, agent: Person, lead: Person, owner: asyncpg.Connection
) -> None:
    await file(client, lead, customer)
    path = f"/de/staff/recoveries/{await recovery_id(owner)}"
    for person in (agent, lead):
        assert (await client.post(f"{path}/approvals", headers=person.headers)).status_code == 403
        rejected = await client.post(f"{path}/rejections", data={"reason": REASON}, headers=person.headers)
        assert rejected.status_code == 403
    assert await owner.fetchval("SELECT approved_by IS NULL AND ended_at IS NULL FROM auth.recoveries")


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_who_leads_sees_what_customers_called_off_and_who_had_begun_it(
    client: httpx.AsyncClient,
    customer: Person,
    agent: Person,
    lead: Person,
    owner: asyncpg.Connection,
    locale: str,
) -> None:
    await file(client, agent, customer)
    await client.post(f"/de/account/support/{await recovery_id(owner)}/cancel", headers=customer.headers)
    path = f"/{locale}/support/customers/{customer.account.id}/password-resets"
    await client.post(path, data={"reason": REASON}, headers=agent.headers)
    reset_id = await owner.fetchval("SELECT id FROM auth.password_resets")
    await client.post(f"/de/account/support/{reset_id}/cancel", headers=customer.headers)
    listed = await client.get(f"/{locale}/staff/recoveries", headers=lead.headers)
    assert listed.text.count(str(agent.account.id)) == 2
    assert f'href="/{locale}/support/customers/{customer.account.id}"' in listed.text
    assert faults_of(listed.text, locale=locale) == []
    assert str(agent.account.id) not in (await client.get(f"/{locale}/staff/recoveries", headers=agent.headers)).text


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_the_page_of_the_link_refuses_beside_the_field(client: httpx.AsyncClient, locale: str) -> None:
    page = await client.get(f"/{locale}/account/recovery")
    assert faults_of(page.text, locale=locale) == []
    refused = await client.post(
        f"/{locale}/account/recovery",
        data={"token": f"vt1_recover_{'a' * 43}"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert refused.status_code == 400
    assert 'aria-invalid="true"' in refused.text


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_an_account_is_secured_for_a_reason(
    client: httpx.AsyncClient, customer: Person, agent: Person, owner: asyncpg.Connection, locale: str
) -> None:
    page = f"/{locale}/support/customers/{customer.account.id}"
    short = await client.post(f"{page}/securings", data={"reason": "kurz"}, headers=agent.headers)
    told = await client.get(short.headers["location"], headers=agent.headers)
    assert 'aria-invalid="true"' in told.text
    assert faults_of(told.text, locale=locale) == []
    assert (await client.get("/v1/account", headers=customer.headers)).status_code == 200
    done = await client.post(f"{page}/securings", data={"reason": REASON}, headers=agent.headers)
    assert done.headers["location"] == f"{page}?done=account_secured"
    assert (await client.get("/v1/account", headers=customer.headers)).status_code == 401
    assert await owner.fetchval("SELECT count(*) FROM store.mails WHERE kind = 'account_secured'") == 1
