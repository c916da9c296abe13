"""With all places taken and all new devices used up, both are told: the instant, and that a place has to be made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import Customer, TestDevice, make_right

BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
async def last(
    client: httpx.AsyncClient, settings: Settings, clock: MovableTestClock, customer: Customer
) -> TestDevice:
    """Five devices are there, the fifth in place of a lost one; gives one more, for which there is no room."""
    clock.fixed = BEGIN
    devices = [TestDevice(settings.base_url) for _ in range(7)]
    for device in devices[:5]:
        assert (await device.register(client, customer)).status_code == 201
    first = (await client.get("/v1/devices", headers=customer.headers)).json()["devices"][0]["id"]
    removal = await client.post(f"/v1/devices/{first}/emergency-removals", headers=customer.headers)
    assert removal.is_success, removal.text
    assert (await devices[5].register(client, customer)).status_code == 201
    return devices[6]


async def told(
    client: httpx.AsyncClient, device: TestDevice, customer: Customer, title: Title
) -> dict[str, dict[str, Any]]:
    """The reasons about room for the device, by their codes."""
    reasons = (await device.check(client, customer, title))["reasons"]
    return {reason["code"]: reason for reason in reasons if reason["code"] != "device_not_registered"}


async def test_at_the_told_instant_the_device_fits_once_the_place_was_made(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    title: Title,
    last: TestDevice,
) -> None:
    await make_right(database, customer, title, kind="buy")
    reasons = await told(client, last, customer, title)
    assert {code: reason["action"]["name"] for code, reason in reasons.items()} == {
        "new_devices_exhausted": "wait",
        "device_limit_reached": "remove_device",
    }
    refusal = (await last.register(client, customer)).json()
    assert "ab 31.12.2026, 13:00 Uhr (MEZ) möglich, wenn Sie bis dahin ein anderes entfernen" in refusal["detail"]
    page = (await client.get("/de/account/devices", headers=customer.headers)).text
    assert "möglich, wenn Sie bis dahin eines entfernen." in page

    another = refusal["devices"][0]["id"]
    assert (await client.delete(f"/v1/devices/{another}", headers=customer.headers)).status_code == 204
    reasons = await told(client, last, customer, title)
    assert list(reasons) == ["new_devices_exhausted"], "the place is there"
    assert "entfernen" not in reasons["new_devices_exhausted"]["sentence"]["de"]
    clock.fixed = datetime.fromisoformat(refusal["next_free_at"])
    assert clock.fixed == BEGIN + timedelta(days=30)
    assert (await last.register(client, customer)).status_code == 201


async def test_whom_the_emergency_lets_in_needs_no_other_removal_and_who_waits_does(
    client: httpx.AsyncClient, database: Database, settings: Settings, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    devices = [TestDevice(settings.base_url) for _ in range(6)]
    for device in devices[:5]:
        assert (await device.register(client, customer)).status_code == 201
    [(code, reason)] = (await told(client, devices[5], customer, title)).items()
    assert (code, reason["action"]["name"]) == ("new_devices_exhausted", "replace_device")
    assert "wenn Sie bis dahin ein anderes entfernen" in reason["sentence"]["de"]
