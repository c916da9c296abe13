from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar, Response

from auth.authentication import find_identity, set_session_cookie
from auth.ids import new_id
from auth.sessions import Sessions
from auth.tokens import PASSWORD_RESET, SESSION, MailedTokens, make_token
from store.settings import Settings
from tests.auth.people import (
    AUTHENTICATOR,
    GOOD_PASSWORD,
    HOME,
    OTHER_PASSWORD,
    a_colleague,
    a_customer,
    an_address,
    parts_of,
    sign_in,
    with_unused_limits,
)


async def test_the_right_password_opens_a_session_for_an_app(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    bearer = await sign_in(client, account)
    answer = await client.get("/v1/account", headers=bearer.headers)
    assert answer.status_code == 200
    assert answer.json()["email"] == account.email
    assert answer.json()["profiles"][0]["name"] == "Mein Profil"
    assert "set-cookie" not in answer.headers


async def test_an_address_is_found_whatever_its_case(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app, email="Anna.Gross@Beispiel.Example")
    answer = await client.post("/v1/sessions", json={"email": "ANNA.GROSS@beispiel.EXAMPLE", "password": GOOD_PASSWORD})
    assert answer.json()["account_id"] == str(account.id)


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    answers = []
    for email in (account.email, an_address("niemand"), (await a_colleague(app)).email):
        with_unused_limits(app)
        answers.append(await client.post("/v1/sessions", json={"email": email, "password": OTHER_PASSWORD}))
    bodies = [{**answer.json(), "instance": None} for answer in answers]
    headers = [{**answer.headers, "x-request-id": ""} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert bodies[0] == bodies[1] == bodies[2]
    assert headers[0] == headers[1] == headers[2]
    assert answers[0].headers["www-authenticate"].startswith("Bearer")
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 0


@pytest.mark.parametrize("length", [0, 129, 5000])
async def test_an_impossible_password_is_refused_before_anyone_is_looked_up(
    app: Litestar, client: httpx.AsyncClient, length: int
) -> None:
    account = await a_customer(app)
    answers = [
        await client.post("/v1/sessions", json={"email": email, "password": "x" * length})
        for email in (account.email, an_address("niemand"))
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert answers[0].json()["code"] == answers[1].json()["code"]


async def test_a_refused_sign_in_stays_in_the_audit_trail(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account, unknown = await a_customer(app), an_address("niemand")
    for email in (account.email, unknown):
        await client.post("/v1/sessions", json={"email": email, "password": OTHER_PASSWORD})
    entries = await owner.fetch("SELECT * FROM auth.audit_events WHERE action = 'session.open' ORDER BY id")
    assert [entry["target_id"] for entry in entries] == [str(account.id), "unknown"]
    assert {entry["outcome"] for entry in entries} == {"refused"}
    assert unknown not in str([dict(entry) for entry in entries])


async def test_a_disabled_account_is_said_to_be_so_only_to_who_knows_the_password(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    bearer = await sign_in(client, account)
    await owner.execute("UPDATE auth.accounts SET status = 'disabled' WHERE id = $1", account.id)
    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401
    wrong = await client.post("/v1/sessions", json={"email": account.email, "password": OTHER_PASSWORD})
    right = await client.post("/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD})
    assert wrong.json()["code"] == "sign_in_refused"
    assert (right.status_code, right.json()["code"]) == (403, "account_disabled")


async def test_the_eleventh_try_on_an_address_has_to_wait_whether_it_exists_or_not(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account = await a_customer(app)
    for email in (account.email, an_address("niemand")):
        answers = [
            await client.post("/v1/sessions", json={"email": email, "password": OTHER_PASSWORD}) for _ in range(11)
        ]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 90


async def test_a_sign_in_that_fails_through_our_own_fault_is_no_wrong_try(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account, hasher = await a_customer(app), parts_of(app).hasher
    for email in (account.email, an_address("niemand")):
        form = {"email": email, "password": OTHER_PASSWORD}
        hasher.waiting += hasher.capacity
        busy = [(await client.post("/v1/sessions", json=form)).status_code for _ in range(12)]
        hasher.waiting -= hasher.capacity
        wrong = [(await client.post("/v1/sessions", json=form)).status_code for _ in range(11)]
        assert (busy, wrong) == ([503] * 12, [401] * 10 + [429])
        with_unused_limits(app)


async def test_signing_in_often_with_the_right_password_is_no_attack(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    for _ in range(12):
        await sign_in(client, account)


async def test_signing_in_again_ends_the_session_that_was_there(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    first = await sign_in(client, account)
    again = await client.post(
        "/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD}, headers=first.headers
    )
    assert again.json()["token"] != first.token
    assert (await client.get("/v1/account", headers=first.headers)).status_code == 401


async def test_a_cookie_that_an_attacker_chose_is_never_the_session(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    account, chosen = await a_customer(app), make_token(SESSION)
    cookie = {"Cookie": f"{settings.session_cookie}={chosen}", "Origin": settings.base_url}
    answer = await client.post(
        "/v1/sessions",
        json={"email": account.email, "password": GOOD_PASSWORD, "client": "web"},
        headers=cookie,
    )
    assert answer.status_code == 201
    assert chosen not in answer.headers["set-cookie"]
    assert (await client.get("/v1/account", headers=cookie)).status_code == 401
    assert (await client.get("/v1/account")).status_code == 200


async def test_the_cookie_is_out_of_scripts_reach(app: Litestar, client: httpx.AsyncClient, settings: Settings) -> None:
    account = await a_customer(app)
    answer = await client.post(
        "/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD, "client": "web"}
    )
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{settings.session_cookie}=vt1_session_")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert answer.json()["token"] is None


async def test_no_other_site_leads_staff_into_a_console(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_colleague(app)
    due = await client.post("/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD})
    step = {"token": due.json()["token"], "code": AUTHENTICATOR.now(), "client": "web"}
    answer = await client.post("/v1/second-steps", json=step)
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert f"Max-Age={12 * 3600}" in answer.headers["set-cookie"]


async def test_with_tls_the_cookie_belongs_to_this_host_alone(settings: Settings) -> None:
    response: Response[None] = Response(None)
    public = replace(settings, base_url="https://videothek.example")
    set_session_cookie(response, "vt1_session_x", kind="web", settings=public)
    (cookie,) = response.cookies
    assert cookie.key == "__Host-sid"
    assert (cookie.secure, cookie.httponly, cookie.path, cookie.domain) == (True, True, "/", None)


async def test_a_bearer_token_decides_alone_beside_a_cookie(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    one, other = await a_customer(app), await a_customer(app)
    cookie, bearer = await sign_in(client, one), await sign_in(client, other)
    both = {**bearer.headers, "Cookie": f"{settings.session_cookie}={cookie.token}"}
    assert (await client.get("/v1/account", headers=both)).json()["email"] == other.email
    dead = {"Authorization": "Bearer vt1_session_dead", "Cookie": both["Cookie"]}
    assert (await client.get("/v1/account", headers=dead)).status_code == 401


async def test_a_token_in_the_address_is_no_sign_in(app: Litestar, client: httpx.AsyncClient) -> None:
    bearer = await sign_in(client, await a_customer(app))
    assert (await client.get("/v1/account", params={"access_token": bearer.token})).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "é" * 55, "vt1_session_" + "a" * 43, "vt1_session_\udcff"])
async def test_a_strange_bearer_token_is_nobody(client: httpx.AsyncClient, token: str) -> None:
    headers = {"Authorization": b"Bearer " + token.encode("utf-8", "surrogateescape")}
    assert (await client.get("/v1/account", headers=headers)).status_code == 401


async def test_a_reset_token_is_no_session(app: Litestar, client: httpx.AsyncClient, settings: Settings) -> None:
    token = MailedTokens(settings.derive("mailed-links")).mint(PASSWORD_RESET, new_id())
    assert (await client.get("/v1/account", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_looking_around_signed_out_leaves_nothing_behind(
    client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    for _ in range(20):
        answer = await client.get("/health/live")
        assert "set-cookie" not in answer.headers
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 0


async def test_a_session_ends_when_it_is_not_used_and_at_its_latest_end(app: Litestar) -> None:
    parts, account = parts_of(app), await a_customer(app)
    start = datetime.now(UTC)
    async with parts.database.sessions.begin() as session:
        sessions = Sessions(session, parts.outbox)
        opened = await sessions.open(account_id=account.id, kind="web", epoch=0, at=start, visit=HOME)

    async def is_alive(after: timedelta) -> bool:
        found = await find_identity(parts.database, opened.token, at=start + after, default_market="DE")
        return found is not None

    assert not await is_alive(timedelta(days=14))
    for day in (7, 14, 21, 28):
        assert await is_alive(timedelta(days=day))
    assert await is_alive(timedelta(days=29, hours=23))
    assert not await is_alive(timedelta(days=30))


@pytest.mark.parametrize(("kind", "minutes"), [("web", 10), ("app", 10), ("staff", 1)])
async def test_that_a_session_was_seen_is_written_now_and_then_only(
    app: Litestar, owner: asyncpg.Connection, kind: str, minutes: int
) -> None:
    parts = parts_of(app)
    account = await (a_colleague(app) if kind == "staff" else a_customer(app))
    start, every = datetime.now(UTC), timedelta(minutes=minutes)
    async with parts.database.sessions.begin() as session:
        sessions = Sessions(session, parts.outbox)
        opened = await sessions.open(
            account_id=account.id, kind=kind, epoch=0, at=start, visit=HOME, proofs=("pwd", "otp", "mfa")
        )
    seen = []
    for after in (every / 2, every - timedelta(seconds=1), every, 1.5 * every, 2.1 * every):
        await find_identity(parts.database, opened.token, at=start + after, default_market="DE")
        last = await owner.fetchval("SELECT last_seen_at FROM auth.sessions WHERE id = $1", opened.session_id)
        seen.append((last - start) / every)
    assert seen == [0, 0, 1, 1, 2.1]


async def test_a_session_opened_on_an_old_epoch_is_dead_at_birth(app: Litestar, owner: asyncpg.Connection) -> None:
    parts, account = parts_of(app), await a_customer(app)
    at = datetime.now(UTC)
    await owner.execute("UPDATE auth.accounts SET auth_epoch = 1 WHERE id = $1", account.id)
    async with parts.database.sessions.begin() as session:
        sessions = Sessions(session, parts.outbox)
        opened = await sessions.open(account_id=account.id, kind="web", epoch=0, at=at, visit=HOME)
    assert await find_identity(parts.database, opened.token, at=at, default_market="DE") is None


async def test_no_token_stands_anywhere_in_the_database(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    bearer = await sign_in(client, await a_customer(app))
    rows = await owner.fetch(
        "SELECT s::text AS row FROM auth.sessions s UNION ALL SELECT a::text FROM auth.audit_events a"
    )
    assert rows
    assert not any(bearer.token[12:] in row["row"] for row in rows)
