"""Passkeys: what they open, whose they are, and what becomes of them."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.accounts import Accounts
from store.settings import Settings
from tests.auth.passkey_holders import (
    a_holder,
    add,
    an_authenticator,
    asked,
    begin,
    enter,
    finish,
    give_passkey,
    offered,
    refused,
)
from tests.auth.people import (
    AUTHENTICATOR,
    GOOD_PASSWORD,
    Bearer,
    a_colleague,
    a_customer,
    an_address,
    parts_of,
    sign_in,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of
from tests.auth.test_step_up import grow_old
from tests.soft_authenticator import decode


async def test_a_passkey_alone_signs_a_customer_in_without_an_address(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client)
    challenge = await asked(client)
    assert challenge["options"].get("allowCredentials", []) == []
    assert challenge["options"]["userVerification"] == "required"
    answer = await enter(client, holder.authenticator, challenge)
    assert answer.status_code == 201
    assert (answer.json()["account_id"], answer.json()["kind"]) == (str(holder.account.id), "app")
    proofs = await owner.fetchval("SELECT amr FROM auth.sessions WHERE id = $1", UUID(answer.json()["id"]))
    assert proofs == ["hwk", "user", "mfa"]
    listed = (await client.get("/v1/passkeys", headers=holder.bearer.headers)).json()["passkeys"]
    assert [(one["name"], one["is_backed_up"], one["last_used_at"] is not None) for one in listed] == [
        ("Mein Telefon", False, True)
    ]


async def test_a_browser_gets_its_session_in_a_cookie_and_never_sees_the_challenge_s_token(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    holder = await a_holder(app, client)
    ours = {"Origin": settings.base_url}
    body = {"purpose": "sign_in", "client": "web"}
    challenge = await client.post("/v1/passkey-challenges", json=body, headers=ours)
    assert challenge.json()["token"] is None
    cookie = challenge.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    signed = holder.authenticator.sign(challenge.json()["options"])
    answer = await client.post("/v1/passkey-sign-ins", json={"credential": signed, "client": "web"}, headers=ours)
    assert (answer.status_code, answer.json()["token"], answer.json()["kind"]) == (201, None, "web")
    assert client.cookies[settings.session_cookie]


async def test_two_tabs_of_a_browser_may_both_be_answered(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    holder = await a_holder(app, client)
    ours = {"Origin": settings.base_url}
    body = {"purpose": "sign_in", "client": "web"}
    first, _ = [(await client.post("/v1/passkey-challenges", json=body, headers=ours)).json() for _ in range(2)]
    signed = holder.authenticator.sign(first["options"])
    answer = await client.post("/v1/passkey-sign-ins", json={"credential": signed, "client": "web"}, headers=ours)
    assert answer.status_code == 201


async def test_staff_sign_in_by_a_passkey_alone_or_after_the_password_without_any_app(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client, is_staff=True)
    await owner.execute("UPDATE auth.second_factors SET removed_at = now(), sealed_secret = NULL")
    alone = await enter(client, holder.authenticator)
    assert (alone.status_code, alone.json()["kind"]) == (201, "staff")
    step = await begin(client, holder.account, GOOD_PASSWORD)
    assert (step["offer"], step["takes_code"], step["takes_passkey"]) == (None, False, True)
    no_code = await client.post("/v1/second-steps", json={"token": step["token"], "code": "123456"})
    assert (no_code.status_code, no_code.json()["code"]) == (409, "second_factor_missing")
    done = await finish(client, step["token"], holder.authenticator)
    assert done.status_code == 201
    for answer in (alone, done):
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        assert (await client.get("/v1/account", headers=headers)).json()["kind"] == "staff"
    proofs = await owner.fetchval("SELECT amr FROM auth.sessions WHERE id = $1", UUID(done.json()["id"]))
    assert proofs == ["pwd", "hwk", "user", "mfa"]
    assert (await finish_again(client, step["token"])).json()["code"] == "step_not_valid"


async def finish_again(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/passkey-challenges", json={"purpose": "second_step", "token": token})


async def test_who_knows_only_the_password_of_staff_with_a_passkey_is_offered_no_app_of_their_own(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client, is_staff=True)
    await owner.execute("UPDATE auth.second_factors SET removed_at = now(), sealed_secret = NULL")
    assert (await begin(client, holder.account, GOOD_PASSWORD))["offer"] is None
    assert await owner.fetchval("SELECT count(*) FROM auth.second_factors WHERE removed_at IS NULL") == 0


async def test_a_customer_with_a_passkey_and_no_app_may_still_use_the_password_alone(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    holder = await a_holder(app, client)
    await sign_in(client, holder.account)


async def test_a_passkey_is_a_fresh_proof(app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    for is_staff in (False, True):
        holder = await a_holder(app, client, is_staff=is_staff)
        await grow_old(owner, holder.bearer.session_id)
        offer = await client.post("/v1/passkey-offers", headers=holder.bearer.headers)
        assert (offer.status_code, offer.json()["code"]) == (403, "step_up_required")
        challenge = await asked(client, holder.bearer, purpose="step_up")
        assert [decode(one["id"]) for one in challenge["options"]["allowCredentials"]] == [
            key.id for key in holder.authenticator.keys
        ]
        signed = holder.authenticator.sign(challenge["options"])
        done = await client.post("/v1/passkey-step-ups", json={"credential": signed}, headers=holder.bearer.headers)
        assert done.status_code == 201
        renewed = Bearer(holder.account.id, holder.bearer.session_id, done.json()["token"])
        await offered(client, renewed)
        assert (await client.get("/v1/account", headers=holder.bearer.headers)).status_code == 401
        again = await client.post("/v1/passkey-step-ups", json={"credential": signed}, headers=renewed.headers)
        assert refused(again)


async def test_an_authenticator_that_does_not_count_is_taken_each_time(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client, counts=0, is_backed_up=True)
    assert [(await enter(client, holder.authenticator)).status_code for _ in range(3)] == [201] * 3
    assert await owner.fetchval("SELECT can_be_backed_up AND is_backed_up FROM auth.passkeys")
    proofs = await owner.fetchval("SELECT amr FROM auth.sessions ORDER BY id DESC LIMIT 1")
    assert proofs == ["swk", "user", "mfa"]


async def test_a_disabled_account_is_said_to_be_so_only_to_who_has_its_passkey(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client)
    await owner.execute("UPDATE auth.accounts SET status = 'disabled'")
    answer = await enter(client, holder.authenticator)
    assert (answer.status_code, answer.json()["code"]) == (403, "account_disabled")
    assert refused(await enter(client, holder.authenticator, origin="https://evil.example"))


async def test_a_passkey_is_kept_once_and_not_offered_to_where_it_is(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder, other = await a_holder(app, client), await a_holder(app, client)
    options = await offered(client, holder.bearer)
    assert [decode(one["id"]) for one in options["excludeCredentials"]] == [holder.authenticator.keys[0].id]
    copy = other.authenticator.make(await offered(client, other.bearer))
    assert (await add(client, other.bearer, copy)).status_code == 201
    taken = holder.authenticator.make(options)
    for place in ("id", "rawId"):
        assert taken[place] != copy[place]
    again = other.authenticator.make(options)
    again["response"]["attestationObject"] = copy["response"]["attestationObject"]
    again["id"] = again["rawId"] = copy["id"]
    answer = await add(client, holder.bearer, again)
    assert (answer.status_code, answer.json()["code"]) == (409, "passkey_exists")
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys") == 3


async def test_an_account_has_at_most_twenty_passkeys(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    bearer, authenticator = await sign_in(client, await a_customer(app)), an_authenticator(app)
    for _ in range(18):
        await give_passkey(client, bearer, authenticator)
    made = [authenticator.make(await offered(client, bearer)) for _ in range(4)]
    answers = await asyncio.gather(*(add(client, bearer, one) for one in made))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "too_many_passkeys"}
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys") == 20


async def test_the_owner_is_told_of_a_new_passkey_and_of_one_that_is_gone(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client)
    await deliver_mails(app)
    removed = await client.delete(f"/v1/passkeys/{holder.passkey_id}", headers=holder.bearer.headers)
    assert removed.status_code == 204
    await deliver_mails(app)
    letters = post_office.to(holder.account.email)
    assert [letter["Subject"] for letter in letters] == ["Ein Passkey wurde hinzugefügt", "Ein Passkey wurde entfernt"]
    assert all("/de/account" in text_of(letter) and "Mein Telefon" not in text_of(letter) for letter in letters)
    entries = await owner.fetch("SELECT action FROM auth.audit_events WHERE action LIKE 'passkey.%' ORDER BY id")
    assert [entry["action"] for entry in entries] == ["passkey.add", "passkey.remove"]


async def test_a_removed_passkey_opens_nothing_and_may_be_made_anew(app: Litestar, client: httpx.AsyncClient) -> None:
    holder = await a_holder(app, client)
    await client.delete(f"/v1/passkeys/{holder.passkey_id}", headers=holder.bearer.headers)
    assert (await client.get("/v1/passkeys", headers=holder.bearer.headers)).json() == {"passkeys": []}
    assert refused(await enter(client, holder.authenticator))
    again = await client.delete(f"/v1/passkeys/{holder.passkey_id}", headers=holder.bearer.headers)
    assert (again.status_code, again.json()["code"]) == (404, "passkey_not_found")
    await give_passkey(client, holder.bearer, holder.authenticator)
    assert (await enter(client, holder.authenticator)).status_code == 201


async def test_removing_needs_a_fresh_proof(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client)
    await grow_old(owner, holder.bearer.session_id)
    answer = await client.delete(f"/v1/passkeys/{holder.passkey_id}", headers=holder.bearer.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    made = await add(client, holder.bearer, holder.authenticator.sign({"challenge": "AA"}))
    assert made.status_code in (400, 403)
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys WHERE removed_at IS NULL") == 1


async def test_staff_keep_a_second_factor_whatever_they_remove(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client, is_staff=True)
    second = await give_passkey(client, holder.bearer, holder.authenticator)
    await owner.execute("UPDATE auth.second_factors SET removed_at = now(), sealed_secret = NULL")
    answers = await asyncio.gather(
        *(
            client.delete(f"/v1/passkeys/{passkey_id}", headers=holder.bearer.headers)
            for passkey_id in (holder.passkey_id, second)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert next(one for one in answers if one.status_code == 409).json()["code"] == "last_factor"
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys WHERE removed_at IS NULL") == 1


async def test_staff_with_an_app_may_remove_their_only_passkey(app: Litestar, client: httpx.AsyncClient) -> None:
    holder = await a_holder(app, client, is_staff=True)
    answer = await client.delete(f"/v1/passkeys/{holder.passkey_id}", headers=holder.bearer.headers)
    assert answer.status_code == 204


async def test_a_passkey_is_called_what_its_owner_wants(app: Litestar, client: httpx.AsyncClient) -> None:
    holder = await a_holder(app, client)
    path = f"/v1/passkeys/{holder.passkey_id}"
    renamed = await client.patch(path, json={"name": "  Schlüsselbund  "}, headers=holder.bearer.headers)
    assert renamed.json()["name"] == "Schlüsselbund"
    for name in ("", "   ", "a\x07", "x" * 41):
        assert (await client.patch(path, json={"name": name}, headers=holder.bearer.headers)).status_code == 400


async def test_somebody_else_s_passkeys_look_as_if_there_were_none(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder, stranger = await a_holder(app, client), await sign_in(client, await a_customer(app))
    path = f"/v1/passkeys/{holder.passkey_id}"
    answers = [
        await client.patch(path, json={"name": "meins"}, headers=stranger.headers),
        await client.delete(path, headers=stranger.headers),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "passkey_not_found")] * 2
    assert (await client.get("/v1/passkeys", headers=stranger.headers)).json() == {"passkeys": []}
    assert await owner.fetchval("SELECT name FROM auth.passkeys WHERE removed_at IS NULL") == "Mein Telefon"


GUARDED = {
    ("GET", "/v1/passkeys"): 200,
    ("POST", "/v1/passkey-offers"): 201,
    ("POST", "/v1/passkeys"): 400,
    ("PATCH", "/v1/passkeys/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10"): 400,
    ("DELETE", "/v1/passkeys/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10"): 404,
    ("POST", "/v1/passkey-step-ups"): 400,
}
"""Own passkeys, with the answer to who is signed in and sends nothing."""


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_whoever_is_signed_in_has_passkeys_of_their_own_and_nobody_else(
    app: Litestar, client: httpx.AsyncClient, method: str, path: str
) -> None:
    body = {"json": {}} if GUARDED[method, path] == 400 else {}
    stranger = await client.request(method, path, **body)
    assert (stranger.status_code, stranger.json()["code"]) == (401, "not_signed_in")
    people = [await a_customer(app), await a_colleague(app), await a_colleague(app, roles=("admin",))]
    for account in people:
        bearer = await sign_in(client, account)
        answer = await client.request(method, path, headers=bearer.headers, **body)
        assert answer.status_code == GUARDED[method, path], answer.text


async def test_a_proof_is_asked_of_who_is_signed_in_and_a_second_step_of_who_began(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    nobody = await client.post("/v1/passkey-challenges", json={"purpose": "step_up"})
    assert (nobody.status_code, nobody.json()["code"]) == (401, "not_signed_in")
    for token in (None, "vt1_step_" + "a" * 43, "vt1_session_" + "a" * 43):
        body = {"purpose": "second_step", **({"token": token} if token else {})}
        answer = await client.post("/v1/passkey-challenges", json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "step_not_valid")


async def test_a_begun_sign_in_is_no_session_for_passkeys_either(app: Litestar, client: httpx.AsyncClient) -> None:
    step = await begin(client, await a_colleague(app), GOOD_PASSWORD)
    for method, path in GUARDED:
        answer = await client.request(method, path, headers={"Authorization": f"Bearer {step['token']}"}, json={})
        assert answer.status_code == 401


async def test_colleagues_with_a_passkey_count_as_protected(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client, is_staff=True)
    await owner.execute("DELETE FROM auth.second_factors WHERE account_id = $1", holder.account.id)
    parts = parts_of(app)
    async with parts.database.sessions.begin() as session:
        newcomer = await Accounts(session, parts.hasher).create_staff(
            email=an_address("neu"), password=GOOD_PASSWORD, roles=("support",), at=datetime.now(UTC)
        )
    admin = await sign_in(client, await a_colleague(app, roles=("admin",)))
    listed = (await client.get("/v1/staff/colleagues", headers=admin.headers)).json()["colleagues"]
    protected = {one["id"]: one["has_second_factor"] for one in listed}
    assert (protected[str(holder.account.id)], protected[str(newcomer.id)]) == (True, False)


async def test_the_app_and_a_passkey_of_staff_open_the_same_session(app: Litestar, client: httpx.AsyncClient) -> None:
    holder = await a_holder(app, client, is_staff=True)
    step = await begin(client, holder.account, GOOD_PASSWORD)
    assert (step["takes_code"], step["takes_passkey"]) == (True, True)
    code = AUTHENTICATOR.code(str(holder.account.id))
    answer = await client.post("/v1/second-steps", json={"token": step["token"], "code": code})
    assert answer.status_code == 201
