"""Mails about payments: a debit before it is made, and one that failed after its customer had left."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from babel.dates import format_date
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import Composer, Letter
from billing.checkout import FAILURE_MAIL
from billing.debits import ANNOUNCEMENT_MAIL
from billing.declines import decline_reason
from billing.models import Order, OrderState, Payment, PaymentState
from billing.orders import lines_of

_STILL_POSSIBLE = (PaymentState.SUCCEEDED, PaymentState.RETURNED, PaymentState.PROCESSING)


def composers(base_url: str, creditor_id: str) -> Mapping[str, Composer]:
    """The composers of mails about payments."""
    return {
        FAILURE_MAIL: ComposePaymentFailure(base_url),
        ANNOUNCEMENT_MAIL: ComposeDebitAnnouncement(base_url, creditor_id),
    }


@dataclass(frozen=True, slots=True)
class ComposeDebitAnnouncement:
    """Tells a customer what will be debited: amount, day, account, mandate reference, creditor (SEPA Core, 4.3.4)."""

    base_url: str
    creditor_id: str
    """Creditor identifier (AT-02)."""

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the payment `reference`; None if nothing is debited any more, or nobody reads it."""
        payment, account = await session.get(Payment, reference), await session.get(Account, account_id)
        if payment is None or account is None or account.email is None:
            return None
        if payment.state not in (PaymentState.PROCESSING, PaymentState.SUCCEEDED):
            return None
        order, method = await session.get_one(Order, payment.order_id), payment.method or {}
        debited_on = method.get("debited_on")
        values = {
            "order_number": order.order_number,
            "lines": [line.description[locale] for line in await lines_of(session, order.id)],
            "amount": order.price.format(locale),
            "debited_on": _day(date.fromisoformat(debited_on), locale) if debited_on else "",
            "account_end": method.get("last4") or "",
            "mandate_reference": payment.mandate_reference or "",
            "creditor_id": self.creditor_id,
            "order_page": f"{self.base_url}/{locale}/orders/{order.id}",
        }
        return Letter(recipient=account.email, values=values, locale=locale)


def _day(day: date, locale: str) -> str:
    return format_date(day, "d. MMMM y" if locale == "de" else "d MMMM y", locale=locale)


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
