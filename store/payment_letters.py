"""The mail about a payment that failed after its customer had left: why, and what can be done now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import Composer, Letter
from billing.checkout import FAILURE_MAIL
from billing.declines import decline_reason
from billing.models import Order, OrderState, Payment, PaymentState
from billing.orders import lines_of

_STILL_POSSIBLE = (PaymentState.SUCCEEDED, PaymentState.RETURNED, PaymentState.PROCESSING)


def composers(base_url: str) -> Mapping[str, Composer]:
    """The composer of the one kind of mails about payments."""
    return {FAILURE_MAIL: ComposePaymentFailure(base_url)}


@dataclass(frozen=True, slots=True)
class ComposePaymentFailure:
    """Tells a customer that nothing was charged, so that the film is not theirs."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the payment `reference`; None if it came after all, is under way again, or nobody reads it."""
        payment, account = await session.get(Payment, reference), await session.get(Account, account_id)
        if payment is None or account is None or account.email is None or payment.state in _STILL_POSSIBLE:
            return None
        order = await session.get_one(Order, payment.order_id)
        if order.state is OrderState.PAID:
            return None
        # Until when an order waits is business time, as is when its payment failed; `at` is real.
        is_waiting = order.state is OrderState.OPEN and payment.updated_at < order.expires_at
        values = {
            "order_number": order.order_number,
            "lines": [line.description[locale] for line in await lines_of(session, order.id)],
            "amount": order.price.format(locale),
            "reason": decline_reason(payment.decline or "declined", locale),
            "can_be_paid": is_waiting,
            "order_page": f"{self.base_url}/{locale}/orders/{order.id}/pay",
        }
        return Letter(recipient=account.email, values=values, locale=locale)
