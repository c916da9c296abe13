"""A fake for each port of billing: a provider in memory, a shelf that hands over, a box for mails."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import Refusal
from auth.ids import new_id
from billing.dispute_records import DisputeState
from billing.errors import PaymentOutcomeUnknown, PaymentProviderRefused, PaymentUnknownToProvider
from billing.models import Order, OrderLine, PaymentState, RefundState
from billing.money import Money
from billing.ports import (
    Charge,
    Failure,
    FraudWarning,
    Intent,
    Movement,
    Notice,
    PaidBy,
    ProviderCharge,
    ProviderDispute,
    ProviderRefund,
)
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
    charges: dict[str, tuple[str, Charge]] = field(default_factory=dict)
    """Every try to pay with its intent."""
    refunds: dict[str, ProviderRefund] = field(default_factory=dict)
    disputes: dict[str, ProviderDispute] = field(default_factory=dict)
    warnings: dict[str, FraudWarning] = field(default_factory=dict)
    movements: list[tuple[Movement, str | None]] = field(default_factory=list)
    """Each with the payout that it went out by; the newest last."""
    notices: list[Notice] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    is_mute: bool = False
    """Whether it does what it is asked and then does not answer."""
    on_call: Callable[[], None] = _nothing
    """What a test wants to look at whenever the provider is asked."""
    refund_state: RefundState = RefundState.SUCCEEDED
    """What becomes of refunds that are requested."""
    debits: dict[str, bool] = field(default_factory=dict)
    """Whether debits were allowed, by the key that asked last."""
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
        self,
        *,
        price: Money,
        idempotency_key: str,
        order_id: UUID,
        payment_id: UUID,
        description: str,
        allows_debit: bool = False,
    ) -> Intent:
        self._called("open_intent")
        self.debits[idempotency_key] = allows_debit
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
        if intent_id not in self.intents:
            raise PaymentUnknownToProvider
        intent = self.intents[intent_id]
        if intent.state not in (PaymentState.SUCCEEDED, PaymentState.PROCESSING):
            self.intents[intent_id] = replace(intent, state=PaymentState.CANCELED)
        return self._answer(self.intents[intent_id])

    async def request_refund(
        self, *, intent_id: str, amount: Money, idempotency_key: str, refund_id: UUID
    ) -> ProviderRefund:
        self._called("request_refund")
        if idempotency_key not in self._keys:
            self._require_refundable(intent_id, amount)
            provider_refund_id = f"re_{new_id().hex}"
            self._keys[idempotency_key] = provider_refund_id
            self.refunds[provider_refund_id] = ProviderRefund(
                id=provider_refund_id,
                intent_id=intent_id,
                state=self.refund_state,
                amount=amount,
                refund_id=refund_id,
            )
            self._calm(intent_id)
        return self._answer(self.refunds[self._keys[idempotency_key]])

    async def retrieve_refund(self, provider_refund_id: str) -> ProviderRefund:
        self._called("retrieve_refund")
        if provider_refund_id not in self.refunds:
            raise PaymentUnknownToProvider
        return self._answer(self.refunds[provider_refund_id])

    async def find_refund(self, *, intent_id: str, refund_id: UUID) -> ProviderRefund | None:
        self._called("find_refund")
        return self._answer(next((r for r in self.refunds.values() if r.refund_id == refund_id), None))

    async def retrieve_dispute(self, provider_dispute_id: str) -> ProviderDispute:
        self._called("retrieve_dispute")
        if provider_dispute_id not in self.disputes:
            raise PaymentUnknownToProvider
        return self._answer(self.disputes[provider_dispute_id])

    async def retrieve_fraud_warning(self, warning_id: str) -> FraudWarning:
        self._called("retrieve_fraud_warning")
        if warning_id not in self.warnings:
            raise PaymentUnknownToProvider
        return self._answer(self.warnings[warning_id])

    async def retrieve_charge(self, charge_id: str) -> ProviderCharge:
        self._called("retrieve_charge")
        moved = (movement for movement, _ in self.movements if movement.source_id == charge_id)
        intent_id, tried = self.charges.get(charge_id, (None, None))
        intent = self.intents[intent_id] if intent_id is not None else None
        return self._answer(ProviderCharge(charge_id, intent, next(moved, None), tried))

    async def list_movements(
        self, *, since: datetime | None = None, payout_id: str | None = None
    ) -> AsyncIterator[Movement]:
        self._called("list_movements")
        for movement, payout in self._answer(list(reversed(self.movements))):
            if (since is None or movement.created_at >= since) and payout_id in (None, payout):
                yield movement

    async def list_notices(self, *, since: datetime) -> AsyncIterator[Notice]:
        self._called("list_notices")
        for notice in self._answer(list(reversed(self.notices))):
            if notice.happened_at is not None and notice.happened_at >= since:
                yield notice

    def read_notice(self, body: bytes, signature: str | None, *, real_now: datetime) -> Notice:
        return self._signatures.read_notice(body, signature, real_now=real_now)

    async def close(self) -> None:
        self.calls.append("close")

    def pay(self, intent_id: str, *, amount: Money | None = None, card: str = "card-of-ada") -> Intent:
        """The customer pays in the provider's form; `amount` where the provider took another one."""
        intent = self.intents[intent_id]
        self.intents[intent_id] = replace(
            intent,
            state=PaymentState.SUCCEEDED,
            received=amount or intent.amount,
            decline=None,
            failure=None,
            charge=self._charge(intent_id, card),
        )
        return self.intents[intent_id]

    def decline(self, intent_id: str, why: str = "declined", *, card: str = "card-of-ada") -> Intent:
        """The customer's card is declined."""
        self.intents[intent_id] = replace(
            self.intents[intent_id],
            state=PaymentState.REQUIRES_PAYMENT_METHOD,
            decline=why,
            charge=self._charge(intent_id, card, decline=why),
        )
        return self.intents[intent_id]

    def fail_authentication(self, intent_id: str) -> Intent:
        """The customer does not pass 3-D Secure: there is no charge."""
        self.intents[intent_id] = replace(
            self.intents[intent_id],
            state=PaymentState.REQUIRES_PAYMENT_METHOD,
            decline="not_authenticated",
            failure=Failure(f"pm_{new_id().hex}", "not_authenticated", "payment_intent_authentication_failure"),
        )
        return self.intents[intent_id]

    async def retrieve_mandate_reference(self, mandate_id: str) -> str:
        self._called("retrieve_mandate_reference")
        return self._answer(f"REFERENCE-OF-{mandate_id}")

    def begin_debit(self, intent_id: str) -> Intent:
        """The customer allows a debit, which the bank takes days to answer."""
        paid_by = PaidBy(
            "sepa_debit",
            last4="3000",
            country="DE",
            fingerprint="account-of-ada",
            mandate=f"mandate_{new_id().hex}",
            debited_on="2026-11-26",
        )
        self.intents[intent_id] = replace(
            self.intents[intent_id],
            state=PaymentState.PROCESSING,
            decline=None,
            charge=Charge(f"py_{new_id().hex}", paid_by, is_declined=False),
        )
        return self.intents[intent_id]

    def end_debit(self, intent_id: str, *, is_paid: bool) -> Intent:
        """The bank answers, of the same charge."""
        intent = self.intents[intent_id]
        assert intent.charge is not None
        self.intents[intent_id] = replace(
            intent,
            state=PaymentState.SUCCEEDED if is_paid else PaymentState.REQUIRES_PAYMENT_METHOD,
            received=intent.amount if is_paid else intent.received,
            decline=None if is_paid else "debit_failed",
            charge=intent.charge
            if is_paid
            else replace(intent.charge, is_declined=True, decline="debit_failed", reason="provider_debit_failed"),
        )
        return self.intents[intent_id]

    def dispute(self, intent_id: str, state: DisputeState = DisputeState.OPEN, *, fee: int = 1500) -> ProviderDispute:
        """The customer's bank takes the payment back (or only asks), or decides about it."""
        intent, dispute_id = self.intents[intent_id], f"dp_{intent_id}"
        before = self.disputes.get(dispute_id)
        moved = before.movements if before else ()
        if state is DisputeState.OPEN and not moved:
            moved = (self.moves("adjustment", dispute_id, -intent.received.minor, fee=fee),)
        if state is DisputeState.WON and len(moved) == 1:
            moved = (*moved, self.moves("adjustment", dispute_id, intent.received.minor))
        self.disputes[dispute_id] = ProviderDispute(
            id=dispute_id,
            intent_id=intent_id,
            state=state,
            reason="fraudulent",
            amount=intent.received,
            evidence_due_by=None,
            movements=moved,
        )
        self._calm(intent_id)
        return self.disputes[dispute_id]

    def warn(self, intent_id: str, *, is_actionable: bool = True) -> FraudWarning:
        """The customer's bank expects a dispute."""
        warning = FraudWarning(f"issfr_{intent_id}", intent_id, is_actionable)
        self.warnings[warning.id] = warning
        return warning

    def move(self, intent_id: str, state: PaymentState) -> Intent:
        """Something else happens to the payment at the provider."""
        self.intents[intent_id] = replace(self.intents[intent_id], state=state)
        return self.intents[intent_id]

    def moves(
        self,
        kind: str,
        source_id: str | None,
        amount: int,
        *,
        fee: int = 0,
        intent_id: str | None = None,
        at: datetime | None = None,
        currency: str = "EUR",
    ) -> Movement:
        """Our account there is moved."""
        movement = replace(_movement(kind, source_id, Money(amount, currency), fee), intent_id=intent_id)
        movement = replace(movement, created_at=at or movement.created_at)
        self.movements.append((movement, None))
        return movement

    def works_out(self, intent_id: str, *, fee: int = 31) -> Movement:
        """What a paid intent brought, and its fee, become known."""
        intent = self.intents[intent_id]
        source_id = intent.charge.id if intent.charge else None
        return self.moves("charge", source_id, intent.received.minor, fee=fee, intent_id=intent_id)

    def pays_out(self) -> str:
        """Everything that was not paid out goes to our bank; answers the payout's key."""
        payout_id = f"po_{new_id().hex}"
        due = sum(movement.amount.minor - movement.fee.minor for movement, payout in self.movements if payout is None)
        self.moves("payout", payout_id, -due)
        self.movements = [(movement, payout or payout_id) for movement, payout in self.movements]
        return payout_id

    def refund_becomes(self, provider_refund_id: str, state: RefundState) -> None:
        """The bank decides about a refund."""
        self.refunds[provider_refund_id] = replace(self.refunds[provider_refund_id], state=state)

    def forget_keys(self) -> None:
        """What the provider may do after 24 hours."""
        self._keys.clear()

    def _charge(self, intent_id: str, card: str, *, decline: str | None = None) -> Charge:
        paid_by, reason = PaidBy("card", "visa", "4242", "DE", card), decline and f"provider_{decline}"
        charge = Charge(f"ch_{new_id().hex}", paid_by, decline is not None, decline, reason)
        self.charges[charge.id] = (intent_id, charge)
        return charge

    def _require_refundable(self, intent_id: str, amount: Money) -> None:
        """Refuse what a bank has taken, and more than was paid."""
        dispute = self.disputes.get(f"dp_{intent_id}")
        gone = (RefundState.FAILED, RefundState.CANCELED)
        before = sum(r.amount.minor for r in self.refunds.values() if r.intent_id == intent_id and r.state not in gone)
        is_taken = dispute is not None and dispute.state in (DisputeState.OPEN, DisputeState.LOST)
        if is_taken or before + amount.minor > self.intents[intent_id].received.minor:
            raise PaymentProviderRefused

    def _calm(self, intent_id: str) -> None:
        """There is nothing left to be done about a warning once its payment is disputed or given back."""
        for warning in [one for one in self.warnings.values() if one.intent_id == intent_id]:
            self.warnings[warning.id] = replace(warning, is_actionable=False)

    def _called(self, verb: str) -> None:
        self.calls.append(verb)
        self.on_call()

    def _answer(self, fact: Fact) -> Fact:
        if self.is_mute:
            raise PaymentOutcomeUnknown
        return fact


def _movement(kind: str, source_id: str | None, amount: Money, fee: int) -> Movement:
    return Movement(
        f"txn_{new_id().hex}", kind, source_id, amount, Money(fee, amount.currency), created_at=datetime.now(UTC)
    )


@dataclass(slots=True)
class FakeFulfilment:
    """A shelf in memory: what was handed over to whom, and a refusal that a test can set."""

    delivered: list[UUID] = field(default_factory=list)
    """Ids of order lines."""
    refusal: Refusal | None = None
    no_longer_offered: Refusal | None = None
    withdrawal_refusal: Refusal | None = None
    standing: dict[UUID, str] = field(default_factory=dict)
    """What happened to rights since, by order line; missing: they hold."""

    async def may_deliver(
        self, session: AsyncSession, *, account_id: UUID, line: OrderLine, at: datetime
    ) -> Refusal | None:
        return self.refusal

    async def still_offers(self, session: AsyncSession, *, line: OrderLine, at: datetime) -> Refusal | None:
        return self.no_longer_offered

    async def deliver(self, session: AsyncSession, *, order: Order, lines: Sequence[OrderLine], at: datetime) -> None:
        self.delivered += [line.id for line in lines]

    async def may_withdraw(self, session: AsyncSession, *, lines: Sequence[OrderLine], at: datetime) -> Refusal | None:
        return self.withdrawal_refusal

    async def take_back(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        self.standing |= {line.id: f"ended: {reason}" for line in lines}

    async def hold(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        self.standing |= {line.id: f"held: {reason}" for line in lines}

    async def release(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        for line in lines:
            if self.standing.get(line.id) == f"held: {reason}":
                del self.standing[line.id]


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
