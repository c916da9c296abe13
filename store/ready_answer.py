"""Answers whose bytes are there already, for the routes that are asked most."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import msgspec
from litestar.types import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class ReadyAnswer:
    """An answer that is sent as it is, past all that makes bytes of objects and merges headers."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def of_json(cls, body: bytes | msgspec.Struct, headers: Iterable[tuple[bytes, bytes]] = ()) -> Self:
        """JSON with status 200."""
        sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
        own = ((b"content-type", b"application/json"), (b"content-length", str(len(sent)).encode()))
        return cls(200, [*headers, *own], sent)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
