"""Brings a database to the newest schema, or back to nothing; called by the command line and the tests."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from asyncpg import InsufficientPrivilegeError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from store.database import open_engine

PROJECT = Path(__file__).resolve().parent.parent


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, for one open connection."""
    config = Config(toml_file=str(PROJECT / "pyproject.toml"))
    config.set_main_option("script_location", str(PROJECT / "migrations"))
    config.attributes["connection"] = connection
    return config


def revisions() -> frozenset[str]:
    """Every revision that this version knows."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


def newest_revision() -> str | None:
    """The revision that this version's code is written for."""
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())


class CannotMigrate(Exception):
    """The login of the tables' owner may not do what the migration needs; the message is one line that says so."""


async def migrate(owner_url: str, *, revision: str = "head") -> None:
    """Migrate the database at `owner_url` (a `postgresql://` address of the tables' owner) up to `revision`.

    Raises `CannotMigrate`, with nothing changed, where that login lacks a right.
    """
    engine = open_engine(owner_url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), revision))
    except DBAPIError as fault:
        cause = fault.orig and fault.orig.__cause__
        if isinstance(cause, InsufficientPrivilegeError):
            raise CannotMigrate(cause.args[0]) from fault
        raise
    finally:
        await engine.dispose()


async def unmigrate(owner_url: str, *, revision: str = "base") -> None:
    """Take the database at `owner_url` back to `revision`, dropping what came after it with its rows."""
    engine = open_engine(owner_url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), revision))
    finally:
        await engine.dispose()
