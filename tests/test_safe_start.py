"""Production looks at its database before it starts, and names everything that is unsafe about it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from auth.ids import new_id
from store.database import Database, open_engine
from store.migrations import newest_revision
from store.safe_start import check_database, database_faults
from store.settings import Settings, UnsafeSettings
from tests.test_processes import running, status_of
from tests.test_settings import production_environment

BEFORE = "0024"


@pytest.fixture
async def login(owner: asyncpg.Connection, owner_url: str) -> AsyncIterator[str]:
    """Address of a login such as web and worker have: a member of the application's role."""
    name, password = f"web_{new_id().hex[-10:]}", os.urandom(12).hex()
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE videothek_app")
    yield make_url(owner_url).set(username=name, password=password).render_as_string(hide_password=False)
    await owner.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_a_login_that_owns_nothing_may_be_used(login: str) -> None:
    assert await database_faults(login) == []


async def test_the_owner_of_the_tables_and_a_superuser_may_not(owner_url: str) -> None:
    faults = await database_faults(owner_url)
    assert "DATABASE_URL signs in as a superuser" in faults
    assert "DATABASE_URL signs in as the owner of the tables" in faults


async def test_who_may_change_the_audit_trail_may_not(login: str, owner: asyncpg.Connection) -> None:
    name = make_url(login).username
    await owner.execute(f"GRANT UPDATE ON auth.audit_events TO {name}")
    assert await database_faults(login) == ["DATABASE_URL signs in as somebody who may change the audit trail"]


async def test_a_sandboxs_database_is_none_of_production(login: str, owner: asyncpg.Connection) -> None:
    await owner.execute("CREATE TABLE store.business_clock (id int)")
    try:
        assert await database_faults(login) == ["DATABASE_URL holds a sandbox's store, with its demo accounts"]
    finally:
        await owner.execute("DROP TABLE store.business_clock")


@pytest.mark.parametrize(("stands_at", "lacks"), [(BEFORE, True), ("9999_of_a_newer_version", False)])
async def test_an_older_schema_is_refused_and_a_newer_one_taken(
    login: str, owner: asyncpg.Connection, stands_at: str, lacks: bool
) -> None:
    await owner.execute("UPDATE public.alembic_version SET version_num = $1", stands_at)
    try:
        faults = await database_faults(login)
    finally:
        await owner.execute("UPDATE public.alembic_version SET version_num = $1", newest_revision())
    assert faults == (["the database lacks migrations: python -m store.cli migrate"] if lacks else [])


async def test_a_schema_whose_revision_cannot_be_read_is_an_older_one(login: str, owner: asyncpg.Connection) -> None:
    await owner.execute("REVOKE SELECT ON public.alembic_version FROM videothek_app")
    try:
        assert await database_faults(login) == ["the database lacks migrations: python -m store.cli migrate"]
    finally:
        await owner.execute("GRANT SELECT ON public.alembic_version TO videothek_app")


async def test_a_database_without_a_schema_is_told_how_to_get_one(engines: tuple[str, str]) -> None:
    assert await database_faults(engines[0]) == ["the database has no schema yet: python -m store.cli migrate"]


async def test_a_database_that_is_away_is_named_without_its_password(login: str) -> None:
    password = make_url(login).password or ""
    away = make_url(login).set(port=1).render_as_string(hide_password=False)
    faults = await database_faults(away)
    assert faults == ["DATABASE_URL cannot be signed in to (ConnectionRefusedError)"]
    assert password not in str(faults)


async def test_a_sandbox_may_use_any_database(settings: Settings) -> None:
    await check_database(settings)


@pytest.mark.parametrize("module", ["store.server", "store.worker"])
async def test_a_process_on_an_unsafe_database_does_not_start(module: str, owner_url: str, tmp_path: Path) -> None:
    environment, log = production_environment(DATABASE_URL=owner_url), tmp_path / "log"
    with running(module, environment=environment, log=log) as process:
        assert await status_of(process) == 2
    told = log.read_text()
    assert "DATABASE_URL signs in as the owner of the tables" in told
    assert (make_url(owner_url).password or "") not in told


@pytest.mark.parametrize("mode", ["prefer", "disable"])
async def test_addresses_are_read_as_the_databases_own_tools_read_them(owner_url: str, mode: str) -> None:
    database = await Database.connect(f"{owner_url}?sslmode={mode}")
    async with database.sessions() as session:
        assert (await session.execute(text("SELECT current_user"))).scalar() == "videothek_app"
    assert await database.reads.fetchval("SELECT current_user") == "videothek_app"
    await database.close()


async def test_what_must_be_encrypted_is_not_sent_in_clear(owner_url: str) -> None:
    engine = open_engine(f"{owner_url}?sslmode=require")
    with pytest.raises((ConnectionError, UnsafeSettings)):
        async with engine.connect():
            pass
    await engine.dispose()
