"""Licences that stay on a device: who gets one, for how long, one place for a rental, and the way back."""

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import pytest
from litestar import Litestar

from store.app import attach
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.base64url import decode, encode
from store.entitlement.grants import Grants
from store.settings import Settings
from tests.auth.people import parts_of
from tests.journeys.waiting import eventually
from tests.scratch import MovableTestClock
from tests.store.entitlement.downloading import PATH, give_back, keep, kept
from tests.store.entitlement.drm_contracts import AXINOM, DRMTODAY
from tests.store.entitlement.parts import (
    KEYS,
    KIDS,
    Customer,
    TestDevice,
    another_session,
    confirm,
    make_customer,
    make_order,
    make_other_film,
    make_right,
    make_title,
)

AT = datetime(2026, 12, 1, 20, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("contracts")


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def another_device(
    client: httpx.AsyncClient, customer: Customer, settings: Settings, *, name: str = "Tablet"
) -> TestDevice:
    device = TestDevice(settings.base_url)
    assert (await device.register(client, customer, name=name)).status_code == 201
    return device


def message_of(issued: dict[str, Any]) -> dict[str, Any]:
    told = jwt.decode(issued["licence"]["value"], AXINOM.communication_key, algorithms=["HS256"])
    message: dict[str, Any] = told["message"]
    return message


def limits_of(issued: dict[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = message_of(issued)["license"]
    return limits


def key_ids_of(issued: dict[str, Any]) -> list[str]:
    return [key["id"] for key in message_of(issued)["content_keys_source"]["inline"]]


async def test_a_rental_that_was_not_begun_may_begin_on_the_device_within_its_days(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = AT
    right = await make_right(database, customer, title, granted_at=AT, may_download=True)
    answer = await keep(client, device, customer, title)
    assert answer.headers["cache-control"] == "no-store"
    issued = answer.json()
    assert issued["may_start_within_seconds"] == 30 * 86_400
    assert issued["plays_for_seconds"] == 48 * 3_600
    assert issued["renewed_after_seconds"] is None
    assert issued["download"]["lasts_until"] == "2027-01-02T20:00:00Z", "who begins on the last day has all hours"
    limits = limits_of(issued)
    assert limits["allow_persistence"] is True
    assert (limits["duration"], limits["widevine"]["playback_duration"]) == (32 * 86_400, 48 * 3_600)
    assert limits["widevine"]["allow_renewal"] is False
    row = await owner.fetchrow("SELECT first_played_at, ends_at FROM store.entitlements WHERE id = $1", right)
    assert (row["first_played_at"], row["ends_at"]) == (None, None), "its hours run where it is played"
    event = await owner.fetchrow("SELECT step, outcome, system, kids, started_clock FROM store.licence_events")
    assert tuple(event)[:3] == ("licence", "granted", "axinom")
    assert set(event["kids"]) == {KIDS["AUDIO"], KIDS["SD"], KIDS["HD"]}


async def test_a_rental_that_runs_and_one_that_is_cut_end_where_they_would(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    clock.fixed = AT
    began = AT - timedelta(hours=8)
    await make_right(database, customer, title, granted_at=began, first_played_at=began, may_download=True)
    running = await kept(client, device, customer, title)
    assert running["download"]["lasts_until"] == "2026-12-03T12:00:00Z"
    assert running["plays_for_seconds"] == 40 * 3_600

    await owner.execute("DELETE FROM store.offline_licences")
    await owner.execute("UPDATE store.entitlements SET first_played_at = NULL, ends_at = NULL, near_end = 'cut'")
    cut = await kept(client, device, customer, title)
    assert cut["download"]["lasts_until"] == "2026-12-31T12:00:00Z"


async def test_a_purchase_is_kept_for_a_month_and_renewed_on_the_same_device(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = AT
    await make_right(database, customer, title, kind="buy", granted_at=AT, may_download=True)
    first = await kept(client, device, customer, title)
    assert first["download"]["lasts_until"] == "2026-12-31T20:00:00Z"
    assert first["renewed_after_seconds"] == 23 * 86_400
    clock.fixed = AT + timedelta(days=23)
    again = await kept(client, device, customer, title)
    assert again["download"]["id"] == first["download"]["id"]
    assert again["download"]["lasts_until"] == "2027-01-23T20:00:00Z"
    assert limits_of(again)["widevine"]["allow_renewal"] is True
    assert await owner.fetchval("SELECT count(*) FROM store.offline_licences") == 1


async def test_drmtoday_keeps_what_needs_no_hardware(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy", may_download=True)
    issued = (await keep(client, device, customer, title, system="drmtoday")).json()
    claims = jwt.decode(issued["licence"]["value"], DRMTODAY.secret, algorithms=["HS256"])
    assert '"storeLicense":true' in claims["crt"]
    assert issued["licence"]["tracks"] == ["AUDIO", "SD"]
    assert issued["download"]["id"] in claims["optData"], "the service learns an id and nobody's name"
    assert str(customer.account_id) not in issued["licence"]["value"] + claims["optData"]


async def test_clear_key_cannot_stay_and_a_service_without_a_contract_is_not_there(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    await make_right(database, customer, title, may_download=True)
    assert code_of(await keep(client, device, customer, title, system="clearkey")) == (409, "drm_cannot_persist")
    assert (await keep(client, device, customer, title, system="fairplay")).status_code == 400
    parts = parts_of(app)
    attach(app, replace(parts, settings=replace(parts.settings, drmtoday=None)))
    assert code_of(await keep(client, device, customer, title, system="drmtoday")) == (404, "not_found")
    assert await owner.fetchval("SELECT count(*) FROM store.offline_licences") == 0
    rows = await owner.fetch("SELECT outcome, reason, system, title_id FROM store.licence_events ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("refused", "drm_cannot_persist", "clearkey", title.id),
        ("refused", "not_found", "drmtoday", title.id),
    ]


async def test_what_the_licensor_does_not_allow_is_not_kept(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    assert code_of(await keep(client, device, customer, title)) == (403, "download_not_granted")
    assert (await device.open(client, customer, title)).status_code == 201, "it may be streamed all the same"


async def test_a_rental_that_is_out_plays_there_only(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, may_download=True)
    issued = await kept(client, device, customer, title)
    tablet = await another_device(client, customer, settings)
    for asking in (device, tablet):
        refused = await asking.open(client, customer, title)
        assert code_of(refused) == (409, "rental_downloaded")
        [reason] = refused.json()["reasons"]
        assert reason["action"]["name"] == "return_download"
        assert (reason["details"]["device"], reason["details"]["id"]) == ("Laptop", issued["download"]["id"])
    elsewhere = await keep(client, tablet, customer, title)
    assert code_of(elsewhere) == (409, "download_outstanding")
    assert "Laptop" in elsewhere.json()["detail"]

    assert (await give_back(client, device, customer, issued["download"]["id"])).status_code == 200
    assert (await tablet.open(client, customer, title)).status_code == 201


async def test_a_lost_answer_is_given_once_more_and_a_second_beginning_is_not(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = AT
    await make_right(database, customer, title, granted_at=AT, may_download=True)
    first = await kept(client, device, customer, title)
    clock.fixed = AT + timedelta(minutes=14)
    again = await kept(client, device, customer, title)
    assert again["download"]["id"] == first["download"]["id"]
    assert again["download"]["lasts_until"] == first["download"]["lasts_until"]
    clock.fixed = AT + timedelta(minutes=15)
    assert code_of(await keep(client, device, customer, title)) == (409, "download_outstanding")


async def test_a_rental_that_streams_elsewhere_is_not_kept_and_here_it_stops(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, may_download=True)
    tablet = await another_device(client, customer, settings)
    playback = (await device.open(client, customer, title)).json()
    assert code_of(await keep(client, tablet, customer, title)) == (409, "rental_stream_busy")
    await kept(client, device, customer, title)
    assert (await device.beat(client, customer, playback["id"])).status_code == 410
    assert (await device.licence(client, playback["token"])).status_code == 410


async def test_a_purchase_is_on_two_devices_and_streams_on_others(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = AT
    await make_right(database, customer, title, kind="buy", granted_at=AT, may_download=True)
    tablet = await another_device(client, customer, settings)
    phone = await another_device(client, customer, settings, name="Telefon")
    issued = [await kept(client, one, customer, title) for one in (device, tablet)]
    refused = await keep(client, phone, customer, title)
    assert code_of(refused) == (409, "download_devices_full")
    assert [one["device"] for one in refused.json()["devices"]] == ["Laptop", "Tablet"]
    assert (await phone.open(client, customer, title)).status_code == 201

    await give_back(client, tablet, customer, issued[1]["download"]["id"])
    third = await kept(client, phone, customer, title)
    clock.fixed = AT + timedelta(days=30)
    assert (await keep(client, tablet, customer, title)).status_code == 201, "what has lapsed takes no place"
    listed = (await client.get(PATH, headers=customer.headers)).json()["downloads"]
    assert [one["device"] for one in listed] == ["Tablet"]
    assert third["download"]["id"] not in [one["id"] for one in listed]


async def test_only_the_device_itself_returns_a_film(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, may_download=True)
    issued = await kept(client, device, customer, title)
    tablet, stranger = await another_device(client, customer, settings), await make_customer(database)
    for asking, who in ((tablet, customer), (device, stranger)):
        answer = await give_back(client, asking, who, issued["download"]["id"])
        assert code_of(answer) == (404, "download_not_found")
    other_session = await another_session(database, customer)
    first = await give_back(client, device, other_session, issued["download"]["id"])
    again = await give_back(client, device, customer, issued["download"]["id"], first_played_at="2026-01-01T00:00:00Z")
    assert first.json()["ended_at"] == again.json()["ended_at"]
    assert again.json()["first_played_at"] is None, "what was returned is returned"


@pytest.mark.parametrize(
    ("told", "began"),
    [
        (None, None),
        ("2026-12-03T10:00:00Z", "2026-12-03T10:00:00"),
        ("1999-01-01T00:00:00Z", "2026-12-01T20:00:00"),
        ("2099-01-01T00:00:00Z", "2026-12-05T20:00:00"),
    ],
    ids=["never", "a day later", "before it was out", "in the future"],
)
async def test_a_returned_rental_began_when_the_device_says_within_the_time_that_it_was_out(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    told: str | None,
    began: str | None,
) -> None:
    clock.fixed = AT
    right = await make_right(database, customer, title, granted_at=AT, may_download=True)
    issued = await kept(client, device, customer, title)
    clock.fixed = AT + timedelta(days=4)
    body = {"first_played_at": told} if told else {}
    assert (await give_back(client, device, customer, issued["download"]["id"], **body)).status_code == 200
    row = await owner.fetchrow("SELECT first_played_at, ends_at FROM store.entitlements WHERE id = $1", right)
    first = datetime.fromisoformat(began).replace(tzinfo=UTC) if began else None
    assert row["first_played_at"] == first
    assert row["ends_at"] == (first + timedelta(hours=48) if first else None)


@pytest.mark.parametrize("days", [31, 300])
@pytest.mark.parametrize("near_end", ["full", "cut"])
async def test_who_returns_it_late_began_no_later_than_might_be(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    days: int,
    near_end: str,
) -> None:
    clock.fixed = AT
    await make_right(database, customer, title, granted_at=AT, near_end=near_end, may_download=True)
    issued = await kept(client, device, customer, title)
    clock.fixed = AT + timedelta(days=days)
    told = "2099-01-01T00:00:00Z"
    assert (await give_back(client, device, customer, issued["download"]["id"], first_played_at=told)).is_success
    ends_at: datetime = await owner.fetchval("SELECT ends_at FROM store.entitlements")
    assert ends_at == AT + timedelta(days=32 if near_end == "full" else 30)
    clock.fixed = max(clock.fixed, ends_at)
    assert code_of(await device.open(client, customer, title)) == (403, "rental_over")


@pytest.mark.parametrize("kind", ["buy", "rent"])
async def test_each_episode_of_a_season_has_a_licence_of_its_own(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    kind: str,
) -> None:
    clock.fixed = AT
    season = await make_title(database, kind="season", parent=await make_title(database, kind="series"))
    first, second = [await make_title(database, kind="episode", parent=season, number=number) for number in (1, 2)]
    kid = await make_other_film(database, settings, second)
    await make_right(database, customer, season, kind=kind, granted_at=AT, may_download=True)
    one = await kept(client, device, customer, first)
    other = await keep(client, device, customer, second)
    if kind == "rent":
        assert code_of(other) == (409, "download_outstanding"), "a rental is in one place, and plays one at a time"
        return
    assert other.json()["download"]["id"] != one["download"]["id"]
    assert key_ids_of(other.json()) == [str(UUID(bytes=decode(kid)))]
    again = await kept(client, device, customer, first)
    assert again["download"]["id"] == one["download"]["id"]
    listed = (await client.get(PATH, headers=customer.headers)).json()["downloads"]
    assert {line["slug"] for line in listed} == {first.slug, second.slug}
    tablet, phone = [await another_device(client, customer, settings, name=name) for name in ("Tablet", "Telefon")]
    assert (await keep(client, tablet, customer, first)).status_code == 201, "two on one device take one place"
    assert code_of(await keep(client, phone, customer, second)) == (409, "download_devices_full")


async def test_what_a_device_says_is_believed_three_times(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, may_download=True)
    for _ in range(3):
        issued = await kept(client, device, customer, title)
        await give_back(client, device, customer, issued["download"]["id"])
    assert code_of(await keep(client, device, customer, title)) == (409, "downloads_used_up")
    assert (await device.open(client, customer, title)).status_code == 201


async def test_a_right_that_was_taken_back_is_on_the_list_of_what_to_delete(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy", may_download=True)
    await kept(client, device, customer, title)

    async def must_be_deleted() -> bool:
        [line] = (await client.get(PATH, headers=customer.headers)).json()["downloads"]
        return bool(line["must_be_deleted"])

    assert await must_be_deleted() is False
    await owner.execute("UPDATE store.entitlements SET revoked_at = now(), revoke_reason = 'refund'")
    assert await must_be_deleted() is True
    assert code_of(await keep(client, device, customer, title)) == (403, "right_revoked"), "nor is it renewed"
    await owner.execute("UPDATE store.entitlements SET revoked_at = NULL")
    await owner.execute("UPDATE store.devices SET removed_at = now()")
    assert await must_be_deleted() is True
    assert code_of(await keep(client, device, customer, title)) == (403, "device_removed")


async def test_after_a_download_there_is_no_withdrawal(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    order, line = await make_order(owner, customer, title, kind="buy")
    right = await make_right(database, customer, title, kind="buy", may_download=True)
    await owner.execute("UPDATE store.entitlements SET order_line_id = $1 WHERE id = $2", line.id, right)
    refused = await keep(client, device, customer, title)
    assert code_of(refused) == (409, "confirmation_outstanding")
    await confirm(owner, order)
    issued = await kept(client, device, customer, title)
    await give_back(client, device, customer, issued["download"]["id"])
    async with database.sessions.begin() as session:
        refusal = await Grants().may_withdraw(session, lines=[line], at=datetime.now(UTC))
    assert refusal is not None
    assert refusal.code == "withdrawal_lost"


@pytest.mark.parametrize(("kind", "most"), [("rent", 1), ("buy", 2)])
async def test_of_many_devices_at_once_as_many_get_it_as_may(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
    kind: str,
    most: int,
) -> None:
    await owner.execute(
        "INSERT INTO store.device_limits (account_id, devices, new_devices, new_device_days, streams,"
        " streams_per_rental) VALUES ($1, 24, 24, 30, 2, 1)",
        customer.account_id,
    )
    await make_right(database, customer, title, kind=kind, may_download=True)
    devices = [await another_device(client, customer, settings, name=f"Gerät {number}") for number in range(24)]
    answers = await asyncio.gather(*(keep(client, one, customer, title) for one in devices))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) == most
    assert set(statuses) == {201, 409}
    assert await owner.fetchval("SELECT count(*) FROM store.offline_licences WHERE ended_at IS NULL") == most


async def test_a_rental_is_streamed_or_kept_and_never_both_at_once(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, may_download=True)
    tablet = await another_device(client, customer, settings)
    answers = await asyncio.gather(
        *(keep(client, device, customer, title) for _ in range(6)),
        *(tablet.open(client, customer, title) for _ in range(6)),
    )
    kept_ones, streams = ({answer.status_code for answer in half} for half in (answers[:6], answers[6:]))
    assert (kept_ones, streams) in [({201}, {409}), ({409}, {201})]


async def test_a_withdrawal_and_a_download_at_once_come_one_after_the_other(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title, kind="buy", may_download=True)
    revoked = "UPDATE store.entitlements SET revoked_at = now(), revoke_reason = 'withdrawal' WHERE id = $1"
    async with owner.transaction():
        await owner.execute(revoked, right)
        asking = asyncio.create_task(keep(client, device, customer, title))
        await eventually(lambda: owner.fetchval("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1"))
    assert code_of(await asking) == (403, "right_revoked")
    assert await owner.fetchval("SELECT count(*) FROM store.offline_licences") == 0


async def test_the_keys_are_in_no_answer_but_enciphered(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, may_download=True)
    answer = await keep(client, device, customer, title)
    told = jwt.decode(answer.json()["licence"]["value"], AXINOM.communication_key, algorithms=["HS256"])
    said = answer.text + str(told)
    for key in KEYS.values():
        assert not any(form in said for form in (key.hex(), base64.b64encode(key).decode(), encode(key)))
