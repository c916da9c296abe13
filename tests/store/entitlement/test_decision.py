"""The playback decision: the same one as a dry run, for the player and for support, with every reason and way out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.entitlement import device_errors, download_errors, errors, licence_errors
from store.entitlement.errors import EntitlementError
from store.entitlement.reasons import tell
from store.settings import Settings
from tests.crawling import rows_by_table
from tests.scratch import MovableTestClock
from tests.store.consoles.people import Person, a_person
from tests.store.entitlement.downloading import keep
from tests.store.entitlement.parts import Customer, TestDevice, make_right, make_title

AT = datetime(2026, 12, 1, 20, tzinfo=UTC)


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


def codes(decision: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in decision["reasons"]]


async def support_sees(
    client: httpx.AsyncClient, agent: Person, customer: Customer, title: Title | None = None
) -> dict[str, Any]:
    params = {"title": title.slug} if title else {}
    path = f"/v1/staff/customers/{customer.account_id}/playback-decisions"
    answer = await client.get(path, params=params, headers=agent.headers)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


async def test_a_dry_run_allows_what_may_be_played_and_writes_nothing(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = AT
    await make_right(database, customer, title, granted_at=AT, quality="UHD")
    before = await rows_by_table(owner)
    decision = await device.check(client, customer, title)
    assert decision == {
        "allowed": True,
        "reasons": [],
        "kind": "rent",
        "quality": "UHD",
        "tracks": ["AUDIO", "SD", "HD"],
        "starts_rental": True,
        "start_by": "2026-12-31T20:00:00Z",
        "ends_at": "2026-12-03T20:00:00Z",
        "bound_by": "watch_hours",
        "server_time": "2026-12-01T20:00:00Z",
    }
    after = await rows_by_table(owner)
    assert after == {**before, "store.dpop_proofs": before["store.dpop_proofs"] + 1}
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None


async def test_every_reason_is_told_at_once_in_the_order_in_which_it_is_mended(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    clock: MovableTestClock,
    customer: Customer,
    title: Title,
) -> None:
    """A fresh rental, on the sixth device, while two films play: four steps, and no device is removed in vain."""
    clock.fixed = AT
    await make_right(database, customer, title, granted_at=AT)
    devices = [TestDevice(settings.base_url) for _ in range(6)]
    for number, device in enumerate(devices[:5]):
        assert (await device.register(client, customer, name=f"Gerät {number}")).status_code == 201
    for device in devices[:2]:
        other = await make_title(database)
        await make_right(database, customer, other, kind="buy")
        assert (await device.open(client, customer, other)).status_code == 201
    decision = await devices[5].check(client, customer, title, start_confirmed=False)
    assert codes(decision) == [
        "new_devices_exhausted",
        "device_not_registered",
        "streams_busy",
        "start_confirmation_needed",
    ]
    exhausted, unregistered, busy, question = decision["reasons"]
    assert exhausted["sentence"]["en"] == (
        "5 new devices were added within the last 30 days, which is the most. "
        "The next new one is possible from 2026-12-31, 21:00 (CET) if you remove another one by then; "
        "an earlier one as soon as you remove one."
    )
    assert exhausted["action"] == {
        "name": "replace_device",
        "method": "POST",
        "api": "/v1/devices/{id}/emergency-removals",
        "web": "/account/devices",
    }
    assert (exhausted["retry"], exhausted["details"]["next_free_at"]) == (True, "2026-12-31T20:00:00Z")
    assert len(exhausted["details"]["devices"]) == 5
    assert (unregistered["action"]["name"], unregistered["action"]["api"]) == ("register_device", "/v1/devices")
    assert (busy["action"]["api"], busy["action"]["web"]) == ("/v1/playback-sessions/{id}", "/account/streams")
    assert [stream["device"] for stream in busy["details"]["sessions"]] == ["Gerät 0", "Gerät 1"]
    assert question["action"]["web"] == f"/watch/{title.slug}"
    assert question["sentence"]["en"].startswith("Starting begins your rental time; it ends at 2026-12-03, 21:00 (CET)")
    refused = await devices[5].open(client, customer, title, start_confirmed=False)
    assert (refused.status_code, refused.json()["code"]) == (409, "new_devices_exhausted")
    assert refused.json()["reasons"] == decision["reasons"], "the real one says the same"


async def test_without_a_right_the_other_reasons_are_told_too(
    client: httpx.AsyncClient, database: Database, customer: Customer, unregistered_device: TestDevice
) -> None:
    series = await make_title(database, kind="series")
    decision = await unregistered_device.check(client, customer, series)
    assert codes(decision) == ["not_entitled", "film_not_ready", "device_not_registered"]
    assert (decision["kind"], decision["tracks"], decision["ends_at"]) == (None, [], None)
    assert decision["reasons"][0]["action"] == {
        "name": "rent_or_buy",
        "method": "POST",
        "api": "/v1/quotes",
        "web": f"/series/{series.slug}#buy",
    }


async def test_what_the_dry_run_allows_opens_and_what_it_names_refuses(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    title: Title,
    device: TestDevice,
) -> None:
    clock.fixed = AT
    steps = ["not_entitled", "start_confirmation_needed", None]
    for step in steps:
        if step == "start_confirmation_needed":
            await make_right(database, customer, title, granted_at=AT)
        is_confirmed = step is None
        decision = await device.check(client, customer, title, start_confirmed=is_confirmed)
        opened = await device.open(client, customer, title, start_confirmed=is_confirmed)
        assert codes(decision) == ([step] if step else [])
        assert opened.json().get("code") == step


async def test_a_missing_film_and_a_missing_proof_are_refusals_of_the_dry_run(
    client: httpx.AsyncClient, customer: Customer, device: TestDevice
) -> None:
    path = "/v1/playback-decisions"
    headers = {**customer.headers, "DPoP": device.proof("POST", path)}
    nothing = await client.post(path, json={"title": "nothing-here", "start_confirmed": True}, headers=headers)
    assert (nothing.status_code, nothing.json()["code"]) == (404, "film_unknown")
    bare = await client.post(path, json={"title": "nothing-here"}, headers=customer.headers)
    assert (bare.status_code, bare.json()["code"]) == (401, "invalid_dpop_proof")


async def test_support_sees_the_decision_of_the_last_attempt_and_the_look_is_on_record(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    unregistered_device: TestDevice,
    title: Title,
    agent: Person,
) -> None:
    clock.fixed = AT
    await make_right(database, customer, title, granted_at=AT)
    refused = await unregistered_device.open(client, customer, title, start_confirmed=False)
    clock.fixed = AT + timedelta(minutes=5)
    seen = await support_sees(client, agent, customer)
    expected = await unregistered_device.check(client, customer, title, start_confirmed=False)
    assert seen["decision"] == expected
    assert codes(expected) == ["device_not_registered", "start_confirmation_needed"]
    assert refused.json()["code"] == "device_not_registered"
    assert (seen["title"], seen["device"], seen["start_confirmed"]) == (title.slug, None, False)
    assert seen["last_attempt"] == {
        "at": "2026-12-01T20:00:00Z",
        "outcome": "refused",
        "reason": "device_not_registered",
    }
    assert (await device.open(client, customer, title)).status_code == 201
    seen = await support_sees(client, agent, customer)
    assert (seen["device"], seen["start_confirmed"], seen["decision"]["allowed"]) == ("Laptop", True, True)
    entries = await owner.fetch("SELECT * FROM auth.audit_events WHERE action = 'customer.playback_checked'")
    assert [(entry["actor_id"], entry["target_id"]) for entry in entries] == [
        (agent.account.id, str(customer.account_id))
    ] * 2
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions") == 1


async def test_support_sees_what_failed_after_it_was_allowed(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    agent: Person,
) -> None:
    """Keys that cannot be read, and a player that fails: an incident is found by these codes."""
    clock.fixed = AT
    await make_right(database, customer, title, granted_at=AT)
    seen = await support_sees(client, agent, customer, title)
    assert (seen["last_licence"], seen["player_failed_at"]) == (None, None)
    playback = (await device.open(client, customer, title)).json()
    await owner.execute("UPDATE store.content_keys SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20))")
    assert (await device.licence(client, playback["token"])).json()["code"] == "keys_unreadable"
    assert (await device.fail(client, customer, playback["id"])).status_code == 200
    seen = await support_sees(client, agent, customer)
    assert (seen["last_attempt"]["outcome"], seen["decision"]["allowed"]) == ("granted", True)
    told = {"at": "2026-12-01T20:00:00Z", "outcome": "refused", "reason": "keys_unreadable", "system": "clearkey"}
    assert (seen["last_licence"], seen["player_failed_at"]) == (told, "2026-12-01T20:00:00Z")
    page = await client.get(f"/en/support/customers/{customer.account_id}/playback", headers=agent.headers)
    assert "keys_unreadable" in page.text
    assert "player_failed" in page.text


@pytest.mark.usefixtures("contracts")
async def test_support_sees_why_a_title_cannot_be_kept(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    agent: Person,
) -> None:
    await make_right(database, customer, title, kind="buy")
    assert (await keep(client, device, customer, title)).json()["code"] == "download_not_granted"
    seen = await support_sees(client, agent, customer)
    assert (seen["to_keep"], seen["age_limit"], seen["device"]) == (True, 18, "Laptop")
    assert seen["last_attempt"]["reason"] == "download_not_granted"
    assert codes(seen["decision"]) == ["download_not_granted"]
    page = await client.get(f"/de/support/customers/{customer.account_id}/playback", headers=agent.headers)
    assert "herunterladen" in page.text


async def test_support_asks_about_a_title_that_was_never_tried(
    client: httpx.AsyncClient, customer: Customer, device: TestDevice, title: Title, agent: Person
) -> None:
    path = f"/v1/staff/customers/{customer.account_id}/playback-decisions"
    nothing = await client.get(path, headers=agent.headers)
    assert (nothing.status_code, nothing.json()["code"]) == (404, "playback_never_tried")
    seen = await support_sees(client, agent, customer, title)
    assert (seen["device"], seen["last_attempt"], codes(seen["decision"])) == ("Laptop", None, ["not_entitled"])
    unknown = await client.get(path, params={"title": "nothing-here"}, headers=agent.headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "film_unknown")


@pytest.mark.parametrize(
    ("locale", "heading"), [("de", "Warum läuft ein Film nicht?"), ("en", "Why does a film not play?")]
)
async def test_the_console_shows_support_the_reasons_in_both_languages(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    agent: Person,
    locale: str,
    heading: str,
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=90)
    await make_right(database, customer, title, granted_at=long_ago)
    path = f"/{locale}/support/customers/{customer.account_id}/playback"
    empty = await client.get(path, headers=agent.headers)
    assert empty.status_code == 200
    assert f'<option value="{title.slug}">' in empty.text
    await device.open(client, customer, title)
    page = (await client.get(path, headers=agent.headers)).text
    for words in (heading, "rental_not_started_in_time", "The time in which this rental", "Die Zeit, in der Sie"):
        assert words in page
    assert "Laptop" in page
    link = f'href="/{locale}/support/customers/{customer.account_id}/playback"'
    assert link in (await client.get(f"/{locale}/support/customers/{customer.account_id}", headers=agent.headers)).text


def test_every_reason_with_a_way_out_says_where() -> None:
    title = Title(slug="her-2013", kind="film")
    kinds = [
        kind
        for module in (errors, device_errors, licence_errors, download_errors)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, EntitlementError)
    ]
    with_ways = [kind for kind in kinds if kind.way is not None]
    assert len(with_ways) == 24
    details = {
        "limit": 2,
        "age_limit": 12,
        "device": "TV",
        "days": 30,
        "next_free_at": AT,
        "ends_at": AT,
        "removed_at": AT,
    }
    for kind in with_ways:
        reason = tell(kind(**details), title)
        assert reason.action is not None
        assert reason.action.web.startswith("/")
        assert "{" not in reason.action.web + reason.sentence.de + reason.sentence.en
