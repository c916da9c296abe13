"""Limits over time, counted exactly across processes: GCRA in Redis, or in PostgreSQL where there is no Redis.

GCRA keeps one number for each limit and key: the theoretical arrival time. A try moves it on by its cost times
the emission interval; it is admitted if that leaves it at most `per` ahead of now. A refused try moves nothing.
"""

import asyncio
import hmac
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import asyncpg
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from auth.errors import TooManyAttempts
from store.rate_limits import Standing, forget, note

log = structlog.get_logger("throttling")

_ADMIT_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local increment, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + increment
local wait = arrival - span - now
if wait > 0 then
  return math.ceil(wait)
end
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil(arrival - now) + 1000)
return math.ceil(wait)
"""
"""Milliseconds to wait; if admitted, how far ahead of the limit the bucket still is, as a negative number."""

_GIVE_BACK_SCRIPT: Final = """
local stored = redis.call('GET', KEYS[1])
if stored then
  redis.call('SET', KEYS[1], string.format('%.0f', tonumber(stored) - tonumber(ARGV[1])), 'KEEPTTL')
end
return 0
"""

_ADMIT_MEMBER_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local member, most, span = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - span)
if not redis.call('ZSCORE', KEYS[1], member) and redis.call('ZCARD', KEYS[1]) >= most then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return math.max(1, math.ceil(oldest[2] + span - now))
end
redis.call('ZADD', KEYS[1], now, member)
redis.call('PEXPIRE', KEYS[1], math.ceil(span) + 1000)
return 0
"""
"""Milliseconds until the member that was counted longest ago counts no more; 0 if this one was admitted."""

_FORGET_MEMBER_SCRIPT: Final = "return redis.call('ZREM', KEYS[1], ARGV[1])"

# One statement, so that two at once are counted one after the other by the row's lock.
_ADMIT_ROW: Final = """
    INSERT INTO auth.throttle_buckets AS b (key, theoretical_arrival) VALUES ($1, clock_timestamp() + $2::interval)
    ON CONFLICT (key) DO UPDATE
       SET theoretical_arrival = greatest(b.theoretical_arrival, clock_timestamp()) + $2::interval
     WHERE greatest(b.theoretical_arrival, clock_timestamp()) + $2::interval - $3::interval <= clock_timestamp()
    RETURNING extract(epoch FROM b.theoretical_arrival - $3::interval - clock_timestamp())::float8
"""

_WAIT_FOR_ROW: Final = """
    SELECT extract(epoch FROM theoretical_arrival + $2::interval - $3::interval - clock_timestamp())::float8
      FROM auth.throttle_buckets WHERE key = $1
"""

_GIVE_BACK_ROW: Final = """
    UPDATE auth.throttle_buckets SET theoretical_arrival = theoretical_arrival - $2::interval WHERE key = $1
"""

# Each member is a row below the key, which counts until its time. Those of one key wait for each other.
_LOCK_KEY: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

_WAIT_FOR_MEMBER: Final = """
    SELECT CASE WHEN bool_or(key = $1 || ':' || $2) OR count(*) < $3 THEN 0
                ELSE extract(epoch FROM min(theoretical_arrival) - clock_timestamp())::float8 END
      FROM auth.throttle_buckets
     WHERE key > $1 || ':' AND key < $1 || ';' AND theoretical_arrival > clock_timestamp()
"""

_ADD_MEMBER: Final = """
    INSERT INTO auth.throttle_buckets (key, theoretical_arrival)
         VALUES ($1 || ':' || $2, clock_timestamp() + $3::interval)
    ON CONFLICT (key) DO UPDATE SET theoretical_arrival = excluded.theoretical_arrival
"""

_FORGET_MEMBER: Final = "DELETE FROM auth.throttle_buckets WHERE key = $1 || ':' || $2"

_FORGET_ROWS: Final = "DELETE FROM auth.throttle_buckets WHERE theoretical_arrival < now() - interval '1 minute'"

_CONNECTIONS: Final = 8
"""To Redis, per process."""

_PATIENCE: Final = 1.0
"""Seconds that Redis has for an answer."""

_REDIS_REST: Final = 5.0
"""Seconds for which a Redis that failed is not asked again."""


def open_redis(url: str | None) -> Redis | None:
    """A client for limits, or None without an address.

    A few connections that are waited for: a burst of requests must not fail over to PostgreSQL only because it
    opened hundreds of them.
    """
    if not url:
        return None
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_PATIENCE,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
    )
    return Redis.from_pool(pool)


@dataclass(slots=True)
class Throttling:
    """The `auth.ports.Throttle` port. Losing Redis lifts no limit and locks nobody out: PostgreSQL counts on.

    It does so from an empty bucket, so that each change from one to the other admits at most one more burst.
    """

    pool: asyncpg.Pool
    key: bytes = field(repr=False)
    """Secret under which what is counted (addresses, IPs) becomes a key, so that no cache holds an address."""
    redis: Redis | None = None
    _redis_rests_until: float = 0.0

    async def admit(
        self, *, rule: str, key: str, burst: int, per: timedelta, cost: int = 1, announced: bool = True
    ) -> None:
        """Count one try of `cost`; raises `TooManyAttempts` with the time to wait, and then counts nothing."""
        bucket, increment = self._bucket(rule, key), per / burst * cost
        wait = await self._run_script(_ADMIT_SCRIPT, bucket, _milliseconds(increment), _milliseconds(per))
        if wait is None:
            wait = await self._admit_by_row(bucket, increment, per)
        if wait > 0:
            note(Standing(rule, burst, per.total_seconds(), left=0, reset=wait / 1000))
            raise TooManyAttempts(retry_after=wait / 1000)
        if announced:
            # A millisecond more, as the script rounds to whole ones.
            left = int((1 - wait) / _milliseconds(per / burst))
            reset = (_milliseconds(per) + wait) / 1000
            note(Standing(rule, burst, per.total_seconds(), left=left, reset=reset))

    async def give_back(self, *, rule: str, key: str, burst: int, per: timedelta, cost: int = 1) -> None:
        """Take back what a success had counted."""
        bucket, increment = self._bucket(rule, key), per / burst * cost
        if await self._run_script(_GIVE_BACK_SCRIPT, bucket, _milliseconds(increment)) is None:
            await self.pool.execute(_GIVE_BACK_ROW, bucket, increment)
        forget(rule)

    async def admit_member(self, *, rule: str, key: str, member: str, most: int, per: timedelta) -> None:
        """Count a member; raises `TooManyAttempts` where there are `most` others within `per`, and counts nothing."""
        bucket, name = self._bucket(rule, key), self._digest(rule, member)
        wait = await self._run_script(_ADMIT_MEMBER_SCRIPT, bucket, name, most, _milliseconds(per))
        if wait is None:
            wait = await self._admit_member_by_row(bucket, name, most, per)
        if wait > 0:
            note(Standing(rule, most, per.total_seconds(), left=0, reset=wait / 1000))
            raise TooManyAttempts(retry_after=wait / 1000)

    async def give_member_back(self, *, rule: str, key: str, member: str) -> None:
        """Take a member back."""
        bucket, name = self._bucket(rule, key), self._digest(rule, member)
        if await self._run_script(_FORGET_MEMBER_SCRIPT, bucket, name) is None:
            await self.pool.execute(_FORGET_MEMBER, bucket, name)

    async def forget_old(self) -> None:
        """Remove buckets of PostgreSQL that are full again: a periodic sweep."""
        await self.pool.execute(_FORGET_ROWS)

    def _bucket(self, rule: str, key: str) -> str:
        return f"throttle:{rule}:{self._digest(rule, key)}"

    def _digest(self, rule: str, counted: str) -> str:
        return hmac.digest(self.key, f"{rule}|{counted}".encode(), "sha256").hex()[:32]

    async def _run_script(self, script: str, bucket: str, *arguments: float | str) -> float | None:
        """The script's answer in milliseconds; None if there is no Redis to ask."""
        if self.redis is None or time.monotonic() < self._redis_rests_until:
            return None
        try:
            async with asyncio.timeout(_PATIENCE):
                return float(await self.redis.register_script(script)(keys=[bucket], args=list(arguments)))
        except (RedisError, OSError, TimeoutError) as fault:
            self._redis_rests_until = time.monotonic() + _REDIS_REST
            log.warning("redis_failed", kind=type(fault).__name__)
            return None

    async def _admit_by_row(self, bucket: str, increment: timedelta, per: timedelta) -> float:
        ahead: float | None = await self.pool.fetchval(_ADMIT_ROW, bucket, increment, per)
        if ahead is not None:
            return min(0.0, ahead * 1000)
        wait: float | None = await self.pool.fetchval(_WAIT_FOR_ROW, bucket, increment, per)
        return max(1.0, (wait or 0.0) * 1000)

    async def _admit_member_by_row(self, bucket: str, name: str, most: int, per: timedelta) -> float:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK_KEY, bucket)
            wait: float = await connection.fetchval(_WAIT_FOR_MEMBER, bucket, name, most)
            if wait == 0:
                await connection.execute(_ADD_MEMBER, bucket, name, per)
                return 0.0
        return max(1.0, wait * 1000)


def _milliseconds(span: timedelta) -> float:
    return span / timedelta(milliseconds=1)
