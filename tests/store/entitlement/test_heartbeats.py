"""Heartbeats: one statement that keeps a place only while everything it rests on stands, and changes nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.consoles.people import a_person
from tests.store.entitlement.parts import Customer, TestDevice, make_right

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)


async def opened(client: httpx.AsyncClient, device: TestDevice, customer: Customer, title: Title) -> str:
    answer = await device.open(client, customer, title)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def address(playback_id: str) -> str:
    return f"/v1/playback-sessions/{playback_id}/heartbeats"


async def places(owner: asyncpg.Connection) -> list[tuple[Any, ...]]:
    """Everything that a heartbeat may keep."""
    rows = await owner.fetch(
        "SELECT p.id, p.beat_at, p.position, p.ended_at, w.sequence, w.position AS seen, w.seen_at"
        " FROM store.playback_sessions AS p LEFT JOIN store.watch_progress AS w ON w.playback_session_id = p.id"
    )
    return [tuple(row) for row in rows]


REVOKED = "UPDATE store.entitlements SET revoked_at = now(), revoke_reason = 'refund'"
PAUSED = "UPDATE store.entitlements SET paused_at = now(), pause_reason = 'dispute'"
RENTAL = "UPDATE store.entitlements SET kind = 'rent', watch_hours = 48, start_by = $1::timestamptz"


@pytest.mark.parametrize(
    ("change", "instant", "status", "code"),
    [
        (REVOKED, None, 403, "right_revoked"),
        (PAUSED, None, 403, "right_paused"),
        (
            RENTAL + ", first_played_at = $1::timestamptz - interval '48 h', ends_at = $1::timestamptz",
            NOW,
            403,
            "rental_over",
        ),
        (RENTAL + ", first_played_at = $1::timestamptz, ends_at = $1::timestamptz + interval '1 us'", NOW, 200, None),
        (RENTAL, NOW, 403, "rental_not_started_in_time"),
        (RENTAL, NOW + timedelta(microseconds=1), 200, None),
        (
            RENTAL + ", first_played_at = $1::timestamptz, ends_at = $1::timestamptz + interval '48 h'",
            NOW - timedelta(hours=47),
            200,
            None,
        ),
        ("UPDATE store.entitlements SET ends_at = $1::timestamptz", NOW, 403, "rental_over"),
        ("UPDATE store.playback_sessions SET ended_at = now(), end_reason = 'stopped'", None, 410, "playback_ended"),
        ("UPDATE store.playback_sessions SET beat_at = now() - interval '90 s'", None, 410, "playback_ended"),
        ("UPDATE store.devices SET jkt = repeat('x', 43)", None, 404, "playback_not_found"),
        ("UPDATE auth.accounts SET status = 'disabled'", None, 401, "not_signed_in"),
        ("UPDATE auth.sessions SET revoked_at = now()", None, 401, "not_signed_in"),
        ("UPDATE auth.sessions SET expires_at = now()", None, 401, "not_signed_in"),
        ("UPDATE auth.accounts SET auth_epoch = auth_epoch + 1", None, 401, "not_signed_in"),
    ],
)
async def test_a_heartbeat_keeps_the_place_exactly_as_long_as_all_it_rests_on_stands(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    change: str,
    instant: datetime | None,
    status: int,
    code: str | None,
) -> None:
    """To the microsecond: what the statement asks of a right is what `obstacles` says of it."""
    clock.fixed = NOW
    await make_right(database, customer, title, kind="buy", granted_at=NOW)
    playback = await opened(client, device, customer, title)
    assert (await device.beat(client, customer, playback, position=60)).status_code == 200
    await owner.execute(change, *([instant] if instant else []))
    before = await places(owner)
    proof = device.proof("POST", address(playback))
    headers = {**customer.headers, "DPoP": proof}
    answer = await client.post(address(playback), json={"position": 90}, headers=headers)
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    after = await places(owner)
    if status == 200:
        assert after != before
        assert (after[0][2], after[0][5]) == (90, 90)
    else:
        assert after == before
        assert "token" not in answer.json()
    again = await client.post(address(playback), json={"position": 90}, headers=headers)
    assert again.status_code == 401
    assert again.json()["code"] == ("not_signed_in" if status == 401 else "invalid_dpop_proof")


async def test_of_thirty_two_copies_of_a_heartbeat_at_once_one_is_accepted(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    playback = await opened(client, device, customer, title)
    headers = {**customer.headers, "DPoP": device.proof("POST", address(playback))}
    answers = await asyncio.gather(
        *(client.post(address(playback), json={"position": 1.0}, headers=headers) for _ in range(32))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 31


async def test_who_is_not_signed_in_or_no_customer_hears_that_before_anything_of_the_proof(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    playback = await opened(client, device, customer, title)
    agent = await a_person(database, roles=("support",))
    callers = {
        "nobody": ({}, 401, "not_signed_in"),
        "an invented session": ({"Authorization": "Bearer vt1_session_" + "x" * 43}, 401, "not_signed_in"),
        "no session token": ({"Authorization": "Bearer x"}, 401, "not_signed_in"),
        "staff": (agent.headers, 403, "customers_only"),
    }
    before = await places(owner), await owner.fetchval("SELECT count(*) FROM store.dpop_proofs")
    for caller, (headers, status, code) in callers.items():
        for proof in (device.proof("POST", address(playback)), "x.y.z", None):
            given = {**headers, "DPoP": proof} if proof else headers
            answer = await client.post(address(playback), json={"position": 90}, headers=given)
            assert (answer.status_code, answer.json()["code"]) == (status, code), caller
    assert (await places(owner), await owner.fetchval("SELECT count(*) FROM store.dpop_proofs")) == before
    answer = await client.post(address(playback), json={}, headers={**customer.headers, "DPoP": "x.y.z"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_dpop_proof")


async def test_a_browsers_heartbeat_needs_its_devices_signature_and_comes_from_our_own_pages(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    playback = await opened(client, device, customer, title)
    cookie = {"Cookie": f"{settings.session_cookie}={customer.token}"}

    async def beat(**more: str) -> httpx.Response:
        return await client.post(address(playback), json={"position": 30}, headers={**cookie, **more})

    before = await places(owner)
    foreign = await beat(**{"Sec-Fetch-Site": "cross-site", "DPoP": device.proof("POST", address(playback))})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_site_request")
    unsigned = await beat(**{"Sec-Fetch-Site": "same-origin"})
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "invalid_dpop_proof")
    assert await places(owner) == before
    ours = await beat(**{"Sec-Fetch-Site": "same-origin", "DPoP": device.proof("POST", address(playback))})
    assert ours.status_code == 200, ours.text
    assert await places(owner) != before


async def test_watching_keeps_the_session_from_becoming_idle(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    playback = await opened(client, device, customer, title)
    await owner.execute(
        "UPDATE auth.sessions SET last_seen_at = now() - interval '11 min', expires_at = now() + interval '29 d',"
        " idle_expires_at = now() + interval '1 min'"
    )
    assert (await device.beat(client, customer, playback)).status_code == 200
    idle = await owner.fetchval("SELECT idle_expires_at - now() FROM auth.sessions")
    assert idle > timedelta(days=13)


async def test_a_heartbeat_for_no_playback_still_uses_its_proof_up(
    client: httpx.AsyncClient, customer: Customer, device: TestDevice
) -> None:
    path = address(str(new_id()))
    headers = {**customer.headers, "DPoP": device.proof("POST", path)}
    codes = [(await client.post(path, json={}, headers=headers)).json()["code"] for _ in range(2)]
    assert codes == ["playback_not_found", "invalid_dpop_proof"]
