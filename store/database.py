"""The doors to PostgreSQL: one transaction per request, and a pool of raw connections for reads."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

APP_ROLE = "videothek_app"
"""The database role of web and worker: reads and writes rows, owns no table."""

DATABASE_AWAY: Final = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # What a statement gets that begins at the very instant in which the server closes its connection.
    asyncpg.InternalClientError,
)
"""What statements fail with while PostgreSQL restarts, or cannot be reached: trying again later helps."""

ASK_AFTER: Final = 30.0
"""Seconds of rest after which a connection is asked whether the server is still there: something on the way (a
firewall, a load balancer) may have forgotten it."""

_RESTS_SINCE: Final = "rests_since"

FINANCE_ROLE = "videothek_finance"
"""A read-only database role for finance's own tools: the books, no accounts."""


RawConnection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy | asyncpg.Pool
"""What is asked a single statement."""


class Sessions(async_sessionmaker[AsyncSession]):
    """Makes sessions, and transactions without the cost of closing in tasks of its own what a commit has closed."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:  # type: ignore[override]  # used in the same way
        """One transaction: committed at the end of the block, rolled back on any error."""
        session = self()
        try:
            yield session
            await session.commit()
        except BaseException:
            # Also a request that was called off gives its connection back.
            await asyncio.shield(_roll_back(session))
            raise


async def _roll_back(session: AsyncSession) -> None:
    try:
        await session.close()
    except InterfaceError:
        # The server closed the connection, and the transaction with it: there is nothing left to roll back.
        await session.invalidate()


@dataclass(frozen=True, slots=True)
class Database:
    """What a process holds of the database: an engine for use cases, a pool for single-statement reads."""

    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    reads: asyncpg.Pool

    @classmethod
    async def connect(
        cls, url: str, *, role: str | None = APP_ROLE, pool_size: int = 8, ask_after: float = ASK_AFTER
    ) -> Self:
        """Open the pools.

        `url` is a `postgresql://` address. Every connection takes the role `role` (unless None), so that the
        code runs with the rights of the application even where one login does it all.
        """
        server_settings = {"application_name": "videothek", "timezone": "UTC"}
        if role is not None:
            server_settings["role"] = role
        engine = open_engine(
            url,
            server_settings,
            # No overflow: its connections are closed after each use, and opening one costs more than a purchase's
            # statements. The last one used comes first, as it knows the statements that are asked now.
            pool_size=2 * pool_size,
            max_overflow=0,
            pool_use_lifo=True,
            # Faults are logged: without the values of a statement, which are addresses and hashes.
            hide_parameters=True,
        )
        _check_before_use(engine, ask_after=ask_after)
        reads = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=pool_size,
            server_settings=server_settings,
            command_timeout=30,
            reset=_keep_as_it_is,
        )
        return cls(engine=engine, sessions=Sessions(engine, expire_on_commit=False), reads=reads)

    async def close(self) -> None:
        """Close both pools, waiting for what is running."""
        await self.reads.close()
        await self.engine.dispose()


def open_engine(url: str, server_settings: Mapping[str, str] | None = None, **options: Any) -> AsyncEngine:
    """An engine on a `postgresql://` address as the database's own tools read it, with `sslmode` and sockets.

    SQLAlchemy would take the address apart itself, and know neither.
    """

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, server_settings=dict(server_settings or {}))

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, **options)


def _check_before_use(engine: AsyncEngine, *, ask_after: float) -> None:
    """Replace connections that the server closed, before they are used.

    The pool's own check asks the server before every transaction (three round trips, a quarter of a purchase's
    statements). A connection that was used a moment ago knows whether it is closed.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def note_rest(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[_RESTS_SINCE] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def check(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        driver: asyncpg.Connection | None = record.driver_connection
        if driver is None or driver.is_closed():
            raise DisconnectionError
        if time.monotonic() - record.info.get(_RESTS_SINCE, math.inf) > ask_after:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as fault:
                raise DisconnectionError from fault


async def _keep_as_it_is(_connection: asyncpg.Connection) -> None:
    """Reads leave nothing behind in a connection, so the round trip that would reset it is saved."""
