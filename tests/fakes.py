"""A fake for each port of billing: a provider in memory, a shelf that hands over, a box for mails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import Refusal
from auth.ids import new_id
from billing.errors import PaymentOutcomeUnknown, PaymentUnknownToProvider
from billing.models import Order, OrderLine, PaymentState, RefundState
from billing.money import Money
from billing.ports import Intent, Notice, ProviderRefund
from billing.stripe_gateway import StripeGateway

Fact = TypeVar("Fact")

WEBHOOK_SECRETS = ("whsec_test_the_new_one", "whsec_test_the_old_one")


def _nothing() -> None:
    """What a call does besides, unless a test wants more."""


@dataclass(slots=True)
class FakeGateway:
    """A provider in memory that keeps the rules billing relies on: idempotency keys, metadata, final states."""

    publishable_key: str = "pk_test_fake"
    intents: dict[str, Intent] = field(default_factory=dict)
    refunds: dict[str, ProviderRefund] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    is_mute: bool = False
    """Whether it does what it is asked and then does not answer."""
    on_call: Callable[[], None] = _nothing
    """What a test wants to look at whenever the provider is asked."""
    refund_state: RefundState = RefundState.SUCCEEDED
    """What becomes of refunds that are requested."""
    _keys: dict[str, str] = field(default_factory=dict)
    _signatures: StripeGateway = field(
        default_factory=lambda: StripeGateway.connect(
            secret_key="sk_test_fake",
            publishable_key="pk_test_fake",
            webhook_secrets=WEBHOOK_SECRETS,
            api_base="http://127.0.0.1:1",
        )
    )

    async def open_intent(
        self, *, price: Money, idempotency_key: str, order_id: UUID, payment_id: UUID, description: str
    ) -> Intent:
        self._called("open_intent")
        if idempotency_key not in self._keys:
            intent_id = f"pi_{new_id().hex}"
            self._keys[idempotency_key] = intent_id
            self.intents[intent_id] = Intent(
                id=intent_id,
                state=PaymentState.REQUIRES_PAYMENT_METHOD,
                amount=price,
                received=Money(0, price.currency),
                order_id=order_id,
                payment_id=payment_id,
                client_secret=f"{intent_id}_secret_fake",
            )
        return self._answer(self.intents[self._keys[idempotency_key]])

    async def retrieve_intent(self, intent_id: str) -> Intent:
        self._called("retrieve_intent")
        if intent_id not in self.intents:
            raise PaymentUnknownToProvider
        return self._answer(self.intents[intent_id])

    async def cancel_intent(self, intent_id: str) -> Intent:
        self._called("cancel_intent")
        intent = self.intents[intent_id]
        if intent.state not in (PaymentState.SUCCEEDED, PaymentState.PROCESSING):
            self.intents[intent_id] = replace(intent, state=PaymentState.CANCELED)
        return self._answer(self.intents[intent_id])

    async def request_refund(
        self, *, intent_id: str, amount: Money, idempotency_key: str, refund_id: UUID
    ) -> ProviderRefund:
        self._called("request_refund")
        if idempotency_key not in self._keys:
            provider_refund_id = f"re_{new_id().hex}"
            self._keys[idempotency_key] = provider_refund_id
            self.refunds[provider_refund_id] = ProviderRefund(
                id=provider_refund_id,
                intent_id=intent_id,
                state=self.refund_state,
                amount=amount,
                refund_id=refund_id,
            )
        return self._answer(self.refunds[self._keys[idempotency_key]])

    async def retrieve_refund(self, provider_refund_id: str) -> ProviderRefund:
        self._called("retrieve_refund")
        if provider_refund_id not in self.refunds:
            raise PaymentUnknownToProvider
        return self._answer(self.refunds[provider_refund_id])

    async def find_refund(self, *, intent_id: str, refund_id: UUID) -> ProviderRefund | None:
        self._called("find_refund")
        return self._answer(next((r for r in self.refunds.values() if r.refund_id == refund_id), None))

    def read_notice(self, body: bytes, signature: str | None, *, real_now: datetime) -> Notice:
        return self._signatures.read_notice(body, signature, real_now=real_now)

    async def close(self) -> None:
        self.calls.append("close")

    def pay(self, intent_id: str, *, amount: Money | None = None) -> Intent:
        """The customer pays in the provider's form; `amount` where the provider took another one."""
        intent = self.intents[intent_id]
        self.intents[intent_id] = replace(
            intent, state=PaymentState.SUCCEEDED, received=amount or intent.amount, decline=None
        )
        return self.intents[intent_id]

    def decline(self, intent_id: str, why: str = "declined") -> Intent:
        """The customer's card is declined."""
        self.intents[intent_id] = replace(
            self.intents[intent_id], state=PaymentState.REQUIRES_PAYMENT_METHOD, decline=why
        )
        return self.intents[intent_id]

    def move(self, intent_id: str, state: PaymentState) -> Intent:
        """Something else happens to the payment at the provider."""
        self.intents[intent_id] = replace(self.intents[intent_id], state=state)
        return self.intents[intent_id]

    def refund_becomes(self, provider_refund_id: str, state: RefundState) -> None:
        """The bank decides about a refund."""
        self.refunds[provider_refund_id] = replace(self.refunds[provider_refund_id], state=state)

    def forget_keys(self) -> None:
        """What the provider may do after 24 hours."""
        self._keys.clear()

    def _called(self, verb: str) -> None:
        self.calls.append(verb)
        self.on_call()

    def _answer(self, fact: Fact) -> Fact:
        if self.is_mute:
            raise PaymentOutcomeUnknown
        return fact


@dataclass(slots=True)
class FakeFulfilment:
    """A shelf in memory: what was handed over to whom, and a refusal that a test can set."""

    delivered: list[UUID] = field(default_factory=list)
    """Ids of order lines."""
    refusal: Refusal | None = None

    async def may_deliver(
        self, session: AsyncSession, *, account_id: UUID, line: OrderLine, at: datetime
    ) -> Refusal | None:
        return self.refusal

    async def deliver(self, session: AsyncSession, *, order: Order, lines: Sequence[OrderLine], at: datetime) -> None:
        self.delivered += [line.id for line in lines]


@dataclass(slots=True)
class FakeOutbox:
    """A box in memory that keeps the kinds of queued mails with what they are about."""

    queued: list[tuple[str, UUID | None]] = field(default_factory=list)
    fault: Exception | None = None
    """What it raises instead of taking a mail."""

    async def queue(
        self, session: AsyncSession, *, kind: str, account_id: UUID | None, reference: UUID | None, locale: str
    ) -> UUID:
        if self.fault is not None:
            raise self.fault
        self.queued.append((kind, reference))
        return new_id()
