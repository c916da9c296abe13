"""An HTTP client for the official SDK that lets no call and no answer pass that Stripe does not describe."""

import json
from collections.abc import Mapping
from typing import Any

import stripe

from billing.stripe_gateway import Transport
from tests.billing.stripe_openapi import validator


class CheckedHTTPXClient(stripe.HTTPXClient):
    """The SDK's client, sync and async, with both directions held against Stripe's OpenAPI description."""

    def __init__(self) -> None:
        super().__init__(allow_sync_methods=True)
        self.called: set[tuple[str, str]] = set()
        """Method and address of every call, as the description writes them."""

    def request(  # the signature is the SDK's
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Check, call, check."""
        validator.check_request(method, url, post_data or "")
        self.called.add(validator.operation_at(method, url))
        content, status, answered = super().request(method, url, headers, post_data)
        validator.check_response(method, url, status, json.loads(content))
        return content, status, answered

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Check, call, check."""
        validator.check_request(method, url, post_data or "")
        self.called.add(validator.operation_at(method, url))
        content, status, answered = await super().request_async(method, url, headers, post_data)
        validator.check_response(method, url, status, json.loads(content))
        return content, status, answered


class CheckedTransport(Transport):
    """The store's own way to Stripe, with both directions held against Stripe's OpenAPI description."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Check, call, check."""
        validator.check_request(method, url, post_data or "")
        content, status, answered = await super().request_async(method, url, headers, post_data)
        validator.check_response(method, url, status, json.loads(content))
        return content, status, answered
