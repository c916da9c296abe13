"""The one door to Stripe: PaymentIntents, refunds and signed webhooks in billing's own words."""

import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

import stripe
import structlog

from billing.errors import (
    PaymentOutcomeUnknown,
    PaymentProviderRefused,
    PaymentUnknownToProvider,
    WebhookNotVerified,
)
from billing.models import PaymentState, RefundState
from billing.money import Money
from billing.ports import Intent, Notice, ProviderRefund

log = structlog.get_logger("stripe")

TOLERANCE: Final = 300
"""Seconds that a webhook's time may lie in the past or, by a wrong clock, in the future."""

TIMEOUT: Final = 20.0
"""Seconds to wait for an answer before its outcome counts as unknown."""

_DECLINES: Final = {
    "insufficient_funds": "insufficient_funds",
    "expired_card": "expired_card",
    "incorrect_cvc": "wrong_details",
    "incorrect_number": "wrong_details",
    "invalid_cvc": "wrong_details",
    "invalid_expiry_month": "wrong_details",
    "invalid_expiry_year": "wrong_details",
    "invalid_number": "wrong_details",
    "authentication_required": "not_authenticated",
    "payment_intent_authentication_failure": "not_authenticated",
    "issuer_not_available": "try_again",
    "processing_error": "try_again",
    "reenter_transaction": "try_again",
    "try_again_later": "try_again",
}
"""Stripe's codes and decline codes -> keys of `billing.declines`; all others are simply `declined`."""

_INTENT_STATES: Final = {
    # We never capture by hand, so this one has to be looked into by a person; until then it is under way.
    "requires_capture": PaymentState.PROCESSING,
}

_REFUND_STATES: Final = {"requires_action": RefundState.PENDING}


@dataclass(frozen=True, slots=True)
class StripeGateway:
    """The `PaymentGateway` port over Stripe's official library."""

    client: stripe.StripeClient
    transport: Any
    """The `stripe.HTTPClient` that the client calls with (its methods have no types); kept so that it can be closed."""
    publishable_key: str
    webhook_secrets: tuple[str, ...] = field(repr=False)
    """Two while one is being rotated; none: no webhook is believed."""

    @classmethod
    def connect(cls, *, secret_key: str, publishable_key: str, webhook_secrets: tuple[str, ...], api_base: str) -> Self:
        """A gateway to the Stripe at `api_base`; opens no connection yet."""
        transport = stripe.HTTPXClient(timeout=TIMEOUT)
        client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base},
            http_client=transport,
            max_network_retries=1,
        )
        return cls(client, transport, publishable_key, tuple(filter(None, webhook_secrets)))

    async def close(self) -> None:
        """Close the connections to Stripe."""
        await self.transport.close_async()

    async def open_intent(
        self, *, price: Money, idempotency_key: str, order_id: UUID, payment_id: UUID, description: str
    ) -> Intent:
        """Create a PaymentIntent whose method the customer chooses in the provider's own form."""
        intent = await _answer(
            self.client.v1.payment_intents.create_async(
                {
                    "amount": price.minor,
                    "currency": price.currency.lower(),
                    "automatic_payment_methods": {"enabled": True},
                    "description": description,
                    "metadata": {"order_id": str(order_id), "payment_id": str(payment_id)},
                },
                {"idempotency_key": idempotency_key},
            )
        )
        return _intent(intent)

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """Retrieve a PaymentIntent."""
        return _intent(await _answer(self.client.v1.payment_intents.retrieve_async(intent_id)))

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Cancel a PaymentIntent; one that is paid or under way comes back unchanged."""
        try:
            return _intent(
                await _answer(
                    # Without a key of ours: a refusal would be replayed for a day, also when it is no longer true.
                    self.client.v1.payment_intents.cancel_async(intent_id, {"cancellation_reason": "abandoned"})
                )
            )
        except PaymentProviderRefused:
            return await self.retrieve_intent(intent_id)

    async def request_refund(
        self, *, intent_id: str, amount: Money, idempotency_key: str, refund_id: UUID
    ) -> ProviderRefund:
        """Create a refund of an intent; Stripe takes its currency from the charge."""
        refund = await _answer(
            self.client.v1.refunds.create_async(
                {
                    "payment_intent": intent_id,
                    "amount": amount.minor,
                    "metadata": {"refund_id": str(refund_id)},
                },
                {"idempotency_key": idempotency_key},
            )
        )
        return _refund(refund)

    async def retrieve_refund(self, provider_refund_id: str) -> ProviderRefund:
        """Retrieve a refund."""
        return _refund(await _answer(self.client.v1.refunds.retrieve_async(provider_refund_id)))

    async def find_refund(self, *, intent_id: str, refund_id: UUID) -> ProviderRefund | None:
        """Look through an intent's refunds (a handful at most) for the one with our id."""
        page = await _answer(self.client.v1.refunds.list_async({"payment_intent": intent_id, "limit": 100}))
        refunds = [_refund(refund) for refund in page.data]
        return next((refund for refund in refunds if refund.refund_id == refund_id), None)

    def read_notice(self, body: bytes, signature: str | None, *, real_now: datetime) -> Notice:
        """Verify a webhook's raw bytes against every secret, and its time on both sides."""
        if not signature or not self._is_signed(body, signature, real_now):
            raise WebhookNotVerified()
        try:
            event = json.loads(body)
            subject = event["data"]["object"]
            return Notice(
                event_id=str(event["id"]),
                type=str(event["type"]),
                object_kind=str(subject.get("object", "")),
                object_id=str(subject["id"]) if "id" in subject else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
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


async def _answer(question: Awaitable[Any]) -> Any:
    """Wait for Stripe, and turn its errors into billing's refusals."""
    try:
        return await question
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


def _intent(intent: Any) -> Intent:
    currency = intent.currency.upper()
    metadata = _metadata(intent)
    return Intent(
        id=intent.id,
        state=_INTENT_STATES.get(intent.status) or PaymentState(intent.status),
        amount=Money(intent.amount, currency),
        received=Money(intent.amount_received, currency),
        order_id=_uuid(metadata.get("order_id")),
        payment_id=_uuid(metadata.get("payment_id")),
        client_secret=intent.client_secret,
        decline=_decline(intent),
    )


def _decline(intent: Any) -> str | None:
    error = intent.last_payment_error
    if error is None or intent.status != "requires_payment_method":
        return None
    facts = error.to_dict()
    return _DECLINES.get(facts.get("decline_code") or "") or _DECLINES.get(facts.get("code") or "") or "declined"


def _refund(refund: Any) -> ProviderRefund:
    intent = refund.payment_intent
    return ProviderRefund(
        id=refund.id,
        intent_id=intent if isinstance(intent, str) or intent is None else intent.id,
        state=_REFUND_STATES.get(refund.status) or RefundState(refund.status),
        amount=Money(refund.amount, refund.currency.upper()),
        refund_id=_uuid(_metadata(refund).get("refund_id")),
    )


def _metadata(thing: Any) -> Mapping[str, str]:
    return thing.metadata.to_dict() if thing.metadata is not None else {}


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
