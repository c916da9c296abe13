"""Periods of what is kept: nothing goes before its period is over, all of it afterwards, in batches of any size."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import pytest

import auth.retention
import billing.retention
import store.retention
from auth.retention import Period
from store.database import Database
from store.retention import forget_what_is_past
from tests.store.privacy.lives import Life

PERIODS = (*auth.retention.PERIODS, *billing.retention.PERIODS, *store.retention.PERIODS)

TABLE = Path(__file__).resolve().parents[3] / "docs/retention.md"

LEFT: Final = {
    "addresses of audited deeds": "SELECT count(*) FROM auth.audit_addresses",
    "ended sign-ins": "SELECT count(*) FROM auth.sessions",
    "what erased accounts had agreed to at registration": "SELECT count(*) FROM auth.consents",
    "removed passkeys": "SELECT count(*) FROM auth.passkeys WHERE removed_at IS NOT NULL",
    "changes of address": "SELECT count(*) FROM auth.email_changes",
    "codes read out by callers": "SELECT count(*) FROM auth.caller_verifications",
    "recoveries by support": "SELECT count(*) FROM auth.recoveries",
    "password resets": "SELECT count(*) FROM auth.password_resets",
    "quotes that nobody ordered": "SELECT count(*) - 1 FROM billing.quotes",
    "tries to pay": "SELECT count(*) FROM billing.payment_tries",
    "declined tries of payments": "SELECT count(*) FROM billing.declined_tries",
    "payers' address keys": "SELECT count(address_key) FROM billing.payments",
    "addresses of orders": "SELECT count(client_address) FROM billing.orders",
    "cards' fingerprints and last digits": "SELECT count(method ->> 'fingerprint') FROM billing.payments",
    "settled declarations of withdrawal": "SELECT count(*) FROM billing.withdrawal_declarations",
    "log of jobs": "SELECT count(*) FROM jobs.pgqueuer_log",
    "reports about mails": "SELECT count(*) FROM store.mail_reports",
    "mails that prove nothing": "SELECT count(*) FROM store.mails WHERE kind IN ('password_reset', 'registration')",
    "mails that prove a contract's confirmation": "SELECT count(*) FROM store.mails WHERE kind = 'order_confirmation'",
    "licences and playbacks that were asked for": "SELECT count(*) FROM store.licence_events",
    "cases that are done": "SELECT count(*) FROM store.cases",
    "playbacks": "SELECT count(*) FROM store.playback_sessions",
}
"""How many rows there are that a period is about; of the quotes, the one that was ordered stays."""

LOGGED: Final = """
    INSERT INTO jobs.pgqueuer_log (created, job_id, status, priority, entrypoint)
    VALUES (now(), 1, 'successful', 0, 'deliver_mail');
    INSERT INTO store.mail_reports (id, digest, source, kind, is_permanent, received_at)
    VALUES (gen_random_uuid(), sha256('x'), 'message', 'bounced', true, now());
    DELETE FROM store.watch_progress;
    INSERT INTO auth.erasures (id, account_id, requested_at, due_at, erased_at)
    SELECT gen_random_uuid(), id, now(), now(), now() FROM auth.accounts WHERE kind = 'customer';
    INSERT INTO auth.passkeys (id, account_id, credential_id, sign_count, can_be_backed_up, is_backed_up, transports,
                               name, created_at, removed_at)
    SELECT gen_random_uuid(), id, 'c', 0, true, true, '{}', 'alt', now(), now() FROM auth.accounts LIMIT 1
"""

AGED: Final = """
    SET session_replication_role = replica;
    UPDATE store.licence_events SET recorded_at = now() - interval '{days} days';
    UPDATE store.playback_sessions SET beat_at = now() - interval '{days} days';
    UPDATE auth.erasures SET erased_at = now() - interval '{days} days';
    SET session_replication_role = origin
"""
"""Licences as old as the database itself must find them, whatever time it is told."""

OLD: Final = (
    "licences and playbacks that were asked for",
    "playbacks",
    "what erased accounts had agreed to at registration",
)


@pytest.fixture
async def held(life: Life, owner: asyncpg.Connection) -> None:
    await owner.execute(LOGGED)


async def forget(database: Database, *, after: timedelta, batch: int = 1000) -> dict[str, int]:
    then = datetime.now(UTC) + after
    return dict(await forget_what_is_past(database, at=then, real_now=then, batch=batch))


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.name)
async def test_a_row_stays_until_its_period_is_over(
    period: Period, database: Database, owner: asyncpg.Connection
) -> None:
    before = await owner.fetchval(LEFT[period.name])
    assert before > 0
    age = timedelta()
    if period.name in OLD:
        age = timedelta(days=1460)
        await owner.execute(AGED.format(days=age.days))
    await forget(database, after=period.keep - age - timedelta(hours=12))
    assert await owner.fetchval(LEFT[period.name]) == before


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("batch", [1, 1000])
async def test_when_all_periods_are_over_nothing_is_left_but_what_the_law_keeps(
    batch: int, database: Database, owner: asyncpg.Connection
) -> None:
    kept = "SELECT (SELECT count(*) FROM billing.documents), (SELECT count(*) FROM billing.orders), " + (
        "(SELECT count(*) FROM store.entitlements), (SELECT count(*) FROM auth.accounts)"
    )
    before = await owner.fetchrow(kept)
    await owner.execute(AGED.format(days=1462))
    forgotten = await forget(database, after=timedelta(days=1470), batch=batch)
    assert {name for name, count in forgotten.items() if count == 0} == set()
    assert {name: await owner.fetchval(query) for name, query in LEFT.items()} == dict.fromkeys(LEFT, 0)
    assert await owner.fetchrow(kept) == before
    again = await forget(database, after=timedelta(days=1470))
    assert set(again.values()) == {0}


@pytest.mark.usefixtures("held")
async def test_a_licence_event_is_kept_by_the_database_itself_until_claims_have_lapsed(
    pools: Database, owner: asyncpg.Connection
) -> None:
    for statement in (
        "DELETE FROM store.licence_events",
        "UPDATE store.licence_events SET outcome = 'refused'",
        "TRUNCATE store.licence_events",
    ):
        for connection in (pools.reads, owner):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    assert await owner.fetchval("SELECT count(*) FROM store.licence_events") == 1


def test_the_table_in_the_docs_says_what_the_periods_are() -> None:
    rows = re.findall(r"^\| ([^|]+?) \| (\d+) \| [^|]+ \|$", TABLE.read_text(), re.MULTILINE)
    assert [(name, int(days)) for name, days in rows] == [(period.name, period.keep.days) for period in PERIODS]
