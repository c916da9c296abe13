"""The doors to PostgreSQL: one transaction per request, and a pool of raw connections for reads."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Self

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

APP_ROLE = "videothek_app"
"""The database role of web and worker: reads and writes rows, owns no table."""

DATABASE_AWAY: Final = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""What statements fail with while PostgreSQL restarts, or cannot be reached: trying again later helps."""

FINANCE_ROLE = "videothek_finance"
"""A read-only database role for finance's own tools: the books, no accounts."""


@dataclass(frozen=True, slots=True)
class Database:
    """What a process holds of the database: an engine for use cases, a pool for single-statement reads."""

    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    reads: asyncpg.Pool

    @classmethod
    async def connect(cls, url: str, *, role: str | None = APP_ROLE, pool_size: int = 8) -> Self:
        """Open the pools.

        `url` is a `postgresql://` address. Every connection takes the role `role` (unless None), so that the
        code runs with the rights of the application even where one login does it all.
        """
        server_settings = {"application_name": "videothek", "timezone": "UTC"}
        if role is not None:
            server_settings["role"] = role
        engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            # Faults are logged: without the values of a statement, which are addresses and hashes.
            hide_parameters=True,
            connect_args={"server_settings": server_settings},
        )
        reads = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=pool_size,
            server_settings=server_settings,
            command_timeout=30,
            reset=_keep_as_it_is,
        )
        return cls(engine=engine, sessions=async_sessionmaker(engine, expire_on_commit=False), reads=reads)

    async def close(self) -> None:
        """Close both pools, waiting for what is running."""
        await self.reads.close()
        await self.engine.dispose()


async def _keep_as_it_is(_connection: asyncpg.Connection) -> None:
    """Reads leave nothing behind in a connection, so the round trip that would reset it is saved."""


async def provide_session(database: Database) -> AsyncIterator[AsyncSession]:
    """One request, one transaction: committed before the response leaves, rolled back on any error."""
    async with database.sessions.begin() as session:
        yield session
