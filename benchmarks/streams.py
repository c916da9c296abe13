"""`python -m benchmarks.streams`: many running streams that each send a heartbeat every half minute, and no lost place.

The driver runs on the same machine and signs every proof itself; what it takes of the processors is told.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.processes import CpuMeter, free_port, serving
from benchmarks.viewers import Viewer, make_viewers
from store.database import Database
from store.entitlement.heartbeats import HEARTBEAT
from store.migrations import migrate
from store.sandbox.engines import running_engines
from store.sandbox.secrets import sandbox_variables
from store.settings import Settings

console = Console()

FOLDER = Path(".videothek/streams")
CONNECTIONS = 64
"""Kept-alive ones, to each web process."""


@dataclass(slots=True)
class Tally:
    """What became of the heartbeats."""

    waits: list[float] = field(default_factory=list)
    """Milliseconds from sending to the whole answer."""
    latest: float = 0.0
    """Seconds that one was sent after it was due."""
    refused: Counter[str] = field(default_factory=Counter)


async def drive(viewers: list[Viewer], address: str, base_url: str, *, began: float, rounds: int, tally: Tally) -> None:
    """Send the heartbeats of some viewers over one connection, spread over the half minute from `began` on."""
    port = int(address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    every = HEARTBEAT.total_seconds()
    for number in range(rounds):
        for place, viewer in enumerate(viewers):
            due = began + every * (number + place / len(viewers))
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tally.latest = max(tally.latest, time.monotonic() - due)
            request = viewer.heartbeat(base_url, position=every * (number + 1), asked=address)
            sent = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            tally.waits.append((time.perf_counter() - sent) * 1000)
            if not head.startswith(b"http/1.1 200"):
                tally.refused[body.decode()[:200]] += 1
    writer.close()
    await writer.wait_closed()


async def run(settings: Settings, environment: dict[str, str], *, streams: int, rounds: int) -> int:
    """Let `streams` playbacks beat `rounds` times against one web process per processor; 1: a place was lost."""
    await migrate(settings.database_owner_url)
    database = await Database.connect(settings.database_url, pool_size=2)
    with ExitStack() as stack:
        webs = [stack.enter_context(serving("store.app:create_app", environment)) for _ in range(os.cpu_count() or 1)]
        viewers = await make_viewers(settings, database, count=streams)
        tally, began = Tally(), time.monotonic()
        meter, itself = CpuMeter(*(process for _, process in webs)), psutil.Process().cpu_times()
        # At most three seconds between two requests, for a silent connection is closed.
        lanes = max(1, min(len(webs) * CONNECTIONS, streams // 10))
        await asyncio.gather(
            *(
                drive(
                    viewers[lane::lanes],
                    webs[lane % len(webs)][0],
                    settings.base_url,
                    # The connections take turns, lest they all send at the same instants.
                    began=began + HEARTBEAT.total_seconds() * lane / streams,
                    rounds=rounds,
                    tally=tally,
                )
                for lane in range(lanes)
            )
        )
        took = time.monotonic() - began
        *of_webs, of_database = meter.milliseconds()
        now = psutil.Process().cpu_times()
    live = await database.reads.fetchval(
        "SELECT count(*) FROM store.playback_sessions"
        " WHERE id = ANY ($1) AND ended_at IS NULL AND beat_at > now() - interval '90 seconds'",
        [viewer.playback_id for viewer in viewers],
    )
    await database.close()
    waits, per_second = sorted(tally.waits), len(tally.waits) / took
    shares = {
        "web": sum(of_webs) / 1000,
        "database": of_database / 1000,
        "driver": now.user + now.system - itself.user - itself.system,
    }
    console.print(f"{streams} streams, {len(waits)} heartbeats in {took:.0f} s: {per_second:.0f} a second")
    console.print("waits in ms: " + ", ".join(f"p{p} {waits[len(waits) * p // 100]:.0f}" for p in (50, 95, 99)))
    console.print(
        f"the latest was sent {tally.latest:.1f} s after it was due; refused: {dict(tally.refused) or 'none'}"
    )
    console.print(
        f"processors busy, of {os.cpu_count()}: "
        + ", ".join(f"{name} {seconds / took:.2f}" for name, seconds in shares.items())
    )
    console.print(f"places at the end: {live} of {streams}")
    return 0 if live == streams and not tally.refused else 1


def main() -> int:
    """Run on engines of its own, made anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5, help="heartbeats of each stream")
    wanted = parser.parse_args()
    with running_engines(FOLDER, durable=True) as engines:
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
            **sandbox_variables(FOLDER),
            "BASE_URL": f"http://127.0.0.1:{free_port()}",
            "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}",
            "DATABASE_URL": engines.database_url,
            "REDIS_URL": engines.redis_url or "",
        }
        settings = Settings.from_env(environment)
        return asyncio.run(run(settings, environment, streams=wanted.streams, rounds=wanted.rounds))


if __name__ == "__main__":
    sys.exit(main())
