"""The processes of a measurement: a server on a free port, and the CPU time that it and PostgreSQL spend."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import psutil


class CpuMeter:
    """CPU time (user + system) spent since it was made, by a server process and by PostgreSQL."""

    def __init__(self, server: psutil.Process) -> None:
        self._server = server
        self._server_before = _seconds([server])
        self._database_before = _seconds(database_processes())

    def milliseconds(self) -> tuple[float, float]:
        """CPU milliseconds so far: of the server, of the database."""
        server = _seconds([self._server]) - self._server_before
        database = _seconds(database_processes()) - self._database_before
        return server * 1000, database * 1000


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
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port)]
    options = ["--log-level", "error", "--no-access-log", "--no-proxy-headers", "--no-server-header"]
    hosts = {"ALLOWED_HOSTS": f"127.0.0.1:{port}", "BASE_URL": environment.get("BASE_URL", address)}
    process = subprocess.Popen([*command, *options], env={**environment, **hosts}, stdout=subprocess.DEVNULL)
    try:
        _wait_for(address, process)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=15)


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(address, timeout=2)
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers at {address}")


def _seconds(processes: list[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total
