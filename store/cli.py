"""The operator's command line: `python -m store.cli --help`."""

import argparse
from collections.abc import Awaitable, Callable

from rich.console import Console

from store.migrations import migrate
from store.settings import Settings

console = Console()

Command = Callable[[Settings, argparse.Namespace], Awaitable[None]]


async def migrate_database(settings: Settings, _arguments: argparse.Namespace) -> None:
    """Bring the database to the newest schema."""
    await migrate(settings.database_owner_url)
    console.print("The database is at the newest schema.")


async def check_settings(settings: Settings, _arguments: argparse.Namespace) -> None:
    """Say whether the settings are complete and safe (reading them already did)."""
    console.print(f"The settings are complete; mode {settings.mode}.")
