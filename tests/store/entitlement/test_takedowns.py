"""A title that a court or an authority forbids to show: it stops where it plays, begins nowhere, and is told why."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.catalogue.models import Title
from store.catalogue.takedowns import note_takedown
from store.database import Database
from store.settings import Settings
from tests.crawling import rows_by_table
from tests.fakes import FakeGateway
from tests.store.entitlement.parts import Customer, TestDevice, make_right, make_title
from tests.store.entitlement.takedown_orders import REASON, bought, order_down
from tests.store.entitlement.test_downloads import PATH, keep, kept
from tests.store.purchase.shops import make_offer


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def series(database: Database, title: Title) -> dict[str, Title]:
    """A series with a season of two episodes; like the film, all of them play the test film."""
    made = {"series": await make_title(database, kind="series")}
    made["season"] = await make_title(database, kind="season", parent=made["series"])
    made["first"] = await make_title(database, kind="episode", parent=made["season"])
    made["second"] = await make_title(database, kind="episode", parent=made["season"], number=2)
    return made


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def locks_waited_for(owner: asyncpg.Connection, number: int = 1) -> None:
    async with asyncio.timeout(20):
        while await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < number:
            pass


async def test_a_preview_tells_whom_it_meets_and_changes_nothing(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await bought(client, database, gateway, owner, customer, title)
    await make_offer(database, title_id=title.id, starts_at=datetime(2100, 1, 1, tzinfo=UTC))
    await make_right(database, customer, title)
    over = datetime(2026, 1, 1, tzinfo=UTC)
    await make_right(database, customer, title, granted_at=over, first_played_at=over)
    before = await rows_by_table(owner)
    assert await order_down(settings, title.slug, yes=False) == 0
    told = capsys.readouterr().out
    for words in (
        f"“{title.original_title}”: 1 × film.",
        "Rights in force: 2, customers: 1, paid: €11.99.",
        "Offers to be ended: 2.",
        "Nothing was done.",
    ):
        assert words in told
    # The command's clock tells the others what time it is.
    assert await rows_by_table(owner) == {**before, "store.business_time": 1}


async def test_what_plays_stops_at_the_next_sign_of_life_and_gets_no_further_licence(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    other = await make_title(database)
    await make_right(database, customer, other, kind="buy")
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    untouched = (await device.open(client, customer, other)).json()

    assert await order_down(settings, title.slug) == 0

    beat = await device.beat(client, customer, playback["id"])
    assert (*code_of(beat), beat.json()["end_reason"]) == (410, "playback_ended", "taken_down")
    assert code_of(await device.licence(client, playback["token"])) == (410, "playback_ended")
    refused = await device.open(client, customer, title)
    assert code_of(refused) == (451, "title_taken_down"), "it weighs more than that the right has ended"
    assert (refused.json()["reasons"][0]["action"]["name"], refused.json()["reasons"][0]["retry"]) == (
        "ask_support",
        False,
    )
    assert refused.json()["detail"].startswith("Dieser Titel darf aus rechtlichen Gründen nicht mehr gezeigt werden.")
    assert (await device.beat(client, customer, untouched["id"])).status_code == 200
    noted = await owner.fetchrow("SELECT * FROM store.takedowns")
    assert (noted["title_id"], noted["reason"], noted["lifted_at"]) == (title.id, REASON, None)
    entry = await owner.fetchrow("SELECT action, target_id, reason, actor_id FROM auth.audit_events")
    assert tuple(entry) == ("title.taken_down", title.slug, REASON, None)


async def test_an_episode_stops_also_for_who_has_the_season_and_the_others_play_on(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    series: dict[str, Title],
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = await make_right(database, customer, series["season"], kind="buy")
    playback = (await device.open(client, customer, series["first"])).json()

    assert await order_down(settings, series["first"].slug) == 0

    assert (await device.beat(client, customer, playback["id"])).json()["end_reason"] == "taken_down"
    assert code_of(await device.open(client, customer, series["first"])) == (451, "title_taken_down")
    assert (await device.open(client, customer, series["second"])).status_code == 201
    told = capsys.readouterr().out
    assert "Rights in force: 0, customers: 0, paid: nothing." in told
    assert f"what goes back for it: right {right}." in told
    assert await owner.fetchval("SELECT revoked_at FROM store.entitlements") is None


@pytest.mark.parametrize("whole", ["season", "series"])
async def test_a_season_or_series_takes_its_episodes_with_it(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    series: dict[str, Title],
    whole: str,
) -> None:
    await make_right(database, customer, series["second"], kind="buy")
    playback = (await device.open(client, customer, series["second"])).json()
    assert await order_down(settings, series[whole].slug) == 0
    assert (await device.beat(client, customer, playback["id"])).json()["end_reason"] == "taken_down"
    assert code_of(await device.open(client, customer, series["second"])) == (451, "title_taken_down")
    assert await owner.fetchval("SELECT revoke_reason FROM store.entitlements") == "title_taken_down"


@pytest.mark.usefixtures("contracts")
async def test_a_download_is_not_renewed_and_is_to_be_deleted(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    """Already before its right has ended."""
    await make_right(database, customer, title, kind="buy", may_download=True)
    await kept(client, device, customer, title)
    now = datetime.now(UTC)
    async with database.sessions.begin() as session:
        await note_takedown(session, title, reason=REASON, done_by=None, at=now, done_at=now)
    [line] = (await client.get(PATH, headers=customer.headers)).json()["downloads"]
    assert line["must_be_deleted"] is True
    assert code_of(await keep(client, device, customer, title)) == (451, "title_taken_down")


async def test_a_playback_that_is_about_to_begin_is_waited_for_and_ended(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    async with owner.transaction():
        # It was decided that it may begin, and it is not written yet.
        await owner.execute("SELECT FROM store.devices FOR UPDATE")
        opening = asyncio.create_task(device.open(client, customer, title))
        await locks_waited_for(owner)
        takedown = asyncio.create_task(order_down(settings, title.slug))
        await locks_waited_for(owner, 2)
    playback = await opening
    assert playback.status_code == 201
    assert await takedown == 0
    assert await owner.fetchval("SELECT end_reason FROM store.playback_sessions") == "taken_down"
    assert code_of(await device.licence(client, playback.json()["token"])) == (410, "playback_ended")


async def test_a_playback_that_begins_during_a_takedown_waits_and_is_refused(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    now = datetime.now(UTC)
    async with database.sessions.begin() as session:
        await note_takedown(session, title, reason=REASON, done_by=None, at=now, done_at=now)
        opening = asyncio.create_task(device.open(client, customer, title))
        await locks_waited_for(owner)
    assert code_of(await opening) == (451, "title_taken_down")
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions") == 0


async def test_a_takedown_is_lifted_and_what_was_only_part_of_a_right_plays_again(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    series: dict[str, Title],
) -> None:
    slug = series["first"].slug
    await make_right(database, customer, series["season"], kind="buy")
    assert await order_down(settings, slug) == 0
    page = (await client.get(f"/v1/titles/{slug}")).json()
    await make_offer(database, title_id=series["first"].id)
    assert (await client.get(f"/v1/titles/{slug}")).json()["offers"] == page["offers"] == []
    assert await order_down(settings, slug, yes=False, lift=True) == 0
    assert code_of(await device.open(client, customer, series["first"])) == (451, "title_taken_down")
    assert await order_down(settings, slug, lift=True) == 0
    assert (await device.open(client, customer, series["first"])).status_code == 201
    assert len((await client.get(f"/v1/titles/{slug}")).json()["offers"]) == 1, "its page is built anew"
    trail = await owner.fetch("SELECT action FROM auth.audit_events ORDER BY id")
    assert [entry["action"] for entry in trail] == ["title.taken_down", "title.takedown_lifted"]
    assert await order_down(settings, slug) == 0, "and it may be taken down once more"
    assert code_of(await device.open(client, customer, series["first"])) == (451, "title_taken_down")


async def test_a_takedown_is_lifted_never_changed_or_removed(
    database: Database, settings: Settings, title: Title
) -> None:
    assert await order_down(settings, title.slug) == 0
    for statement in ("UPDATE store.takedowns SET reason = 'x'", "DELETE FROM store.takedowns"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.reads.execute(statement)


@pytest.mark.usefixtures("app")
async def test_the_command_names_a_title_that_is_not_there(environment: dict[str, str]) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "store.cli", "take-down", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    unknown = await asyncio.to_thread(run, "gibt-es-nicht", "--reason", REASON, "--yes")
    assert (unknown.returncode, unknown.stderr) == (2, "We have no such title. Searching may help.\n")
    without = await asyncio.to_thread(run, "gibt-es-nicht", "--reason", " ")
    assert (without.returncode, "1 to 500 characters" in without.stderr) == (2, True)


async def test_a_licensors_end_of_an_offer_does_not_touch_what_was_sold(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await bought(client, database, gateway, owner, customer, title)
    await owner.execute("UPDATE store.offers SET ends_at = now()")
    assert (await client.get(f"/v1/titles/{title.slug}")).json()["offers"] == []
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    assert (await device.beat(client, customer, playback["id"])).status_code == 200
