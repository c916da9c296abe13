from argparse import Namespace
from datetime import UTC, datetime
from io import StringIO

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from auth import audit
from auth.errors import PasswordRefused
from store.cli import make_staff, verify_audit_trail
from store.database import Database
from store.settings import Settings
from tests.auth.people import a_colleague, a_customer, sign_in


async def note(database: Database, *, count: int) -> None:
    for number in range(count):
        async with database.sessions.begin() as session:
            await audit.record(
                session,
                at=datetime.now(UTC),
                actor=None,
                action="test.note",
                target_kind="test",
                target_id=str(number),
                details={"größe": number, "list": ["a", None]},
            )


async def seal(database: Database) -> int:
    async with database.sessions.begin() as session:
        return await audit.seal(session, at=datetime.now(UTC))


async def broken_at(database: Database) -> audit.BrokenSeal | None:
    async with database.sessions() as session:
        return await audit.find_broken_seal(session)


@pytest.mark.parametrize("table", ["auth.audit_events", "auth.audit_seals"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_nobody_changes_the_trail_not_even_its_owner(
    database: Database, owner: asyncpg.Connection, table: str, change: str
) -> None:
    await note(database, count=1)
    await seal(database)
    column = "action" if table == "auth.audit_events" else "hash"
    statement = change.format(table, column, column)
    with pytest.raises(ProgrammingError, match=r"permission denied|append-only"):
        async with database.sessions.begin() as session:
            await session.execute(text(statement))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(statement)
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events") == 1
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_seals") == 1


async def test_sealing_chains_what_is_new_and_nothing_twice(database: Database, owner: asyncpg.Connection) -> None:
    await note(database, count=3)
    assert await seal(database) == 3
    assert await seal(database) == 0
    await note(database, count=2)
    assert await seal(database) == 2
    rows = await owner.fetch("SELECT sequence, previous_hash, hash FROM auth.audit_seals ORDER BY sequence")
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["previous_hash"] == audit.GENESIS
    assert [row["previous_hash"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    assert await broken_at(database) is None


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE auth.audit_events SET target_id = 'x' WHERE {second}",
        "UPDATE auth.audit_events SET at = at + interval '1 microsecond' WHERE {second}",
        "UPDATE auth.audit_events SET details = jsonb '[]' WHERE {second}",
        "UPDATE auth.audit_seals SET hash = previous_hash WHERE sequence = 2",
        "DELETE FROM auth.audit_seals WHERE sequence = 2",
        "DELETE FROM auth.audit_events WHERE {second}",
    ],
)
async def test_whoever_gets_round_the_triggers_is_found_out(
    database: Database, owner: asyncpg.Connection, tampering: str
) -> None:
    await note(database, count=3)
    await seal(database)
    event_id = await owner.fetchval("SELECT audit_event_id FROM auth.audit_seals WHERE sequence = 2")
    # By its place in the chain: of two entries of one millisecond either may come first.
    deed = tampering.format(second=f"id = '{event_id}'")
    await owner.execute(f"SET session_replication_role = replica; {deed}; SET session_replication_role = origin")
    named = None if tampering.startswith("DELETE FROM auth.audit_seals") else event_id
    assert await broken_at(database) == audit.BrokenSeal(2, named)


async def test_the_command_names_the_entry_that_was_changed(
    database: Database, owner: asyncpg.Connection, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await note(database, count=3)
    await seal(database)
    assert await verify_audit_trail(settings, Namespace()) == 0
    await owner.execute(
        "SET session_replication_role = replica; "
        "UPDATE auth.audit_events SET outcome = 'refused' "
        "WHERE id = (SELECT audit_event_id FROM auth.audit_seals WHERE sequence = 2); "
        "SET session_replication_role = origin"
    )
    assert await verify_audit_trail(settings, Namespace()) == 1
    entry = await owner.fetchval("SELECT audit_event_id FROM auth.audit_seals WHERE sequence = 2")
    assert f"seal 2: entry {entry}" in capsys.readouterr().out


async def test_staff_are_not_made_with_a_password_that_nobody_knows(
    settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(""))
    with pytest.raises(PasswordRefused):
        await make_staff(settings, Namespace(email="chefin@beispiel.example", role=["admin"]))
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 0


async def test_a_guards_refusal_leaves_an_entry(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    agent = await sign_in(client, await a_colleague(app, roles=("editor",)))
    answer = await client.get("/v1/staff/customers", params={"email": "anna@beispiel.example"}, headers=agent.headers)
    assert answer.status_code == 403
    entry = await owner.fetchrow("SELECT * FROM auth.audit_events WHERE action = 'customer.read'")
    assert entry is not None
    assert (entry["outcome"], entry["actor_id"], entry["reason"]) == ("refused", agent.account_id, "not_permitted")


async def test_a_customer_cannot_be_given_a_role(app: Litestar, owner: asyncpg.Connection) -> None:
    customer = await a_customer(app)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await owner.execute(
            "INSERT INTO auth.role_assignments (account_id, role, granted_at) VALUES ($1, 'admin', now())", customer.id
        )
