"""The payment stand-in with a count of what the store's own processes ask it: the SDK calls of a purchase."""

from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from billing.sandbox.app import StripeStandIn
from billing.sandbox.app import create_app as create_stand_in
from billing.sandbox.http_messages import Receive, Send, json_response, send_response

CALLS: Final = "/benchmark/calls"
"""Address of the count: `{"POST /v1/payment_intents": 12}`."""


@dataclass(frozen=True, slots=True)
class CountedStandIn:
    """Passes everything on; calls with the secret key are the store's, those of a customer's browser are not."""

    stand_in: StripeStandIn
    calls: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            if scope["path"] == CALLS:
                await send_response(json_response(self.calls), send)
                return
            if scope["path"].startswith("/v1/") and b"Bearer sk_" in dict(scope["headers"]).get(b"authorization", b""):
                self.calls[_operation(scope["method"], scope["path"])] += 1
        await self.stand_in(scope, receive, send)


def create_app() -> CountedStandIn:
    """The stand-in of the environment."""
    return CountedStandIn(create_stand_in())


def _operation(method: str, path: str) -> str:
    """A call without the id that it names: `GET /v1/payment_intents/{id}`."""
    parts = path.split("/")
    return f"{method} {'/'.join(['', *parts[1:3], *('{id}' for _ in parts[3:4]), *parts[4:]])}"
