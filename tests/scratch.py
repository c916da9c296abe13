"""What the fixtures are made of: settings of a sandbox, a clock that a test sets, running the queued jobs."""

import base64
import json
import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle

import asyncpg

from store.composition import Parts, job_handlers

REFERENCE_TABLES = frozenset(
    {
        "billing.ledger_accounts",
        "billing.refund_limits",
        "billing.try_limits",
        "billing.debit_rules",
        "billing.tax_rates",
        "store.markets",
        "store.case_kinds",
        "store.genres",
        "store.device_limits",
        "store.gift_limits",
        "store.remedy_limits",
    }
)
"""Tables with data that belongs to the schema: not emptied between tests."""


@dataclass(slots=True)
class MovableTestClock:
    """Business time: the real one plus what the test added to it, or an instant that the test set."""

    ahead: timedelta = timedelta()
    fixed: datetime | None = field(default=None)

    async def now(self) -> datetime:
        """The present business time, in UTC."""
        return self.recent()

    def recent(self) -> datetime:
        """The same, as a test's clock is asked of nobody."""
        return self.fixed or datetime.now(UTC) + self.ahead


def sandbox_environment(*, database_url: str, redis_url: str) -> dict[str, str]:
    """Environment variables of a sandbox on these engines, with a free port for the web server."""
    return {
        "VIDEOTHEK_MODE": "sandbox",
        "BASE_URL": f"http://localhost:{free_port()}",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": f"smtp://127.0.0.1:{free_port()}",
        "MAIL_FROM": "Videothek <kino@videothek.example>",
        "STRIPE_SECRET_KEY": "sk_test_sandbox_0123456789abcdefghij",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_sandbox_0123456789abcdefghij",
        "STRIPE_WEBHOOK_SECRETS": "whsec_sandbox_0123456789",
        "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}",
        "SEPA_CREDITOR_ID": "DE98ZZZ09999999999",
        "STRIPE_JS_URL": "http://127.0.0.1:8420/v3/",
        "ROOT_SECRET": sandbox_secret("root"),
        "CONTENT_KEY_SECRET": sandbox_secret("content"),
        "LICENCE_SIGNING_KEY": sandbox_secret("licence"),
        "SELLER_NAME": "Videothek Demo GmbH",
        "SELLER_ADDRESS": "Filmstraße 1 · 10115 Berlin · Deutschland",
        "SELLER_EMAIL": "kino@videothek.example",
        "SELLER_VAT_ID": "DE000000000",
        "SELLER_IMPRINT": "Vertreten durch Mia Muster · Amtsgericht Musterstadt, HRB 00000",
    }


def sandbox_secret(name: str) -> str:
    """32 bytes in base64 that say that they are no secret."""
    return base64.b64encode(f"sandbox-{name}".encode().ljust(32, b"-")).decode()


def _ports_of_this_process() -> Iterator[int]:
    """Ports below those that outgoing connections get, in a range of this test process alone; from any of them on."""
    first = 20_000 + 1_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    start = random.randrange(1_000)
    return cycle([first + (start + place) % 1_000 for place in range(1_000)])


_PORTS = _ports_of_this_process()


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment, another one each time."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("ports never end")


DUE_JOBS = """
    DELETE FROM jobs.pgqueuer WHERE id IN (
        SELECT id FROM jobs.pgqueuer WHERE status = 'queued' AND execute_after <= now() ORDER BY id
    ) RETURNING id, entrypoint, payload
"""


async def run_due_jobs(owner: asyncpg.Connection, parts: Parts) -> list[str]:
    """Run every job that is due, and those that they enqueue, in this process; answers their names.

    The worker's own loop has a test of its own; here a test decides when jobs run.
    """
    handlers, names = job_handlers(parts), []
    while due := await owner.fetch(DUE_JOBS):
        for job in sorted(due, key=lambda job: int(job["id"])):
            await handlers[job["entrypoint"]](**json.loads(job["payload"]))
            names.append(job["entrypoint"])
    return names
