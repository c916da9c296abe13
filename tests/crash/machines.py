"""The store's processes on engines of their own: each can be killed at any moment, and is started again."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import psutil
from redis.asyncio import Redis

from store.migrations import migrate
from store.sandbox.arrangement import Part, Ports, environment_of, parts_of_the_sandbox
from store.sandbox.engines import EngineAddresses
from store.sandbox.postgresql import running_postgresql
from store.sandbox.processes import Child, start_child
from store.sandbox.valkey import running_valkey
from tests.scratch import free_port

WEB: Final = ("web-1", "web-2")
WORKER: Final = "worker"
LOOK_AGAIN: Final = 0.1
"""Seconds between two looks for a process that has ended."""

PATIENCE: Final = 60.0
"""Seconds in which a process must be up."""

Done = TypeVar("Done")


@dataclass(slots=True)
class Machines:
    """Two web processes, a worker, the payment stand-in and the mail catcher over PostgreSQL and Redis."""

    folder: Path
    hands: ThreadPoolExecutor
    """One thread that starts and stops: a process lives no longer than the thread that started it (see `leash`)."""
    engines: ExitStack = field(default_factory=ExitStack)
    postgresql: ExitStack = field(default_factory=ExitStack)
    environment: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    redis_command: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    ended_by_themselves: Counter[str] = field(default_factory=Counter)

    @property
    def web(self) -> list[str]:
        """Addresses of the web processes."""
        return [f"http://{host}" for host in self.environment["ALLOWED_HOSTS"].split(",")]

    @property
    def stripe(self) -> str:
        """Address of the payment stand-in."""
        return self.environment["STRIPE_API_BASE"]

    @property
    def database_url(self) -> str:
        """Address of the database, as the owner of its tables."""
        return self.environment["DATABASE_URL"]

    @property
    def stripe_store(self) -> Path:
        """The stand-in's own store, a SQLite file."""
        return self.folder / "stripe.sqlite3"

    async def by_hand(self, deed: Callable[..., Done], *arguments: object) -> Done:
        """Do what starts or stops processes, in the one thread for that."""
        return await asyncio.get_running_loop().run_in_executor(self.hands, deed, *arguments)

    async def ask_stripe(self, method: str, path: str, **fields: object) -> Any:
        """What the payment stand-in answers to somebody with the secret key."""
        headers = {"Authorization": f"Bearer {self.environment['STRIPE_SECRET_KEY']}"}
        async with httpx.AsyncClient(base_url=self.stripe, headers=headers, trust_env=False) as client:
            answer = await client.request(method, path, data=fields or None)
        return answer.raise_for_status().json()

    async def control(self, name: str, **fields: object) -> None:
        """Use one of the payment stand-in's controls."""
        await self.ask_stripe("POST", f"/_sandbox/{name}", **fields)

    async def kill(self, name: str) -> None:
        """`kill -9`; `keep_running` starts it again."""
        child = self.children[name]
        if child.is_running:
            self.kills[name] += 1
            child.process.kill()

    async def keep_running(self) -> None:
        """Start again whatever has ended, as a process manager does; runs until it is cancelled."""
        while True:
            for name in [name for name, child in self.children.items() if not child.is_running]:
                if self.children[name].process.returncode != -signal.SIGKILL:
                    self.ended_by_themselves[name] += 1
                await self.by_hand(self.start, name)
            await asyncio.sleep(LOOK_AGAIN)

    async def end(self, *names: str) -> None:
        """End processes in order, for good."""
        for name in names:
            await self.by_hand(self.children.pop(name).stop)

    async def crash_postgresql(self) -> None:
        """Immediate shutdown: what was not committed is lost, and the next start recovers from the log."""
        self.kills["postgresql"] += 1
        os.kill(self._process_id("postgresql"), signal.SIGQUIT)
        await self.by_hand(self.postgresql.close)
        await self.by_hand(self._start_postgresql)

    async def flush_redis(self) -> None:
        """Forget everything in it."""
        async with Redis.from_url(self.environment["REDIS_URL"]) as redis:
            await redis.flushall()

    async def stop_redis(self) -> None:
        """`kill -9`; it stays away until `start_redis`."""
        self.kills["redis"] += 1
        process = psutil.Process(self._process_id("valkey"))
        self.redis_command = process.cmdline()
        process.kill()

    async def start_redis(self) -> None:
        """Start it again at the same address, empty."""
        await self.by_hand(self._start_redis)

    def start(self, name: str) -> None:
        """Start one of the parts."""
        part = self.parts[name]
        self.children[name] = start_child(
            name,
            part.command,
            records=self.folder / "processes",
            log=self.folder / "logs" / f"{name}.log",
            environment=part.environment,
        )

    def _start_postgresql(self) -> str:
        return self.postgresql.enter_context(running_postgresql(self.folder, durable=True))

    def _start_redis(self) -> None:
        log, records = self.folder / "valkey.log", self.folder / "processes"
        child = start_child("valkey", self.redis_command, records=records, log=log, environment={"PATH": os.defpath})
        self.engines.callback(child.stop)

    def _process_id(self, name: str) -> int:
        return int(json.loads((self.folder / "processes" / f"{name}.json").read_text())["pid"])

    def set_up(self) -> None:
        """Start the engines and say which processes there will be."""
        for needed in ("processes", "logs"):
            (self.folder / needed).mkdir(parents=True, exist_ok=True)
        engines = EngineAddresses(self._start_postgresql(), self.engines.enter_context(running_valkey(self.folder)))
        ports = Ports(web=free_port(), mail=free_port(), smtp=free_port(), stripe=free_port())
        second = free_port()
        around = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        hosts = {
            "ALLOWED_HOSTS": f"localhost:{ports.web},127.0.0.1:{ports.web},127.0.0.1:{second}",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        self.environment = {**environment_of(self.folder, ports, engines, around), **hosts}
        for port, web in zip((ports.web, second), WEB, strict=True):
            at_port = Ports(web=port, mail=ports.mail, smtp=ports.smtp, stripe=ports.stripe)
            for part in parts_of_the_sandbox(self.folder, at_port, self.environment):
                self.parts[web if part.name == "web" else part.name] = _in_production(part)

    async def wait_until_up(self) -> None:
        """Wait until every part answers that can; one that was killed is waited for until `keep_running` started it."""
        deadline = time.monotonic() + PATIENCE
        for name, part in self.parts.items():
            while part.health is not None and not await asyncio.to_thread(_answers, part.health):
                child = self.children[name]
                has_failed = not child.is_running and child.process.returncode != -signal.SIGKILL
                if has_failed or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} did not start: {child.log.read_text()}")
                await asyncio.sleep(LOOK_AGAIN)

    def tear_down(self) -> None:
        """Stop all that is left."""
        for child in reversed(self.children.values()):
            child.stop()
        self.postgresql.close()
        self.engines.close()


@asynccontextmanager
async def running_machines(folder: Path) -> AsyncIterator[Machines]:
    """Every process of the store with its data below `folder`, until the block ends."""
    with ThreadPoolExecutor(max_workers=1) as hands:
        machines = Machines(folder, hands)
        try:
            await machines.by_hand(machines.set_up)
            await migrate(machines.database_url)
            for name in machines.parts:
                await machines.by_hand(machines.start, name)
            await machines.wait_until_up()
            keeping = asyncio.create_task(machines.keep_running())
            try:
                yield machines
            finally:
                keeping.cancel()
                with suppress(asyncio.CancelledError):
                    await keeping
        finally:
            await machines.by_hand(machines.tear_down)


def _in_production(part: Part) -> Part:
    """The part without the sandbox's movable clock: the very programs that production runs."""
    programs = {"store.sandbox.app:create_app": "store.app:create_app", "store.sandbox.worker": "store.worker"}
    return replace(part, command=tuple(programs.get(word, word) for word in part.command))


def _answers(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(address, timeout=2, trust_env=False).is_success
    return False
