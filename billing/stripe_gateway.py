"""The one door to Stripe: PaymentIntents, refunds and signed webhooks in billing's own words."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, Self, cast
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass
from uuid import UUID

import aiohttp
import stripe
import structlog

from billing.errors import (
    PaymentOutcomeUnknown,
    PaymentProviderRefused,
    PaymentUnknownToProvider,
    WebhookNotVerified,
)
from billing.money import Money
from billing.ports import (
    DEBITS,
    FraudWarning,
    Intent,
    Movement,
    Notice,
    ProviderCharge,
    ProviderDispute,
    ProviderRefund,
)
from billing.stripe_objects import (
    Facts,
    read_charge,
    read_dispute,
    read_event,
    read_fraud_warning,
    read_intent,
    read_movement,
    read_refund,
)

log = structlog.get_logger("stripe")

TOLERANCE: Final = 300
"""Seconds that a webhook's time may lie in the past or, by a wrong clock, in the future."""

TIMEOUT: Final = 20.0
"""Seconds to wait for an answer before its outcome counts as unknown."""

_ALL_OF_CHARGE: Final = ("balance_transaction", "payment_intent.latest_charge")
_PAGE: Final = 100


# Else every call tells Stripe how long the one before it took.
stripe.enable_telemetry = False


class Transport(stripe.HTTPClient):
    """How Stripe's library calls: over aiohttp, at a third of what httpx costs.

    The library's own `AIOHTTPClient` lets faults pass as they are while an answer is read: a payment whose answer broke
    off would be a fault of ours and not an unknown outcome.
    """

    name = "aiohttp"

    def __init__(self) -> None:
        super().__init__()
        self._session: aiohttp.ClientSession | None = None

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Call once; raises `stripe.APIConnectionError` if no whole answer came."""
        if self._session is None:
            self._session = self._open()
        call = self._session.request(
            method, url, headers=headers, data=post_data, allow_redirects=False, proxy=_proxy_of(url)
        )
        try:
            async with call as answer:
                return await answer.read(), answer.status, answer.headers
        except (aiohttp.ClientError, TimeoutError) as fault:
            raise _no_answer(fault) from fault

    def sleep_async(self, secs: float) -> Any:
        """Wait before the library tries again."""
        return asyncio.sleep(secs)

    async def close_async(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    @staticmethod
    def _open() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=stripe.ca_bundle_path)),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
        )


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address (`https_proxy`, `no_proxy`); None: there is none.

    aiohttp would look itself, but also for a password in ~/.netrc, in a thread and with each call.
    """
    parts = urlsplit(url)
    return _proxy_for(parts.scheme, parts.hostname or "")


@cache
def _proxy_for(scheme: str, host: str) -> str | None:
    return None if proxy_bypass(host) else getproxies().get(scheme)


def _no_answer(fault: Exception) -> Exception:
    make: Any = stripe.APIConnectionError  # The library gives it no type.
    error: Exception = make(f"no answer: {type(fault).__name__}", should_retry=True)
    return error


@dataclass(frozen=True, slots=True)
class StripeGateway:
    """The `PaymentGateway` port over Stripe's official library."""

    client: stripe.StripeClient
    transport: stripe.HTTPClient
    """What the client calls with; kept so that it can be closed."""
    publishable_key: str
    webhook_secrets: tuple[str, ...] = field(repr=False)
    """Two while one is being rotated; none: no webhook is believed."""

    @classmethod
    def connect(cls, *, secret_key: str, publishable_key: str, webhook_secrets: tuple[str, ...], api_base: str) -> Self:
        """A gateway to the Stripe at `api_base`; opens no connection yet."""
        transport = Transport()
        client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base},
            http_client=transport,
            max_network_retries=1,
        )
        return cls(client, transport, publishable_key, tuple(filter(None, webhook_secrets)))

    async def close(self) -> None:
        """Close the connections to Stripe."""
        await cast(Any, self.transport).close_async()

    async def open_intent(
        self,
        *,
        price: Money,
        idempotency_key: str,
        order_id: UUID,
        payment_id: UUID,
        description: str,
        allows_debit: bool = False,
    ) -> Intent:
        """Create a PaymentIntent whose method the customer chooses in the provider's own form."""
        asked: dict[str, Any] = {
            "amount": price.minor,
            "currency": price.currency.lower(),
            "automatic_payment_methods": {"enabled": True},
            "description": description,
            "metadata": {"order_id": str(order_id), "payment_id": str(payment_id)},
        }
        if not allows_debit:
            asked["excluded_payment_method_types"] = sorted(DEBITS)
        return read_intent(await self._post("payment_intents", **asked, idempotency_key=idempotency_key))

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """Retrieve a PaymentIntent."""
        return read_intent(await self._get("payment_intents", intent_id, expand=["latest_charge"]))

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Cancel a PaymentIntent; one that is paid or under way comes back unchanged."""
        try:
            # Without a key of ours: a refusal would be replayed for a day, also when it is no longer true.
            return read_intent(
                await self._post("payment_intents", intent_id, "cancel", cancellation_reason="abandoned")
            )
        except PaymentProviderRefused:
            return await self.retrieve_intent(intent_id)

    async def retrieve_mandate_reference(self, mandate_id: str) -> str:
        """Retrieve a mandate for its reference."""
        mandate = await self._get("mandates", mandate_id)
        return str(mandate["payment_method_details"]["sepa_debit"]["reference"])

    async def request_refund(
        self, *, intent_id: str, amount: Money, idempotency_key: str, refund_id: UUID
    ) -> ProviderRefund:
        """Create a refund of an intent; Stripe takes its currency from the charge."""
        return read_refund(
            await self._post(
                "refunds",
                payment_intent=intent_id,
                amount=amount.minor,
                metadata={"refund_id": str(refund_id)},
                idempotency_key=idempotency_key,
            )
        )

    async def retrieve_refund(self, provider_refund_id: str) -> ProviderRefund:
        """Retrieve a refund."""
        return read_refund(await self._get("refunds", provider_refund_id))

    async def find_refund(self, *, intent_id: str, refund_id: UUID) -> ProviderRefund | None:
        """Look through an intent's refunds (a handful at most) for the one with our id."""
        page = await self._get("refunds", payment_intent=intent_id, limit=_PAGE)
        refunds = [read_refund(refund) for refund in page["data"]]
        return next((refund for refund in refunds if refund.refund_id == refund_id), None)

    async def retrieve_dispute(self, provider_dispute_id: str) -> ProviderDispute:
        """Retrieve a dispute; its balance transactions come with it."""
        return read_dispute(await self._get("disputes", provider_dispute_id))

    async def retrieve_fraud_warning(self, warning_id: str) -> FraudWarning:
        """Retrieve an early fraud warning with its charge, which knows the intent."""
        return read_fraud_warning(await self._get("radar", "early_fraud_warnings", warning_id, expand=["charge"]))

    async def retrieve_charge(self, charge_id: str) -> ProviderCharge:
        """Retrieve a charge with its balance transaction and its intent."""
        return read_charge(await self._get("charges", charge_id, expand=_ALL_OF_CHARGE))

    async def list_movements(
        self, *, since: datetime | None = None, payout_id: str | None = None
    ) -> AsyncIterator[Movement]:
        """List balance transactions with their sources by the page, the newest first."""
        asked: dict[str, Any] = {"expand": ["data.source"]}
        if since is not None:
            asked["created"] = {"gte": int(since.timestamp())}
        if payout_id is not None:
            asked["payout"] = payout_id
        async for movement in self._list("balance_transactions", **asked):
            yield read_movement(movement)

    async def list_notices(self, *, since: datetime) -> AsyncIterator[Notice]:
        """List events by the page, the newest first; Stripe keeps them for 30 days."""
        async for event in self._list("events", created={"gte": int(since.timestamp())}):
            yield read_event(event)

    async def _list(self, what: str, **asked: Any) -> AsyncIterator[Facts]:
        """Everything of a list, asking for the next page when one is read."""
        has_more = True
        while has_more:
            page = await self._get(what, **asked, limit=_PAGE)
            for item in page["data"]:
                yield item
            has_more = page["has_more"]
            asked["starting_after"] = page["data"][-1]["id"] if has_more else None

    async def _get(self, *address: str, **asked: Any) -> Facts:
        return await self._call("get", address, asked)

    async def _post(self, *address: str, **asked: Any) -> Facts:
        return await self._call("post", address, asked)

    async def _call(self, method: str, address: Sequence[str], asked: Mapping[str, Any]) -> Facts:
        """Call Stripe, and turn its errors into billing's refusals.

        What it answers is read as plain JSON: the library's objects of it would cost as much as the call itself.
        """
        url = "/v1/" + "/".join(quote(part, safe="") for part in address)
        try:
            answer: Facts = (await self.client.raw_request_async(method, url, **asked)).data
        except (stripe.APIConnectionError, stripe.RateLimitError) as fault:
            raise PaymentOutcomeUnknown() from fault
        except stripe.IdempotencyError as fault:
            if fault.http_status == 409:  # the same key is being worked on at this moment
                raise PaymentOutcomeUnknown() from fault
            raise PaymentProviderRefused() from fault
        except stripe.StripeError as fault:
            if fault.http_status is None or fault.http_status >= 500 or fault.http_status == 409:
                raise PaymentOutcomeUnknown() from fault
            if fault.http_status == 404:
                raise PaymentUnknownToProvider() from fault
            log.warning("refused", status=fault.http_status, code=fault.code, provider_request_id=fault.request_id)
            raise PaymentProviderRefused() from fault
        return answer

    def read_notice(self, body: bytes, signature: str | None, *, real_now: datetime) -> Notice:
        """Verify a webhook's raw bytes against every secret, and its time on both sides."""
        if not signature or not self._is_signed(body, signature, real_now):
            raise WebhookNotVerified()
        try:
            return read_event(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as fault:
            raise WebhookNotVerified() from fault

    def _is_signed(self, body: bytes, signature: str, real_now: datetime) -> bool:
        """Whether one of the secrets signed these bytes at about this time.

        The library's own check of the time lets any future through, so both sides are checked here.
        """
        for secret in self.webhook_secrets:
            try:
                stripe.WebhookSignature.verify_header(body, signature, secret)
                signed_at = int(next(part.removeprefix("t=") for part in signature.split(",") if part.startswith("t=")))
            except (stripe.SignatureVerificationError, ValueError, TypeError, StopIteration):
                continue
            return abs(real_now.timestamp() - signed_at) <= TOLERANCE
        return False
