"""Early fraud warnings: a bank expects a dispute, so the money goes back at once and the card is refused."""

from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.disputes import block_card
from billing.models import Payment
from billing.ports import FraudWarning
from billing.sale_refunds import SaleRefunds

log = structlog.get_logger("fraud_warnings")

REASON: Final = "fraud_warning"


async def act_on_warning(
    session: AsyncSession, sale_refunds: SaleRefunds, warning: FraudWarning, *, at: datetime
) -> bool:
    """Give a warned payment back (a dispute would cost its price and a fee) and block its card.

    Safe to repeat; False if it is about no payment of ours.
    """
    payment = await session.scalar(select(Payment).where(Payment.intent_id == warning.intent_id))
    if warning.intent_id is None or payment is None:
        return False
    if warning.is_actionable:
        refund = await sale_refunds.give_back_all(order_id=payment.order_id, reason=REASON, at=at)
        log.warning("fraud warned of", payment_id=str(payment.id), given_back=refund is not None)
    await block_card(session, payment, reason=REASON, at=at)
    return True
