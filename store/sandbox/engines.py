"""PostgreSQL and a Redis-compatible server from wheels: no database needs to be installed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from store.sandbox.postgresql import running_postgresql
from store.sandbox.processes import lock_folder, stop_strays
from store.sandbox.valkey import running_valkey


@dataclass(frozen=True, slots=True)
class EngineAddresses:
    """Where the engines listen."""

    database_url: str
    """`postgresql://` address with the login of the owner (superuser), for migrations."""
    redis_url: str | None
    """`redis://` address; None where no such server exists for this machine."""


@contextmanager
def running_engines(
    folder: Path, *, durable: bool, database_url: str | None = None, redis_url: str | None = None
) -> Iterator[EngineAddresses]:
    """Run the engines with their data under `folder` until the block ends; an address that is given is used as is.

    `durable=False` makes PostgreSQL fast and forgetful (no fsync): for tests. Only one process at a time may use a
    folder. What a killed run left behind is stopped first, and PostgreSQL recovers by itself. Call it from the
    main thread. Raises `CannotStart` with one line that says what to do.
    """
    folder = folder.absolute()
    with ExitStack() as stack:
        if not (database_url and redis_url):
            stack.enter_context(lock_folder(folder))
            stop_strays(folder / "processes")
        if not database_url:
            database_url = stack.enter_context(running_postgresql(folder, durable=durable))
        if not redis_url:
            redis_url = stack.enter_context(running_valkey(folder))
        yield EngineAddresses(database_url, redis_url)
