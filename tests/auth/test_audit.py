from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from auth import audit
from auth.errors import PasswordRefused
from store.cli import export_audit_anchor, make_staff, verify_audit_trail
from store.composition import assemble, periodic_jobs
from store.database import Database
from store.settings import Settings
from tests.auth.people import a_colleague, a_customer, parts_of, sign_in
from tests.auth.post_office import open_post_office, text_of
from tests.scratch import MovableTestClock


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
    assert await verify_audit_trail(settings, Namespace(anchors=None)) == 0
    await owner.execute(
        "SET session_replication_role = replica; "
        "UPDATE auth.audit_events SET outcome = 'refused' "
        "WHERE id = (SELECT audit_event_id FROM auth.audit_seals WHERE sequence = 2); "
        "SET session_replication_role = origin"
    )
    assert await verify_audit_trail(settings, Namespace(anchors=None)) == 1
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


REMADE = """
    SET session_replication_role = replica;
    UPDATE auth.audit_events SET target_id = 'x'
     WHERE id = (SELECT audit_event_id FROM auth.audit_seals WHERE sequence = 2);
    DELETE FROM auth.audit_seals WHERE sequence > 0;
    SET session_replication_role = origin
"""
"""What somebody does who can change the database and knows how the chain is made."""


async def export_anchor(settings: Settings, path: Path) -> None:
    assert await export_audit_anchor(settings, Namespace(to=str(path))) == 0


async def test_who_makes_the_whole_chain_anew_is_found_out_by_an_anchor_kept_elsewhere(
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "anchors"
    await note(database, count=3)
    await export_anchor(settings, kept)
    await note(database, count=2)
    await export_anchor(settings, kept)
    assert len(audit.anchors_in(kept.read_text())) == 2
    with_anchors = Namespace(anchors=str(kept))
    assert await verify_audit_trail(settings, with_anchors) == 0
    assert "as 2 anchors saw it" in capsys.readouterr().out

    await owner.execute(REMADE)
    assert await seal(database) == 5

    assert await verify_audit_trail(settings, Namespace(anchors=None)) == 0, "the new chain holds by itself"
    assert await verify_audit_trail(settings, with_anchors) == 1
    told = capsys.readouterr().out
    assert "until seal 3 was changed or removed since" in told


async def test_what_was_done_after_an_anchor_is_no_news_and_a_shortened_chain_is(
    database: Database, owner: asyncpg.Connection, settings: Settings, tmp_path: Path
) -> None:
    kept = tmp_path / "anchors"
    await note(database, count=2)
    await export_anchor(settings, kept)
    await note(database, count=2)
    await seal(database)
    assert await verify_audit_trail(settings, Namespace(anchors=str(kept))) == 0
    await owner.execute(
        "SET session_replication_role = replica; DELETE FROM auth.audit_seals WHERE sequence > 1; "
        "SET session_replication_role = origin"
    )
    assert await verify_audit_trail(settings, Namespace(anchors=None)) == 0, "what is left holds"
    assert await verify_audit_trail(settings, Namespace(anchors=str(kept))) == 1


async def test_an_anchor_is_read_from_a_mail_too_and_a_file_without_one_is_an_error(
    app: Litestar, settings: Settings, database: Database, tmp_path: Path
) -> None:
    kept = tmp_path / "mail.txt"
    kept.write_text("no anchor here")
    assert await verify_audit_trail(settings, Namespace(anchors=str(kept))) == 2
    await note(database, count=1)
    await seal(database)
    wanted = replace(settings, audit_anchor_to="revision@kino.example")
    parts = await assemble(wanted, database=database, clock=MovableTestClock(), hasher=parts_of(app).hasher)
    await periodic_jobs(parts)["mail_audit_anchor"][1]()
    with open_post_office(settings.smtp_url) as office:
        mail_id = (await database.reads.fetchrow("SELECT id FROM store.mails"))["id"]  # type: ignore[index]
        await parts.outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    await parts.close()
    (letter,) = office.to("revision@kino.example")
    kept.write_text(text_of(letter))
    assert await verify_audit_trail(settings, Namespace(anchors=str(kept))) == 0
    await periodic_jobs(parts_of(app))["mail_audit_anchor"][1]()
    assert await database.reads.fetchval("SELECT count(*) FROM store.mails") == 1, (
        "without the setting there is no mail"
    )
