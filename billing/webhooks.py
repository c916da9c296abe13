"""The provider's webhooks: verified, looked up at the provider, recorded once with what they cause."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.checkout import Checkout, Outcome
from billing.errors import PaymentUnknownToProvider
from billing.models import WebhookEvent
from billing.ports import Intent, Notice, PaymentGateway, ProviderRefund
from billing.refunds import note_refund

log = structlog.get_logger("webhooks")

SOURCE: Final = "stripe"
DUPLICATE: Final = "duplicate"
PARKED: Final = "parked"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Receives events inside the request's transaction; what it must ask the provider, it asks before."""

    session: AsyncSession
    gateway: PaymentGateway
    checkout: Checkout

    async def receive(self, body: bytes, signature: str | None, *, at: datetime, real_now: datetime) -> str:
        """Take in one event and answer what became of it (`paid`, `updated`, `duplicate`, `parked`, …).

        Only the object's id is believed; its state is asked of the provider, so order and age of events do not
        matter. Raises `WebhookNotVerified` (nothing is stored), or `PaymentOutcomeUnknown` when the provider does
        not answer: it sends the event again later.
        """
        notice = self.gateway.read_notice(body, signature, real_now=real_now)
        observed = await self._ask(notice)
        # From here on the request's transaction is open.
        if not await self._is_new(notice, at):
            return DUPLICATE
        outcome, note = await self._apply(observed, at)
        event = await self.session.get_one(WebhookEvent, (SOURCE, notice.event_id))
        event.outcome, event.note = outcome, note
        if outcome == PARKED:
            log.info("parked", type=notice.type, event_id=notice.event_id, reason=note)
        return outcome

    async def _ask(self, notice: Notice) -> Intent | ProviderRefund | str:
        """The object as the provider knows it now, or why it does not concern us."""
        if notice.object_id is None:
            return "event without an object"
        try:
            match notice.object_kind:
                case "payment_intent":
                    return await self.gateway.retrieve_intent(notice.object_id)
                case "refund":
                    return await self.gateway.retrieve_refund(notice.object_id)
        except PaymentUnknownToProvider:
            return "the provider does not know the object"
        return "nothing is done for this type"

    async def _is_new(self, notice: Notice, at: datetime) -> bool:
        """Record the event; False if it had been recorded before, also by a request of this very moment."""
        recording = (
            insert(WebhookEvent)
            .values(
                source=SOURCE,
                event_id=notice.event_id,
                type=notice.type,
                object_id=notice.object_id,
                outcome="received",
                received_at=at,
            )
            .on_conflict_do_nothing()
            .returning(WebhookEvent.event_id)
        )
        return await self.session.scalar(recording) is not None

    async def _apply(self, observed: Intent | ProviderRefund | str, at: datetime) -> tuple[str, str | None]:
        match observed:
            case Intent():
                settlement = await self.checkout.settle(observed, at=at)
                if settlement.outcome is Outcome.FOREIGN:
                    return PARKED, "no payment of ours"
                return settlement.outcome.value, None
            case ProviderRefund():
                if await note_refund(self.session, observed, at=at):
                    return "refund_noted", None
                return PARKED, "no refund of ours"
            case reason:
                return PARKED, reason
