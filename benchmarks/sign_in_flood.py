"""Hundreds of people who sign in at the same instant, and what those feel who only ask whether the store is well."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final
from urllib.parse import urlsplit

import psutil

AT_ONCE: Final = 300
"""People who sign in at once, each from an address of their own."""

HEALTH: Final = ("/health/live", "/health/ready")

PAUSE: Final = 0.005
"""Seconds between two questions about its health."""

LIMIT_MS: Final = 200.0
"""For the health check's p99."""
LIMIT_MIB: Final = 150.0
"""For the growth of the process's memory."""

_origins = count(1)


@dataclass(frozen=True, slots=True)
class Flood:
    """What came of the people and what was measured beside them."""

    statuses: Counter[int]
    """How many got which answer: 201 signed in, 503 told to come back in a moment."""
    seconds: float
    """Until the last one had an answer."""
    health_ms: tuple[float, ...]
    """Wall milliseconds of each answer about its health during the flood, sorted."""
    growth_mib: float
    """By which the process's memory was larger at its largest than before."""

    @property
    def p50(self) -> float:
        """Median of the health check, in milliseconds."""
        return self.health_ms[len(self.health_ms) // 2]

    @property
    def p99(self) -> float:
        """99th percentile of the health check, in milliseconds."""
        return self.health_ms[int(len(self.health_ms) * 0.99)]


async def measure_flood(
    address: str, process: psutil.Process, emails: Sequence[str], password: str, *, rounds: int = 5
) -> Flood:
    """Have `AT_ONCE` of the accounts sign in at once, `rounds` times, while the health check is asked without a pause.

    The server has to trust this machine's `X-Forwarded-For`: each sign-in comes from another address, so that it is
    the hashing that sheds them and no limit. The first round warms up and is not counted.
    """
    statuses: Counter[int] = Counter()
    waits: list[float] = []
    await _sign_in_at_once(address, emails, password)
    before = peak = process.memory_info().rss
    is_over = asyncio.Event()

    async def watch() -> None:
        nonlocal peak
        while not is_over.is_set():
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.02)

    watchers = [asyncio.create_task(_ask_for_health(address, path, waits, is_over)) for path in HEALTH]
    watchers.append(asyncio.create_task(watch()))
    started = time.perf_counter()
    for _ in range(rounds):
        statuses += await _sign_in_at_once(address, emails, password)
    seconds = (time.perf_counter() - started) / rounds
    is_over.set()
    await asyncio.gather(*watchers)
    return Flood(statuses, seconds, tuple(sorted(waits)), (peak - before) / 2**20)


async def _sign_in_at_once(address: str, emails: Sequence[str], password: str) -> Counter[int]:
    """Open all connections first, then send everything at once."""
    server = urlsplit(address)
    connections = await asyncio.gather(*(asyncio.open_connection(server.hostname, server.port) for _ in range(AT_ONCE)))

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, email: str) -> int:
        number = next(_origins)
        body = json.dumps({"email": email, "password": password}).encode()
        head = (
            f"POST /v1/sessions HTTP/1.1\r\nHost: {server.netloc}\r\nContent-Type: application/json\r\n"
            f"X-Forwarded-For: 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])

    sent = [one(*pair, emails[number % len(emails)]) for number, pair in enumerate(connections)]
    return Counter(await asyncio.gather(*sent))


async def _ask_for_health(address: str, path: str, waits: list[float], is_over: asyncio.Event) -> None:
    server = urlsplit(address)
    reader, writer = await asyncio.open_connection(server.hostname, server.port)
    while not is_over.is_set():
        started = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {server.netloc}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {head.splitlines()[0].decode()}")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        waits.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(PAUSE)
    writer.close()
    await writer.wait_closed()
