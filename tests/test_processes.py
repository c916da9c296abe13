"""The web process and the worker as an operator runs them: told to stop, they finish what they began."""

import asyncio
import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
from aiosmtpd.controller import Controller
from litestar import Litestar

from store.settings import Settings
from tests.auth.people import a_customer
from tests.journeys.waiting import eventually

PROJECT = Path(__file__).parents[1]
PATIENCE = 60
"""Seconds in which a process that was told to stop must be gone."""

IS_WAITING = "SELECT true FROM pg_locks WHERE NOT granted AND relation = 'store.genres'::regclass"


@contextmanager
def running(module: str, *options: str, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, ended at the latest with the block."""
    command = [sys.executable, "-m", module, *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT, env={"PATH": os.environ["PATH"], **environment}, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def is_up(process: subprocess.Popen[bytes], client: httpx.AsyncClient) -> None:
    async def look() -> bool | None:
        assert process.poll() is None
        try:
            return (await client.get("/health/ready")).is_success or None
        except httpx.TransportError:
            return None

    await eventually(look)


async def is_waiting(owner: asyncpg.Connection) -> None:
    """Wait until a request waits for the table of genres."""
    await eventually(lambda: owner.fetchval(IS_WAITING))


async def is_refused(base_url: str) -> None:
    """Wait until nothing listens at the address."""
    address = urlsplit(base_url)

    async def look() -> bool | None:
        try:
            _, writer = await asyncio.open_connection(address.hostname, address.port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return None

    await eventually(look)


async def status_of(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, PATIENCE)


async def test_a_stopped_web_process_answers_the_request_under_way_takes_no_other_and_ends_with_0(
    environment: dict[str, str],
    owner_url: str,
    owner: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    base_url = environment["BASE_URL"]
    port, log = str(urlsplit(base_url).port), tmp_path / "log"
    holder = await asyncpg.connect(owner_url)
    with running("store.server", "--port", port, environment=environment, log=log) as web:
        async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE) as client:
            await is_up(web, client)
            async with holder.transaction():
                await holder.execute("LOCK TABLE store.genres IN ACCESS EXCLUSIVE MODE")
                under_way = asyncio.create_task(client.get("/v1/genres"))
                await is_waiting(owner)
                web.terminate()
                await is_refused(base_url)
                assert web.poll() is None
                assert not under_way.done()
            answer = await under_way
        assert (answer.status_code, list(answer.json())) == (200, ["genres"])
        assert await status_of(web) == 0
    await holder.close()
    assert all(line.startswith("{") for line in log.read_text().splitlines()), "a line that is no JSON"


async def test_a_request_that_never_ends_holds_no_stop_up(
    environment: dict[str, str], owner_url: str, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    base_url = environment["BASE_URL"]
    options = ("--port", str(urlsplit(base_url).port), "--grace", "1")
    holder = await asyncpg.connect(owner_url)
    with running("store.server", *options, environment=environment, log=tmp_path / "log") as web:
        async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE) as client:
            await is_up(web, client)
            async with holder.transaction():
                await holder.execute("LOCK TABLE store.genres IN ACCESS EXCLUSIVE MODE")
                under_way = asyncio.create_task(client.get("/v1/genres"))
                await is_waiting(owner)
                web.terminate()
                assert await status_of(web) == 0
                assert await owner.fetchval(IS_WAITING) is None
            assert (await under_way).status_code == 500
    await holder.close()


def test_a_web_process_on_unsafe_settings_names_every_fault_and_does_not_start(
    environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    unsafe = {**environment, "VIDEOTHEK_MODE": "production", "SMTP_URL": ""}
    with running("store.server", environment=unsafe, log=log) as web:
        assert web.wait(PATIENCE) == 2
    lines = log.read_text().splitlines()
    assert {"SMTP_URL is missing", "BASE_URL is not https", "ROOT_SECRET is a sandbox secret"} <= set(lines)
    assert "Traceback" not in log.read_text()


class SlowPostOffice:
    """A mail server that keeps a mail only when it is let."""

    def __init__(self) -> None:
        self.has_come, self.may_go, self.kept = threading.Event(), threading.Event(), 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.has_come.set()
        await asyncio.to_thread(self.may_go.wait, PATIENCE)
        self.kept += 1
        return "250 kept"


async def test_a_stopped_worker_finishes_its_job_and_ends_with_0(
    app: Litestar,
    client: httpx.AsyncClient,
    settings: Settings,
    environment: dict[str, str],
    owner: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    account, office, address = await a_customer(app), SlowPostOffice(), urlsplit(environment["SMTP_URL"])
    await client.post("/v1/password-resets", json={"email": account.email})
    controller = Controller(office, hostname=address.hostname or "", port=address.port or 0)
    controller.start()
    secret = base64.b64encode(settings.root_secret).decode()
    log = tmp_path / "log"
    with running("store.worker", environment={**environment, "ROOT_SECRET": secret}, log=log) as worker:
        await asyncio.wait_for(asyncio.to_thread(office.has_come.wait, PATIENCE), PATIENCE)
        worker.terminate()
        office.may_go.set()
        assert await status_of(worker) == 0, log.read_text()
    controller.stop()
    assert office.kept == 1
    assert await owner.fetchval("SELECT status FROM store.mails") == "sent"
    assert await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = 'deliver_mail'") == 0
    assert "Traceback" not in log.read_text()
