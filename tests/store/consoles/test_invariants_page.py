"""Finance reads the invariants as they were found last, and has them counted."""

import asyncpg
import httpx
import pytest
from markupsafe import escape

from store.database import Database
from store.invariants import INVARIANTS
from tests.store.consoles.people import Person, a_person
from tests.store.web.page_reading import faults_of

GAP = "INSERT INTO billing.document_series (code, next_number) VALUES ('R-1999', $1)"


@pytest.fixture
async def accountant(database: Database) -> Person:
    return await a_person(database, roles=("finance",))


async def test_every_rule_is_a_row_with_its_state_and_when_it_was_counted(
    client: httpx.AsyncClient, accountant: Person, owner: asyncpg.Connection
) -> None:
    before = await client.get("/de/finance/invariants", headers=accountant.headers)
    assert before.text.count(">nie gezählt</span>") == len(INVARIANTS)
    await owner.execute(GAP, 2)
    done = await client.post("/de/finance/invariants/checks", headers=accountant.headers)
    assert done.headers["location"] == "/de/finance/invariants?done=invariants_checked"
    for locale, holds, broken in (("de", "stimmt", "verletzt"), ("en", "holds", "broken")):
        page = (await client.get(f"/{locale}/finance/invariants", headers=accountant.headers)).text
        assert faults_of(page, locale=locale) == []
        assert all(str(escape(invariant.words[locale])) in page for invariant in INVARIANTS)
        assert page.count(f">{holds}</span>") == len(INVARIANTS) - 1
        assert page.count(f">{broken}</span>") == 1
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action = 'invariants.checked'") == 1


async def test_it_is_remembered_since_when_a_rule_is_broken(
    client: httpx.AsyncClient, accountant: Person, owner: asyncpg.Connection
) -> None:
    since = "SELECT broken_since FROM store.invariant_findings WHERE name = 'gaps_in_document_numbers'"

    async def count() -> object:
        await client.post("/de/finance/invariants/checks", headers=accountant.headers)
        return await owner.fetchval(since)

    assert await count() is None
    await owner.execute(GAP, 2)
    first = await count()
    assert first is not None
    assert await count() == first
    await owner.execute("UPDATE billing.document_series SET next_number = 1")
    assert await count() is None
