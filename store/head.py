"""HEAD wherever GET is (RFC 9110, 9.3.2): the same work, of which only the headers are sent."""

from typing import Final

from litestar.types import HTTPScope, Message, Receive, ReceiveMessage, Send

_ONLY_FOR_GET: Final = (b"range", b"if-range")
"""Headers that any other method ignores (RFC 9110, 14.2)."""


def headers_only(scope: HTTPScope, receive: Receive, send: Send) -> tuple[HTTPScope, Receive, Send]:
    """A HEAD request as the GET that it stands for.

    With the headers the answer is complete; whoever asked is then gone, so that a stream ends before it has begun.
    """
    asked = scope.copy()
    asked["method"] = "GET"
    asked["headers"] = [(name, value) for name, value in scope["headers"] if name not in _ONLY_FOR_GET]
    is_complete = False

    async def receive_until_complete() -> ReceiveMessage:
        return {"type": "http.disconnect"} if is_complete else await receive()

    async def send_headers(message: Message) -> None:
        nonlocal is_complete
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            is_complete = True

    return asked, receive_until_complete, send_headers
