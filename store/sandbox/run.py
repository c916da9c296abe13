"""`make run`: the whole store on this machine, until Ctrl-C.

Starts the engines, prepares the database, starts every process of the sandbox, says where to look, and stops
everything in order when it is told to, or when one of the processes ends by itself.
"""

import asyncio
import json
import os
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Final

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from store.sandbox.arrangement import Part, Ports, environment_of, parts_of_the_sandbox, sandbox_folder
from store.sandbox.demo_accounts import DEMO_ACCOUNTS, PASSWORD
from store.sandbox.engines import running_engines
from store.sandbox.preparation import prepare
from store.sandbox.processes import CannotStart, Child, last_lines, lock_folder, start_child, stop_strays
from store.settings import Settings

HEALTH_PATIENCE: Final = 60.0
"""Seconds in which every process must be up."""

LOOK_AGAIN: Final = 0.25
"""Seconds between two looks at the processes."""

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a stop from outside, a closed terminal."""

console = Console(highlight=False)


class LogReader:
    """Reads what a process added to its log and picks out what went wrong."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._place = 0

    def new_errors(self) -> list[str]:
        """What was logged as an error since the last call, one short line each."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(self._place)
            added = log.read()
            whole = added[: added.rfind(b"\n") + 1]
            self._place += len(whole)
            return [error for line in whole.decode(errors="replace").splitlines() if (error := _error_in(line))]
        return []


def _error_in(line: str) -> str | None:
    """What a log line says went wrong; None for all other lines."""
    with suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict):
            return str(entry.get("event", "error")) if entry.get("level") in ("error", "critical") else None
    return line if line.startswith(("ERROR", "Traceback")) else None


def main() -> int:
    """Run the sandbox; answers the process's exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in STOP_SIGNALS[1:]:
        signal.signal(number, _like_ctrl_c)
    try:
        with ExitStack() as stack:
            try:
                return _run(stack)
            finally:
                # The stop has begun; a second Ctrl-C must not interrupt it half-way.
                for number in STOP_SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 0
    except (CannotStart, OSError) as fault:  # OSError: a folder that cannot be written, a full disk
        console.print(f"[bold red]Cannot start:[/] {fault}", soft_wrap=True)
        return 1


def _like_ctrl_c(_number: int, _frame: FrameType | None) -> None:
    """Stop as Ctrl-C does: asyncio knows that signal only, and ends what it is at in order."""
    signal.raise_signal(signal.SIGINT)


def _run(stack: ExitStack) -> int:
    began = time.monotonic()
    folder, ports = sandbox_folder(), Ports.from_env(os.environ)
    stack.enter_context(lock_folder(folder))
    records, logs = folder / "processes", folder / "logs"
    for needed in (records, logs):
        needed.mkdir(mode=0o700, exist_ok=True)
    stop_strays(records)
    ports.check_free()
    engines = stack.enter_context(
        running_engines(
            folder / "engines",
            durable=True,
            database_url=os.environ.get("DATABASE_URL"),
            redis_url=os.environ.get("REDIS_URL"),
        )
    )
    environment = environment_of(folder, ports, engines, os.environ)
    asyncio.run(prepare(Settings.from_env(environment), console))
    children = []
    for part in parts_of_the_sandbox(folder, ports, environment):
        log = logs / f"{part.name}.log"
        log.write_bytes(b"")
        child = start_child(
            part.name,
            part.command,
            records=records,
            log=log,
            environment=part.environment,
            stop_signal=part.stop_signal,
        )
        stack.callback(child.stop)
        children.append((part, child))
    _wait_until_up(children)
    console.print(_panel(ports, engines_seconds=time.monotonic() - began, logs=logs))
    return _watch([child for _part, child in children])


def _wait_until_up(children: list[tuple[Part, Child]]) -> None:
    deadline = time.monotonic() + HEALTH_PATIENCE
    for part, child in children:
        while not (part.health is None or _answers(part.health)):
            if not child.is_running:
                raise CannotStart(f"{part.name} ended while starting ({child.log}):\n{last_lines(child.log)}")
            if time.monotonic() > deadline:
                raise CannotStart(f"{part.name} does not answer; {child.log} may say why.")
            time.sleep(0.05)


def _answers(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(address, timeout=2, trust_env=False).is_success
    return False


def _watch(children: list[Child]) -> int:
    """Wait for Ctrl-C; show errors as they are logged; end when a process does."""
    readers = [(child, LogReader(child.log)) for child in children]
    while True:
        for child, reader in readers:
            for error in reader.new_errors():
                console.print(f"[red]{child.name}:[/] {error}  [dim]({child.log})[/]", soft_wrap=True)
            if not child.is_running:
                console.print(
                    f"[bold red]{child.name} ended by itself[/] (status {child.process.returncode}); "
                    f"everything stops. {child.log} says why.",
                    soft_wrap=True,
                )
                return 1
        time.sleep(LOOK_AGAIN)


def _panel(ports: Ports, *, engines_seconds: float, logs: Path) -> Panel:
    web = f"http://localhost:{ports.web}"
    table = Table.grid(padding=(0, 3))
    for name, place in (
        ("Store", web),
        ("API documentation", f"{web}/schema"),
        ("Mail catcher", f"http://127.0.0.1:{ports.mail}"),
        ("Payment sandbox", f"http://127.0.0.1:{ports.stripe}/about"),
        ("Business clock", f"{web}/de/sandbox/clock"),
        ("Logs", os.path.relpath(logs)),
    ):
        table.add_row(f"[bold]{name}[/]", place)
    table.add_row("", "")
    for position, demo in enumerate(DEMO_ACCOUNTS):
        table.add_row("[bold]Demo accounts[/]" if position == 0 else "", f"{demo.email}")
    table.add_row("", f"password of all: {PASSWORD}")
    table.add_row("", f"second step of staff: {web}/de/sandbox/codes")
    return Panel.fit(
        table,
        title="Videothek",
        subtitle=f"up after {engines_seconds:.1f} s · Ctrl-C stops everything",
        padding=(1, 3),
    )
