"""The processes of a measurement: servers on free ports, and the CPU time that they and PostgreSQL spend."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import httpx
import psutil


class CpuMeter:
    """CPU time (user + system) spent since it was made, by each of some processes and by PostgreSQL."""

    def __init__(self, *servers: psutil.Process) -> None:
        self._servers = servers
        self._before = self._seconds()

    def milliseconds(self) -> list[float]:
        """CPU milliseconds so far: of each process in its place, and of the database at last."""
        return [(now - before) * 1000 for now, before in zip(self._seconds(), self._before, strict=True)]

    def _seconds(self) -> list[float]:
        return [*(_seconds(server) for server in self._servers), _database_seconds()]


def database_processes() -> list[psutil.Process]:
    """PostgreSQL's processes that this one started; another server on the machine does not count."""
    return [process for process in psutil.Process().children(recursive=True) if process.name() == "postgres"]


@contextlib.contextmanager
def serving(
    factory: str, environment: dict[str, str], *, port: int | None = None
) -> Iterator[tuple[str, psutil.Process]]:
    """Run an application factory (`module:function`) in one uvicorn process; gives its address and process."""
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    command = ["uvicorn", "--factory", factory, "--port", str(port)]
    options = ["--log-level", "error", "--no-access-log", "--no-proxy-headers", "--no-server-header"]
    hosts = {"ALLOWED_HOSTS": f"127.0.0.1:{port}", "BASE_URL": environment.get("BASE_URL", address)}
    with running([*command, *options], {**environment, **hosts}) as process:
        _wait_for(address, process)
        yield address, process


@contextlib.contextmanager
def running(module: Sequence[str], environment: dict[str, str]) -> Iterator[psutil.Process]:
    """Run a module with its arguments (`python -m …`) until the block ends."""
    process = subprocess.Popen([sys.executable, "-m", *module], env=environment, stdout=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=15)


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: psutil.Process) -> None:
    deadline = time.monotonic() + 120
    while process.is_running() and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(address, timeout=2)
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers at {address}")


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _database_seconds() -> float:
    """Of all its processes; the time of those that ended is kept by the one that started them."""
    total = 0.0
    for process in database_processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
