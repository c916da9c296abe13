"""Who lost the device that a film is on is not sent to it: support frees a rental, a purchase's place frees itself."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.entitlement.downloading import keep, kept
from tests.store.entitlement.parts import Customer, TestDevice, make_right

pytestmark = pytest.mark.usefixtures("contracts")

AT = datetime(2026, 12, 1, 20, tzinfo=UTC)
DAY = timedelta(days=1)


async def another(client: httpx.AsyncClient, settings: Settings, customer: Customer, name: str) -> TestDevice:
    device = TestDevice(settings.base_url)
    assert (await device.register(client, customer, name=name)).status_code == 201
    return device


async def remove(owner: asyncpg.Connection, name: str) -> None:
    await owner.execute("UPDATE store.devices SET removed_at = $1 WHERE name = $2", AT, name)


async def test_a_rental_on_a_removed_device_leads_to_support(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = AT
    await make_right(database, customer, title, granted_at=AT, may_download=True)
    await kept(client, device, customer, title)
    sofa = await another(client, settings, customer, "Sofa")
    for is_removed, way, words in (
        (False, "return_download", "läuft nur dort, bis Sie ihn dort zurückgeben."),
        (True, "ask_support", "das aus Ihrem Konto entfernt ist. Ist es verloren, gibt der Kundendienst die Leihe"),
    ):
        if is_removed:
            await remove(owner, "Laptop")
        [reason] = (await sofa.check(client, customer, title))["reasons"]
        assert (reason["code"], reason["action"]["name"]) == ("rental_downloaded", way)
        assert words in reason["sentence"]["de"]
        [reason] = (await keep(client, sofa, customer, title)).json()["reasons"]
        assert (reason["code"], reason["action"]["name"]) == ("download_outstanding", way)
        assert ("aus Ihrem Konto entfernt" in reason["sentence"]["de"]) == is_removed

    page = (await client.get("/de/account/devices", headers=customer.headers)).text
    assert "Haben Sie es verloren, entfernen Sie es hier: Dann gibt der Kundendienst die Leihe frei." in page


async def test_who_has_a_purchase_on_a_lost_device_is_told_when_its_place_is_free(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = AT
    await make_right(database, customer, title, kind="buy", granted_at=AT, may_download=True)
    tablet, phone = [await another(client, settings, customer, name) for name in ("Tablet", "Telefon")]
    await kept(client, device, customer, title)
    clock.fixed = AT + DAY
    await kept(client, tablet, customer, title)
    refused = (await keep(client, phone, customer, title)).json()
    assert (refused["code"], "next_free_at" in refused) == ("download_devices_full", False)

    await remove(owner, "Tablet")
    [reason] = (await keep(client, phone, customer, title)).json()["reasons"]
    assert (reason["action"]["name"], reason["retry"]) == ("return_download", True)
    assert reason["details"]["next_free_at"] == "2027-01-01T20:00:00Z", "the one that is there may renew its own"
    assert "Spätestens ab 01.01.2027, 21:00 Uhr (MEZ) ist hier Platz" in reason["sentence"]["de"]
    assert [one["removed"] for one in reason["details"]["devices"]] == [False, True]
    clock.fixed = AT + 29 * DAY
    await kept(client, device, customer, title)
    clock.fixed = AT + 31 * DAY - timedelta(microseconds=1)
    assert (await keep(client, phone, customer, title)).status_code == 409
    clock.fixed = AT + 31 * DAY
    await kept(client, phone, customer, title)

    for name in ("Laptop", "Telefon"):
        await remove(owner, name)
    [reason] = (await keep(client, await another(client, settings, customer, "Neu"), customer, title)).json()["reasons"]
    assert (reason["action"]["name"], reason["details"]["next_free_at"]) == ("wait", "2027-01-29T20:00:00Z")
