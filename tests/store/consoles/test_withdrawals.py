"""Withdrawals that need a person: listed with why, closed with a note, each look on record."""

from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.store.consoles.people import Person, a_person
from tests.store.web.page_reading import faults_of

NOTE = "Mit der Kundin telefoniert, Vorgang 4711."


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


@pytest.fixture
async def declaration(owner: asyncpg.Connection) -> str:
    """Id of an open declaration; another one was carried out."""
    insert = """
        INSERT INTO billing.withdrawal_declarations
            (id, name, contract, email, email_key, locale, state, reason, declared_at)
        VALUES (gen_random_uuid(), 'Anna <b>', $1, 'anna@example.org', 'anna@example.org', 'de', $2, $3, $4)
        RETURNING id
    """
    await owner.fetchval(insert, "V-2026-AAAA-0001", "withdrawn", None, datetime.now(UTC))
    return str(await owner.fetchval(insert, "V-2026-ZZZZ-0000", "open", "address_differs", datetime.now(UTC)))


async def test_the_list_shows_what_waits_and_why(
    client: httpx.AsyncClient, agent: Person, declaration: str, owner: asyncpg.Connection
) -> None:
    for locale in ("de", "en"):
        page = await client.get(f"/{locale}/staff/withdrawals", headers=agent.headers)
        assert faults_of(page.text, locale=locale) == []
        for words in ("V-2026-ZZZZ-0000", "Anna &lt;b&gt;", "anna@example.org"):
            assert words in page.text
        assert "V-2026-AAAA-0001" not in page.text
    assert (
        "Adresse gehört nicht zur Bestellung" in (await client.get("/de/staff/withdrawals", headers=agent.headers)).text
    )
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action = 'withdrawals.viewed'") == 3


async def test_it_is_closed_with_a_note_that_stays_on_record(
    client: httpx.AsyncClient, agent: Person, declaration: str, owner: asyncpg.Connection
) -> None:
    path = f"/de/staff/withdrawals/{declaration}/closures"
    short = await client.post(path, data={"reason": "kurz"}, headers=agent.headers)
    told = await client.get(short.headers["location"], headers=agent.headers)
    assert "mindestens zehn Zeichen" in told.text
    state = "SELECT state, note, closed_by FROM billing.withdrawal_declarations WHERE id::text = $1"
    assert tuple(await owner.fetchrow(state, declaration)) == ("open", None, None)

    done = await client.post(path, data={"reason": NOTE}, headers=agent.headers)
    assert done.headers["location"] == "/de/staff/withdrawals?done=withdrawal_closed"
    assert tuple(await owner.fetchrow(state, declaration)) == ("closed", NOTE, agent.account.id)
    entry = await owner.fetchrow("SELECT * FROM auth.audit_events WHERE action = 'withdrawal.closed'")
    assert entry is not None
    assert (entry["target_id"], entry["reason"]) == (declaration, NOTE)
    assert (await client.post(path, data={"reason": NOTE}, headers=agent.headers)).status_code == 409
