"""Engines held by a process of their own, which a test may kill."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

HOLD = """
import sys
from pathlib import Path
from store.sandbox.engines import running_engines
from store.sandbox.processes import CannotStart

try:
    with running_engines(Path(sys.argv[1]), durable=True) as engines:
        print(engines.database_url, flush=True)
        sys.stdin.read()
except CannotStart as fault:
    print(fault, flush=True)
"""


@contextmanager
def held_engines(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that holds the engines of `folder` until its input ends; gives it and its first line."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert holder.stdin
    assert holder.stdout
    try:
        yield holder, holder.stdout.readline().strip()
    finally:
        holder.stdin.close()
        holder.wait(60)
        holder.stdout.close()


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every living process that works inside the folder or was started with it in its command."""
    found = []
    for process in psutil.process_iter():
        try:
            inside = process.cwd().startswith(str(folder)) or str(folder) in " ".join(process.cmdline())
            if inside and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
