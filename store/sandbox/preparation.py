"""Makes a database into a sandbox's: schema, clock, demo catalogue, demo accounts, the test film's keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from auth.passwords import OneTimeCodes
from store.catalogue.demo.loading import load_demo_catalogue
from store.composition import SECOND_FACTORS
from store.database import Database
from store.entitlement.films import register_test_film
from store.entitlement.keys import KeySeal
from store.migrations import CannotMigrate, migrate
from store.sandbox import clock
from store.sandbox.demo_accounts import make_demo_accounts
from store.sandbox.processes import CannotStart
from store.settings import Settings

_IS_FOREIGN: Final = "SELECT to_regclass('auth.accounts') IS NOT NULL AND to_regclass('store.business_clock') IS NULL"
"""A store's schema without the sandbox's clock: real customers may be in it."""


async def prepare(settings: Settings, console: Console) -> None:
    """Do what is still to do; safe to repeat.

    Raises `CannotStart` if the database is not reachable, or holds a store that is not a sandbox's.
    """
    try:
        owner = await asyncpg.connect(settings.database_owner_url)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        raise CannotStart(f"DATABASE_URL cannot be used: {fault}") from None
    try:
        if await owner.fetchval(_IS_FOREIGN) and await owner.fetchval("SELECT EXISTS (SELECT FROM auth.accounts)"):
            raise CannotStart("DATABASE_URL holds a store that is not a sandbox's; nothing was touched.")
        try:
            await migrate(settings.database_owner_url)
        except CannotMigrate as fault:
            raise CannotStart(str(fault)) from None
        for statement in clock.DDL:
            await owner.execute(statement)
        with _progress(console) as progress:
            await load_demo_catalogue(owner, progress=progress)
    finally:
        await owner.close()
    await _fill(settings)


async def _fill(settings: Settings) -> None:
    now = datetime.now(UTC)
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        codes = OneTimeCodes(settings.derive(SECOND_FACTORS), before=settings.derive_before(SECOND_FACTORS))
        await make_demo_accounts(database, codes=codes, at=now)
        async with database.sessions.begin() as session:
            seal = KeySeal.from_secret(settings.content_key_secret)
            await register_test_film(session, seal=seal, at=now)
    finally:
        await database.close()


class _Bar:
    """A progress bar that appears with the first report, so that a start with nothing to load shows none."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("Loading the demo catalogue", total=None, visible=False)

    def __call__(self, done: int, total: int) -> None:
        """Show how far the loading is."""
        self._progress.update(self._task, completed=done, total=total, visible=True)


@contextmanager
def _progress(console: Console) -> Iterator[_Bar]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress)
