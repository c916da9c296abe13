"""The provider's webhooks: verified, looked up at the provider, recorded once with what they cause."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import add, driver_of
from billing.checkout import Checkout, Outcome
from billing.disputes import note_dispute
from billing.errors import PaymentUnknownToProvider
from billing.fraud_warnings import act_on_warning
from billing.movements import RECONCILE, take_in_movement
from billing.ports import (
    Charge,
    FraudWarning,
    Intent,
    Movement,
    Notice,
    PaymentGateway,
    ProviderDispute,
    ProviderRefund,
)
from billing.provider_records import WebhookEvent
from billing.refunds import note_refund
from billing.sale_refunds import SaleRefunds

log = structlog.get_logger("webhooks")

SOURCE: Final = "stripe"
DUPLICATE: Final = "duplicate"
PARKED: Final = "parked"

_CONCLUDE: Final = """
    UPDATE billing.webhook_events SET outcome = $3, note = $4 WHERE source = $1 AND event_id = $2 RETURNING type
"""

SUBSCRIBED: Final = (
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.failed",
    "charge.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created",
    "radar.early_fraud_warning.updated",
    "payout.created",
    "payout.updated",
    "payout.paid",
    "payout.failed",
    "payout.canceled",
    "payout.reconciliation_completed",
)
"""Types of events that an endpoint is to be subscribed to: each tells something that no other one does."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What came of a payment: a refund, a dispute or a warning, with the payment itself."""

    subject: ProviderRefund | ProviderDispute | FraudWarning
    intent: Intent | None


@dataclass(frozen=True, slots=True)
class Charged:
    """A payment that a charge belongs to, and what the charge moved on our account."""

    intent: Intent
    movement: Movement | None
    tried: Charge | None


@dataclass(frozen=True, slots=True)
class PaidOut:
    """A payout of which there is news."""

    payout_id: str


Observed = Intent | Charged | PaidOut | Aftermath | str
"""The object of an event as the provider knows it now, or why it does not concern us."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Receives events inside the request's transaction; what it must ask the provider, it asks before."""

    session: AsyncSession
    gateway: PaymentGateway
    checkout: Checkout
    sale_refunds: SaleRefunds

    async def receive(self, body: bytes, signature: str | None, *, at: datetime, real_now: datetime) -> str:
        """Take in one event and answer what became of it (`paid`, `updated`, `duplicate`, `parked`, …).

        Only the object's id is believed; its state is asked of the provider, so order and age of events do not
        matter. Raises `WebhookNotVerified` (nothing is stored), or `PaymentOutcomeUnknown` when the provider does
        not answer: it sends the event again later.
        """
        return await self.take_in(self.gateway.read_notice(body, signature, real_now=real_now), at=at)

    async def take_in(self, notice: Notice, *, at: datetime) -> str:
        """Record an event whose sender is known, with what it causes; raises `PaymentOutcomeUnknown`."""
        observed = await observe(self.gateway, notice.object_kind, notice.object_id)
        # From here on the request's transaction is open.
        if not await self._is_new(notice, at):
            return DUPLICATE
        return await self._conclude(notice.event_id, observed, at)

    async def replay(self, event_id: str, observed: Observed, *, at: datetime) -> str | None:
        """Apply a parked event once more, to what `observe` said of its object; None if it is not parked."""
        event = await self.session.get(WebhookEvent, (SOURCE, event_id), with_for_update=True)
        if event is None or event.outcome != PARKED:
            return None
        return await self._conclude(event_id, observed, at)

    async def _conclude(self, event_id: str, observed: Observed, at: datetime) -> str:
        outcome, note = await self._apply(observed, at)
        driver = await driver_of(self.session)
        event_type = await driver.fetchval(_CONCLUDE, SOURCE, event_id, outcome, note)
        if outcome == PARKED:
            log.info("parked", type=event_type, event_id=event_id, reason=note)
        return outcome

    async def _is_new(self, notice: Notice, at: datetime) -> bool:
        """Record the event; False if it had been recorded before, also by a request of this very moment."""
        event = WebhookEvent(
            source=SOURCE,
            event_id=notice.event_id,
            # Kinds that are yet to come may have longer names than there is room for.
            type=notice.type[:80],
            object_kind=notice.object_kind[:40],
            object_id=notice.object_id,
            outcome="received",
            received_at=at,
            happened_at=notice.happened_at,
        )
        return await add(self.session, event, unless={WebhookEvent: "(source, event_id)"})

    async def _apply(self, observed: Observed, at: datetime) -> tuple[str, str | None]:
        match observed:
            case Intent():
                settlement = await self.checkout.settle(observed, at=at)
                if settlement.outcome is Outcome.FOREIGN:
                    return PARKED, "no payment of ours"
                return settlement.outcome.value, None
            case Charged(intent, movement, tried):
                outcome = await self._apply(intent, at)
                if tried is not None and tried.is_declined and tried != intent.charge:
                    await self.checkout.count_older_try(intent, tried, at=at)
                if movement is not None:
                    await take_in_movement(self.session, movement, at=at)
                return outcome
            case PaidOut(payout_id):
                # Reading its contents is work of another kind: many questions, and an answer that can wait.
                await self.checkout.jobs.enqueue(self.session, RECONCILE, dedupe_key=f"{RECONCILE}:{payout_id}")
                return "reconciliation_queued", None
            case Aftermath(subject, intent):
                if intent is not None:
                    # News of the payment may still be under way: it counts as paid before it counts as given back.
                    await self.checkout.settle(intent, at=at)
                return await self._apply_aftermath(subject, at)
            case reason:
                return PARKED, reason

    async def _apply_aftermath(
        self, subject: ProviderRefund | ProviderDispute | FraudWarning, at: datetime
    ) -> tuple[str, str | None]:
        if isinstance(subject, ProviderRefund):
            is_ours = await note_refund(self.session, subject, at=at) or await self.sale_refunds.adopt(subject, at=at)
            return ("refund_noted", None) if is_ours else (PARKED, "no refund of ours")
        if isinstance(subject, ProviderDispute):
            is_ours = await note_dispute(self.session, self.checkout.fulfilment, subject, at=at)
            return ("dispute_noted", None) if is_ours else (PARKED, "no payment of ours is disputed")
        is_ours = await act_on_warning(self.session, self.sale_refunds, subject, at=at)
        return ("warning_noted", None) if is_ours else (PARKED, "no payment of ours is warned of")


async def observe(gateway: PaymentGateway, object_kind: str, object_id: str | None) -> Observed:
    """Ask the provider for an event's object; call it while no transaction is open."""
    if object_id is None:
        return "event without an object"
    try:
        match object_kind:
            case "payment_intent":
                return await gateway.retrieve_intent(object_id)
            case "charge":
                charge = await gateway.retrieve_charge(object_id)
                if charge.intent is None:
                    return "a charge without an intent"
                return Charged(charge.intent, charge.movement, charge.tried)
            case "refund":
                return await _with_intent(gateway, await gateway.retrieve_refund(object_id))
            case "dispute":
                return await _with_intent(gateway, await gateway.retrieve_dispute(object_id))
            case "radar.early_fraud_warning":
                return await _with_intent(gateway, await gateway.retrieve_fraud_warning(object_id))
            case "payout":
                return PaidOut(object_id)
    except PaymentUnknownToProvider:
        return "the provider does not know the object"
    return "nothing is done for this type"


async def _with_intent(gateway: PaymentGateway, subject: ProviderRefund | ProviderDispute | FraudWarning) -> Aftermath:
    intent = await gateway.retrieve_intent(subject.intent_id) if subject.intent_id is not None else None
    return Aftermath(subject, intent)
