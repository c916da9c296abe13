"""An endpoint for webhooks on this event loop that keeps what it gets and answers what a test wants."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, Self

import stripe

from tests.billing.sandbox.sandbox_process import PATIENCE_SECONDS, WEBHOOK_SECRET
from tests.billing.stripe_openapi import validator


class WebhookEndpoint:
    """Verifies each delivery with the official SDK and holds it against Stripe's description."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = WEBHOOK_SECRET
        self.answers: deque[int] = deque()
        """Statuses of the next answers; when empty: 200."""
        self._arrived: asyncio.Queue[dict[str, Any] | Exception] = asyncio.Queue()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}/webhooks/stripe"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def forget(self) -> None:
        """Forget what came and what was to be answered."""
        self.answers.clear()
        while not self._arrived.empty():
            self._arrived.get_nowait()

    async def next(self, about: str, *kinds: str) -> dict[str, Any]:
        """The next delivery of one of these kinds about an object or intent; others are passed over."""
        while True:
            arrived = await self.next_of_kind(*kinds)
            subject = arrived["data"]["object"]
            if about in (subject["id"], subject.get("payment_intent")):
                return arrived

    async def next_of_kind(self, *kinds: str) -> dict[str, Any]:
        """The next delivery of one of these kinds, whatever it is about."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                arrived = await self._arrived.get()
                if isinstance(arrived, Exception):
                    raise arrived
                if arrived["type"] in kinds:
                    return arrived

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in head.lower().split("\r\n")[1:] if line)
        payload = await reader.readexactly(int(headers["content-length"]))
        try:
            event = stripe.Webhook.construct_event(payload, headers["stripe-signature"], self.secret)
            validator.check_event(event.to_dict())
            self._arrived.put_nowait(event.to_dict())
        except (stripe.SignatureVerificationError, AssertionError) as error:
            self._arrived.put_nowait(error)
        status = self.answers.popleft() if self.answers else 200
        writer.write(f"HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
