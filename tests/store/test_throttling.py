import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from auth.errors import TooManyAttempts
from store.database import Database
from store.rate_limits import Standing, collected_in, headers_of
from store.settings import Settings
from store.throttling import Throttling, open_redis

HOUR = timedelta(hours=1)


@pytest.fixture(params=["redis", "no redis", "a dead redis"])
async def throttle(request: pytest.FixtureRequest, database: Database, settings: Settings) -> AsyncIterator[Throttling]:
    address = {"redis": settings.redis_url, "no redis": None, "a dead redis": "redis://127.0.0.1:1/0"}[request.param]
    throttle = Throttling(database.reads, os.urandom(32), open_redis(address))
    yield throttle
    if throttle.redis is not None:
        await throttle.redis.aclose()


async def is_admitted(throttle: Throttling, *, key: str = "anna", rule: str = "test", burst: int = 10) -> bool:
    try:
        await throttle.admit(rule=rule, key=key, burst=burst, per=HOUR)
    except TooManyAttempts:
        return False
    return True


async def test_of_a_hundred_at_once_exactly_the_burst_is_admitted(throttle: Throttling) -> None:
    outcomes = await asyncio.gather(*(is_admitted(throttle) for _ in range(100)))
    assert sum(outcomes) == 10


@pytest.mark.parametrize("with_redis", [True, False])
async def test_several_processes_admit_the_burst_together(
    database: Database, settings: Settings, with_redis: bool
) -> None:
    key, address = os.urandom(32), settings.redis_url if with_redis else None
    processes = [Throttling(database.reads, key, open_redis(address)) for _ in range(3)]
    outcomes = await asyncio.gather(*(is_admitted(one) for _ in range(8) for one in processes))
    for one in processes:
        if one.redis is not None:
            await one.redis.aclose()
    assert sum(outcomes) == 10


async def test_a_refusal_says_how_long_to_wait_and_counts_nothing(throttle: Throttling) -> None:
    for _ in range(10):
        assert await is_admitted(throttle)
    waits = []
    for _ in range(3):
        with pytest.raises(TooManyAttempts) as refused:
            await throttle.admit(rule="test", key="anna", burst=10, per=HOUR)
        waits.append(refused.value.retry_after)
    assert all(355 <= wait <= 360 for wait in waits)


async def test_what_is_left_is_noted_for_the_answer(throttle: Throttling) -> None:
    standings: list[Standing] = []
    with collected_in(standings):
        outcomes = [await is_admitted(throttle, burst=3) for _ in range(4)]
        assert await is_admitted(throttle, rule="other")
        await throttle.give_back(rule="other", key="anna", burst=10, per=HOUR)
        await throttle.admit(rule="silent", key="anna", burst=3, per=HOUR, announced=False)
    assert outcomes == [True, True, True, False]
    assert [(one.rule, one.burst, one.per, one.left) for one in standings] == [
        ("test", 3, 3600, left) for left in (2, 1, 0, 0)
    ]
    assert [round(one.reset / 10) for one in standings] == [120, 240, 360, 120]


def test_an_answer_names_its_limits_in_the_fields_of_the_draft() -> None:
    standings = [Standing("sign_in.ip.minute", 30, 60.0, 29, 1.5), Standing("link.ip", 30, 3600.0, 0, 119.2)]
    assert headers_of(standings) == (
        (b"ratelimit-policy", b'"sign_in.ip.minute";q=30;w=60, "link.ip";q=30;w=3600'),
        (b"ratelimit", b'"sign_in.ip.minute";r=29;t=2, "link.ip";r=0;t=120'),
    )
    assert headers_of([]) == ()


async def test_limits_are_counted_by_key_and_by_rule(throttle: Throttling) -> None:
    assert await is_admitted(throttle, burst=1)
    assert not await is_admitted(throttle, burst=1)
    assert await is_admitted(throttle, key="berta", burst=1)
    assert await is_admitted(throttle, rule="other", burst=1)


async def test_what_a_success_had_counted_is_given_back(throttle: Throttling) -> None:
    assert await is_admitted(throttle, burst=1)
    await throttle.give_back(rule="test", key="anna", burst=1, per=HOUR)
    assert await is_admitted(throttle, burst=1)
    assert not await is_admitted(throttle, burst=1)


async def is_member(
    throttle: Throttling, member: str, *, key: str = "anna", most: int = 3, per: timedelta = HOUR
) -> bool:
    try:
        await throttle.admit_member(rule="members", key=key, member=member, most=most, per=per)
    except TooManyAttempts:
        return False
    return True


async def test_of_many_different_ones_at_once_as_many_are_admitted_as_may_be_and_each_again(
    throttle: Throttling,
) -> None:
    names = [str(number) for number in range(30)]
    outcomes = await asyncio.gather(*(is_member(throttle, name) for name in names))
    assert sum(outcomes) == 3
    again = await asyncio.gather(*(is_member(throttle, name) for name in names for _ in range(2)))
    assert again == [was_admitted for was_admitted in outcomes for _ in range(2)]
    assert await is_member(throttle, "another", key="berta")


async def test_a_refused_one_is_told_when_the_oldest_counts_no_more(throttle: Throttling) -> None:
    standings: list[Standing] = []
    with collected_in(standings):
        assert [await is_member(throttle, name) for name in "abcd"] == [True, True, True, False]
    assert [(one.rule, one.burst, one.left) for one in standings] == [("members", 3, 0)]
    assert 3590 < standings[0].reset <= 3600
    await throttle.give_member_back(rule="members", key="anna", member="b")
    assert [await is_member(throttle, name) for name in "de"] == [True, False]


async def test_what_was_counted_long_ago_counts_no_more(throttle: Throttling) -> None:
    moment = timedelta(milliseconds=10)
    assert await is_member(throttle, "a", most=1, per=moment)
    await asyncio.sleep(0.03)
    assert await is_member(throttle, "b", most=1, per=moment)


async def test_time_refills_the_bucket(throttle: Throttling) -> None:
    tick = timedelta(milliseconds=20)
    admitted = 0
    async with asyncio.timeout(5):
        while admitted < 3:
            try:
                await throttle.admit(rule="test", key="anna", burst=1, per=tick)
                admitted += 1
            except TooManyAttempts:
                await asyncio.sleep(0)
    assert admitted == 3


async def test_redis_that_comes_and_goes_leaves_no_hole(
    database: Database, settings: Settings, owner: asyncpg.Connection
) -> None:
    throttle = Throttling(database.reads, os.urandom(32), open_redis("redis://127.0.0.1:1/0"))
    assert [await is_admitted(throttle, burst=2) for _ in range(3)] == [True, True, False]
    assert await owner.fetchval("SELECT count(*) FROM auth.throttle_buckets") == 1
    assert throttle.redis is not None
    await throttle.redis.aclose()


async def test_no_address_is_kept_in_clear(database: Database, owner: asyncpg.Connection) -> None:
    throttle = Throttling(database.reads, os.urandom(32))
    await throttle.admit(rule="test", key="anna@beispiel.example", burst=1, per=HOUR)
    key = await owner.fetchval("SELECT key FROM auth.throttle_buckets")
    assert key.startswith("throttle:test:")
    assert "anna" not in key


async def test_full_buckets_are_swept_away(database: Database, owner: asyncpg.Connection) -> None:
    throttle = Throttling(database.reads, os.urandom(32))
    await is_admitted(throttle)
    await is_admitted(throttle, key="berta")
    await owner.execute(
        "UPDATE auth.throttle_buckets SET theoretical_arrival = now() - interval '1 hour' "
        "WHERE key = (SELECT min(key) FROM auth.throttle_buckets)"
    )
    await throttle.forget_old()
    assert await owner.fetchval("SELECT count(*) FROM auth.throttle_buckets") == 1


@pytest.mark.parametrize(
    ("seconds", "german", "english"),
    [
        (0.2, "2 Sekunden", "2 seconds"),
        (90, "90 Sekunden", "90 seconds"),
        (121, "3 Minuten", "3 minutes"),
        (17_270, "5 Stunden", "5 hours"),
    ],
)
def test_people_are_told_how_long_to_wait_in_a_unit_that_they_can_grasp(
    seconds: float, german: str, english: str
) -> None:
    refusal = TooManyAttempts(seconds)
    assert refusal.sentence("de").endswith(f"warten Sie {german}.")
    assert refusal.sentence("en").endswith(f"wait {english}.")
