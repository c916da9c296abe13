"""Showings: every reason against one, the question before a rental begins, places, heartbeats, failures."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.entitlement.grants import Grants
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import TEST_FILM, Customer, TestDevice, confirm, make_order, make_right, make_title


async def test_a_showing_says_what_to_play_and_until_when(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = datetime(2026, 12, 1, 20, tzinfo=UTC)
    await make_right(database, customer, title, granted_at=clock.fixed, quality="UHD")
    answer = await device.open(client, customer, title)
    assert answer.status_code == 201, answer.text
    showing = answer.json()
    assert showing["manifest_url"] == f"/media/{TEST_FILM.asset_id}/{TEST_FILM.version}/manifest.mpd"
    assert showing["tracks"] == ["AUDIO", "SD", "HD"], "the film has no UHD pictures"
    assert (showing["starts_rental"], showing["stands_in"], showing["heartbeat_seconds"]) == (True, True, 30)
    assert (showing["server_time"], showing["ends_at"]) == ("2026-12-01T20:00:00Z", "2026-12-03T20:00:00Z")
    assert "no-store" in answer.headers["cache-control"]


async def test_before_a_rental_begins_the_customer_is_asked(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = datetime(2026, 12, 1, 20, tzinfo=UTC)
    await make_right(database, customer, title, granted_at=clock.fixed)
    answer = await device.open(client, customer, title, start_confirmed=False)
    assert (answer.status_code, answer.json()["code"]) == (409, "start_confirmation_needed")
    question = answer.json()
    assert (question["ends_at"], question["bound_by"], question["watch_hours"]) == (
        "2026-12-03T20:00:00Z",
        "watch_hours",
        48,
    )
    assert question["detail"].startswith(
        "Mit dem Start beginnt Ihre Leihzeit; sie endet am 03.12.2026, 21:00 Uhr (MEZ)"
    )
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions") == 0


@pytest.mark.parametrize("kind", ["buy", "running rental"])
async def test_what_begins_nothing_asks_nothing(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    kind: str,
) -> None:
    began = datetime.now(UTC) - timedelta(hours=1)
    if kind == "buy":
        await make_right(database, customer, title, kind="buy")
    else:
        await make_right(database, customer, title, granted_at=began, first_played_at=began)
    assert (await device.open(client, customer, title, start_confirmed=False)).status_code == 201


async def test_all_reasons_are_named_in_their_order(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    unregistered_device: TestDevice,
) -> None:
    title = await make_title(database)
    long_ago = datetime.now(UTC) - timedelta(days=90)
    await make_right(database, customer, title, granted_at=long_ago)
    await owner.execute("UPDATE store.entitlements SET paused_at = now(), pause_reason = 'dispute'")
    answer = await unregistered_device.open(client, customer, title)
    assert (answer.status_code, answer.json()["code"]) == (403, "right_paused")
    assert [reason["code"] for reason in answer.json()["reasons"]] == [
        "right_paused",
        "rental_not_started_in_time",
        "film_not_ready",
        "device_not_registered",
    ]
    recorded = await owner.fetch("SELECT step, outcome, reason, title_id FROM store.licence_events")
    assert [tuple(row) for row in recorded] == [("playback", "refused", "right_paused", title.id)]


async def test_without_a_right_nothing_opens(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    answer = await device.open(client, customer, title)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_entitled")
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions") == 0
    nothing = Title(slug="no-such-film")
    assert (await device.open(client, customer, nothing)).json()["code"] == "film_unknown"


async def test_an_episode_is_covered_by_the_right_to_its_series(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    series = await make_title(database, kind="series")
    season = await make_title(database, kind="season", parent=series)
    episode = await make_title(database, kind="episode", parent=season)
    assert (await device.open(client, customer, episode)).json()["code"] == "not_entitled"
    await make_right(database, customer, series, kind="buy")
    assert (await device.open(client, customer, episode)).status_code == 201


async def test_a_bought_film_goes_before_a_rented_one(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy", quality="SD")
    await make_right(database, customer, title, kind="rent", quality="HD")
    showing = (await device.open(client, customer, title, start_confirmed=False)).json()
    assert (showing["kind"], showing["quality"], showing["ends_at"]) == ("buy", "SD", None)


async def test_while_a_better_rental_runs_it_goes_before_a_purchase(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy", quality="SD")
    await make_right(database, customer, title, kind="rent", quality="HD", first_played_at=datetime.now(UTC))
    showing = (await device.open(client, customer, title, start_confirmed=False)).json()
    assert (showing["kind"], showing["quality"]) == ("rent", "HD")


async def test_two_films_at_a_time_and_a_third_names_the_devices(
    client: httpx.AsyncClient, database: Database, settings: Settings, customer: Customer, title: Title
) -> None:
    titles = [await make_title(database) for _ in range(3)]
    devices = [TestDevice(settings.base_url) for _ in range(3)]
    for number, (device, film) in enumerate(zip(devices, titles, strict=True)):
        await make_right(database, customer, film, kind="buy")
        await device.register(client, customer, name=f"Gerät {number}")
    first = (await devices[0].open(client, customer, titles[0])).json()
    assert (await devices[1].open(client, customer, titles[1])).status_code == 201
    refusal = await devices[2].open(client, customer, titles[2])
    assert (refusal.status_code, refusal.json()["code"]) == (409, "streams_busy")
    assert [session["device"] for session in refusal.json()["sessions"]] == ["Gerät 0", "Gerät 1"]
    assert (await devices[0].open(client, customer, titles[0])).status_code == 201, "a reload keeps its place"
    streams = (await client.get("/v1/playback-sessions", headers=customer.headers)).json()["playback_sessions"]
    assert sorted(stream["title"] for stream in streams) == sorted([titles[0].slug, titles[1].slug])
    assert (await devices[0].beat(client, customer, first["id"])).json()["end_reason"] == "replaced"
    for stream in streams:
        stopped = await client.delete(f"/v1/playback-sessions/{stream['id']}", headers=customer.headers)
        assert stopped.status_code == 204
    assert (await devices[2].open(client, customer, titles[2])).status_code == 201


async def test_twelve_starts_at_once_get_two_places(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    titles = [await make_title(database) for _ in range(12)]
    for film in titles:
        await make_right(database, customer, film, kind="buy")
    answers = await asyncio.gather(*(device.open(client, customer, film) for film in titles))
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 10
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions WHERE ended_at IS NULL") == 2


async def test_a_rental_plays_on_one_device_at_a_time(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    other = TestDevice(settings.base_url)
    await other.register(client, customer, name="Fernseher")
    playback = (await device.open(client, customer, title)).json()
    refusal = await other.open(client, customer, title)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "rental_stream_busy")
    assert [session["device"] for session in refusal.json()["sessions"]] == ["Laptop"]
    await owner.execute("UPDATE store.playback_sessions SET beat_at = now() - interval '91 seconds'")
    assert (await other.open(client, customer, title)).status_code == 201, "ninety seconds of silence free the place"
    beat = await device.beat(client, customer, playback["id"])
    assert (beat.status_code, beat.json()["end_reason"]) == (410, "silent")


async def test_a_heartbeat_keeps_the_place_and_brings_a_fresh_token(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    await owner.execute("UPDATE store.playback_sessions SET beat_at = now() - interval '60 seconds'")
    beat = await device.beat(client, customer, playback["id"], position=12.5)
    assert beat.status_code == 200, beat.text
    assert (await device.licence(client, beat.json()["token"])).status_code == 200
    [row] = await owner.fetch("SELECT position, now() - beat_at AS silence FROM store.playback_sessions")
    assert row["position"] == 12.5
    assert row["silence"] < timedelta(seconds=30)
    stranger = TestDevice(device.base_url)
    assert (await stranger.beat(client, customer, playback["id"])).json()["code"] == "playback_not_found"
    await owner.execute("UPDATE store.entitlements SET revoked_at = now()")
    refused = await device.beat(client, customer, playback["id"], position=42)
    assert (refused.status_code, refused.json()["code"]) == (403, "right_revoked")
    assert await owner.fetchval("SELECT position FROM store.playback_sessions") == 12.5


async def test_a_failure_before_the_first_picture_takes_the_start_back_once(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    clock_query = "SELECT first_played_at IS NOT NULL FROM store.entitlements"
    for is_taken_back in (True, False):
        playback = (await device.open(client, customer, title)).json()
        assert (await device.licence(client, playback["token"])).status_code == 200
        assert await owner.fetchval(clock_query) is True
        answer = await device.fail(client, customer, playback["id"])
        told = answer.json()
        assert told["start_taken_back"] is is_taken_back
        assert (told["ends_at"] is None) is is_taken_back
        assert told["start_by"] > told["server_time"]
        assert await owner.fetchval(clock_query) is not is_taken_back
        assert (await device.licence(client, playback["token"])).json()["code"] == "playback_ended"


async def test_of_many_reports_of_one_failure_at_once_one_takes_the_start_back(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    await device.licence(client, playback["token"])
    reports = await asyncio.gather(*(device.fail(client, customer, playback["id"]) for _ in range(8)))
    assert [report.json()["start_taken_back"] for report in reports] == [True] * 8
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None


@pytest.mark.parametrize(
    ("days_in", "fails_after", "is_taken_back"),
    [
        (0, timedelta(minutes=14, seconds=59), True),
        (0, timedelta(minutes=15), False),
        (30, timedelta(seconds=59), True),
        (30, timedelta(seconds=60), False),
    ],
    ids=["soon", "late", "while it may be started again", "when it may not"],
)
async def test_a_start_is_taken_back_soon_and_never_so_that_the_rental_is_lost(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    days_in: int,
    fails_after: timedelta,
    is_taken_back: bool,
) -> None:
    granted_at = datetime(2026, 12, 1, 20, tzinfo=UTC)
    await make_right(database, customer, title, granted_at=granted_at, start_days=30)
    clock.fixed = granted_at + timedelta(days=days_in) - timedelta(minutes=1 if days_in else 0)
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    clock.fixed += fails_after
    answer = await device.fail(client, customer, playback["id"])
    assert answer.json()["start_taken_back"] is is_taken_back
    assert (await device.open(client, customer, title, start_confirmed=True)).status_code == 201


async def test_a_picture_that_another_device_showed_keeps_the_start(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    other = TestDevice(settings.base_url)
    await other.register(client, customer)
    playback = (await device.open(client, customer, title)).json()
    await device.licence(client, playback["token"])
    await owner.execute(
        "INSERT INTO store.device_limits (account_id, devices, new_devices, new_device_days, streams,"
        " streams_per_rental) VALUES ($1, 5, 5, 30, 2, 2)",
        customer.account_id,
    )
    seen = (await other.open(client, customer, title)).json()
    await other.beat(client, customer, seen["id"], position=600)
    assert (await device.fail(client, customer, playback["id"])).json()["start_taken_back"] is False
    assert await owner.fetchval("SELECT first_played_at IS NOT NULL FROM store.entitlements") is True


async def test_a_rental_that_was_on_hold_plays_until_its_new_end(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    began, day = datetime(2026, 12, 1, 20, tzinfo=UTC), timedelta(days=1)
    right = await make_right(database, customer, title, granted_at=began, first_played_at=began)
    order, line = await make_order(owner, customer, title)
    await confirm(owner, order)
    await owner.execute("UPDATE store.entitlements SET order_line_id = $1 WHERE id = $2", line.id, right)
    async with database.sessions.begin() as session:
        await Grants().hold(session, lines=[line], reason="dispute", at=began + day)
        await Grants().release(session, lines=[line], reason="dispute", at=began + 4 * day)
    clock.fixed = began + 5 * day - timedelta(seconds=9)
    playback = (await device.open(client, customer, title)).json()
    assert (playback["ends_at"], playback["bound_by"]) == ("2026-12-06T20:00:00Z", "watch_hours")
    assert (await device.licence(client, playback["token"])).status_code == 200
    clock.fixed = began + 5 * day
    assert (await device.beat(client, customer, playback["id"])).json()["code"] == "rental_over"


async def test_a_failure_after_a_picture_was_seen_takes_nothing_back(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    await device.licence(client, playback["token"])
    await device.beat(client, customer, playback["id"], position=3.0)
    assert (await device.fail(client, customer, playback["id"])).json()["start_taken_back"] is False
    assert await owner.fetchval("SELECT first_played_at IS NOT NULL FROM store.entitlements") is True
