"""How an order stands, in a customer's words: one word for the list, and its story with every state for its page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from billing.declines import decline_reason, decline_sentence
from billing.dispute_records import Dispute
from billing.models import Order, OrderState, Payment, PaymentState, Refund, RefundState
from billing.money import Money
from billing.money_states import MoneyState, money_of
from billing.order_histories import OrderHistory
from store.refund_letters import reason_of
from store.web.wording import Wording

_CHECKING: Final = (PaymentState.PROCESSING, PaymentState.REQUIRES_CONFIRMATION)
_UNDECIDED: Final = (RefundState.AWAITING_APPROVAL, RefundState.REJECTED)
_KINDS: Final = {
    MoneyState.GIVEN: "good",
    MoneyState.PAID: "good",
    MoneyState.PARTLY_REFUNDED: "good",
    MoneyState.REFUND_DELAYED: "warn",
    MoneyState.DISPUTED: "warn",
}
"""How the states of an order's money are coloured."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One word for how an order stands: a text `orders.standing.<key>`, and how it is coloured."""

    key: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to an order."""

    at: datetime
    sentence: str


def standing_of(order: Order, history: OrderHistory) -> Standing:
    """What a customer wants to know first: where the money is, and of an unpaid order how the payment stands."""
    money = money_of(order, history.refunds, history.disputes).state
    if money is not MoneyState.UNPAID:
        return Standing(money.value, _KINDS.get(money, ""))
    return _of_payment(history.payments) if order.state is OrderState.OPEN else Standing(order.state.value)


def _of_payment(payments: list[Payment]) -> Standing:
    state = payments[-1].state if payments else PaymentState.CREATING
    if state in _CHECKING:
        return Standing("checking", "warn")
    return Standing("approval" if state is PaymentState.REQUIRES_ACTION else "open", "warn")


def story_of(order: Order, history: OrderHistory, w: Wording) -> list[Step]:
    """Every step in words, the oldest first."""
    steps = [Step(order.ordered_at, w.text("orders.story.given" if order.is_gift else "orders.story.ordered"))]
    steps += _payments(history, w)
    steps += [Step(refund.updated_at, _refund(refund, w)) for refund in history.refunds]
    steps += [Step(dispute.updated_at, _dispute(dispute, w)) for dispute in history.disputes]
    if order.state is OrderState.CANCELLED and order.closed_at is not None:
        steps.append(Step(order.closed_at, w.text("orders.story.cancelled")))
    return sorted(steps, key=lambda step: step.at)


def _payments(history: OrderHistory, w: Wording) -> Iterator[Step]:
    for payment in history.payments:
        declined = [tried for tried in history.declined if tried.payment_id == payment.id]
        is_due = payment.state is PaymentState.REQUIRES_PAYMENT_METHOD
        # What was declined last is told with what to do now, as long as there is something to do.
        for tried in declined[:-1] if is_due and payment.decline else declined:
            reason = decline_reason(tried.decline, w.locale)
            yield Step(tried.at, w.text("orders.story.declined", reason=reason))
        if is_due and payment.decline:
            yield Step(payment.updated_at, decline_sentence(payment.decline, w.locale))
        else:
            amount = w.money(Money(payment.amount, payment.currency))
            yield Step(payment.updated_at, w.text(f"orders.payment.{payment.state.value}", amount=amount))


def _refund(refund: Refund, w: Wording) -> str:
    sentence = w.text(f"orders.refund.{refund.state.value}", amount=w.money(refund.money))
    return sentence if refund.state in _UNDECIDED else f"{sentence} {reason_of(refund, w.locale)}"


def _dispute(dispute: Dispute, w: Wording) -> str:
    return w.text(f"orders.dispute.{dispute.state.value}", amount=w.money(Money(dispute.amount, dispute.currency)))
