"""A restored backup brings back who was erased since; the journal, kept elsewhere, has them erased once more."""

from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth.erasure import COOL_OFF
from auth.erasure_journal import Erased
from auth.ids import new_id
from store.database import Database
from store.erasure import Eraser
from store.erasure_commands import export_erasure_journal, replay_erasures
from store.invariants import check_invariants
from store.settings import Settings
from tests.store.privacy.lives import PASSWORD, TRACES, Life
from tests.store.privacy.test_erasure import KEPT, places_of

TABLES = """
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
     WHERE schemaname IN ('auth', 'billing', 'store') ORDER BY 1
"""

COLUMNS = """
    SELECT string_agg(format('%I', column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
     WHERE format('%I.%I', table_schema, table_name) = $1 AND is_generated = 'NEVER'
"""

Backup = dict[str, str]


async def back_up(owner: asyncpg.Connection) -> Backup:
    """Every row of every table."""
    return {
        row[0]: await owner.fetchval(f"SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]')::text FROM {row[0]} AS t")
        for row in await owner.fetch(TABLES)
    }


async def restore(owner: asyncpg.Connection, backup: Backup) -> None:
    """Put the tables back as they were."""
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        for table, rows in backup.items():
            columns = await owner.fetchval(COLUMNS, table)
            await owner.execute(f"DELETE FROM {table}")
            await owner.execute(
                f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE "
                f"SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1)",
                rows,
            )


async def ask_and_erase(program: httpx.AsyncClient, life: Life, database: Database) -> None:
    answer = await program.post("/v1/account-erasures", headers=life.headers, json={"password": PASSWORD})
    assert answer.status_code == 201
    assert await Eraser(database).erase_due(at=datetime.now(UTC) + COOL_OFF * 2) == 1


@pytest.mark.parametrize("knows_the_wish", [True, False])
async def test_after_a_restore_the_journal_has_the_person_erased_again(
    knows_the_wish: bool,
    program: httpx.AsyncClient,
    life: Life,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "journal"
    backup = await back_up(owner)
    if knows_the_wish:
        await program.post("/v1/account-erasures", headers=life.headers, json={"password": PASSWORD})
        backup = await back_up(owner)
    before = await places_of(owner)
    await Eraser(database).erase_due(at=datetime.now(UTC) + COOL_OFF * 2) if knows_the_wish else await ask_and_erase(
        program, life, database
    )
    assert await export_erasure_journal(settings, Namespace(to=str(kept))) == 0
    journal = kept.read_text()
    assert str(life.account.pseudonym) in journal
    assert not any(trace in journal.lower() for trace in (*TRACES, str(life.account.id)))

    await restore(owner, backup)
    assert await places_of(owner) == before
    assert await owner.fetchval("SELECT count(*) FROM auth.erasure_journal") == 0
    assert await export_erasure_journal(settings, Namespace(to=str(kept))) == 0
    assert kept.read_text() == journal, "a restored database knows less, and takes nothing away"

    assert await replay_erasures(settings, Namespace(journal=str(kept))) == 0
    assert await places_of(owner) == KEPT
    assert "1 accounts were erased again" in capsys.readouterr().out
    assert await replay_erasures(settings, Namespace(journal=str(kept))) == 0
    assert "0 accounts were erased again, 1 are erased" in capsys.readouterr().out
    erased = await owner.fetch("SELECT account_id, erased_at FROM auth.erasures")
    assert [(row["account_id"], row["erased_at"] is not None) for row in erased] == [(life.account.id, True)]
    assert await owner.fetchval("SELECT pseudonym FROM auth.erasure_journal") == life.account.pseudonym
    assert not [finding.invariant.name for finding in await check_invariants(database) if finding.count]


async def test_money_under_way_in_the_backup_delays_it_and_the_command_says_so(
    program: httpx.AsyncClient,
    life: Life,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "journal"
    backup = await back_up(owner)
    await ask_and_erase(program, life, database)
    await export_erasure_journal(settings, Namespace(to=str(kept)))
    await restore(owner, backup)
    await owner.execute("UPDATE billing.payments SET state = 'processing'")
    assert await replay_erasures(settings, Namespace(journal=str(kept))) == 1
    assert "1 wait: payment_under_way" in capsys.readouterr().out
    assert await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", life.account.id) is not None
    await owner.execute("UPDATE billing.payments SET state = 'succeeded'")
    assert await replay_erasures(settings, Namespace(journal=str(kept))) == 0
    assert await places_of(owner) == KEPT


async def test_an_entry_of_somebody_whom_the_backup_does_not_know_is_no_fault_and_stays(
    database: Database, owner: asyncpg.Connection
) -> None:
    entry = Erased(new_id(), datetime.now(UTC))
    assert [await Eraser(database).erase_again(entry) for _ in range(2)] == ["nothing"] * 2
    assert await owner.fetchval("SELECT pseudonym FROM auth.erasure_journal") == entry.pseudonym


def test_the_journal_is_read_back_as_it_was_written_and_other_lines_are_passed_over() -> None:
    entries = [Erased(new_id(), datetime(2026, 1, day, 2, 23, 0, 5, tzinfo=UTC)) for day in (1, 2)]
    lines = ["# kept since 2026", *(str(entry) for entry in reversed(entries)), "", "erased nobody", "erased"]
    assert Erased.read(lines) == entries
    assert isinstance(entries[0].pseudonym, UUID)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth.erasure_journal SET erased_at = now()",
        "DELETE FROM auth.erasure_journal",
        "TRUNCATE auth.erasure_journal",
    ],
)
async def test_nobody_changes_the_journal_not_even_its_owner(
    statement: str, database: Database, owner: asyncpg.Connection
) -> None:
    await owner.execute("INSERT INTO auth.erasure_journal VALUES (gen_random_uuid(), now())")
    for connection in (database.reads, owner):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert await owner.fetchval("SELECT count(*) FROM auth.erasure_journal") == 1
