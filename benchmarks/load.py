"""A small HTTP/1.1 load client over kept-alive connections, and the CPU time that a request cost the server."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from urllib.parse import urlsplit

import psutil

from benchmarks.processes import CpuMeter


@dataclass(frozen=True, slots=True)
class Load:
    """One measured load: how many requests, what they cost the server, how long each took."""

    name: str
    requests: int
    app_ms: float
    """CPU milliseconds (user + system) per request in the server's process."""
    database_ms: float
    """CPU milliseconds per request in PostgreSQL's processes."""
    p50: float
    p95: float
    p99: float
    """Wall milliseconds."""
    body_bytes: int

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per request, server and database together."""
        return self.app_ms + self.database_ms

    @property
    def waits(self) -> tuple[float, float, float]:
        """p50, p95 and p99."""
        return self.p50, self.p95, self.p99


def median_of(loads: Sequence[Load]) -> Load:
    """The median of several rounds of one load, value by value."""
    return replace(
        loads[0],
        requests=sum(load.requests for load in loads),
        app_ms=median(load.app_ms for load in loads),
        database_ms=median(load.database_ms for load in loads),
        p50=median(load.p50 for load in loads),
        p95=median(load.p95 for load in loads),
        p99=median(load.p99 for load in loads),
        body_bytes=round(median(load.body_bytes for load in loads)),
    )


async def measure(
    name: str, base_url: str, paths: Sequence[str], *, server: psutil.Process, connections: int = 8
) -> Load:
    """Ask for every path once over `connections` connections and measure.

    Raises:
        RuntimeError: an answer was not 200.
    """
    host = urlsplit(base_url).netloc
    requests = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Language: de\r\n\r\n".encode() for path in paths]
    return await measure_requests(name, base_url, requests, server=server, connections=connections)


async def measure_requests(
    name: str, base_url: str, requests: Sequence[bytes], *, server: psutil.Process, connections: int = 8
) -> Load:
    """Send every request once, as it goes over the wire, and measure; raises as `measure` does."""
    address = urlsplit(base_url)
    if address.hostname is None or address.port is None:
        raise RuntimeError(f"{base_url} names no host and port")
    meter = CpuMeter(server)
    queue = iter(requests)
    clients = [_client(address.hostname, address.port, queue) for _ in range(connections)]
    answers = [answer for answers in await asyncio.gather(*clients) for answer in answers]
    app_ms, database_ms = meter.milliseconds()
    waits = sorted(wait for wait, _ in answers)
    return Load(
        name=name,
        requests=len(waits),
        app_ms=app_ms / len(waits),
        database_ms=database_ms / len(waits),
        p50=waits[len(waits) // 2],
        p95=waits[int(len(waits) * 0.95)],
        p99=waits[int(len(waits) * 0.99)],
        body_bytes=sum(size for _, size in answers) // len(answers),
    )


async def _client(host: str, port: int, requests: Iterable[bytes]) -> list[tuple[float, int]]:
    reader, writer = await asyncio.open_connection(host, port)
    answers = []
    for request in requests:
        started = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{request.partition(b' HTTP')[0].decode()}: {head.splitlines()[0].decode()}")
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(size)
        answers.append(((time.perf_counter() - started) * 1000, size))
    writer.close()
    await writer.wait_closed()
    return answers
