"""Sessions that end while one of their requests is still being answered stay ended; visitors have none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.limits import SIGN_IN_ACCOUNTS_PER_HOUR
from auth.tokens import EMAIL_CHANGE, EMAIL_UNDO, KEEP_ACCOUNT, PASSWORD_RESET, REGISTRATION
from store.settings import Settings
from tests.auth.people import (
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    Bearer,
    a_customer,
    an_address,
    parts_of,
    sign_in,
    with_unused_limits,
)
from tests.auth.post_office import PostOffice, deliver_mails, open_post_office, token_in
from tests.crawling import rows_by_table
from tests.journeys.waiting import eventually

VISITS = 1000
LOOKED_AT = (
    "/v1/genres",
    "/v1/titles",
    "/de",
    "/en/genres",
    "/de/sign-in",
    "/v1/account",
    "/gibt-es-nicht",
    "/health/live",
)


@pytest.fixture(autouse=True)
def unused_limits(app: Litestar) -> None:
    with_unused_limits(app)


@pytest.fixture
async def post_office(settings: Settings) -> AsyncIterator[PostOffice]:
    with open_post_office(settings.smtp_url) as office:
        yield office


async def sign_out(client: httpx.AsyncClient, bearer: Bearer) -> None:
    assert (await client.delete("/v1/sessions/current", headers=bearer.headers)).status_code == 204


async def sign_out_everywhere(client: httpx.AsyncClient, bearer: Bearer) -> None:
    assert (await client.delete("/v1/sessions", headers=bearer.headers)).status_code == 204


END: dict[str, Callable[[httpx.AsyncClient, Bearer], Awaitable[None]]] = {
    "signing out": sign_out,
    "signing out everywhere": sign_out_everywhere,
}


async def while_a_request_waits(
    client: httpx.AsyncClient, bearer: Bearer, owner_url: str, do: Callable[[], Awaitable[None]]
) -> httpx.Response:
    """The answer to a request that was let in before something was done, and answered after."""
    holder = await asyncpg.connect(owner_url)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE auth.parental_pins IN ACCESS EXCLUSIVE MODE")
            slow = asyncio.create_task(client.get("/v1/viewer", headers=bearer.headers))
            await eventually(lambda: holder.fetchval("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1"))
            await do()
            assert not slow.done()
    finally:
        await holder.close()
    return await slow


@pytest.mark.parametrize("name", END)
async def test_a_session_that_ends_during_a_request_does_not_come_back_with_its_answer(
    app: Litestar, client: httpx.AsyncClient, owner_url: str, name: str
) -> None:
    bearer = await sign_in(client, await a_customer(app))
    answer = await while_a_request_waits(client, bearer, owner_url, lambda: END[name](client, bearer))
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401


async def test_a_reset_ends_every_session_also_those_with_a_request_under_way(
    app: Litestar, client: httpx.AsyncClient, owner_url: str, settings: Settings, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    app_session = await sign_in(client, account)
    form = {"email": account.email, "password": GOOD_PASSWORD, "client": "web"}
    await client.post("/v1/sessions", json=form)
    cookie = {"Cookie": f"{settings.session_cookie}={client.cookies[settings.session_cookie]}"}
    client.cookies.clear()
    await client.post("/v1/password-resets", json={"email": account.email})
    await deliver_mails(app)
    reset = {"token": token_in(post_office.to(account.email)[-1]), "password": OTHER_PASSWORD}

    async def complete() -> None:
        assert (await client.post("/v1/password-reset-completions", json=reset)).status_code == 204

    assert (await client.get("/v1/account", headers=cookie)).status_code == 200
    answer = await while_a_request_waits(client, app_session, owner_url, complete)
    assert answer.status_code == 200
    for headers in (app_session.headers, cookie):
        assert (await client.get("/v1/account", headers=headers)).status_code == 401


async def test_no_mailed_link_of_another_purpose_sets_a_password(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    """The links themselves, as they are mailed, not only made-up ones of their shape."""
    account, new = await a_customer(app), an_address("neu")
    bearer = await sign_in(client, account)
    wish = {"email": new, "password": GOOD_PASSWORD, "residence_country": "DE"}
    assert (await client.post("/v1/registrations", json=wish)).status_code == 202
    other = {"email": an_address("anders")}
    assert (await client.post("/v1/email-changes", json=other, headers=bearer.headers)).status_code == 202
    erasing = await client.post("/v1/account-erasures", json={"password": GOOD_PASSWORD}, headers=bearer.headers)
    assert erasing.status_code == 201
    assert (await client.post("/v1/password-resets", json={"email": account.email})).status_code == 202
    await deliver_mails(app)
    kinds = {}
    for letter in post_office.letters:
        token = token_in(letter)
        kinds[token.split("_")[1]] = token
    purposes = {REGISTRATION, EMAIL_CHANGE, EMAIL_UNDO, KEEP_ACCOUNT, PASSWORD_RESET}
    assert kinds.keys() == purposes
    for kind in purposes - {PASSWORD_RESET}:
        form = {"token": kinds[kind], "password": OTHER_PASSWORD}
        assert (await client.post("/v1/password-reset-completions", json=form)).json()["code"] == "link_not_valid"
    reset = kinds[PASSWORD_RESET]
    for path, body in (
        ("/v1/registration-confirmations", {"token": reset, "password": GOOD_PASSWORD}),
        ("/v1/email-change-undos", {"token": reset}),
        ("/v1/account-erasure-cancellations", {"token": reset}),
    ):
        assert (await client.post(path, json=body)).json()["code"] == "link_not_valid", path
    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 200
    await sign_in(client, account)


async def test_a_thousand_looks_leave_no_cookie_no_row_and_nothing_in_redis(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    for path in LOOKED_AT:
        await client.get(path)
    redis = parts_of(app).throttle.redis
    assert redis is not None
    before, keys = await rows_by_table(owner), await redis.dbsize()
    for number in range(VISITS):
        answer = await client.get(LOOKED_AT[number % len(LOOKED_AT)])
        assert "set-cookie" not in answer.headers
    assert await rows_by_table(owner) == before
    assert await owner.fetchval("SELECT count(*) FROM auth.throttle_buckets") == 0
    assert await redis.dbsize() <= keys


async def test_what_a_client_says_of_its_address_opens_no_new_limit(app: Litestar, client: httpx.AsyncClient) -> None:
    statuses = []
    for number in range(SIGN_IN_ACCOUNTS_PER_HOUR.most + 3):
        said = f"198.51.100.{number}"
        headers = {
            "X-Forwarded-For": said,
            "X-Real-IP": said,
            "True-Client-IP": said,
            "CF-Connecting-IP": said,
            "Forwarded": f"for={said}",
        }
        form = {"email": an_address(), "password": OTHER_PASSWORD}
        statuses.append((await client.post("/v1/sessions", json=form, headers=headers)).status_code)
    assert statuses == [401] * SIGN_IN_ACCOUNTS_PER_HOUR.most + [429] * 3
