"""Profiles and the PIN: who may change them, how often a PIN may be tried, and what happens at the same instant."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.profiles import MOST
from tests.auth.people import GOOD_PASSWORD, Bearer, a_customer, parts_of, sign_in, with_unused_limits
from tests.store.age_gate.households import PIN, as_child


@pytest.fixture
async def holder(app: Litestar, client: httpx.AsyncClient) -> Bearer:
    return await sign_in(client, await a_customer(app))


async def make_stale(owner: asyncpg.Connection, bearer: Bearer) -> None:
    """Let the last proof be older than what is sensitive allows."""
    await owner.execute(
        "UPDATE auth.sessions SET auth_at = auth_at - interval '1 hour' WHERE id = $1", bearer.session_id
    )


async def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"] if answer.content else ""


async def first_profile(client: httpx.AsyncClient, bearer: Bearer) -> str:
    profile: str = (await client.get("/v1/viewer", headers=bearer.headers)).json()["profiles"][0]["id"]
    return profile


async def test_what_is_changed_needs_a_fresh_proof(
    client: httpx.AsyncClient, owner: asyncpg.Connection, holder: Bearer
) -> None:
    profile = await as_child(client, holder, holder)
    await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=holder.headers)
    await make_stale(owner, holder)
    body = {"name": "Kinder", "age_limit": 18}
    for method, path, sent in (
        ("POST", "/v1/profiles", body),
        ("PATCH", f"/v1/profiles/{profile}", body),
        ("DELETE", f"/v1/profiles/{profile}", None),
        ("PUT", "/v1/parental-pin", {"pin": "0815"}),
        ("DELETE", "/v1/parental-pin", None),
    ):
        answer = await client.request(method, path, json=sent, headers=holder.headers)
        assert await code_of(answer) == (403, "step_up_required"), path


async def test_a_proof_that_the_holder_gave_before_is_none_for_the_child(
    client: httpx.AsyncClient, owner: asyncpg.Connection, holder: Bearer
) -> None:
    """Who signs the TV in and hands it over has just proved who they are; the child would set a PIN of its own."""
    await as_child(client, holder, holder)
    headers = holder.headers

    async def set_pin() -> tuple[int, str]:
        return await code_of(await client.put("/v1/parental-pin", json={"pin": "0815"}, headers=headers))

    async def prove() -> dict[str, str]:
        proved = await client.post("/v1/step-ups", json={"password": GOOD_PASSWORD}, headers=headers)
        return {"Authorization": f"Bearer {proved.json()['token']}"}

    assert await set_pin() == (403, "step_up_required")
    headers = await prove()
    assert await set_pin() == (204, "")
    assert await set_pin() == (403, "step_up_required"), "it was given for that one"

    await client.post("/v1/viewer/unlocks", json={"pin": "0815"}, headers=headers)
    headers = await prove()
    await client.delete("/v1/viewer/unlocks", headers=headers)
    assert await set_pin() == (403, "step_up_required"), "given while it was unlocked"
    await client.post("/v1/viewer/unlocks", json={"pin": "0815"}, headers=headers)
    headers = await prove()
    await owner.execute("UPDATE auth.sessions SET unlocked_until = now()")
    assert await set_pin() == (403, "step_up_required"), "also where the time ran out by itself"


async def test_an_age_limit_needs_a_pin_and_keeps_it(client: httpx.AsyncClient, holder: Bearer) -> None:
    child = {"name": "Kinder", "age_limit": 6}
    assert await code_of(await client.post("/v1/profiles", json=child, headers=holder.headers)) == (409, "pin_missing")
    await as_child(client, holder, await _another(client, holder))
    assert await code_of(await client.delete("/v1/parental-pin", headers=holder.headers)) == (409, "pin_needed")
    profiles = (await client.get("/v1/viewer", headers=holder.headers)).json()["profiles"]
    lifted = {"name": "Kinder", "age_limit": 18}
    assert (await client.patch(f"/v1/profiles/{profiles[1]['id']}", json=lifted, headers=holder.headers)).is_success
    assert (await client.delete("/v1/parental-pin", headers=holder.headers)).status_code == 204
    assert (await client.get("/v1/viewer", headers=holder.headers)).json()["has_pin"] is False


async def _another(client: httpx.AsyncClient, bearer: Bearer) -> Bearer:
    """Another session of the same account."""
    email = (await client.get("/v1/account", headers=bearer.headers)).json()["email"]
    answer = await client.post("/v1/sessions", json={"email": email, "password": GOOD_PASSWORD})
    return Bearer(bearer.account_id, UUID(answer.json()["id"]), answer.json()["token"])


async def test_the_first_profile_is_the_holders_and_stays_so(client: httpx.AsyncClient, holder: Bearer) -> None:
    await client.put("/v1/parental-pin", json={"pin": PIN}, headers=holder.headers)
    own = await first_profile(client, holder)
    limited = await client.patch(f"/v1/profiles/{own}", json={"name": "Ich", "age_limit": 6}, headers=holder.headers)
    assert await code_of(limited) == (409, "holders_profile")
    assert await code_of(await client.delete(f"/v1/profiles/{own}", headers=holder.headers)) == (409, "holders_profile")
    renamed = await client.patch(f"/v1/profiles/{own}", json={"name": "Ich", "age_limit": 18}, headers=holder.headers)
    assert renamed.json()["name"] == "Ich"


async def test_the_way_up_needs_the_pin_and_the_way_down_does_not(client: httpx.AsyncClient, holder: Bearer) -> None:
    child = await as_child(client, holder, holder)
    own = await first_profile(client, holder)
    for pin, answer in ((None, (403, "pin_required")), ("0000", (403, "pin_wrong"))):
        body = {"profile_id": own} | ({"pin": pin} if pin else {})
        assert await code_of(await client.put("/v1/viewer", json=body, headers=holder.headers)) == answer
    up = await client.put("/v1/viewer", json={"profile_id": own, "pin": PIN}, headers=holder.headers)
    assert up.status_code == 204
    assert (await client.get("/v1/viewer", headers=holder.headers)).json()["profile_id"] is None
    down = await client.put("/v1/viewer", json={"profile_id": child}, headers=holder.headers)
    assert down.status_code == 204
    assert (await client.get("/v1/viewer", headers=holder.headers)).json()["profile_id"] == child


async def test_what_is_unlocked_for_a_while_does_not_become_the_holders_for_good(
    client: httpx.AsyncClient, holder: Bearer
) -> None:
    child = await as_child(client, holder, holder)
    own = await first_profile(client, holder)
    await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=holder.headers)
    up = await client.put("/v1/viewer", json={"profile_id": own}, headers=holder.headers)
    assert await code_of(up) == (403, "pin_required")
    viewer = (await client.get("/v1/viewer", headers=holder.headers)).json()
    assert (viewer["profile_id"], viewer["unlocked_until"] is None) == (child, False), "still the child's, and unlocked"


async def test_another_households_profile_is_not_there(
    app: Litestar, client: httpx.AsyncClient, holder: Bearer
) -> None:
    stranger = await sign_in(client, await a_customer(app))
    theirs = await first_profile(client, stranger)
    for method, path, body in (
        ("PUT", "/v1/viewer", {"profile_id": theirs}),
        ("PATCH", f"/v1/profiles/{theirs}", {"name": "x", "age_limit": 18}),
        ("DELETE", f"/v1/profiles/{theirs}", None),
    ):
        answer = await client.request(method, path, json=body, headers=holder.headers)
        assert await code_of(answer) == (404, "profile_not_found")


async def test_wrong_pins_are_limited_for_the_household_and_the_password_is_the_way_out(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, holder: Bearer
) -> None:
    other = await _another(client, holder)
    await as_child(client, holder, holder)
    await client.put("/v1/viewer", json={"profile_id": (await _child_of(client, other))}, headers=other.headers)
    with_unused_limits(app)
    tries = [
        client.post("/v1/viewer/unlocks", json={"pin": f"000{number}"}, headers=bearer.headers)
        for number in range(10)
        for bearer in (holder, other)
    ]
    answers = [await code_of(answer) for answer in await asyncio.gather(*tries)]
    assert sorted(set(answers)) == [(403, "pin_wrong"), (429, "too_many_attempts")]
    assert answers.count((403, "pin_wrong")) == 5
    right = await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=holder.headers)
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) <= timedelta(hours=1).total_seconds()
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action = 'parental_pin.check'") == 5

    await make_stale(owner, holder)
    forgotten = await client.put("/v1/parental-pin", json={"pin": "0815"}, headers=holder.headers)
    assert await code_of(forgotten) == (403, "step_up_required")
    proved = await client.post("/v1/step-ups", json={"password": GOOD_PASSWORD}, headers=holder.headers)
    fresh = {"Authorization": f"Bearer {proved.json()['token']}"}
    assert (await client.put("/v1/parental-pin", json={"pin": "0815"}, headers=fresh)).status_code == 204
    with_unused_limits(app)
    assert (await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=fresh)).status_code == 403
    assert (await client.post("/v1/viewer/unlocks", json={"pin": "0815"}, headers=fresh)).status_code == 204


async def _child_of(client: httpx.AsyncClient, bearer: Bearer) -> str:
    profiles = (await client.get("/v1/viewer", headers=bearer.headers)).json()["profiles"]
    return next(profile["id"] for profile in profiles if profile["age_limit"] < 18)


async def test_right_pins_count_against_nothing(app: Litestar, client: httpx.AsyncClient, holder: Bearer) -> None:
    await as_child(client, holder, holder)
    with_unused_limits(app)
    for _ in range(7):
        assert (await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=holder.headers)).status_code == 204


async def test_without_a_pin_there_is_nothing_to_unlock(client: httpx.AsyncClient, holder: Bearer) -> None:
    answer = await client.post("/v1/viewer/unlocks", json={"pin": PIN}, headers=holder.headers)
    assert await code_of(answer) == (409, "pin_missing")


async def test_a_removed_profile_signs_its_devices_out_and_no_others(client: httpx.AsyncClient, holder: Bearer) -> None:
    tablet = await _another(client, holder)
    profile = await as_child(client, holder, tablet)
    assert (await client.delete(f"/v1/profiles/{profile}", headers=holder.headers)).status_code == 204
    assert (await client.get("/v1/viewer", headers=tablet.headers)).status_code == 401
    assert (await client.get("/v1/viewer", headers=holder.headers)).status_code == 200


async def test_a_stricter_limit_holds_at_once_where_the_profile_watches(
    client: httpx.AsyncClient, holder: Bearer
) -> None:
    tablet = await _another(client, holder)
    profile = await as_child(client, holder, tablet)
    stricter = {"name": "Kinder", "age_limit": 0}
    assert (await client.patch(f"/v1/profiles/{profile}", json=stricter, headers=holder.headers)).is_success
    assert (await client.get("/v1/viewer", headers=tablet.headers)).json()["age_limit"] == 0


async def test_profiles_added_at_once_stay_below_their_number(
    client: httpx.AsyncClient, owner: asyncpg.Connection, holder: Bearer
) -> None:
    body = {"name": "Gast", "age_limit": 18}
    adding = (client.post("/v1/profiles", json=body, headers=holder.headers) for _ in range(2 * MOST))
    statuses = [answer.status_code for answer in await asyncio.gather(*adding)]
    assert sorted(set(statuses)) == [201, 409]
    count = "SELECT count(*) FROM auth.profiles WHERE account_id = $1"
    assert await owner.fetchval(count, holder.account_id) == MOST


async def test_no_limit_without_a_pin_whatever_happens_at_once(
    client: httpx.AsyncClient, owner: asyncpg.Connection, holder: Bearer
) -> None:
    await client.put("/v1/parental-pin", json={"pin": PIN}, headers=holder.headers)
    body = {"name": "Kinder", "age_limit": 6}
    await asyncio.gather(
        *(client.post("/v1/profiles", json=body, headers=holder.headers) for _ in range(4)),
        *(client.delete("/v1/parental-pin", headers=holder.headers) for _ in range(4)),
    )
    has_pin = await owner.fetchval("SELECT count(*) FROM auth.parental_pins") == 1
    is_limited = await owner.fetchval("SELECT count(*) FROM auth.profiles WHERE age_limit < 18") > 0
    assert has_pin or not is_limited


async def test_a_profile_is_chosen_or_removed_and_never_both(
    client: httpx.AsyncClient, owner: asyncpg.Connection, holder: Bearer
) -> None:
    tablet = await _another(client, holder)
    profile = await as_child(client, holder, holder)
    await client.put(
        "/v1/viewer", json={"profile_id": await first_profile(client, holder), "pin": PIN}, headers=holder.headers
    )
    chosen, removed, _ = await asyncio.gather(
        client.put("/v1/viewer", json={"profile_id": profile}, headers=tablet.headers),
        client.delete(f"/v1/profiles/{profile}", headers=holder.headers),
        client.put("/v1/viewer", json={"profile_id": profile}, headers=tablet.headers),
    )
    assert removed.status_code == 204
    watching = await client.get("/v1/viewer", headers=tablet.headers)
    assert (chosen.status_code, watching.status_code) in {(204, 401), (404, 200)}


@pytest.mark.parametrize("pin", ["", "123", "1234567", "12a4", "١٢٣٤", "12 4", "1234\n"])
async def test_what_is_no_pin_is_refused(client: httpx.AsyncClient, holder: Bearer, pin: str) -> None:
    answer = await client.put("/v1/parental-pin", json={"pin": pin}, headers=holder.headers)
    assert answer.status_code == 400, answer.text


async def test_a_pin_is_kept_as_a_hash_alone(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, holder: Bearer
) -> None:
    await client.put("/v1/parental-pin", json={"pin": "739164"}, headers=holder.headers)
    stored = await owner.fetchval("SELECT pin_hash FROM auth.parental_pins")
    assert stored.startswith("$argon2id$")
    details = await owner.fetch("SELECT details::text AS text FROM auth.audit_events")
    assert not any("739164" in row["text"] for row in details)
    assert parts_of(app).hasher.waiting == 0
