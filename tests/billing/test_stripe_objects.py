"""Stripe's words in ours: those that are yet to come stop nothing, and are never taken for paid or arrived."""

import pytest

from billing.models import PaymentState, RefundState
from billing.ports import Failure
from billing.stripe_objects import Facts, read_intent, read_refund


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


def declined(charge: Facts | None, error: Facts) -> Facts:
    """An intent after a try that failed."""
    return {
        "id": "pi_1",
        "status": "requires_payment_method",
        "currency": "eur",
        "amount": 399,
        "amount_received": 0,
        "metadata": None,
        "client_secret": None,
        "last_payment_error": error,
        "latest_charge": charge,
    }


@pytest.mark.parametrize(
    ("kind", "code", "reason", "decline"),
    [
        ("card", "card_declined", "insufficient_funds", "insufficient_funds"),
        ("card", "expired_card", None, "expired_card"),
        ("card", "card_declined", "stolen_card", "declined"),
        ("sepa_debit", "generic_decline", None, "debit_failed"),
    ],
)
def test_a_declined_charge_keeps_the_providers_reason_beside_our_word(
    kind: str, code: str, reason: str | None, decline: str
) -> None:
    charge = {
        "id": "ch_1",
        "status": "failed",
        "payment_method_details": {"type": kind, kind: {}},
        "outcome": {"reason": reason} if reason else None,
        "failure_code": code,
    }
    error = {"charge": "ch_1", "code": code, "payment_method": {"id": "pm_1", "type": kind}}
    intent = read_intent(declined(charge, error))
    assert intent.failure is None, "there is a charge that tells of it"
    assert intent.charge is not None
    assert (intent.charge.decline, intent.charge.reason) == (decline, reason or code)


def test_a_try_that_failed_before_there_was_a_charge_is_known_by_what_was_tried_with() -> None:
    code = "payment_intent_authentication_failure"
    intent = read_intent(declined(None, {"code": code, "payment_method": {"id": "pm_1", "type": "card"}}))
    assert (intent.charge, intent.failure) == (None, Failure("pm_1", "not_authenticated", code))
