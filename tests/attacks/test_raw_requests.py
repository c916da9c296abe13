"""Requests that no well-behaved client sends, byte by byte over a real connection."""

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar

from store.settings import Settings
from tests.auth.people import a_customer, with_unused_limits
from tests.auth.post_office import deliver_mails, open_post_office, text_of

PATH = "/v1/password-resets"
SLOW_CLIENTS = 200
MOST_CHUNKS = 2000
"""Of 16 KiB each."""


async def answer_to(base_url: str, raw: bytes, *, patience: float = 10) -> bytes:
    """All that comes back until the server closes the connection, or nothing more comes."""
    address = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    got = b""
    try:
        writer.write(raw)
        async with asyncio.timeout(patience):
            while part := await reader.read(65_536):
                got += part
                if b"\r\n\r\n" in got and b"connection: close" not in raw.lower():
                    break
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return got


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def request(body: bytes, *headers: str, target: str = PATH, version: str = "1.1") -> bytes:
    lines = [f"POST {target} HTTP/{version}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "Connection: close", "", ""]).encode() + body


FORGED = {
    "another host": (PATH, "1.1", ("Host: evil.example",)),
    "our host with another port": (PATH, "1.1", ("Host: {host}:1",)),
    "a host behind a proxy that is none": (PATH, "1.1", ("Host: {netloc}", "X-Forwarded-Host: evil.example")),
    "a host in Forwarded": (PATH, "1.1", ("Host: {netloc}", "Forwarded: host=evil.example;proto=http")),
    "two hosts": (PATH, "1.1", ("Host: {netloc}", "Host: evil.example")),
    "two hosts, ours last": (PATH, "1.1", ("Host: evil.example", "Host: {netloc}")),
    "a whole address of another host": (f"http://evil.example{PATH}", "1.1", ("Host: {netloc}",)),
    "a user in the host": (PATH, "1.1", ("Host: {netloc}@evil.example",)),
    "HTTP/1.0 without a host": (PATH, "1.0", ("X-Forwarded-Host: evil.example",)),
}
"""Ways to have a link in a mail lead elsewhere: target, version and headers."""


@pytest.mark.parametrize("name", FORGED)
async def test_no_request_has_a_mailed_link_lead_elsewhere(
    app: Litestar, live_server: str, settings: Settings, name: str
) -> None:
    with_unused_limits(app)
    account, address = await a_customer(app), urlsplit(live_server)
    target, version, headers = FORGED[name]
    said = [header.format(host=address.hostname, netloc=address.netloc) for header in headers]
    answer = await answer_to(
        live_server, request(json.dumps({"email": account.email}).encode(), *said, target=target, version=version)
    )
    assert status_of(answer) in (202, 400, 404), answer[:200]
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    assert (len(office.letters) == 1) == (status_of(answer) == 202)
    for letter in office.letters:
        assert f"{settings.base_url}/de/password/reset#t=" in text_of(letter)
        assert "evil" not in text_of(letter)


SMUGGLED = b"0\r\n\r\nGET /v1/account HTTP/1.1\r\nHost: x\r\n\r\n"

BROKEN = {
    "both kinds of length": ("Content-Length: 5\r\nTransfer-Encoding: chunked", SMUGGLED),
    "two lengths": ("Content-Length: 2\r\nContent-Length: 50", b"{}"),
    "a negative length": ("Content-Length: -1", b"{}"),
    "a length in words": ("Content-Length: two", b"{}"),
    "an unknown coding": ("Transfer-Encoding: gzip", b"{}"),
    "a coding hidden by a tab": ("Transfer-Encoding:\tchunked\r\nContent-Length: 2", b"{}"),
    "a chunk of no size": ("Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
    "a NUL in a header": ("X-Any: a\x00b\r\nContent-Length: 2", b"{}"),
    "a header without a name": (": x\r\nContent-Length: 2", b"{}"),
    "a header over two lines": ("X-Any: a\r\n b: c\r\nContent-Length: 2", b"{}"),
    "a header of a megabyte": ("X-Any: " + "a" * 1_000_000 + "\r\nContent-Length: 2", b"{}"),
}
"""Headers and body of requests whose end two programs might see in different places."""


@pytest.mark.parametrize("name", BROKEN)
async def test_a_request_whose_end_is_not_clear_is_refused_and_nothing_behind_it_is_read(
    app: Litestar, live_server: str, name: str
) -> None:
    headers, body = BROKEN[name]
    head = f"POST {PATH} HTTP/1.1\r\nHost: {urlsplit(live_server).netloc}\r\nContent-Type: application/json\r\n"
    answer = await answer_to(live_server, f"{head}{headers}\r\nConnection: close\r\n\r\n".encode() + body)
    assert status_of(answer) in (0, 400, 413, 431), answer[:200]
    assert answer.count(b"HTTP/1.1 ") <= 1
    async with httpx.AsyncClient(base_url=live_server) as other:
        assert (await other.get("/health/live")).status_code == 200


async def test_a_body_that_never_ends_is_refused_and_the_connection_closed(app: Litestar, live_server: str) -> None:
    address = urlsplit(live_server)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    chunk, sent = b"4000\r\n" + b" " * 0x4000 + b"\r\n", 0
    with suppress(ConnectionError):
        async with asyncio.timeout(20):
            while sent < MOST_CHUNKS:
                writer.write(chunk)
                await writer.drain()
                sent += 1
    assert sent < MOST_CHUNKS, "the server reads on and on"
    with suppress(ConnectionError):
        assert status_of(await reader.read(65_536)) == 413
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_body_shorter_than_its_length_does_nothing(app: Litestar, live_server: str, settings: Settings) -> None:
    account = await a_customer(app)
    whole = request(json.dumps({"email": account.email}).encode(), f"Host: {urlsplit(live_server).netloc}")
    address = urlsplit(live_server)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(whole[:-5])
    await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    async with httpx.AsyncClient(base_url=live_server) as other:
        assert (await other.get("/health/ready")).status_code == 200
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    assert office.letters == []


@pytest.mark.parametrize("begun", ["P", "POST /v1/sessions HTTP/1.1\r\nHo", "{head}Content-Length: 900\r\n\r\n{{"])
async def test_many_clients_that_stop_in_the_middle_keep_nobody_else_waiting(live_server: str, begun: str) -> None:
    address = urlsplit(live_server)
    head = f"POST /v1/sessions HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    opened = await asyncio.gather(
        *(asyncio.open_connection(address.hostname, address.port) for _ in range(SLOW_CLIENTS))
    )
    for _, writer in opened:
        writer.write(begun.format(head=head).encode())
    async with httpx.AsyncClient(base_url=live_server, timeout=5) as other:
        for _ in range(20):
            assert (await other.get("/health/ready")).status_code == 200
    for _, writer in opened:
        writer.close()
    for _, writer in opened:
        with suppress(ConnectionError):
            await writer.wait_closed()
