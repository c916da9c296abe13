"""The web process: `python -m store.server` serves the store until SIGTERM, then finishes what it began."""

import argparse
import asyncio
import os
import signal
import sys
from types import FrameType
from typing import Final

import uvicorn

from store.app import create_app
from store.patience import PatientProtocol
from store.safe_start import check_database
from store.settings import Settings, UnsafeSettings

GRACE: Final = 20
"""Seconds that requests under way have after SIGTERM, unless said otherwise."""


def main(words: list[str] | None = None) -> int:
    """Serve; answers the process's exit status: 0 after a stop, however long the last request took."""
    parser = argparse.ArgumentParser(prog="python -m store.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--grace", type=int, default=GRACE, help="seconds for requests under way after SIGTERM")
    given = parser.parse_args(words)
    try:
        settings = Settings.from_env(os.environ)
        asyncio.run(check_database(settings))
    except UnsafeSettings as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    # The server sends itself the signal once more when it has stopped in order; that is no crash.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=given.host,
            port=given.port,
            http=PatientProtocol,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=given.grace,
        )
    )
    server.run()
    return 0 if server.started else 1


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
