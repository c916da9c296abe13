"""Clients that stop in the middle of a request are let go; those that wait for their answer are not."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import httpx
import pytest
import uvicorn
from litestar import Litestar

from store.patience import PatientProtocol
from store.settings import Settings
from tests.journeys.waiting import eventually

HEAD = "POST /v1/sessions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"


class ImpatientProtocol(PatientProtocol):
    """Waits for half a second."""

    patience = 0.5


@pytest.fixture
async def impatient(app: Litestar, settings: Settings) -> AsyncIterator[int]:
    """The port of a server that waits for half a second."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http=ImpatientProtocol, lifespan="off", log_level="error", proxy_headers=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        port = int(listener.getsockname()[1])

        async def is_up() -> bool | None:
            with suppress(OSError):
                async with connection(port):
                    return server.started or None
            return None

        await eventually(is_up)
        yield port
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    "begun",
    [
        "",
        "P",
        "POST /v1/sessions HTTP/1.1\r\nHo",
        HEAD + "Content-Length: 900\r\n\r\n{{",
        HEAD + "Transfer-Encoding: chunked\r\n\r\n5\r\n{{",
    ],
)
async def test_a_client_that_stops_in_the_middle_is_let_go(impatient: int, settings: Settings, begun: str) -> None:
    async with connection(impatient) as (reader, writer):
        started = time.monotonic()
        writer.write(begun.format(host=settings.base_url.partition("//")[2]).encode())
        with suppress(ConnectionError):
            async with asyncio.timeout(15):
                assert await reader.read() == b""
        assert time.monotonic() - started >= 0.4


async def test_a_client_that_sends_byte_by_byte_is_let_go_too(impatient: int) -> None:
    async with connection(impatient) as (_, writer):
        started = time.monotonic()
        writer.write(b"GET /health/live HTTP/1.1\r\nX-Any: ")
        while not writer.transport.is_closing() and time.monotonic() - started < 15:
            writer.write(b"a")
            await asyncio.sleep(0.05)
        assert 0.4 <= time.monotonic() - started < 15


async def test_an_answer_may_take_longer_than_its_request(impatient: int, owner_url: str, settings: Settings) -> None:
    holder = await asyncpg.connect(owner_url)
    headers = {"Host": settings.base_url.partition("//")[2]}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{impatient}", headers=headers, timeout=20) as client:
        async with holder.transaction():
            await holder.execute("LOCK TABLE store.markets IN ACCESS EXCLUSIVE MODE")
            await holder.execute("LOCK TABLE store.genres IN ACCESS EXCLUSIVE MODE")
            slow = asyncio.create_task(client.get("/v1/genres"))
            await eventually(lambda: holder.fetchval("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1"))
            await asyncio.sleep(0.8)
            assert not slow.done()
        assert (await slow).status_code == 200
        await asyncio.sleep(0.8)
        assert (await client.get("/health/live")).status_code == 200, "a connection may rest between two requests"
    await holder.close()
