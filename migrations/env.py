"""Runs Alembic's migrations over asyncpg, as the owner of the tables, under a lock and a lock timeout."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.pool import NullPool

from store.database import open_engine
from store.schema import METADATA, SCHEMAS

MIGRATION_LOCK = 8_112_013
"""Key of the advisory lock that lets one migration run at a time."""


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    """Compare our own schemas only; the queue's tables belong to its library."""
    return name in SCHEMAS if type_ == "schema" else True


def run(connection: Connection) -> None:
    """Migrate inside one transaction; a lock that others hold is not waited for longer than five seconds."""
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
    context.configure(
        connection=connection,
        target_metadata=list(METADATA),
        include_schemas=True,
        include_name=include_name,
        version_table_schema="public",
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate(url: str) -> None:
    """Open the owner's connection and migrate."""
    engine = open_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(migrate(os.environ.get("DATABASE_OWNER_URL") or os.environ["DATABASE_URL"]))
