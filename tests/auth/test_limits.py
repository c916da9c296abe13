"""Every limit on accounts holds with Redis and without it, and the owner gets in all the same."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.limits import SIGN_IN_ACCOUNTS_PER_HOUR
from store.throttling import open_redis
from tests.auth.people import (
    AUTHENTICATOR,
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    a_colleague,
    a_customer,
    an_address,
    parts_of,
    sign_in,
    someone_at,
    with_unused_limits,
)

DEAD = "redis://127.0.0.1:1/0"
ELSEWHERE = "198.51.100.23"

Try = Callable[[httpx.AsyncClient, dict[str, Any]], Awaitable[httpx.Response]]


@pytest.fixture(params=["with Redis", "with a dead Redis", "without Redis"])
async def limited(request: pytest.FixtureRequest, app: Litestar, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client of an application whose Redis is there, has gone, or never was."""
    throttle = parts_of(app).throttle
    if request.param != "with Redis":
        if throttle.redis is not None:
            await throttle.redis.aclose()
        throttle.redis = open_redis(DEAD) if request.param == "with a dead Redis" else None
    return client


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await client.post(path, json=body)


async def sign_in_wrongly(client: httpx.AsyncClient, about: dict[str, Any]) -> httpx.Response:
    return await post(client, "/v1/sessions", email=about["email"], password=OTHER_PASSWORD)


async def forget(client: httpx.AsyncClient, about: dict[str, Any]) -> httpx.Response:
    return await post(client, "/v1/password-resets", email=about["email"])


async def register(client: httpx.AsyncClient, about: dict[str, Any]) -> httpx.Response:
    wish = {"email": about["email"], "password": OTHER_PASSWORD, "residence_country": "DE"}
    return await post(client, "/v1/registrations", **wish)


async def guess_a_link(client: httpx.AsyncClient, about: dict[str, Any]) -> httpx.Response:
    return await post(client, "/v1/password-reset-completions", token="x", password=OTHER_PASSWORD)


async def prove_wrongly(client: httpx.AsyncClient, about: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/step-ups", json={"password": OTHER_PASSWORD}, headers=about["headers"])


async def send_a_wrong_code(client: httpx.AsyncClient, about: dict[str, Any]) -> httpx.Response:
    return await post(client, "/v1/second-steps", token=about["step"], code="000000")


LIMITS: dict[str, tuple[Try, int]] = {
    "signing in to an account": (sign_in_wrongly, 10),
    "asking for a link": (forget, 5),
    "registering an address": (register, 5),
    "trying links": (guess_a_link, 30),
    "proving who one is once more": (prove_wrongly, 10),
    "codes of a second factor": (send_a_wrong_code, 5),
}
"""What is limited, and after how many tries."""


@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_holds_whatever_becomes_of_redis(app: Litestar, limited: httpx.AsyncClient, name: str) -> None:
    attempt, most = LIMITS[name]
    customer, colleague = await a_customer(app), await a_colleague(app)
    bearer = await sign_in(limited, customer)
    begun = await post(limited, "/v1/sessions", email=colleague.email, password=GOOD_PASSWORD)
    about = {"email": customer.email, "headers": bearer.headers, "step": begun.json()["token"]}
    with_unused_limits(app)
    answers = [await attempt(limited, about) for _ in range(most + 1)]
    assert [answer.status_code == 429 for answer in answers] == [False] * most + [True]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert ";r=0;t=" in answers[-1].headers["ratelimit"]
    assert answers[-1].headers["ratelimit-policy"]


async def test_without_redis_everything_still_works(
    app: Litestar, limited: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    colleague, customer = await a_colleague(app), await a_customer(app)
    begun = await post(limited, "/v1/sessions", email=colleague.email, password=GOOD_PASSWORD)
    step = {"token": begun.json()["token"], "code": AUTHENTICATOR.code(str(colleague.id))}
    assert (await post(limited, "/v1/second-steps", **step)).status_code == 201
    assert (await post(limited, "/v1/password-resets", email=customer.email)).status_code == 202
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 1
    assert (await limited.get("/health/ready")).status_code == 200
    assert (await limited.get("/v1/genres")).status_code == 200


async def test_who_tries_many_accounts_is_stopped_at_the_twenty_first_and_the_owners_are_not(
    app: Litestar, limited: httpx.AsyncClient
) -> None:
    most = SIGN_IN_ACCOUNTS_PER_HOUR.most
    victims = [(await a_customer(app)).email for _ in range(3)] + [an_address("niemand") for _ in range(most - 3)]
    owner, stranger = await a_customer(app), an_address("niemand")
    async with someone_at(app, ELSEWHERE) as attacker:
        tried = [await post(attacker, "/v1/sessions", email=one, password=OTHER_PASSWORD) for one in victims]
        assert {answer.status_code for answer in tried} == {401}
        assert not any("sign_in.ip.accounts" in answer.headers["ratelimit"] for answer in tried)
        refused = [
            await post(attacker, "/v1/sessions", email=one, password=OTHER_PASSWORD) for one in (owner.email, stranger)
        ]
        assert [answer.status_code for answer in refused] == [429, 429]
        assert {answer.headers["ratelimit"].partition("sign_in.ip.accounts")[2][:5] for answer in refused} == {'";r=0'}
        again = await post(attacker, "/v1/sessions", email=victims[0], password=OTHER_PASSWORD)
        assert again.status_code == 401, "one of the twenty is no other one"
    assert (await post(limited, "/v1/sessions", email=owner.email, password=GOOD_PASSWORD)).status_code == 201


async def test_many_people_behind_one_address_who_know_their_passwords_are_no_attack(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    for _ in range(SIGN_IN_ACCOUNTS_PER_HOUR.most + 3):
        account = await a_customer(app)
        assert (await post(client, "/v1/sessions", email=account.email, password=GOOD_PASSWORD)).status_code == 201
