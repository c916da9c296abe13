"""What became of the money of an order: derived from its refunds and disputes, so that no history is ever edited."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from billing.dispute_records import Dispute, DisputeState
from billing.models import Order, OrderState, Refund, RefundKind, RefundState
from billing.money import Money


class MoneyState(StrEnum):
    """Where the money of an order is."""

    UNPAID = "unpaid"
    GIVEN = "given"
    """There never was any: the store gave it."""
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    """A part of the price went back or is on its way; what was bought stays."""
    REFUNDING = "refunding"
    """All of it is on its way to the customer."""
    REFUND_DELAYED = "refund_delayed"
    """It did not arrive, and is sent again by a person."""
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    """A bank has it until it has decided."""
    LOST_BY_DISPUTE = "lost_by_dispute"
    """A bank took it back for good."""


SENTENCES: Final[dict[MoneyState, dict[str, str]]] = {
    MoneyState.UNPAID: {"de": "Es ist nichts abgebucht.", "en": "Nothing was charged."},
    MoneyState.GIVEN: {"de": "Es ist ein Geschenk: Es kostet nichts.", "en": "It is a gift: it costs nothing."},
    MoneyState.PAID: {"de": "Die Bestellung ist bezahlt.", "en": "The order is paid."},
    MoneyState.PARTLY_REFUNDED: {
        "de": "Die Bestellung ist bezahlt; einen Teil des Preises erstatten wir.",
        "en": "The order is paid; a part of the price is refunded.",
    },
    MoneyState.REFUNDING: {
        "de": "Wir erstatten den Preis; das Geld ist unterwegs.",
        "en": "The price is refunded; the money is on its way.",
    },
    MoneyState.REFUND_DELAYED: {
        "de": "Wir erstatten den Preis; das Geld kam noch nicht an, wir kümmern uns darum.",
        "en": "The price is refunded; the money has not arrived yet, and we are taking care of it.",
    },
    MoneyState.REFUNDED: {"de": "Der Preis ist erstattet.", "en": "The price was refunded."},
    MoneyState.DISPUTED: {
        "de": "Eine Bank hat die Zahlung zurückgeholt; bis sie entschieden hat, ruht der Film.",
        "en": "A bank took the payment back; the film rests until it has decided.",
    },
    MoneyState.LOST_BY_DISPUTE: {
        "de": "Eine Bank hat die Zahlung endgültig zurückgeholt; der Film gehört nicht mehr zu Ihren Filmen.",
        "en": "A bank took the payment back for good; the film is no longer one of your films.",
    },
}
"""What is said of each state."""

_UNDECIDED: Final = (RefundState.AWAITING_APPROVAL, RefundState.REJECTED)
_GONE_WRONG: Final = (RefundState.FAILED, RefundState.CANCELED)
_THERE: Final = (RefundState.SUCCEEDED, RefundState.SETTLED)


@dataclass(frozen=True, slots=True)
class OrderMoney:
    """The state of an order's money, and how much of it goes or went back."""

    state: MoneyState
    given_back: Money
    """Decided to go back, whether it has arrived or not; what a bank took is not of it."""


def money_of(order: Order, refunds: Sequence[Refund], disputes: Sequence[Dispute]) -> OrderMoney:
    """What became of an order's money: a dispute comes first, then money on its way back, then the payment."""
    decided = [refund for refund in refunds if refund.state not in _UNDECIDED and _is_of(refund, order)]
    # A new try, or what is left of a refund, is the same debt as the one that it follows.
    back = sum(refund.amount for refund in decided if refund.replaces_id is None)
    return OrderMoney(_state_of(order, decided, {dispute.state for dispute in disputes}), Money(back, order.currency))


def _is_of(refund: Refund, order: Order) -> bool:
    """Whether a refund is of what the order is for: once it was paid, money that came twice is none of its price."""
    return order.paid_at is None or refund.kind is RefundKind.SALE


def _state_of(order: Order, decided: Sequence[Refund], disputes: set[DisputeState]) -> MoneyState:
    if order.is_gift:
        return MoneyState.GIVEN
    if DisputeState.OPEN in disputes:
        return MoneyState.DISPUTED
    if DisputeState.LOST in disputes:
        return MoneyState.LOST_BY_DISPUTE
    if order.state is OrderState.PAID:
        return MoneyState.PARTLY_REFUNDED if decided else MoneyState.PAID
    return _of_refunds(decided) if decided else MoneyState.UNPAID


def _of_refunds(decided: Sequence[Refund]) -> MoneyState:
    tried_again = {refund.replaces_id for refund in decided}
    last = [refund.state for refund in decided if refund.id not in tried_again]
    if any(state in _GONE_WRONG for state in last):
        return MoneyState.REFUND_DELAYED
    return MoneyState.REFUNDED if all(state in _THERE for state in last) else MoneyState.REFUNDING
