"""The worker process of the sandbox: the store's own, on the clock that can be moved."""

import uvloop

from store.logs import configure_logs
from store.sandbox.app import sandbox_settings
from store.sandbox.clock import MovableClock
from store.worker import work


async def main() -> None:
    """Work until SIGTERM or SIGINT."""
    configure_logs()
    settings = sandbox_settings()
    clock = MovableClock(settings.database_url)
    try:
        await work(settings, clock=clock)
    finally:
        await clock.close()


if __name__ == "__main__":
    uvloop.run(main())
