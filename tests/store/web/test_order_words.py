"""Every state of an order, a payment, a refund and a dispute has its words, and the most important one leads."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from billing.declined_tries import DeclinedTry
from billing.dispute_records import Dispute, DisputeState
from billing.models import Order, OrderState, Payment, PaymentState, Refund, RefundKind, RefundState
from billing.order_histories import OrderHistory
from store.web.order_words import standing_of, story_of
from store.web.wording import load_texts, wording

AT = datetime(2026, 11, 25, 19, 15, tzinfo=UTC)


def an_order(state: OrderState) -> Order:
    return Order(state=state, quote_id=uuid4(), ordered_at=AT, closed_at=AT, gross=399, currency="EUR")


def a_payment(state: PaymentState, decline: str | None = None) -> Payment:
    return Payment(id=uuid4(), state=state, decline=decline, amount=399, currency="EUR", updated_at=AT)


def a_refund(state: RefundState, *, kind: RefundKind = RefundKind.SALE, replaces: Refund | None = None) -> Refund:
    return Refund(
        id=uuid4(),
        kind=kind,
        state=state,
        amount=399,
        currency="EUR",
        reason="goodwill",
        replaces_id=replaces.id if replaces else None,
        updated_at=AT,
    )


def a_dispute(state: DisputeState) -> Dispute:
    return Dispute(state=state, amount=399, currency="EUR", updated_at=AT)


@pytest.mark.parametrize("locale", ["de", "en"])
def test_every_state_is_told_in_a_sentence(locale: str) -> None:
    history = OrderHistory(
        payments=[a_payment(state) for state in PaymentState],
        refunds=[a_refund(state) for state in RefundState],
        disputes=[a_dispute(state) for state in DisputeState],
    )
    steps = story_of(an_order(OrderState.CANCELLED), history, wording(locale, "DE"))
    assert len(steps) == 2 + len(PaymentState) + len(RefundState) + len(DisputeState)
    assert all(step.sentence.endswith(".") and "{" not in step.sentence for step in steps)


def a_decline(payment: Payment, decline: str) -> DeclinedTry:
    return DeclinedTry(key=f"ch_{decline}", payment_id=payment.id, decline=decline, at=AT)


def test_every_declined_try_is_told_also_when_a_later_one_paid() -> None:
    first, second = a_payment(PaymentState.CANCELED), a_payment(PaymentState.SUCCEEDED)
    declined = [a_decline(first, "expired_card"), a_decline(second, "insufficient_funds")]
    history = OrderHistory([first, second], declined)
    told = [step.sentence for step in story_of(an_order(OrderState.PAID), history, wording("de", "DE"))]
    assert told == [
        "Sie haben bestellt.",
        "Ein Versuch zu zahlen schlug fehl. Die Karte ist abgelaufen.",
        "Diese Zahlung ist abgebrochen. Es ist nichts abgebucht.",
        "Ein Versuch zu zahlen schlug fehl. Die Karte hat nicht genug Deckung.",
        "Sie haben 3,99\N{NO-BREAK SPACE}€ bezahlt.",
    ]


def test_the_last_of_several_declines_says_what_to_do_now() -> None:
    payment = a_payment(PaymentState.REQUIRES_PAYMENT_METHOD, "insufficient_funds")
    history = OrderHistory([payment], [a_decline(payment, "expired_card"), a_decline(payment, "insufficient_funds")])
    told = [step.sentence for step in story_of(an_order(OrderState.OPEN), history, wording("en", "DE"))]
    assert told == [
        "You placed the order.",
        "A try to pay failed. The card has expired.",
        "The card has insufficient funds. Your order stays open; please use another way to pay.",
    ]


def test_a_declined_payment_says_why() -> None:
    history = OrderHistory(payments=[a_payment(PaymentState.REQUIRES_PAYMENT_METHOD, "expired_card")])
    told = [step.sentence for step in story_of(an_order(OrderState.OPEN), history, wording("de", "DE"))]
    assert told[-1].startswith("Die Karte ist abgelaufen.")


FAILED = a_refund(RefundState.FAILED)


@pytest.mark.parametrize(
    ("state", "history", "key"),
    [
        (OrderState.OPEN, OrderHistory([a_payment(PaymentState.REQUIRES_PAYMENT_METHOD)]), "open"),
        (OrderState.OPEN, OrderHistory([a_payment(PaymentState.UNKNOWN)]), "open"),
        (OrderState.OPEN, OrderHistory([a_payment(PaymentState.PROCESSING)]), "checking"),
        (OrderState.OPEN, OrderHistory([a_payment(PaymentState.REQUIRES_ACTION)]), "approval"),
        (OrderState.PAID, OrderHistory([a_payment(PaymentState.SUCCEEDED)]), "paid"),
        (OrderState.PAID, OrderHistory(refunds=[a_refund(RefundState.SUCCEEDED)]), "partly_refunded"),
        (OrderState.PAID, OrderHistory(refunds=[a_refund(RefundState.AWAITING_APPROVAL)]), "paid"),
        (OrderState.PAID, OrderHistory(refunds=[a_refund(RefundState.REJECTED)]), "paid"),
        (OrderState.PAID, OrderHistory(disputes=[a_dispute(DisputeState.OPEN)]), "disputed"),
        (OrderState.PAID, OrderHistory(disputes=[a_dispute(DisputeState.WON)]), "paid"),
        (OrderState.PAID, OrderHistory(disputes=[a_dispute(DisputeState.LOST)]), "lost_by_dispute"),
        (OrderState.CANCELLED, OrderHistory([a_payment(PaymentState.CANCELED)]), "cancelled"),
        (OrderState.REFUNDED, OrderHistory(refunds=[a_refund(RefundState.PENDING)]), "refunding"),
        (OrderState.REFUNDED, OrderHistory(refunds=[a_refund(RefundState.SUCCEEDED)]), "refunded"),
        (OrderState.REFUNDED, OrderHistory(refunds=[FAILED]), "refund_delayed"),
        (
            OrderState.REFUNDED,
            OrderHistory(refunds=[FAILED, a_refund(RefundState.SUCCEEDED, replaces=FAILED)]),
            "refunded",
        ),
        (
            OrderState.CANCELLED,
            OrderHistory(refunds=[a_refund(RefundState.REQUESTED, kind=RefundKind.RETURN)]),
            "refunding",
        ),
    ],
)
def test_the_list_says_what_matters_most(state: OrderState, history: OrderHistory, key: str) -> None:
    standing = standing_of(an_order(state), history)
    assert standing.key == key
    assert all(f"orders.standing.{standing.key}" in load_texts(locale) for locale in ("de", "en"))


def test_a_gift_is_told_as_one() -> None:
    gift = Order(state=OrderState.PAID, quote_id=None, ordered_at=AT, closed_at=AT, gross=0, currency="EUR")
    assert standing_of(gift, OrderHistory()).key == "given"
    [step] = story_of(gift, OrderHistory(), wording("de", "DE"))
    assert step.sentence == "Der Kundendienst hat Ihnen das geschenkt."
