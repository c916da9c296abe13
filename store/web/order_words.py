"""How an order stands, in a customer's words: one word for the list, and its story with every state for its page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from billing.declines import decline_sentence
from billing.models import (
    Dispute,
    DisputeState,
    Order,
    OrderState,
    Payment,
    PaymentState,
    Refund,
    RefundKind,
    RefundState,
)
from billing.money import Money
from billing.order_histories import OrderHistory
from store.refund_letters import reason_of
from store.web.wording import Wording

_CHECKING: Final = (PaymentState.PROCESSING, PaymentState.REQUIRES_CONFIRMATION)
_UNDECIDED: Final = (RefundState.AWAITING_APPROVAL, RefundState.REJECTED)
_GONE_WRONG: Final = (RefundState.FAILED, RefundState.CANCELED)
_THERE: Final = (RefundState.SUCCEEDED, RefundState.SETTLED)


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
    """What a customer wants to know first: a dispute, then money on its way back, then the payment."""
    disputes = {dispute.state for dispute in history.disputes}
    if DisputeState.OPEN in disputes:
        return Standing("disputed", "warn")
    if DisputeState.LOST in disputes:
        return Standing("charged_back")
    decided = [refund for refund in history.refunds if refund.state not in _UNDECIDED]
    if decided and order.state is not OrderState.PAID:
        return _of_refunds(decided)
    match order.state:
        case OrderState.PAID:
            is_partly_back = any(refund.kind is RefundKind.SALE for refund in decided)
            return Standing("partly_refunded", "good") if is_partly_back else Standing("paid", "good")
        case OrderState.OPEN:
            return _of_payment(history.payments)
    return Standing(order.state.value)


def _of_refunds(decided: list[Refund]) -> Standing:
    tried_again = {refund.replaces_id for refund in decided}
    last = [refund.state for refund in decided if refund.id not in tried_again]
    if any(state in _GONE_WRONG for state in last):
        return Standing("refund_delayed", "warn")
    return Standing("refunded" if all(state in _THERE for state in last) else "refunding")


def _of_payment(payments: list[Payment]) -> Standing:
    state = payments[-1].state if payments else PaymentState.CREATING
    if state in _CHECKING:
        return Standing("checking", "warn")
    return Standing("approval" if state is PaymentState.REQUIRES_ACTION else "open", "warn")


def story_of(order: Order, history: OrderHistory, w: Wording) -> list[Step]:
    """Every step in words, the oldest first."""
    steps = [Step(order.ordered_at, w.text("orders.story.ordered"))]
    steps += _payments(history.payments, w)
    steps += [Step(refund.updated_at, _refund(refund, w)) for refund in history.refunds]
    steps += [Step(dispute.updated_at, _dispute(dispute, w)) for dispute in history.disputes]
    if order.state is OrderState.CANCELLED and order.closed_at is not None:
        steps.append(Step(order.closed_at, w.text("orders.story.cancelled")))
    return sorted(steps, key=lambda step: step.at)


def _payments(payments: list[Payment], w: Wording) -> Iterator[Step]:
    for payment in payments:
        if payment.decline and payment.state is PaymentState.REQUIRES_PAYMENT_METHOD:
            yield Step(payment.updated_at, decline_sentence(payment.decline, w.locale))
        else:
            amount = w.money(Money(payment.amount, payment.currency))
            yield Step(payment.updated_at, w.text(f"orders.payment.{payment.state.value}", amount=amount))


def _refund(refund: Refund, w: Wording) -> str:
    sentence = w.text(f"orders.refund.{refund.state.value}", amount=w.money(refund.money))
    return sentence if refund.state in _UNDECIDED else f"{sentence} {reason_of(refund, w.locale)}"


def _dispute(dispute: Dispute, w: Wording) -> str:
    return w.text(f"orders.dispute.{dispute.state.value}", amount=w.money(Money(dispute.amount, dispute.currency)))
