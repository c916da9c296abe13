"""What knowing who asks costs, and what a flood of sign-ins does to everybody else.

Both alone: `python -m benchmarks.accounts`.
"""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import httpx
from rich import box
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from auth.ids import new_id
from auth.models import Account, Session
from auth.passwords import PasswordHasher
from auth.tokens import SESSION, hash_token, make_token
from benchmarks.baselines import TABLE
from benchmarks.load import Load, measure_requests, median_of
from benchmarks.processes import free_port, serving
from benchmarks.sign_in_flood import AT_ONCE, LIMIT_MIB, LIMIT_MS, Flood, measure_flood
from store.database import Database
from store.migrations import migrate
from store.sandbox.engines import running_engines
from store.sandbox.secrets import sandbox_variables
from store.settings import Settings

console = Console()

ROUNDS: Final = 7
"""Rounds of every load, odd; one more warms up and is not counted."""

REQUESTS: Final = 1000
"""Requests of one load in one round."""

PATH: Final = "/v1/genres"
"""A route for everybody that asks the database nothing itself: what a session adds is all that differs."""

PASSWORD: Final = "drei Esel tanzen im Regen"  # noqa: S105 - of the benchmark's accounts only


@dataclass(frozen=True, slots=True)
class Member:
    """A customer who is signed in."""

    email: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionCheck:
    """The cost of the same route with and without a session, beside a handler of one query."""

    loads: Sequence[Load]
    """One query through asyncpg's pool as it comes and through the store's own, signed out, signed in."""
    added_ms: float
    """Median over the rounds of what a session added, web and database."""
    multiples: tuple[float, float]
    """Median over the rounds of the same, as a multiple of each one-query handler in the same round."""


async def make_members(database: Database, *, number: int) -> list[Member]:
    """Customers with one password and a session each."""
    hasher = PasswordHasher(threads=1)
    hashed = await hasher.accept(PASSWORD, kind="customer")
    hasher.close()
    now = datetime.now(UTC)
    ids = [new_id() for _ in range(number)]
    members = [Member(f"{one.hex}@demo.videothek.example", make_token(SESSION)) for one in ids]
    accounts = [
        {
            "id": one,
            "kind": "customer",
            "email": member.email,
            "email_key": member.email,
            "email_verified_at": now,
            "password_hash": hashed,
            "locale": "de",
            "residence_country": "DE",
            "created_at": now,
        }
        for one, member in zip(ids, members, strict=True)
    ]
    sessions = [
        {
            "kind": "app",
            "account_id": one,
            "token_hash": hash_token(member.token, kind=SESSION),
            "epoch": 0,
            "amr": ["pwd"],
            "auth_at": now,
            "created_at": now,
            "last_seen_at": now,
            "idle_expires_at": now + timedelta(days=1),
            "expires_at": now + timedelta(days=1),
            "ip_trunc": "127.0.0.0/24",
            "ua_short": "benchmark",
            "csrf_secret": secrets.token_bytes(32),
        }
        for one, member in zip(ids, members, strict=True)
    ]
    async with database.sessions.begin() as session:
        await session.execute(insert(Account), accounts)
        await session.execute(insert(Session), sessions)
    return members


async def measure_session_check(
    owner_url: str, members: Sequence[Member], *, environment: dict[str, str]
) -> SessionCheck:
    """Ask for one route without a session and with one, and for one query, in turns."""
    rounds: list[Sequence[Load]] = []
    with serving("store.app:create_app", environment) as (store, store_process):
        async with httpx.AsyncClient() as client:
            body = (await client.get(store + PATH, headers={"Accept-Language": "de"})).content
        keys = await _make_documents(owner_url, body)
        with serving("benchmarks.baselines:create_app", environment) as (baselines, bare_process):
            for number in range(ROUNDS + 1):
                chosen = [(number * REQUESTS + one) % len(members) for one in range(REQUESTS)]
                queries = [
                    (name, baselines, bare_process, [_get(baselines, f"/{name}/{keys[one]}") for one in chosen])
                    for name in ("plain-query", "one-query")
                ]
                loads = (
                    *queries,
                    ("signed out", store, store_process, [_get(store, PATH)] * REQUESTS),
                    ("signed in", store, store_process, [_get(store, PATH, members[one]) for one in chosen]),
                )
                rounds.append(
                    [
                        await measure_requests(name, address, requests, server=server)
                        for name, address, server, requests in loads
                    ]
                )
    counted = rounds[1:]
    added = [signed_in.cpu_ms - signed_out.cpu_ms for *_, signed_out, signed_in in counted]
    plain, own = (
        median(more / loads[query].cpu_ms for more, loads in zip(added, counted, strict=True)) for query in (0, 1)
    )
    return SessionCheck(
        loads=[median_of(loads) for loads in zip(*counted, strict=True)],
        added_ms=median(added),
        multiples=(plain, own),
    )


async def measure_sign_ins(members: Sequence[Member], *, environment: dict[str, str]) -> Flood:
    """Have as many as there may be sign in at once."""
    trusting = {**environment, "TRUSTED_PROXIES": "127.0.0.1"}
    with serving("store.app:create_app", trusting) as (address, process):
        return await measure_flood(address, process, [member.email for member in members], PASSWORD)


async def measure_accounts(
    settings: Settings, owner_url: str, *, environment: dict[str, str]
) -> tuple[SessionCheck, Flood]:
    """Both measurements, on customers of their own."""
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        members = await make_members(database, number=AT_ONCE)
    finally:
        await database.close()
    check = await measure_session_check(owner_url, members, environment=environment)
    return check, await measure_sign_ins(members, environment=environment)


def show_accounts(check: SessionCheck, flood: Flood) -> None:
    """Print both with their limits."""
    cost = Table(
        title=f"Knowing who asks: CPU per request of {PATH}, ms (user + system)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    cost.add_column("", no_wrap=True)
    for heading in ("web", "database", "both"):
        cost.add_column(heading, justify="right")
    for load in check.loads:
        values = (load.app_ms, load.database_ms, load.cpu_ms)
        cost.add_row(load.name, *(f"{value:.3f}" for value in values))
    console.print(cost)
    plain, own = check.multiples
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(flood.statuses.items()))
    console.print(
        f"A session adds {check.added_ms:.3f} ms: {plain:.2f} x plain-query (the limit is 1), {own:.2f} x one-query "
        "(medians of the rounds)."
        f"\n{AT_ONCE} sign-ins at once, {flood.statuses.total() // AT_ONCE} times: {answers}; all answered after "
        f"{flood.seconds:.2f} s. Beside them {len(flood.health_ms)} health checks: p50 {flood.p50:.1f} ms, p99 "
        f"{flood.p99:.1f} ms (limit {LIMIT_MS:.0f}); memory grew by {flood.growth_mib:.0f} MiB (limit {LIMIT_MIB:.0f})",
        soft_wrap=True,
    )


async def _make_documents(owner_url: str, body: bytes) -> list[str]:
    """Give the one-query handler as many bytes to send as the route has."""
    keys = [f"member-{number}" for number in range(AT_ONCE)]
    connection = await asyncpg.connect(owner_url)
    await connection.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (key text PRIMARY KEY, document bytea NOT NULL)")
    await connection.execute(
        f"INSERT INTO {TABLE} SELECT key, $2 FROM unnest($1::text[]) AS key "  # noqa: S608
        "ON CONFLICT (key) DO UPDATE SET document = excluded.document",
        keys,
        body,
    )
    # The members' tables too: else their first requests would be planned for tables as empty as they were.
    await connection.execute(f"GRANT SELECT ON {TABLE} TO PUBLIC; ANALYZE {TABLE}, auth.accounts, auth.sessions")
    await connection.close()
    return keys


def _get(address: str, path: str, member: Member | None = None) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {urlsplit(address).netloc}", "Accept-Language: de"]
    if member is not None:
        lines.append(f"Authorization: Bearer {member.token}")
    return "\r\n".join([*lines, "", ""]).encode()


def main() -> int:
    """Run these two alone, on engines that are thrown away; no catalogue is needed."""
    with (
        tempfile.TemporaryDirectory(prefix="videothek-bench-") as folder,
        running_engines(Path(folder), durable=True) as engines,
    ):
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
            **sandbox_variables(Path(folder)),
            "BASE_URL": f"http://127.0.0.1:{free_port()}",
            "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}",
            "DATABASE_URL": engines.database_url,
            "REDIS_URL": engines.redis_url or "",
        }
        settings = Settings.from_env(environment)
        asyncio.run(migrate(settings.database_owner_url))
        show_accounts(*asyncio.run(measure_accounts(settings, engines.database_url, environment=environment)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
