"""Counting statements by the database's own log, so that none is overlooked."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import asyncpg

_LOGGED: Final = re.compile(rb"^videothek\|LOG:  (?:execute [^:]*|statement):\s*(\w+)", re.MULTILINE)
"""A line of the log, by the name under which web and worker sign in, and the statement's first word."""


async def begin_logging(owner_url: str, log: Path) -> int:
    """Have the server log every statement; answers where in its log they begin."""
    await _configure(owner_url, "ALTER SYSTEM SET log_line_prefix = '%a|'", "ALTER SYSTEM SET log_statement = 'all'")
    return len(_read(log))


async def end_logging(owner_url: str, log: Path, begun: int) -> Counter[str]:
    """Have it log no more; answers how many statements there were, by their first word."""
    await _configure(owner_url, "ALTER SYSTEM RESET log_line_prefix", "ALTER SYSTEM RESET log_statement")
    return Counter(word.decode().upper() for word in _LOGGED.findall(_read(log), begun))


async def _configure(owner_url: str, *changes: str) -> None:
    owner = await asyncpg.connect(owner_url)
    for change in (*changes, "SELECT pg_reload_conf()"):
        await owner.execute(change)
    await owner.close()


def _read(log: Path) -> bytes:
    return log.read_bytes()
