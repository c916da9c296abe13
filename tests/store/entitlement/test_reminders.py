"""Reminders before a rental's deadlines: once each, only where they help, and by both clocks of the year."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.catalogue.models import Title
from store.composition import periodic_jobs
from store.database import Database
from store.entitlement.grants import Grants
from store.entitlement.reminders import END_NOTICE, START_NOTICE, Reminders
from store.settings import Settings
from store.web.wording import wording
from tests.auth.people import parts_of
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import Customer, TestDevice, make_order, make_right, make_title

GRANTED = datetime(2026, 12, 1, 20, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def remind(app: Litestar, at: datetime) -> int:
    parts = parts_of(app)
    return await Reminders(parts.database, parts.outbox).send_due(at=at)


async def kinds(owner: asyncpg.Connection) -> list[str]:
    return [row["kind"] for row in await owner.fetch("SELECT kind FROM store.mails ORDER BY id")]


async def test_both_deadlines_are_told_once_each_and_in_time(
    app: Litestar,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    right = await make_right(database, customer, title, granted_at=GRANTED)
    start_by = GRANTED + timedelta(days=30)
    assert await remind(app, start_by - START_NOTICE - SECOND) == 0
    assert [await remind(app, start_by - START_NOTICE) for _ in range(3)] == [1, 0, 0]
    began = start_by - timedelta(days=1)
    ends_at = began + timedelta(hours=48)
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
        await owner.execute(
            "UPDATE store.entitlements SET first_played_at = $1, ends_at = $2 WHERE id = $3", began, ends_at, right
        )
        assert await remind(app, ends_at - END_NOTICE - SECOND) == 0
        assert [await remind(app, ends_at - END_NOTICE) for _ in range(3)] == [1, 0, 0]
        await deliver_mails(app)
    start, end = office.letters
    assert start["Subject"] == f"Noch bis 31. Dezember 2026, 21:00 Uhr: {title.original_title} starten"
    assert "Nach dem Start haben Sie 48 Stunden Zeit" in text_of(start)
    assert end["Subject"] == f"Noch bis 1. Januar 2027, 21:00 Uhr: {title.original_title} zu Ende sehen"
    assert f"{settings.base_url}/de/watch/{title.slug}" in text_of(end)
    assert "enthält keine Werbung" in text_of(end)


async def test_the_job_run_many_times_at_once_reminds_once(
    app: Litestar, database: Database, owner: asyncpg.Connection, customer: Customer
) -> None:
    for _ in range(3):
        await make_right(database, customer, await make_title(database), granted_at=GRANTED)
    at = GRANTED + timedelta(days=29)
    counts = await asyncio.gather(*(remind(app, at) for _ in range(6)))
    assert sum(counts) == 3
    assert await kinds(owner) == ["rental_start_reminder"] * 3


async def test_the_worker_knows_the_job(
    app: Litestar,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    title: Title,
) -> None:
    await make_right(database, customer, title, granted_at=GRANTED)
    clock.fixed = GRANTED + timedelta(days=29)
    _, remind_of_rentals = periodic_jobs(parts_of(app))["remind_of_rentals"]
    for _ in range(2):
        await remind_of_rentals()
    assert await kinds(owner) == ["rental_start_reminder"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE store.entitlements SET revoked_at = now(), revoke_reason = 'refund' WHERE kind = 'rent'",
        "UPDATE store.entitlements SET paused_at = now(), pause_reason = 'dispute' WHERE kind = 'rent'",
        "watched",
        "UPDATE auth.accounts SET status = 'disabled'",
        "bought",
    ],
    ids=["refunded", "on hold", "watched to the end", "account closed", "bought meanwhile"],
)
@pytest.mark.parametrize("is_queued_before", [False, True], ids=["before it is queued", "while it waits"])
async def test_nobody_is_reminded_of_what_is_settled(
    client: httpx.AsyncClient,
    app: Litestar,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    change: str,
    is_queued_before: bool,
) -> None:
    clock.fixed = GRANTED
    await make_right(database, customer, title, granted_at=GRANTED)
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    await owner.execute("UPDATE store.media_assets SET seconds = 60")
    at = GRANTED + timedelta(hours=48) - END_NOTICE
    assert await remind(app, at) == 1 if is_queued_before else True
    if change == "bought":
        await make_right(database, customer, title, kind="buy")
    elif change == "watched":
        clock.fixed = at
        assert (await device.beat(client, customer, playback["id"], position=58)).status_code == 200
    else:
        await owner.execute(change)
    with open_post_office(settings.smtp_url) as office:
        assert await remind(app, at) == 0
        await deliver_mails(app)
    assert office.letters == []


async def test_who_looked_at_the_end_and_went_back_is_reminded(
    client: httpx.AsyncClient,
    app: Litestar,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = GRANTED
    await make_right(database, customer, title, granted_at=GRANTED)
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    await owner.execute("UPDATE store.media_assets SET seconds = 60")
    for position in (58, 5):
        assert (await device.beat(client, customer, playback["id"], position=position)).status_code == 200
    assert await remind(app, GRANTED + timedelta(hours=48) - END_NOTICE) == 1


async def test_short_spans_are_reminded_of_in_their_last_quarter(
    app: Litestar, database: Database, customer: Customer
) -> None:
    films = [await make_title(database) for _ in range(2)]
    await make_right(database, customer, films[0], granted_at=GRANTED, start_days=1)
    await make_right(database, customer, films[1], granted_at=GRANTED, first_played_at=GRANTED, watch_hours=4)
    told = [await remind(app, GRANTED + timedelta(hours=hours) - SECOND) for hours in (3, 4, 18, 24)]
    assert told == [0, 1, 0, 1]


async def test_what_is_over_or_bought_needs_no_reminder(app: Litestar, database: Database, customer: Customer) -> None:
    films = [await make_title(database) for _ in range(2)]
    await make_right(database, customer, films[0], granted_at=GRANTED, first_played_at=GRANTED)
    await make_right(database, customer, films[1], kind="buy", granted_at=GRANTED)
    assert [await remind(app, GRANTED + timedelta(hours=hours)) for hours in (41, 48, 1000)] == [0, 0, 0]


async def test_a_rental_that_was_on_hold_is_reminded_of_its_new_end(
    app: Litestar,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
) -> None:
    right = await make_right(database, customer, title, granted_at=GRANTED)
    _, line = await make_order(owner, customer, title)
    await owner.execute("UPDATE store.entitlements SET order_line_id = $1 WHERE id = $2", line.id, right)
    near = GRANTED + timedelta(days=28)
    assert await remind(app, near) == 1
    async with database.sessions.begin() as session:
        await Grants().hold(session, lines=[line], reason="dispute", at=near)
        await Grants().release(session, lines=[line], reason="dispute", at=near + timedelta(days=40))
    assert [await remind(app, near + timedelta(days=days)) for days in (39, 40)] == [0, 1]


async def test_a_reminder_to_start_is_dropped_when_the_film_was_started_meanwhile(
    client: httpx.AsyncClient,
    app: Litestar,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, granted_at=GRANTED)
    clock.fixed = GRANTED + timedelta(days=29)
    assert await remind(app, clock.fixed) == 1
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    assert office.letters == []
    assert await owner.fetchval("SELECT status FROM store.mails") == "dropped"


@pytest.mark.parametrize(
    ("began", "ends_at", "told_de", "told_en", "page"),
    [
        (
            datetime(2026, 10, 24, 18, tzinfo=UTC),
            "2026-10-26T18:00:00Z",
            "26.10.2026, 19:00 Uhr (MEZ)",
            "2026-10-26, 19:00 (CET)",
            "Mo. 26. Oktober, 19:00",
        ),
        (
            datetime(2027, 3, 27, 19, tzinfo=UTC),
            "2027-03-29T19:00:00Z",
            "29.03.2027, 21:00 Uhr (MESZ)",
            "2027-03-29, 21:00 (CEST)",
            "Mo. 29. März, 21:00",
        ),
    ],
    ids=["into winter", "into summer"],
)
async def test_daylight_saving_shifts_no_end_and_the_sentence_tells_the_time_of_that_day(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    began: datetime,
    ends_at: str,
    told_de: str,
    told_en: str,
    page: str,
) -> None:
    """Started at 20:00, 48 hours are 48 hours: the clock on the wall reads 19:00 or 21:00 at their end."""
    clock.fixed = began
    await make_right(database, customer, title, granted_at=began)
    question = (await device.check(client, customer, title, start_confirmed=False))["reasons"][0]
    assert question["details"]["ends_at"] == ends_at
    assert told_de in question["sentence"]["de"]
    assert told_en in question["sentence"]["en"]
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    kept: datetime = await owner.fetchval("SELECT ends_at FROM store.entitlements")
    assert kept - began == timedelta(hours=48)
    assert wording("de", "DE").moment(kept) == page
    clock.fixed = kept - SECOND
    beat = await device.beat(client, customer, playback["id"])
    assert (beat.status_code, beat.json()["ends_at"]) == (200, ends_at)
    clock.fixed = kept
    assert (await device.beat(client, customer, playback["id"])).json()["code"] == "rental_over"
