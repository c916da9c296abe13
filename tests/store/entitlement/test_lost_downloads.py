"""A rental whose download is on a device that was lost plays again, once support has written it off."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.scratch import MovableTestClock
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.entitlement.downloading import give_back, kept
from tests.store.entitlement.parts import Customer, TestDevice, another_session, make_right

pytestmark = pytest.mark.usefixtures("contracts")

BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
async def agent(database: Database, clock: MovableTestClock) -> Person:
    clock.fixed = BEGIN
    return await a_person(database, roles=("support",))


@pytest.fixture
async def sofa(client: httpx.AsyncClient, customer: Customer, settings: Settings) -> TestDevice:
    device = TestDevice(settings.base_url)
    assert (await device.register(client, customer, name="Sofa")).status_code == 201
    return device


async def write_off(
    client: httpx.AsyncClient, agent: Person, customer: Customer, right: object
) -> tuple[int, dict[str, Any]]:
    wish = {"entitlement_id": str(right), "kind": "written_off", "reason": REASON}
    path = f"/v1/staff/customers/{customer.account_id}/rental-remedies"
    answer = await client.post(path, json=wish, headers=agent.headers)
    return answer.status_code, answer.json()


async def test_with_the_device_removed_the_rental_plays_again_and_the_lost_one_changes_nothing(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    agent: Person,
    customer: Customer,
    device: TestDevice,
    sofa: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN, may_download=True)
    issued = await kept(client, device, customer, title)
    status, told = await write_off(client, agent, customer, right)
    assert (status, told["code"]) == (409, "download_not_lost"), "a device that is there returns it itself"
    lost = next(
        one
        for one in (await client.get("/v1/devices", headers=customer.headers)).json()["devices"]
        if one["name"] == "Laptop"
    )
    assert (await client.delete(f"/v1/devices/{lost['id']}", headers=customer.headers)).status_code == 204
    assert (await sofa.open(client, customer, title)).json()["code"] == "rental_downloaded"

    status, told = await write_off(client, agent, customer, right)
    assert (status, told["state"]) == (201, "ready"), told
    assert datetime.fromisoformat(told["start_by"]) == BEGIN + timedelta(days=30), "no day more"
    assert (await sofa.open(client, customer, title)).status_code == 201
    await give_back(client, device, customer, issued["download"]["id"], first_played_at=BEGIN.isoformat())
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None
    assert await owner.fetchval("SELECT end_reason FROM store.offline_licences") == "written_off"
    remedy = await owner.fetchrow("SELECT kind, hours, reason FROM store.rental_remedies")
    assert tuple(remedy) == ("written_off", None, REASON)


async def test_it_counts_among_the_remedies_and_the_console_offers_it(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    agent: Person,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN, may_download=True)
    page = f"/de/support/customers/{customer.account_id}"
    form = {"rental": str(right), "what": "lost", "reason": REASON}
    outcomes = []
    for _ in range(3):
        await device.register(client, customer, again=True)
        await kept(client, device, customer, title)
        await owner.execute("UPDATE store.devices SET removed_at = now()")
        request = {**form, "request": str(new_id())}
        answer = await client.post(f"{page}/rental-remedies", data=request, headers=agent.headers)
        outcomes.append(answer.headers["location"].partition("?")[2].partition("&")[0])
    assert outcomes == ["done=rental_remedied"] * 2 + ["refused=rental_remedies_used"]


async def test_the_customer_is_told_that_it_is_free_again(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    agent: Person,
    title: Title,
) -> None:
    person = await a_person(database)
    customer = await another_session(database, Customer(person.account.id, ""))
    device = TestDevice(settings.base_url)
    assert (await device.register(client, customer)).status_code == 201
    right = await make_right(database, customer, title, granted_at=BEGIN, may_download=True)
    await kept(client, device, customer, title)
    await owner.execute("UPDATE store.devices SET removed_at = now()")
    assert (await write_off(client, agent, customer, right))[0] == 201
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    [mail] = office.letters
    assert "ist wieder frei" in mail["Subject"]
    assert "von dem Gerät gelöst" in text_of(mail)
