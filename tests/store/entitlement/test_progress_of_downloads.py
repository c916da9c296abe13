"""What is watched from a download counts on every device, and takes nobody's place."""

from typing import Any

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.store.entitlement.downloading import PATH, give_back, kept
from tests.store.entitlement.parts import Customer, TestDevice, make_customer, make_right

pytestmark = pytest.mark.usefixtures("contracts")


@pytest.fixture
async def download(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> str:
    """A bought film of two hours, on the customer's device."""
    await make_right(database, customer, title, kind="buy", may_download=True)
    await owner.execute("UPDATE store.media_assets SET seconds = 7200")
    issued = await kept(client, device, customer, title)
    return str(issued["download"]["id"])


async def report(
    client: httpx.AsyncClient, device: TestDevice, customer: Customer, download_id: str, **one: Any
) -> httpx.Response:
    path = f"{PATH}/{download_id}/progress-reports"
    headers = {**customer.headers, "DPoP": device.proof("POST", path)}
    return await client.post(path, json={"reports": [{"sequence": 1, **one}]}, headers=headers)


async def test_what_was_watched_on_the_train_goes_on_on_the_sofa(
    client: httpx.AsyncClient,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
    download: str,
) -> None:
    told = await report(client, device, customer, download, position=1800)
    assert (told.status_code, told.json()["resume_at"]) == (200, 1800.0)
    late = await report(client, device, customer, download, sequence=2, position=600, seconds_ago=60)
    assert late.json()["resume_at"] == 600.0, "of one download the higher number wins"
    sofa = TestDevice(settings.base_url)
    await sofa.register(client, customer, name="Sofa")
    showing = (await sofa.open(client, customer, title)).json()
    assert showing["resume_at"] == 600.0
    await sofa.beat(client, customer, showing["id"], position=900)
    again = await report(client, device, customer, download, sequence=3, position=700, seconds_ago=3600)
    assert again.json()["resume_at"] == 900.0, "what was delayed does not take the sofa's place back"


async def test_it_takes_no_place_and_is_told_after_the_return_too(
    client: httpx.AsyncClient, customer: Customer, device: TestDevice, download: str
) -> None:
    assert (await report(client, device, customer, download, position=60)).status_code == 200
    streams = (await client.get("/v1/playback-sessions", headers=customer.headers)).json()
    assert streams["playback_sessions"] == []
    assert (await device.beat(client, customer, download, position=61)).json()["code"] == "playback_ended"
    assert (await give_back(client, device, customer, download)).status_code == 200
    assert (await report(client, device, customer, download, sequence=2, position=90)).json()["resume_at"] == 90.0


async def test_only_the_device_that_has_it_tells(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    download: str,
) -> None:
    tablet = TestDevice(settings.base_url)
    await tablet.register(client, customer, name="Tablet")
    for asking, who in ((tablet, customer), (device, await make_customer(database))):
        refused = await report(client, asking, who, download, position=60)
        assert (refused.status_code, refused.json()["code"]) == (404, "download_not_found")
    assert await owner.fetchval("SELECT count(*) FROM store.watch_progress") == 0
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions") == 0
