"""What billing asks for from outside: a payment provider, the handing over of what was bought, who sells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import Refusal
from billing.models import Order, OrderLine, PaymentState, RefundState
from billing.money import Money


@dataclass(frozen=True, slots=True)
class Intent:
    """What the provider says of a payment at this moment."""

    id: str
    state: PaymentState
    """Never `creating`, `unknown` or `returned`: those are ours."""
    amount: Money
    received: Money
    """What was really paid so far."""
    order_id: UUID | None = None
    """Of the metadata that we sent along; None where the intent is none of ours."""
    payment_id: UUID | None = None
    """Of the metadata that we sent along; None where the intent is none of ours."""
    client_secret: str | None = field(default=None, repr=False)
    """Lets the customer's program confirm this one payment; goes to that customer only, and into no log."""
    decline: str | None = None
    """Why the last try failed: a key of `billing.declines.DECLINES`."""


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """What the provider says of a refund at this moment."""

    id: str
    intent_id: str | None
    state: RefundState
    amount: Money
    refund_id: UUID | None = None
    """Of the metadata that we sent along; None where the refund is none of ours."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified event of the provider: only that something happened to an object, never what to believe of it."""

    event_id: str
    type: str
    object_kind: str
    """`payment_intent`, `refund`, `charge`, …"""
    object_id: str | None


class PaymentGateway(Protocol):
    """A payment provider; implemented by `billing/stripe_gateway.py`.

    Every question raises `PaymentOutcomeUnknown` when no answer came (or only "later"), `PaymentUnknownToProvider`
    when the provider has no such object, and `PaymentProviderRefused` when it refuses the request itself. None of
    them is ever called while a database transaction is open.
    """

    @property
    def publishable_key(self) -> str:
        """The key that customers' programs use; no secret."""
        ...

    async def open_intent(
        self, *, price: Money, idempotency_key: str, order_id: UUID, payment_id: UUID, description: str
    ) -> Intent:
        """Open a payment of `price`; the same key gives the same intent (for at least 24 hours). Moves no money."""
        ...

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """The present state of a payment."""
        ...

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Cancel a payment; one that can no longer be cancelled comes back as it is."""
        ...

    async def request_refund(
        self, *, intent_id: str, amount: Money, idempotency_key: str, refund_id: UUID
    ) -> ProviderRefund:
        """Send money back; the same key gives the same refund (for at least 24 hours)."""
        ...

    async def retrieve_refund(self, provider_refund_id: str) -> ProviderRefund:
        """The present state of a refund."""
        ...

    async def find_refund(self, *, intent_id: str, refund_id: UUID) -> ProviderRefund | None:
        """The refund of an intent that carries our `refund_id`: for keys that may have been forgotten."""
        ...

    def read_notice(self, body: bytes, signature: str | None, *, real_now: datetime) -> Notice:
        """Verify the raw bytes of a webhook; raises `WebhookNotVerified`."""
        ...

    async def close(self) -> None:
        """Let go of the connections to the provider."""
        ...


class Fulfilment(Protocol):
    """Hands over what was bought; implemented by `store/entitlement/grants.py`.

    Delivered means: the customer can use it the moment the transaction commits. Both verbs run inside the caller's
    transaction and call nothing outside it.
    """

    async def may_deliver(
        self, session: AsyncSession, *, account_id: UUID, line: OrderLine, at: datetime
    ) -> Refusal | None:
        """Why this line cannot be handed over to this account now (already entitled, …), or None."""
        ...

    async def deliver(self, session: AsyncSession, *, order: Order, lines: Sequence[OrderLine], at: datetime) -> None:
        """Hand over the lines of a paid order; safe to repeat."""
        ...


class Seller(Protocol):
    """The legal entity that sells, as it stands on invoices."""

    @property
    def name(self) -> str:
        """Legal name."""
        ...

    @property
    def address(self) -> str:
        """Postal address, its lines separated by ' · '."""
        ...

    @property
    def email(self) -> str:
        """Where customers write to."""
        ...

    @property
    def vat_id(self) -> str:
        """VAT identification number."""
        ...
