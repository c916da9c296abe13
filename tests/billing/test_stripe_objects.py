"""Stripe's words in ours: those that are yet to come stop nothing, and are never taken for paid or arrived."""

import pytest

from billing.models import PaymentState, RefundState
from billing.stripe_objects import read_intent, read_refund


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("requires_payment_method", PaymentState.REQUIRES_PAYMENT_METHOD),
        ("requires_confirmation", PaymentState.REQUIRES_CONFIRMATION),
        ("requires_action", PaymentState.REQUIRES_ACTION),
        ("processing", PaymentState.PROCESSING),
        ("succeeded", PaymentState.SUCCEEDED),
        ("canceled", PaymentState.CANCELED),
        ("requires_capture", PaymentState.PROCESSING),
        ("requires_a_word_yet_to_come", PaymentState.PROCESSING),
    ],
)
def test_an_intent_whose_state_we_do_not_know_is_under_way(status: str, state: PaymentState) -> None:
    intent = {
        "id": "pi_1",
        "status": status,
        "currency": "eur",
        "amount": 399,
        "amount_received": 0,
        "metadata": None,
        "client_secret": None,
        "last_payment_error": None,
        "latest_charge": None,
    }
    assert read_intent(intent).state is state


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", RefundState.PENDING),
        ("succeeded", RefundState.SUCCEEDED),
        ("failed", RefundState.FAILED),
        ("canceled", RefundState.CANCELED),
        ("requires_action", RefundState.PENDING),
        ("a_word_yet_to_come", RefundState.PENDING),
        (None, RefundState.PENDING),
    ],
)
def test_a_refund_whose_state_we_do_not_know_has_not_arrived(status: str | None, state: RefundState) -> None:
    facts = {"id": "re_1", "payment_intent": "pi_1", "amount": 399, "currency": "eur", "metadata": None}
    refund = {**facts, "status": status}
    assert read_refund(refund).state is state
