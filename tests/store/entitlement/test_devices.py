"""Devices: proved keys, five at a time, five new ones in thirty days, decided one by one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import Customer, TestDevice, make_customer, make_right


async def names_of(client: httpx.AsyncClient, customer: Customer) -> list[str]:
    answer = await client.get("/v1/devices", headers=customer.headers)
    assert answer.status_code == 200, answer.text
    return sorted(device["name"] for device in answer.json()["devices"])


@pytest.fixture
async def limit_of_two(owner: asyncpg.Connection, customer: Customer) -> AsyncIterator[None]:
    """Limits are data: this customer may have two devices."""
    await owner.execute(
        "INSERT INTO store.device_limits"
        " (account_id, devices, new_devices, new_device_days, streams, streams_per_rental)"
        " VALUES ($1, 2, 20, 30, 2, 1)",
        customer.account_id,
    )
    yield
    await owner.execute("DELETE FROM store.device_limits WHERE account_id = $1", customer.account_id)


async def test_a_limit_of_two_asked_by_twenty_four_devices_at_once_gives_two(
    client: httpx.AsyncClient, settings: Settings, customer: Customer, limit_of_two: None
) -> None:
    devices = [TestDevice(settings.base_url) for _ in range(24)]
    answers = await asyncio.gather(
        *(device.register(client, customer, name=f"Gerät {number}") for number, device in enumerate(devices))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 22
    assert len(await names_of(client, customer)) == 2
    refusal = next(answer for answer in answers if answer.status_code == 409).json()
    assert (refusal["code"], refusal["limit"], len(refusal["devices"])) == ("device_limit_reached", 2, 2)
    assert refusal["detail"] == "Es sind schon 2 Geräte angemeldet. Entfernen Sie eines, dann ist hier sofort Platz."


async def test_the_same_key_registered_again_changes_nothing(
    client: httpx.AsyncClient, customer: Customer, unregistered_device: TestDevice
) -> None:
    first = await unregistered_device.register(client, customer, name="Küche")
    again = await unregistered_device.register(client, customer, name="Bad")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    assert await names_of(client, customer) == ["Küche"]


async def test_a_removed_device_makes_room_at_once_and_comes_back_for_free(
    client: httpx.AsyncClient, settings: Settings, customer: Customer, limit_of_two: None
) -> None:
    first, second, third = (TestDevice(settings.base_url) for _ in range(3))
    first_id = (await first.register(client, customer, name="A")).json()["id"]
    second_id = (await second.register(client, customer, name="B")).json()["id"]
    assert (await third.register(client, customer)).status_code == 409
    assert (await client.delete(f"/v1/devices/{first_id}", headers=customer.headers)).status_code == 204
    assert (await third.register(client, customer, name="C")).status_code == 201
    assert (await first.register(client, customer, name="A", again=True)).json()["code"] == "device_limit_reached"
    assert (await client.delete(f"/v1/devices/{second_id}", headers=customer.headers)).status_code == 204
    back = await first.register(client, customer, name="A again", again=True)
    assert (back.status_code, back.json()["id"]) == (201, first_id)
    assert await names_of(client, customer) == ["A again", "C"]


async def test_the_sixth_new_device_in_thirty_days_is_told_the_instant_of_the_next_place(
    client: httpx.AsyncClient, settings: Settings, clock: MovableTestClock, customer: Customer
) -> None:
    begin = datetime(2026, 12, 1, 12, tzinfo=UTC)
    devices = [TestDevice(settings.base_url) for _ in range(6)]
    for day, device in enumerate(devices[:5]):
        clock.fixed = begin + timedelta(days=day)
        registered = await device.register(client, customer)
        assert registered.status_code == 201
        removed = await client.delete(f"/v1/devices/{registered.json()['id']}", headers=customer.headers)
        assert removed.status_code == 204
    refusal = await devices[5].register(client, customer)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "new_devices_exhausted")
    assert refusal.json()["next_free_at"] == "2026-12-31T12:00:00Z"
    assert "ab 31.12.2026, 13:00 Uhr (MEZ)" in refusal.json()["detail"]
    assert (await client.get("/v1/devices", headers=customer.headers)).json()["new_devices_left"] == 0
    assert (await devices[2].register(client, customer, again=True)).status_code == 201, (
        "an earlier device costs nothing"
    )
    clock.fixed = begin + timedelta(days=30, microseconds=-1)
    assert (await devices[5].register(client, customer)).status_code == 409
    clock.fixed = begin + timedelta(days=30)
    assert (await devices[5].register(client, customer)).status_code == 201


async def test_the_way_out_for_the_sixth_new_device_lets_it_in_and_is_there_only_with_a_device_to_replace(
    client: httpx.AsyncClient, settings: Settings, clock: MovableTestClock, customer: Customer
) -> None:
    clock.fixed = datetime(2026, 12, 1, 12, tzinfo=UTC)
    devices = [TestDevice(settings.base_url) for _ in range(7)]
    for device in devices[:5]:
        assert (await device.register(client, customer)).status_code == 201
    refusal = (await devices[5].register(client, customer)).json()
    assert (refusal["code"], refusal["emergency_possible"]) == ("new_devices_exhausted", True)
    lost = refusal["devices"][0]["id"]
    replaced = await client.post(f"/v1/devices/{lost}/emergency-removals", headers=customer.headers)
    assert replaced.is_success, replaced.text
    assert (await devices[5].register(client, customer)).status_code == 201
    assert (await devices[6].register(client, customer)).json()["emergency_possible"] is False


async def test_without_a_device_there_is_none_to_replace(
    client: httpx.AsyncClient, settings: Settings, clock: MovableTestClock, customer: Customer
) -> None:
    clock.fixed = datetime(2026, 12, 1, 12, tzinfo=UTC)
    devices = [TestDevice(settings.base_url) for _ in range(6)]
    for device in devices[:5]:
        id_ = (await device.register(client, customer)).json()["id"]
        assert (await client.delete(f"/v1/devices/{id_}", headers=customer.headers)).status_code == 204
    refusal = (await devices[5].register(client, customer)).json()
    assert (refusal["code"], refusal["emergency_possible"]) == ("new_devices_exhausted", False)
    assert (await client.get("/v1/devices", headers=customer.headers)).json()["emergency_possible"] is False


async def test_no_limit_is_below_one(owner: asyncpg.Connection) -> None:
    for column in ("devices", "new_devices", "streams", "streams_per_title"):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"UPDATE store.device_limits SET {column} = 0")


async def test_a_removed_device_gets_no_further_heartbeat_licence_or_playback(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    device_id = (await client.get("/v1/devices", headers=customer.headers)).json()["devices"][0]["id"]
    assert (await client.delete(f"/v1/devices/{device_id}", headers=customer.headers)).status_code == 204
    beat = await device.beat(client, customer, playback["id"])
    assert (beat.status_code, beat.json()["end_reason"]) == (410, "device_removed")
    assert (await device.licence(client, playback["token"])).json()["code"] == "device_not_registered"
    assert (await device.open(client, customer, title)).json()["code"] == "device_removed"


async def test_a_playback_of_before_its_devices_removal_stays_ended_when_the_device_comes_back(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    playback = (await device.open(client, customer, title)).json()
    device_id = (await client.get("/v1/devices", headers=customer.headers)).json()["devices"][0]["id"]
    await client.delete(f"/v1/devices/{device_id}", headers=customer.headers)
    assert (await device.register(client, customer, again=True)).status_code == 201
    assert (await device.licence(client, playback["token"])).json()["code"] == "playback_ended"


async def test_no_playback_outlives_the_removal_of_its_device_at_the_same_instant(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    for _ in range(5):
        device = TestDevice(settings.base_url)
        device_id = (await device.register(client, customer)).json()["id"]
        removal = client.delete(f"/v1/devices/{device_id}", headers=customer.headers)
        opened, removed = await asyncio.gather(device.open(client, customer, title), removal)
        assert (opened.status_code in (201, 403), removed.status_code) == (True, 204)
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions WHERE ended_at IS NULL") == 0


async def test_a_device_of_another_account_cannot_be_seen_or_removed(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice
) -> None:
    stranger = await make_customer(database)
    device_id = (await client.get("/v1/devices", headers=customer.headers)).json()["devices"][0]["id"]
    assert await names_of(client, stranger) == []
    refusal = await client.delete(f"/v1/devices/{device_id}", headers=stranger.headers)
    assert (refusal.status_code, refusal.json()["code"]) == (404, "device_not_found")
    assert await names_of(client, customer) == ["Laptop"]


async def test_one_browser_may_serve_two_accounts(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice
) -> None:
    other = await make_customer(database)
    assert (await device.register(client, other, name="Shared")).status_code == 201
    assert (await names_of(client, customer), await names_of(client, other)) == (["Laptop"], ["Shared"])


async def test_registration_needs_a_proof_and_a_decent_name(
    client: httpx.AsyncClient, customer: Customer, unregistered_device: TestDevice
) -> None:
    bare = await client.post("/v1/devices", json={"name": "Laptop"}, headers=customer.headers)
    assert (bare.status_code, bare.json()["code"]) == (401, "invalid_dpop_proof")
    for name in ("", "x" * 61, "a\0b", "a\nb"):
        assert (await unregistered_device.register(client, customer, name=name)).status_code == 400, name
    proof = unregistered_device.proof("POST", "/v1/devices")
    signed_out = await client.post("/v1/devices", json={"name": "x"}, headers={"DPoP": proof})
    assert signed_out.status_code == 401
    reused = await client.post("/v1/devices", json={"name": "x"}, headers={**customer.headers, "DPoP": proof})
    assert reused.status_code == 201, "a request without a session uses no proof up"
    replayed = await client.post("/v1/devices", json={"name": "x"}, headers={**customer.headers, "DPoP": proof})
    assert (replayed.status_code, replayed.json()["code"]) == (401, "invalid_dpop_proof")
