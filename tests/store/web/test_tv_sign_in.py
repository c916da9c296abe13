"""Signing in on a TV by a code (RFC 8628): the TV's program and its owner's browser, without JavaScript."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.device_grants import forget_device_grants
from auth.models import Account
from auth.sessions import end_every_session
from auth.tokens import DEVICE
from store.settings import Settings
from store.tv_sign_in_routes import GRANT_TYPE
from tests.auth.people import parts_of, someone_at, with_unused_limits
from tests.store.entitlement.parts import TestDevice
from tests.store.web.visitors import OURS, PASSWORD, sign_in, token_in

ASK, POLL = "/v1/device-authorisations", "/v1/device-tokens"


@pytest.fixture
def tv(settings: Settings) -> TestDevice:
    return TestDevice(settings.base_url)


@pytest.fixture
async def program(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """What runs on the TV: elsewhere, and without the browser's cookies."""
    async with someone_at(app, "198.51.100.7") as program:
        yield program


async def ask(client: httpx.AsyncClient, tv: TestDevice, *, name: str = "Wohnzimmer") -> dict[str, Any]:
    answer = await client.post(
        ASK, json={"device_name": name}, headers={"DPoP": tv.proof("POST", ASK), "Accept-Language": "de"}
    )
    assert answer.status_code == 201, answer.text
    asked: dict[str, Any] = answer.json()
    return asked


async def poll(client: httpx.AsyncClient, tv: TestDevice, device_code: str, **more: Any) -> httpx.Response:
    body = {"grant_type": GRANT_TYPE, "device_code": device_code, **more}
    return await client.post(POLL, json=body, headers={"DPoP": tv.proof("POST", POLL), "Accept-Language": "de"})


async def later(owner: asyncpg.Connection, seconds: int) -> None:
    """So many seconds pass for whoever waits."""
    await owner.execute("UPDATE auth.device_grants SET polled_at = polled_at - make_interval(secs => $1)", seconds)


async def decide(browser: httpx.AsyncClient, code: str, decision: str = "allow") -> httpx.Response:
    form = {"csrf_token": token_in((await browser.get("/de/tv")).text), "code": code, "decision": decision}
    return await browser.post("/de/tv/decisions", data=form, headers=OURS)


async def test_a_tv_is_signed_in_by_the_code_that_it_shows(
    browser: httpx.AsyncClient,
    program: httpx.AsyncClient,
    customer: Account,
    tv: TestDevice,
    owner: asyncpg.Connection,
) -> None:
    asked = await ask(program, tv)
    assert asked["verification_uri"].endswith("/de/tv")
    assert asked["verification_uri_complete"] == f"{asked['verification_uri']}?code={asked['user_code']}"
    assert (asked["expires_in"], asked["interval"]) == (600, 5)
    waiting = await poll(program, tv, asked["device_code"])
    assert (waiting.status_code, waiting.json()["error"]) == (400, "authorization_pending")
    assert waiting.headers["Retry-After"] == "5"

    page = (await browser.get("/de/tv", params={"code": asked["user_code"]})).text
    assert "„Wohnzimmer“ anmelden?" in page
    assert "Land unbekannt" in page
    await owner.execute("UPDATE auth.device_grants SET country = 'AT'")
    assert "Land: Österreich" in (await browser.get("/de/tv", params={"code": asked["user_code"]})).text
    assert "auf Ihrem eigenen Gerät" in page
    assert (await decide(browser, asked["user_code"])).headers["location"].endswith("done=tv_allowed")

    await later(owner, 5)
    answer = await poll(program, tv, asked["device_code"])
    assert answer.status_code == 201, answer.text
    token = answer.json()
    assert token["token_type"] == "Bearer"
    assert token["account_id"] == str(customer.id)
    assert token["device_token"].startswith(f"vt1_{DEVICE}_")
    signed_in = {"Authorization": f"Bearer {token['access_token']}"}
    mine = (await program.get("/v1/account", headers=signed_in)).json()
    assert mine["email"] == customer.email

    sessions = (await browser.get("/de/account")).text
    assert "Wohnzimmer" in sessions
    assert await owner.fetchval("SELECT count(*) FROM store.mails WHERE kind = 'new_device'") == 1
    kept = await owner.fetchrow("SELECT * FROM auth.device_grants")
    assert asked["device_code"].encode() not in kept["device_code_hash"]
    assert asked["device_code"] not in str(kept)
    used = await poll(program, tv, asked["device_code"])
    assert used.json()["error"] == "invalid_grant"


async def test_on_the_tv_nobody_has_just_proved_who_they_are(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, client: httpx.AsyncClient
) -> None:
    asked = await ask(program, tv)
    await decide(browser, asked["user_code"])
    token = (await poll(program, tv, asked["device_code"])).json()["access_token"]
    browser.cookies.clear()
    answer = await client.post(
        "/v1/email-changes",
        json={"email": "anderswo@example.org"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.json()["code"] == "step_up_required"


@pytest.mark.parametrize("typed", ["SBZG-LQVX", " sbzg lqvx ", "S B Z G – L Q V X", "5B2G.LQUX", "ＳＢＺＧ1OVX"])
async def test_a_code_may_be_typed_as_people_type(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, owner: asyncpg.Connection, typed: str
) -> None:
    await ask(program, tv)
    await owner.execute("UPDATE auth.device_grants SET user_code = 'SBZGLQVX'")
    meant = {"lower": "sbzg lqvx", "spaced": "S B Z G – L Q V X", "looks": "5826-10UX"}.get(
        typed, typed.format("SBZG-LQVX")
    )
    assert "„Wohnzimmer“ anmelden?" in (await browser.get("/de/tv", params={"code": meant})).text


async def test_who_polls_too_fast_waits_longer_for_the_rest_of_it(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, owner: asyncpg.Connection
) -> None:
    asked = await ask(program, tv)
    answers = [(await poll(program, tv, asked["device_code"])).json() for _ in range(3)]
    assert [answer["error"] for answer in answers] == ["authorization_pending", "slow_down", "slow_down"]
    assert answers[-1]["interval"] == 15
    await later(owner, 10)
    assert (await poll(program, tv, asked["device_code"])).json()["error"] == "slow_down", (
        "five seconds are too few now"
    )
    await later(owner, 20)
    waiting = (await poll(program, tv, asked["device_code"])).json()
    assert (waiting["error"], waiting["interval"]) == ("authorization_pending", 20)


async def test_a_device_code_is_worthless_to_another_key(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, settings: Settings
) -> None:
    asked = await ask(program, tv)
    await decide(browser, asked["user_code"])
    stolen = await poll(program, TestDevice(settings.base_url), asked["device_code"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    proof = tv.proof("POST", POLL)
    body = {"grant_type": GRANT_TYPE, "device_code": asked["device_code"]}
    assert (await program.post(POLL, json=body)).json()["code"] == "invalid_dpop_proof"
    assert (await program.post(POLL, json=body, headers={"DPoP": proof})).status_code == 201
    assert (await program.post(POLL, json=body, headers={"DPoP": proof})).json()["code"] == "invalid_dpop_proof"


async def test_of_many_polls_at_once_one_gets_the_session(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, owner: asyncpg.Connection
) -> None:
    asked = await ask(program, tv)
    await decide(browser, asked["user_code"])
    before = await owner.fetchval("SELECT count(*) FROM auth.sessions")
    answers = await asyncio.gather(*(poll(program, tv, asked["device_code"]) for _ in range(64)))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 63
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == before + 1


async def test_a_code_is_decided_once(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, owner: asyncpg.Connection
) -> None:
    asked = await ask(program, tv)
    answers = await asyncio.gather(*(decide(browser, asked["user_code"], word) for word in ("allow", "refuse") * 2))
    assert sorted(answer.status_code for answer in answers) == [303] + [404] * 3
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action LIKE 'device_grant.%'") == 1


async def test_a_refused_tv_is_told_so(browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice) -> None:
    asked = await ask(program, tv)
    assert (await decide(browser, asked["user_code"], "refuse")).headers["location"].endswith("done=tv_refused")
    assert (await poll(program, tv, asked["device_code"])).json()["error"] == "access_denied"


async def test_after_ten_minutes_neither_code_is_good(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, app: Litestar, owner: asyncpg.Connection
) -> None:
    asked = await ask(program, tv)
    await owner.execute("UPDATE auth.device_grants SET expires_at = expires_at - interval '10 minutes'")
    assert (await decide(browser, asked["user_code"])).status_code == 404
    assert (await poll(program, tv, asked["device_code"])).json()["error"] == "expired_token"
    await owner.execute("UPDATE auth.device_grants SET expires_at = expires_at - interval '1 hour'")
    async with parts_of(app).database.sessions.begin() as session:
        await forget_device_grants(session, at=datetime.now(UTC))
    assert await owner.fetchval("SELECT count(*) FROM auth.device_grants") == 0


async def test_a_new_password_in_between_ends_what_was_allowed(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, app: Litestar, customer: Account
) -> None:
    asked = await ask(program, tv)
    await decide(browser, asked["user_code"])
    parts = parts_of(app)
    async with parts.database.sessions.begin() as session:
        await end_every_session(session, account_id=customer.id, at=customer.created_at, reason="password_reset")
    assert (await poll(program, tv, asked["device_code"])).json()["error"] == "invalid_grant"


async def test_guesses_are_limited_for_the_account_and_right_codes_are_not_counted(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice, app: Litestar
) -> None:
    with_unused_limits(app)
    asked = await ask(program, tv)
    for _ in range(7):
        assert (await browser.get("/de/tv", params={"code": asked["user_code"]})).status_code == 200
    wrong = [await browser.get("/de/tv", params={"code": f"BBBB-BBB{letter}"}) for letter in "BCDFGH"]
    assert [answer.status_code for answer in wrong] == [404] * 5 + [429]
    assert "Retry-After" in wrong[-1].headers
    assert "Versuche" in wrong[-1].text
    assert (await decide(browser, asked["user_code"])).status_code == 429


async def test_the_address_of_the_qr_code_alone_allows_nothing(
    browser: httpx.AsyncClient, program: httpx.AsyncClient, tv: TestDevice
) -> None:
    asked = await ask(program, tv)
    await browser.get(asked["verification_uri_complete"])
    assert (await poll(program, tv, asked["device_code"])).json()["error"] == "authorization_pending"
    form = {"code": asked["user_code"], "decision": "allow"}
    foreign = await browser.post("/de/tv/decisions", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403


async def test_only_a_customer_who_has_just_proved_who_they_are_may_allow(
    client: httpx.AsyncClient, customer: Account, program: httpx.AsyncClient, tv: TestDevice, owner: asyncpg.Connection
) -> None:
    asked = await ask(program, tv)
    page = f"/de/tv?code={asked['user_code']}"
    visitor = await client.get(page)
    assert visitor.status_code == 303
    assert visitor.headers["location"].startswith("/de/sign-in?next=%2Fde%2Ftv%3Fcode")
    await sign_in(client, customer)
    await owner.execute("UPDATE auth.sessions SET auth_at = auth_at - interval '1 hour'")
    answer = await decide(client, asked["user_code"])
    assert answer.headers["location"].startswith("/de/step-up?")
    assert (await poll(program, tv, asked["device_code"])).json()["error"] == "authorization_pending"
    form = {"csrf_token": token_in((await client.get("/de/step-up")).text), "password": PASSWORD, "next": page}
    assert (await client.post("/de/step-up", data=form, headers=OURS)).headers["location"] == page
    assert (await decide(client, asked["user_code"])).status_code == 303


async def test_a_stranger_s_proofs_fill_no_table(
    program: httpx.AsyncClient, tv: TestDevice, app: Litestar, owner: asyncpg.Connection
) -> None:
    with_unused_limits(app)
    proofs = "SELECT count(*) FROM store.dpop_proofs"
    asked = await ask(program, tv)
    assert await owner.fetchval(proofs) == 1
    for device_code in ("nonsense", asked["device_code"][:-1] + "_", asked["device_code"].replace("_tv_", "_session_")):
        assert (await poll(program, tv, device_code)).json()["error"] == "invalid_grant"
    assert await owner.fetchval(proofs) == 1
    for _ in range(59):
        await ask(program, tv)
    body, headers = {"device_name": "TV"}, {"DPoP": tv.proof("POST", ASK)}
    assert (await program.post(ASK, json=body, headers=headers)).status_code == 429
    assert await owner.fetchval(proofs) == 60
