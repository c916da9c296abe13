"""The gate itself: what a restricted profile may do at all, how the PIN opens it, and what the player is told."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from auth.ids import new_id
from store.database import Database
from store.settings import Settings
from tests.auth.people import GOOD_PASSWORD, a_colleague, a_customer, sign_in
from tests.crawling import operations
from tests.store.age_gate.households import PIN, Household, as_child, label
from tests.store.catalogue.shelves import found, make_title
from tests.store.entitlement.parts import TestDevice

FOR_EVERY_AGE = {
    ("POST", "/v1/step-ups"),
    ("POST", "/v1/passkey-step-ups"),
    ("POST", "/v1/passkey-challenges"),
    ("DELETE", "/v1/sessions/current"),
    ("PUT", "/v1/parental-pin"),
    ("PUT", "/v1/viewer"),
    ("POST", "/v1/viewer/unlocks"),
    ("DELETE", "/v1/viewer/unlocks"),
    ("POST", "/v1/devices"),
    ("POST", "/v1/offline-licences"),
    ("POST", "/v1/offline-licences/{download_id}/returns"),
    ("POST", "/v1/playback-decisions"),
    ("POST", "/v1/playback-sessions"),
    ("DELETE", "/v1/playback-sessions/{playback_session_id}"),
    ("POST", "/v1/playback-sessions/{playback_session_id}/failures"),
    ("POST", "/v1/playback-sessions/{playback_session_id}/progress-reports"),
    ("POST", "/v1/offline-licences/{download_id}/progress-reports"),
    ("PUT", "/v1/track-choice"),
    ("POST", "/de/step-up"),
    ("POST", "/de/step-up/passkey"),
    ("POST", "/de/sign-out"),
    ("POST", "/de/viewer"),
    ("POST", "/de/viewer/unlock"),
    ("POST", "/de/viewer/lock"),
    ("POST", "/de/account/parental-pin"),
}
"""What a restricted profile may do besides reading: watch, choose who watches, prove who is there, leave."""

BY_THEIR_OWN_PROOF = ("/webhooks/", "/v1/callbacks/", "/v1/playback-licences/")
"""What no session opens: calls of other programs, and licences of a playback that was allowed."""


async def test_whatever_is_not_for_every_age_is_shut(
    app: Litestar, client: httpx.AsyncClient, household: Household
) -> None:
    for operation in operations(app):
        is_by_proof = operation.template.startswith(BY_THEIR_OWN_PROOF) or operation.template.endswith("/heartbeats")
        if operation.method == "GET" or is_by_proof or (operation.method, operation.template) in FOR_EVERY_AGE:
            continue
        path = operation.with_values(
            {name: "1" if kind == "int" else str(new_id()) for name, kind in operation.path_types.items()}
        )
        answer = await client.request(operation.method, path, headers=household.child.headers, json={})
        if operation.is_page:
            assert answer.status_code == 303, operation
            assert answer.headers["location"].startswith("/de/viewer?next="), operation
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "pin_required"), operation


def test_what_is_for_every_age_is_known(app: Litestar) -> None:
    """A route is opened on purpose: here, with a look at what it shows or does."""
    opened = {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute) and not route.path.startswith("/en")
        for handler in route.route_handlers
        if handler.opt.get("for_every_age")
        for method in handler.http_methods - {"GET", "HEAD", "OPTIONS"}
    }
    assert opened == FOR_EVERY_AGE


async def test_a_poster_is_kept_by_nobody_who_might_show_it_to_a_child(
    client: httpx.AsyncClient, household: Household
) -> None:
    address = (await client.get(f"/v1/titles/{household.allowed[0].slug}")).json()["poster"]["url"]
    for headers, kept in (
        ({}, "public, max-age=31536000, immutable"),
        (household.holder.headers, "private, max-age=31536000, immutable"),
        (household.child.headers, "private, no-cache"),
    ):
        poster = await client.get(address, headers=headers)
        assert (poster.status_code, poster.headers["cache-control"]) == (200, kept)
        assert {"cookie", "authorization"} <= {name.strip().lower() for name in poster.headers["vary"].split(",")}
        again = await client.get(address, headers={**headers, "If-None-Match": poster.headers["etag"]})
        assert again.status_code == 304


async def test_a_child_buys_nothing(client: httpx.AsyncClient, household: Household, owner: asyncpg.Connection) -> None:
    for path, body in (
        ("/v1/quotes", {"offer_id": str(household.offer_id)}),
        ("/v1/orders", {"quote_id": "x", "consents": {}}),
        (f"/v1/orders/{household.order_id}/withdrawals", {}),
    ):
        answer = await client.post(path, json=body, headers=household.child.headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "pin_required")
    assert await owner.fetchval("SELECT count(*) FROM billing.orders") == 1


async def test_the_pin_opens_everything_for_three_hours_and_the_lock_shuts_it_at_once(
    client: httpx.AsyncClient, household: Household, owner: asyncpg.Connection
) -> None:
    child, knives = household.child, household.shut[0]

    async def status() -> int:
        return (await client.get(f"/v1/titles/{knives.slug}", headers=child.headers)).status_code

    assert await status() == 404
    assert (await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=child.headers)).status_code == 204
    viewer = (await client.get("/v1/viewer", headers=child.headers)).json()
    until = datetime.fromisoformat(viewer["unlocked_until"])
    assert viewer["age_limit"] == 18
    assert timedelta(hours=2, minutes=59) < until - datetime.now(UTC) <= timedelta(hours=3)
    assert await status() == 200

    assert (await client.delete("/v1/viewer/unlocks", headers=child.headers)).status_code == 204
    assert await status() == 404
    await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=child.headers)
    await owner.execute("UPDATE auth.sessions SET unlocked_until = now() WHERE id = $1", child.session_id)
    assert await status() == 404
    assert (await client.get("/v1/viewer", headers=child.headers)).json()["age_limit"] == 12


async def test_unlocking_one_device_leaves_the_others_locked(
    app: Litestar, client: httpx.AsyncClient, household: Household, database: Database
) -> None:
    account = await database.reads.fetchrow("SELECT email FROM auth.accounts WHERE id = $1", household.child.account_id)
    session = await client.post("/v1/sessions", json={"email": account["email"], "password": GOOD_PASSWORD})
    other = {"Authorization": f"Bearer {session.json()['token']}"}
    await client.put("/v1/viewer", json={"profile_id": household.child_profile}, headers=other)
    await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=household.child.headers)
    assert (await client.get("/v1/viewer", headers=other)).json()["age_limit"] == 12


async def test_a_search_finds_what_is_labelled_for_the_age_and_nothing_else(
    client: httpx.AsyncClient, household: Household
) -> None:
    client.headers.update(household.child.headers)
    assert await found(client, "papierboote") == ["paper-boats"]
    assert await found(client, "drachensteigen") == ["kites"], "an episode without a label has its series'"
    assert await found(client, "klingenspiel") == await found(client, "schatten") == []
    corrected = (await client.get("/v1/titles", params={"q": "mexser"})).json()["corrected"]
    assert corrected is None, "the word is one of a title that is shut"


@pytest.mark.parametrize(("age", "shown"), [(0, []), (6, ["a6"]), (12, ["a6", "a12"]), (16, ["a6", "a12", "a16"])])
async def test_each_level_shows_what_its_label_allows(
    app: Litestar, client: httpx.AsyncClient, database: Database, age: int, shown: list[str]
) -> None:
    for years in (6, 12, 16, 18):
        await label(database, await make_title(database, f"A{years}", popularity=100 - years), years)
    await make_title(database, "Unlabelled")
    holder = await sign_in(client, await a_customer(app))
    await as_child(client, holder, holder, age=age)
    listed = (await client.get("/v1/titles", headers=holder.headers)).json()["titles"]
    assert [title["slug"] for title in listed] == shown


async def test_the_strictest_label_decides_and_another_markets_label_says_nothing(
    app: Litestar, client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    twice, austrian = await make_title(database, "Twice"), await make_title(database, "Austrian")
    await label(database, twice, 6)
    await owner.execute(
        "INSERT INTO store.ratings (title_id, market, system, label, minimum_age) VALUES ($1, 'DE', 'FSF', '16', 16)",
        twice.id,
    )
    await label(database, austrian, 6, market="AT")
    holder = await sign_in(client, await a_customer(app))
    await as_child(client, holder, holder)
    assert (await client.get("/v1/titles", headers=holder.headers)).json()["titles"] == []


async def test_an_answer_for_the_one_is_never_fresh_for_the_other(
    client: httpx.AsyncClient, household: Household
) -> None:
    address = f"/v1/titles/{household.allowed[0].slug}"
    whole = await client.get(address, headers=household.holder.headers)
    assert whole.headers["vary"] == "Accept-Language, Authorization, Cookie"
    again = await client.get(address, headers={**household.child.headers, "If-None-Match": whole.headers["etag"]})
    assert again.status_code == 200, "the child's page has no similar film that is shut"
    assert again.headers["etag"] != whole.headers["etag"]


async def test_the_player_is_told_of_the_age_limit_among_all_reasons(
    client: httpx.AsyncClient, household: Household, settings: Settings, owner: asyncpg.Connection
) -> None:
    device, child, knives = TestDevice(settings.base_url), household.child, household.shut[0]
    decided = await device.check(client, child, knives)
    codes = [reason["code"] for reason in decided["reasons"]]
    assert codes == ["age_restricted", "device_not_registered", "confirmation_outstanding"]
    reason = decided["reasons"][0]
    assert reason["action"] == {
        "name": "enter_pin",
        "method": "POST",
        "api": "/v1/viewer/unlocks",
        "web": "/viewer",
    }
    assert ["12" in reason["sentence"][language] for language in ("de", "en")] == [True, True]
    await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=child.headers)
    unlocked = await device.check(client, child, knives)
    assert "age_restricted" not in [reason["code"] for reason in unlocked["reasons"]]


async def test_support_sees_the_decision_with_the_age_limit_of_the_last_attempt(
    app: Litestar, client: httpx.AsyncClient, household: Household, settings: Settings
) -> None:
    device, child, knives = TestDevice(settings.base_url), household.child, household.shut[0]
    refused = await device.open(client, child, knives)
    assert (refused.status_code, refused.json()["code"]) == (403, "age_restricted")
    agent = await sign_in(client, await a_colleague(app))
    path = f"/v1/staff/customers/{child.account_id}/playback-decisions"
    check = (await client.get(path, headers=agent.headers)).json()
    assert check["last_attempt"]["reason"] == "age_restricted"
    told = [reason["code"] for reason in check["decision"]["reasons"]]
    assert told == [reason["code"] for reason in refused.json()["reasons"]]
