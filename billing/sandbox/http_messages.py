"""One HTTP request and one response over ASGI, and nothing more of HTTP than the stand-in needs."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from billing.sandbox.errors import StripeRefusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LARGEST_BODY = 512 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body is read."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    """Names in lower case; of repeated ones the last."""
    scheme: str
    body: bytes

    @property
    def origin(self) -> str:
        """Where the caller reached us."""
        return f"{self.scheme}://{self.headers.get('host', '127.0.0.1')}"


@dataclass(slots=True)
class Response:
    """A response to send."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    """Cut the connection instead of sending it: the caller does not learn what happened."""


def json_response(body: object, status: int = 200, **headers: str) -> Response:
    """A JSON response."""
    return Response(
        status,
        json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        {"content-type": "application/json; charset=utf-8", **headers},
    )


async def read_request(scope: MutableMapping[str, Any], receive: Receive) -> Request:
    """Read a request with its body; 413 when that is too large."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > _LARGEST_BODY:
            raise StripeRefusal("The request is too large.", status=413)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"],
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        scheme=scope["scheme"],
        body=b"".join(chunks),
    )


async def send_response(response: Response, send: Send) -> None:
    """Send a response, or begin it and cut the connection when it is to be lost."""
    length = len(response.body) + response.lost
    headers = {"content-length": str(length), **response.headers}
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    if not response.lost:
        # An application that returns without its body makes the server close the connection.
        await send({"type": "http.response.body", "body": response.body})
