"""Card testing and stolen cards: what is kept of every try to pay, and which cards are refused."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.models import FINAL, Order, Payment
from billing.ports import Charge
from billing.provider_records import BlockedCard, PaymentTry


async def note_try(
    session: AsyncSession, order: Order, payment: Payment, charge: Charge | None, *, at: datetime
) -> None:
    """Keep what paid, or tried to; a try that was noted before changes nothing."""
    if charge is None or (payment.charge_id == charge.id and not charge.is_declined):
        return
    if payment.state not in FINAL:
        # What paid stays known, also when an older try is told of later.
        payment.charge_id, payment.method = charge.id, asdict(charge.paid_by)
    noting = insert(PaymentTry).values(
        charge_id=charge.id,
        account_id=order.account_id,
        fingerprint=charge.paid_by.fingerprint,
        is_declined=charge.is_declined,
        at=at,
    )
    # A debit that was under way when it was noted can be declined days later.
    declined = {"is_declined": noting.excluded.is_declined, "at": noting.excluded.at}
    await session.execute(
        noting.on_conflict_do_update(
            index_elements=[PaymentTry.charge_id],
            set_=declined,
            where=noting.excluded.is_declined & ~PaymentTry.is_declined,
        )
    )


async def is_card_blocked(session: AsyncSession, charge: Charge | None) -> bool:
    """Whether the card of a charge was reported or disputed before."""
    if charge is None or charge.paid_by.fingerprint is None:
        return False
    blocked = exists().where(BlockedCard.fingerprint == charge.paid_by.fingerprint)
    return bool(await session.scalar(select(blocked)))
