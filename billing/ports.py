"""What billing asks for from outside: a payment provider, the handing over of what was bought, who sells."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import Refusal
from billing.dispute_records import DisputeState
from billing.models import Order, OrderLine, PaymentState, RefundState
from billing.money import Money

DEBITS: Final = frozenset({"sepa_debit"})
"""Kinds of payment that the bank answers after days, when the customer has long left the page."""


@dataclass(frozen=True, slots=True)
class PaidBy:
    """What a customer paid with, or tried to; all that may be kept of a card (PCI DSS 4.0.1, SAQ A)."""

    kind: str
    """`card`, `sepa_debit`, …"""
    brand: str | None = None
    last4: str | None = None
    country: str | None = None
    """Of the bank, ISO 3166-1 alpha-2: a piece of evidence for the place of taxation."""
    fingerprint: str | None = None
    """The same for every use of a card, whoever uses it."""
    mandate: str | None = None
    """Debits: the provider's key of the mandate."""
    debited_on: str | None = None
    """Debits: on which day the bank is expected to book it, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Charge:
    """The last try to pay an intent, paid or declined."""

    id: str
    paid_by: PaidBy
    is_declined: bool
    decline: str | None = None
    """Why it was declined: a key of `billing.declines.DECLINES`."""
    reason: str | None = None
    """Why it was declined, in the provider's word; for support only."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A try to pay that failed before there was a charge: 3-D Secure."""

    key: str
    """The provider's, of what was tried with."""
    decline: str
    """A key of `billing.declines.DECLINES`."""
    reason: str | None = None
    """The provider's word; for support only."""


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
    charge: Charge | None = None
    """The last try to pay it."""
    failure: Failure | None = None
    """The last try, if it failed before there was a charge."""


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
class Movement:
    """A movement of our account at the provider (Stripe: a balance transaction)."""

    id: str
    kind: str
    """`charge`, `refund`, `adjustment`, `payout`, …"""
    source_id: str | None
    """Key of the charge, refund, dispute or payout that moved it."""
    amount: Money
    """Positive to us; before the fee."""
    fee: Money
    """What the provider kept; negative where it gave a fee back."""
    created_at: datetime
    intent_id: str | None = None
    """The payment that it belongs to, where the provider says so."""


@dataclass(frozen=True, slots=True)
class ProviderCharge:
    """What the provider says of one try to pay at this moment."""

    id: str
    intent: Intent | None
    """The intent that it belongs to; None for a charge without one, which is none of ours."""
    movement: Movement | None = None
    """What it moved on our account; known some time after it was paid."""
    tried: Charge | None = None
    """What was tried with it, as in `Intent.charge`."""


@dataclass(frozen=True, slots=True)
class ProviderDispute:
    """What the provider says of a dispute at this moment."""

    id: str
    intent_id: str | None
    state: DisputeState
    reason: str
    amount: Money
    evidence_due_by: datetime | None
    movements: tuple[Movement, ...] = ()
    """What it took from our account and gave back."""


@dataclass(frozen=True, slots=True)
class FraudWarning:
    """A bank's early warning that a payment will be disputed."""

    id: str
    intent_id: str | None
    is_actionable: bool
    """False once the payment was refunded or disputed."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified event of the provider: only that something happened to an object, never what to believe of it."""

    event_id: str
    type: str
    object_kind: str
    """`payment_intent`, `refund`, `charge`, …"""
    object_id: str | None
    happened_at: datetime | None = None
    """The provider's time."""


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
        self,
        *,
        price: Money,
        idempotency_key: str,
        order_id: UUID,
        payment_id: UUID,
        description: str,
        allows_debit: bool = False,
    ) -> Intent:
        """Open a payment of `price`; the same key gives the same intent (for at least 24 hours). Moves no money.

        Unless it `allows_debit`, the customer must pay in a way that the bank answers at once.
        """
        ...

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """The present state of a payment."""
        ...

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Cancel a payment; one that can no longer be cancelled comes back as it is."""
        ...

    async def retrieve_mandate_reference(self, mandate_id: str) -> str:
        """What a customer's bank knows a mandate by."""
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

    async def retrieve_dispute(self, provider_dispute_id: str) -> ProviderDispute:
        """The present state of a dispute, with what it moved."""
        ...

    async def retrieve_fraud_warning(self, warning_id: str) -> FraudWarning:
        """The present state of an early fraud warning."""
        ...

    async def retrieve_charge(self, charge_id: str) -> ProviderCharge:
        """A try to pay, with what it moved."""
        ...

    def list_movements(self, *, since: datetime | None = None, payout_id: str | None = None) -> AsyncIterator[Movement]:
        """Every movement of our account from an instant on, or of one payout; the newest first."""
        ...

    def list_notices(self, *, since: datetime) -> AsyncIterator[Notice]:
        """Every event from an instant on, the newest first: to find those that never arrived."""
        ...

    def read_notice(self, body: bytes, signature: str | None, *, real_now: datetime) -> Notice:
        """Verify the raw bytes of a webhook; raises `WebhookNotVerified`."""
        ...

    async def close(self) -> None:
        """Let go of the connections to the provider."""
        ...


class Fulfilment(Protocol):
    """Hands over what was bought and takes it back; implemented by `store/entitlement/grants.py`.

    Delivered means: the customer can use it the moment the transaction commits; taken back, that he cannot. All
    verbs run inside the caller's transaction, call nothing outside it, and are safe to repeat.
    """

    async def may_deliver(
        self, session: AsyncSession, *, account_id: UUID, line: OrderLine, at: datetime
    ) -> Refusal | None:
        """Why this line cannot be handed over to this account now (already entitled, …), or None."""
        ...

    async def still_offers(self, session: AsyncSession, *, line: OrderLine, at: datetime) -> Refusal | None:
        """Why this line would not be sold at its price any more, or None: asked for money that came too late."""
        ...

    async def deliver(self, session: AsyncSession, *, order: Order, lines: Sequence[OrderLine], at: datetime) -> None:
        """Hand over the lines of a paid order, of which `may_deliver` said in this transaction that it may be."""
        ...

    async def may_withdraw(self, session: AsyncSession, *, lines: Sequence[OrderLine], at: datetime) -> Refusal | None:
        """Why the customer can no longer send the lines back (used already), or None; locks them until the end."""
        ...

    async def take_back(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        """End the rights of the lines for good."""
        ...

    async def hold(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        """Suspend the rights of the lines until they are released or taken back."""
        ...

    async def release(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        """Let the rights hold again that were suspended for `reason`; a rental gets the time that it lost."""
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
