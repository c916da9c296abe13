"""Nobody learns from the work, the answer or its time who has an account (ASVS 5.0, 6.3.8).

What is counted does not depend on how busy the machine is: the statements in their order, the passwords hashed, the
calls of Redis, and every byte of the answer. One test by the clock stands beside it, with wide limits.
"""

import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy import event

from auth.passwords import PasswordHasher
from store.app import attach
from store.composition import assemble
from store.database import APP_ROLE, Database
from store.settings import Settings
from tests.auth.people import (
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    a_colleague,
    a_customer,
    an_address,
    parts_of,
    sign_in,
    with_unused_limits,
)
from tests.scratch import MovableTestClock

Ask = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]

PAIRS = 40
"""Interleaved tries of either kind in the test by the clock."""


@dataclass(slots=True)
class Work:
    """What was done since it was last emptied."""

    statements: list[str] = field(default_factory=list)
    hashed: list[str] = field(default_factory=list)

    def note(self, statement: str) -> None:
        """A statement without the numbers that SQLAlchemy gives to its parameters."""
        self.statements.append(re.sub(r"\s+", " ", statement).strip())


class CountingHasher(PasswordHasher):
    """Notes what each thread was given to do."""

    def __init__(self, work: Work) -> None:
        super().__init__(threads=1, memory_kibibytes=1024, passes=1)
        self.work = work

    def _check_and_hash(self, password: str, kind: str, words: tuple[str, ...]) -> str:
        self.work.hashed.append("hash")
        return super()._check_and_hash(password, kind, words)

    def _verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        self.work.hashed.append("verify")
        return super()._verify(password, stored)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def watched(
    application: Litestar, settings: Settings, owner_url: str, clean_rows: None, clock: MovableTestClock, work: Work
) -> AsyncIterator[Litestar]:
    """The application over doors to the database that write down what passes through them."""

    async def watch(connection: asyncpg.Connection) -> None:
        connection.add_query_logger(lambda query: work.note(query.query))

    async def keep(_connection: asyncpg.Connection) -> None:
        """As the application's own pool does."""

    database = await Database.connect(owner_url)
    options = {"application_name": "videothek", "timezone": "UTC", "role": APP_ROLE}
    reads = await asyncpg.create_pool(
        owner_url, min_size=1, max_size=1, init=watch, reset=keep, server_settings=options
    )

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        work.note(statement)

    hasher = CountingHasher(work)
    hasher.warm_up()
    parts = await assemble(settings, database=replace(database, reads=reads), clock=clock, hasher=hasher)
    attach(application, parts)
    yield application
    await parts.close()
    await reads.close()
    await database.close()


@pytest.fixture
async def visitor(watched: Litestar, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=watched, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as visitor:
        yield visitor


@pytest.fixture
async def addresses(watched: Litestar, visitor: httpx.AsyncClient, owner: asyncpg.Connection) -> dict[str, str]:
    """An address of every kind that there is."""
    customer, colleague = await a_customer(watched), await a_colleague(watched)
    disabled, careful = await a_customer(watched), await a_customer(watched, locale="en")
    await owner.execute("UPDATE auth.accounts SET status = 'disabled' WHERE id = $1", disabled.id)
    await owner.execute(
        "INSERT INTO auth.second_factors (id, account_id, created_at, confirmed_at) "
        "VALUES (gen_random_uuid(), $1, now(), now())",
        careful.id,
    )
    without, unverified = await a_customer(watched), an_address("wartet")
    await owner.execute("UPDATE auth.accounts SET password_hash = NULL WHERE id = $1", without.id)
    await register(visitor, unverified)
    return {
        "nobody's": an_address("niemand"),
        "a customer's": str(customer.email),
        "one that waits for its confirmation": unverified,
        "a colleague's": str(colleague.email),
        "a disabled account's": str(disabled.email),
        "one with a second factor": str(careful.email),
        "one without a password": str(without.email),
    }


async def enter(client: httpx.AsyncClient, email: str) -> httpx.Response:
    return await client.post("/v1/sessions", json={"email": email, "password": OTHER_PASSWORD})


async def enter_on_a_device(client: httpx.AsyncClient, email: str) -> httpx.Response:
    form = {"email": email, "password": OTHER_PASSWORD, "device_token": "vt1_device_" + "a" * 43}
    return await client.post("/v1/sessions", json=form)


async def enter_on_the_page(client: httpx.AsyncClient, email: str) -> httpx.Response:
    form = {"email": email, "password": OTHER_PASSWORD}
    return await client.post("/de/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})


async def register(client: httpx.AsyncClient, email: str) -> httpx.Response:
    wish = {"email": email, "password": GOOD_PASSWORD, "residence_country": "DE"}
    return await client.post("/v1/registrations", json=wish)


async def forget(client: httpx.AsyncClient, email: str) -> httpx.Response:
    return await client.post("/v1/password-resets", json={"email": email})


async def forget_on_the_page(client: httpx.AsyncClient, email: str) -> httpx.Response:
    return await client.post("/en/password/forgot", data={"email": email}, headers={"Sec-Fetch-Site": "same-origin"})


async def calls_of_redis(app: Litestar) -> int:
    """How many scripts it has run since it started."""
    redis = parts_of(app).throttle.redis
    assert redis is not None
    told: dict[str, dict[str, int]] = await redis.info("commandstats")
    return sum(of["calls"] for name, of in told.items() if name.startswith("cmdstat_eval"))


def shown(answer: httpx.Response, email: str) -> tuple[int, str, dict[str, str]]:
    """All that somebody who asked can see, but for the request's own number and what they sent themselves."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")}
    text = answer.text.replace(answer.headers["x-request-id"], "").replace(email, "…")
    return answer.status_code, re.sub(r'value="[\w=-]{43,}"', "", text), headers


async def work_for(app: Litestar, client: httpx.AsyncClient, work: Work, ask: Ask, email: str) -> tuple[Any, ...]:
    """What was done and shown for an address."""
    with_unused_limits(app)
    before = await calls_of_redis(app)
    work.statements.clear()
    work.hashed.clear()
    answer = await ask(client, email)
    done = tuple(work.statements), tuple(work.hashed), await calls_of_redis(app) - before
    return (*done, *shown(answer, email))


HASHED: dict[str, tuple[Ask, list[str], int]] = {
    "signing in": (enter, ["verify"], 401),
    "signing in on a device": (enter_on_a_device, ["verify"], 401),
    "signing in on the page": (enter_on_the_page, ["verify"], 401),
    "registering": (register, ["hash"], 202),
    "asking for a new password": (forget, [], 202),
    "asking for one on the page": (forget_on_the_page, [], 303),
}
"""What is asked, how much is hashed for it, and the status of the answer."""


@pytest.mark.parametrize("name", HASHED)
async def test_the_work_and_the_answer_are_the_same_for_every_address(
    watched: Litestar, visitor: httpx.AsyncClient, work: Work, addresses: dict[str, str], name: str
) -> None:
    ask, hashed, status = HASHED[name]
    await work_for(watched, visitor, work, ask, an_address("warm"))
    found = {kind: await work_for(watched, visitor, work, ask, email) for kind, email in addresses.items()}
    expected = found["nobody's"]
    assert expected[1] == tuple(hashed)
    assert expected[3] == status
    assert len(expected[0]) > 0
    assert expected[2] > 0
    differing = {kind: one for kind, one in found.items() if one != expected}
    assert differing == {}


@pytest.mark.parametrize("kind", ["a customer's", "a colleague's", "a disabled account's", "one without a password"])
async def test_a_change_to_an_address_takes_the_same_work_whoever_has_it(
    watched: Litestar, visitor: httpx.AsyncClient, work: Work, addresses: dict[str, str], kind: str
) -> None:
    person = await a_customer(watched)
    bearer = await sign_in(visitor, person)

    async def change(client: httpx.AsyncClient, email: str) -> httpx.Response:
        return await client.post("/v1/email-changes", json={"email": email}, headers=bearer.headers)

    await work_for(watched, visitor, work, change, an_address("warm"))
    free = await work_for(watched, visitor, work, change, addresses["nobody's"])
    taken = await work_for(watched, visitor, work, change, addresses[kind])
    assert free[3] == 202
    assert taken == free


async def test_the_eleventh_try_is_the_same_work_too(
    watched: Litestar, visitor: httpx.AsyncClient, work: Work, addresses: dict[str, str]
) -> None:
    refused = []
    for kind in ("nobody's", "a customer's", "a colleague's"):
        with_unused_limits(watched)
        for _ in range(10):
            assert (await enter(visitor, addresses[kind])).status_code == 401
        work.statements.clear()
        work.hashed.clear()
        answer = await enter(visitor, addresses[kind])
        refused.append((answer.status_code, tuple(work.statements), tuple(work.hashed)))
    assert refused[0] == (429, (), ())
    assert refused[0] == refused[1] == refused[2]


@pytest.mark.parametrize("ask", [enter, forget], ids=["signing in", "asking for a new password"])
async def test_the_time_of_the_answer_tells_nothing(
    watched: Litestar, visitor: httpx.AsyncClient, addresses: dict[str, str], ask: Ask
) -> None:
    """Known and unknown in turns, so that what else the machine does meets both alike; the medians are compared."""

    async def differ() -> float:
        taken: dict[str, list[float]] = {"nobody's": [], "a customer's": []}
        for _ in range(PAIRS):
            for kind, spans in taken.items():
                with_unused_limits(watched)
                started = time.perf_counter()
                await ask(visitor, addresses[kind])
                spans.append(time.perf_counter() - started)
        unknown, known = (statistics.median(spans[5:]) for spans in taken.values())
        return abs(known - unknown) / unknown

    differences = []
    while len(differences) < 3 and (not differences or differences[-1] > 0.3):
        differences.append(await differ())
    assert min(differences) <= 0.3, differences
