"""Devices that are named, removed for good, replaced when lost, and let in anew by support."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.device_places import NewDevices
from store.settings import Settings
from store.support_devices import PER_AGENT_AND_DAY
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.scratch import MovableTestClock
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.entitlement.parts import Customer, TestDevice, another_session, make_customer, make_right

BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


async def device_ids(client: httpx.AsyncClient, customer: Customer) -> dict[str, str]:
    devices = (await client.get("/v1/devices", headers=customer.headers)).json()["devices"]
    return {device["name"]: device["id"] for device in devices}


async def five_devices(
    client: httpx.AsyncClient, settings: Settings, clock: MovableTestClock, customer: Customer
) -> list[TestDevice]:
    """One a day from the beginning on: all places and all new ones are taken."""
    devices = [TestDevice(settings.base_url) for _ in range(5)]
    for day, device in enumerate(devices):
        clock.fixed = BEGIN + day * DAY
        assert (await device.register(client, customer, name=f"Gerät {day}")).status_code == 201
    return devices


async def test_a_device_gets_another_name(client: httpx.AsyncClient, customer: Customer, device: TestDevice) -> None:
    device_id = (await device_ids(client, customer))["Laptop"]
    renamed = await client.patch(f"/v1/devices/{device_id}", json={"name": "Küche"}, headers=customer.headers)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Küche")
    assert (await device.register(client, customer, name="Laptop")).json()["name"] == "Küche", "it stays"
    for name in ("", "x" * 61, "a\nb"):
        refused = await client.patch(f"/v1/devices/{device_id}", json={"name": name}, headers=customer.headers)
        assert refused.status_code == 400
    assert await device_ids(client, customer) == {"Küche": device_id}


async def test_nobody_names_or_replaces_the_device_of_another(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice
) -> None:
    device_id = (await device_ids(client, customer))["Laptop"]
    stranger = await make_customer(database)
    path = f"/v1/devices/{device_id}"
    renamed = await client.patch(path, json={"name": "Meins"}, headers=stranger.headers)
    replaced = await client.post(f"{path}/emergency-removals", headers=stranger.headers)
    assert {answer.json()["code"] for answer in (renamed, replaced)} == {"device_not_found"}
    assert await device_ids(client, customer) == {"Laptop": device_id}


async def test_a_removed_device_never_comes_back_by_itself(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    clock.fixed = BEGIN
    device_id = (await device_ids(client, customer))["Laptop"]
    assert (await client.delete(f"/v1/devices/{device_id}", headers=customer.headers)).status_code == 204
    refused = await device.register(client, customer)
    assert (refused.status_code, refused.json()["code"]) == (403, "device_removed")
    assert refused.json()["detail"].startswith("Dieses Gerät ist am 01.12.2026, 13:00 Uhr (MEZ) aus Ihrem Konto")
    decision = await device.check(client, customer, title)
    assert [reason["code"] for reason in decision["reasons"]] == ["device_removed"]
    assert await device_ids(client, customer) == {}
    assert (await device.register(client, customer, again=True)).json()["id"] == device_id
    assert (await device.open(client, customer, title)).status_code == 201


async def test_removing_a_device_signs_it_out_and_nobody_else(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
) -> None:
    phone, television = await another_session(database, customer), await another_session(database, customer)
    await TestDevice(settings.base_url).register(client, phone, name="Telefon")
    await TestDevice(settings.base_url).register(client, television, name="Fernseher")
    ids = await device_ids(client, customer)
    assert (await client.delete(f"/v1/devices/{ids['Telefon']}", headers=television.headers)).status_code == 204
    assert (await client.get("/v1/devices", headers=phone.headers)).status_code == 401
    assert list(await device_ids(client, television)) == ["Fernseher", "Laptop"]
    assert (await client.delete(f"/v1/devices/{ids['Fernseher']}", headers=television.headers)).status_code == 204
    assert list(await device_ids(client, television)) == ["Laptop"], "whoever removes the own device stays"
    [entry] = await owner.fetch("SELECT * FROM auth.audit_events WHERE action = 'session.end'")
    assert (entry["reason"], entry["actor_id"]) == ("device_removed", customer.account_id)


async def test_signing_in_again_and_playing_ties_the_new_session_to_the_device(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    again = await another_session(database, customer)
    assert (await device.open(client, again, title)).status_code == 201
    device_id = (await device_ids(client, customer))["Laptop"]
    assert (await client.delete(f"/v1/devices/{device_id}", headers=customer.headers)).status_code == 204
    assert (await client.get("/v1/devices", headers=again.headers)).status_code == 401


async def test_a_lost_device_is_replaced_beyond_the_limit_once_in_its_span(
    client: httpx.AsyncClient, settings: Settings, clock: MovableTestClock, customer: Customer
) -> None:
    await five_devices(client, settings, clock, customer)
    ids, sixth, seventh = await device_ids(client, customer), *(TestDevice(settings.base_url) for _ in range(2))
    assert (await client.get("/v1/devices", headers=customer.headers)).json()["emergency_possible"] is True
    removal = await client.post(f"/v1/devices/{ids['Gerät 0']}/emergency-removals", headers=customer.headers)
    assert removal.status_code == 200, removal.text
    assert (removal.json()["new_devices_left"], removal.json()["emergency_possible"]) == (1, False)
    assert (await sixth.register(client, customer, name="Ersatz")).status_code == 201
    again = await client.post(f"/v1/devices/{ids['Gerät 1']}/emergency-removals", headers=customer.headers)
    assert (again.status_code, again.json()["code"]) == (409, "emergency_removal_used")
    assert again.json()["next_free_at"] == "2027-01-04T12:00:00Z", "thirty days after the fifth of December"
    assert len(await device_ids(client, customer)) == 5, "a refusal removes nothing"
    await client.delete(f"/v1/devices/{ids['Gerät 1']}", headers=customer.headers)
    refused = await seventh.register(client, customer)
    assert (refused.json()["code"], refused.json()["next_free_at"]) == (
        "new_devices_exhausted",
        "2026-12-31T12:00:00Z",
    )
    for instant, status in ((BEGIN + 30 * DAY - timedelta(microseconds=1), 409), (BEGIN + 30 * DAY, 201)):
        clock.fixed = instant
        assert (await seventh.register(client, customer)).status_code == status


async def test_an_emergency_is_not_used_up_while_there_is_room(
    client: httpx.AsyncClient, customer: Customer, device: TestDevice
) -> None:
    device_id = (await device_ids(client, customer))["Laptop"]
    refused = await client.post(f"/v1/devices/{device_id}/emergency-removals", headers=customer.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "emergency_removal_needless")
    assert list(await device_ids(client, customer)) == ["Laptop"]


async def test_five_lost_devices_reported_at_once_replace_one(
    client: httpx.AsyncClient, settings: Settings, clock: MovableTestClock, customer: Customer
) -> None:
    await five_devices(client, settings, clock, customer)
    ids = await device_ids(client, customer)
    answers = await asyncio.gather(
        *(client.post(f"/v1/devices/{id_}/emergency-removals", headers=customer.headers) for id_ in ids.values())
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert len(await device_ids(client, customer)) == 4


def test_the_next_free_place_is_exact_also_after_an_emergency() -> None:
    """Six in, one of them by an emergency: when that one is forgotten, its extra place is too."""
    new = NewDevices(
        limit=5,
        span=30 * DAY,
        added=[BEGIN + day * DAY for day in (0, 1, 2, 3, 4, 20)],
        emergencies=[BEGIN + 4 * DAY],
        last_emergency=BEGIN + 4 * DAY,
    )
    for day, left, next_day in ((20, 0, 30), (29, 0, 30), (30, 1, None), (33, 4, None), (34, 4, None), (50, 5, None)):
        at = BEGIN + day * DAY
        assert (new.left(at), new.next_at(at)) == (left, BEGIN + next_day * DAY if next_day else None), day
    assert new.emergency_at(BEGIN + 33 * DAY) == BEGIN + 34 * DAY
    assert new.emergency_at(BEGIN + 34 * DAY) is None


async def test_support_lets_new_devices_in_again_and_the_customer_is_told(
    client: httpx.AsyncClient,
    app: Litestar,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    clock: MovableTestClock,
    customer: Customer,
    agent: Person,
) -> None:
    await five_devices(client, settings, clock, customer)
    ids = await device_ids(client, customer)
    await client.delete(f"/v1/devices/{ids['Gerät 0']}", headers=customer.headers)
    path = f"/v1/staff/customers/{customer.account_id}/device-resets"
    done = await client.post(path, json={"reason": REASON}, headers=agent.headers)
    assert (done.status_code, done.json()["new_devices_left"], len(done.json()["devices"])) == (201, 5, 4)
    assert (await TestDevice(settings.base_url).register(client, customer, name="Neu")).status_code == 201
    again = await client.post(path, json={"reason": REASON}, headers=agent.headers)
    assert (again.status_code, again.json()["code"]) == (409, "device_reset_used")
    assert again.json()["next_free_at"] == "2027-01-04T12:00:00Z"
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    [letter] = office.letters
    assert letter["Subject"] == "Sie können wieder neue Geräte anmelden"
    assert f"{settings.base_url}/de/account/devices" in text_of(letter)
    assert REASON not in text_of(letter)
    entries = await owner.fetch("SELECT * FROM auth.audit_events WHERE action = 'devices.reset' ORDER BY at")
    assert [(entry["outcome"], entry["reason"]) for entry in entries] == [
        ("done", REASON),
        ("refused", "device_reset_used"),
    ]


async def test_one_reset_of_many_at_once_and_so_many_a_day_per_agent(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, customer: Customer, agent: Person
) -> None:
    path = f"/v1/staff/customers/{customer.account_id}/device-resets"
    body = {"reason": REASON}
    answers = await asyncio.gather(*(client.post(path, json=body, headers=agent.headers) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    for _ in range(PER_AGENT_AND_DAY - 1):
        await owner.execute(
            "INSERT INTO store.device_resets SELECT $1, account_id, agent_id, reason, at - interval '99 days', done_at"
            " FROM store.device_resets LIMIT 1",
            new_id(),
        )
    other = await make_customer(database)
    limited = await client.post(
        f"/v1/staff/customers/{other.account_id}/device-resets", json=body, headers=agent.headers
    )
    assert (limited.status_code, limited.json()["code"]) == (429, "device_reset_limit_reached")
    await owner.execute("UPDATE store.device_resets SET done_at = done_at - interval '25 hours'")
    tomorrow = await client.post(
        f"/v1/staff/customers/{other.account_id}/device-resets", json=body, headers=agent.headers
    )
    assert tomorrow.status_code == 201


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_the_console_resets_with_a_reason_and_says_why_not(
    client: httpx.AsyncClient, owner: asyncpg.Connection, customer: Customer, agent: Person, locale: str
) -> None:
    page = f"/{locale}/support/customers/{customer.account_id}"
    steps = (("kurz", "refused=no_reason"), (REASON, "done=devices_reset"), (REASON, "refused=device_reset_used"))
    for reason, outcome in steps:
        answer = await client.post(f"{page}/device-resets", data={"reason": reason}, headers=agent.headers)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{page}/playback?{outcome}")
        shown = await client.get(answer.headers["location"], headers=agent.headers)
        assert shown.status_code == 200
        assert ("aria-invalid" in shown.text) is (outcome != "done=devices_reset")
    assert await owner.fetchval("SELECT count(*) FROM store.device_resets") == 1
