"""Places for streams are decided in PostgreSQL: whatever Redis does, never more than the limit and never fewer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar
from redis.exceptions import RedisError

from auth.tokens import SESSION, hash_token
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.dpop import read_proof
from store.entitlement.errors import PlaybackEnded
from store.entitlement.heartbeats import Heartbeats
from store.settings import Settings
from store.throttling import open_redis
from tests.auth.people import parts_of
from tests.store.entitlement.parts import Customer, TestDevice, make_right, make_title

DEVICES, TITLES = 10, 10


@pytest.fixture
async def hanging_up() -> AsyncIterator[str]:
    """A Redis that takes every connection and hangs up on it, every other one after an answer that is none."""
    calls = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls % 2:
            await reader.read(1)
            writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    server.close()
    await server.wait_closed()


@pytest.fixture(params=["up", "down", "hangs up", "none"])
def settings(request: pytest.FixtureRequest, settings: Settings, hanging_up: str) -> Settings:
    """Settings with a Redis in every state."""
    addresses = {"up": settings.redis_url, "down": "redis://127.0.0.1:1/0", "hangs up": hanging_up, "none": None}
    return replace(settings, redis_url=addresses[request.param])


@pytest.fixture
async def devices(
    client: httpx.AsyncClient, owner: asyncpg.Connection, settings: Settings, customer: Customer, title: Title
) -> AsyncIterator[list[TestDevice]]:
    """Ten devices of one customer, who may have two films at a time."""
    await owner.execute(
        "INSERT INTO store.device_limits"
        " (account_id, devices, new_devices, new_device_days, streams, streams_per_rental)"
        " VALUES ($1, 20, 20, 30, 2, 1)",
        customer.account_id,
    )
    devices = [TestDevice(settings.base_url) for _ in range(DEVICES)]
    for number, device in enumerate(devices):
        assert (await device.register(client, customer, name=f"Gerät {number}")).status_code == 201
    yield devices
    await owner.execute("DELETE FROM store.device_limits WHERE account_id = $1", customer.account_id)


async def live(owner: asyncpg.Connection) -> int:
    query = "SELECT count(*) FROM store.playback_sessions WHERE ended_at IS NULL AND beat_at > now() - interval '90 s'"
    return int(await owner.fetchval(query))


async def flush(settings: Settings) -> None:
    """Empty Redis, where there is one that listens."""
    redis = open_redis(settings.redis_url)
    if redis is None:
        return
    with suppress(RedisError):
        await redis.flushall()
    await redis.aclose()


async def test_a_hundred_starts_at_once_on_ten_devices_get_two_places(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    devices: list[TestDevice],
) -> None:
    titles = [await make_title(database) for _ in range(TITLES)]
    for film in titles:
        await make_right(database, customer, film, kind="buy")
    answers = await asyncio.gather(*(device.open(client, customer, film) for device in devices for film in titles))
    assert sorted({answer.status_code for answer in answers}) == [201, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"streams_busy"}
    assert sum(answer.status_code == 201 for answer in answers) == 2
    assert await live(owner) == 2


async def test_a_rental_that_a_hundred_players_open_at_once_plays_once(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    devices: list[TestDevice],
    title: Title,
) -> None:
    await make_right(database, customer, title)
    players = [device for device in devices for _ in range(10)]
    answers = await asyncio.gather(*(device.open(client, customer, title) for device in players))
    winners = {player.jwk["x"] for player, answer in zip(players, answers, strict=True) if answer.status_code == 201}
    assert len(winners) == 1, "one device, which may replace its own playback"
    assert await live(owner) == 1


async def test_places_are_kept_taken_over_and_freed_whatever_redis_does(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    devices: list[TestDevice],
    title: Title,
) -> None:
    await make_right(database, customer, title)
    sofa, bed, kitchen = devices[:3]
    playback = (await sofa.open(client, customer, title)).json()
    assert (await sofa.licence(client, playback["token"])).status_code == 200
    await flush(settings)
    assert (await sofa.beat(client, customer, playback["id"], position=60)).status_code == 200
    refusal = (await bed.open(client, customer, title)).json()
    assert refusal["code"] == "rental_stream_busy"
    [busy] = refusal["sessions"]
    assert (busy["id"], busy["device"]) == (playback["id"], "Gerät 0")
    path = refusal["reasons"][0]["action"]["api"].replace("{id}", busy["id"])
    assert (await client.delete(path, headers=customer.headers)).status_code == 204
    taken = (await bed.open(client, customer, title)).json()
    stopped = await sofa.beat(client, customer, playback["id"], position=90)
    assert (stopped.status_code, stopped.json()["end_reason"]) == (410, "stopped")
    await owner.execute("UPDATE store.playback_sessions SET beat_at = now() - interval '89 seconds'")
    assert (await kitchen.open(client, customer, title)).status_code == 409
    await owner.execute("UPDATE store.playback_sessions SET beat_at = now() - interval '90 seconds'")
    assert (await kitchen.open(client, customer, title)).status_code == 201, "a crashed player's place is free"
    assert (await bed.beat(client, customer, taken["id"])).json()["end_reason"] == "silent"


async def test_a_sign_of_life_that_was_late_brings_no_place_back(
    client: httpx.AsyncClient,
    app: Litestar,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    devices: list[TestDevice],
    title: Title,
) -> None:
    """A beat that arrived within the 90 seconds, and is written only after the place was given to somebody else."""
    await make_right(database, customer, title)
    sofa, bed = devices[:2]
    playback = (await sofa.open(client, customer, title)).json()
    arrived = datetime.now(UTC)
    await owner.execute("UPDATE store.playback_sessions SET beat_at = $1", arrived - timedelta(seconds=90))
    assert (await bed.open(client, customer, title)).status_code == 201
    path = f"/v1/playback-sessions/{playback['id']}/heartbeats"
    proof = read_proof(sofa.proof("POST", path), method="POST", url=sofa.base_url + path, real_now=arrived)
    with pytest.raises(PlaybackEnded):
        await Heartbeats(database, parts_of(app).tokens).take(
            session_hash=hash_token(customer.token, kind=SESSION),
            proof=proof,
            playback_session_id=UUID(playback["id"]),
            position=60.0,
            at=arrived,
            real_now=arrived - timedelta(seconds=1),
        )
    assert await live(owner) == 1


async def test_a_title_that_may_be_watched_on_one_device_at_a_time_is(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    devices: list[TestDevice],
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    other = await make_title(database)
    await make_right(database, customer, other, kind="buy")
    sofa, bed = devices[:2]
    assert [(await one.open(client, customer, title)).status_code for one in (sofa, bed)] == [201, 201]
    await owner.execute("UPDATE store.playback_sessions SET ended_at = now(), end_reason = 'stopped'")
    await owner.execute("UPDATE store.device_limits SET streams_per_title = 1 WHERE account_id IS NOT NULL")
    assert (await sofa.open(client, customer, title)).status_code == 201
    refused = (await bed.open(client, customer, title)).json()
    assert (refused["code"], [one["device"] for one in refused["sessions"]]) == ("title_streams_busy", ["Gerät 0"])
    assert (await bed.open(client, customer, other)).status_code == 201
