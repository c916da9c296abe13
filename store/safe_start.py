"""Looks, before production starts, whether the database is one that an installation may run on."""

from typing import Final

import asyncpg

from store.migrations import newest_revision, revisions
from store.settings import Settings, UnsafeSettings

_LOGIN: Final = """
    SELECT rolsuper,
           EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname IN ('auth', 'billing', 'store') AND c.relowner = r.oid) AS is_owner,
           to_regclass('auth.audit_events') IS NOT NULL AS has_schema,
           to_regclass('store.business_clock') IS NOT NULL AS is_sandbox
      FROM pg_roles r WHERE rolname = session_user
"""

_MAY_CHANGE_TRAIL: Final = "SELECT has_table_privilege('auth.audit_events', 'UPDATE, DELETE, TRUNCATE')"
_STANDS_AT: Final = "SELECT version_num FROM public.alembic_version"

_PATIENCE: Final = 10.0
"""Seconds that the database has for its answer."""


async def check_database(settings: Settings) -> None:
    """Raise `UnsafeSettings` with everything that is unsafe about the database; a sandbox may use any."""
    if settings.mode == "production" and (faults := await database_faults(settings.database_url)):
        raise UnsafeSettings(faults)


async def database_faults(url: str) -> list[str]:
    """What is unsafe about the database that web and worker sign in to at `url`; no sentence repeats the address."""
    try:
        connection = await asyncpg.connect(url, timeout=_PATIENCE)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        return [f"DATABASE_URL cannot be signed in to ({type(fault).__name__})"]
    try:
        return await _faults_of(connection)
    finally:
        await connection.close()


async def _faults_of(connection: asyncpg.Connection) -> list[str]:
    [login] = await connection.fetch(_LOGIN)
    if not login["has_schema"]:
        return ["the database has no schema yet: python -m store.cli migrate"]
    is_superuser = login["rolsuper"]
    checks: list[tuple[bool, str]] = [
        (is_superuser, "DATABASE_URL signs in as a superuser"),
        (login["is_owner"], "DATABASE_URL signs in as the owner of the tables"),
        (login["is_sandbox"], "DATABASE_URL holds a sandbox's store, with its demo accounts"),
        (
            not (is_superuser or login["is_owner"]) and await connection.fetchval(_MAY_CHANGE_TRAIL),
            "DATABASE_URL signs in as somebody who may change the audit trail",
        ),
        (await _lacks_migrations(connection), "the database lacks migrations: python -m store.cli migrate"),
    ]
    return [fault for is_wrong, fault in checks if is_wrong]


async def _lacks_migrations(connection: asyncpg.Connection) -> bool:
    """Whether it stands at an older revision than ours; the tables of a newer version are good enough for us."""
    try:
        stands_at = await connection.fetchval(_STANDS_AT)
    except asyncpg.InsufficientPrivilegeError:
        return True  # the right to read it came with a migration
    return stands_at in revisions() and stands_at != newest_revision()
