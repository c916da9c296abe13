"""Stripe's test payment methods, one by one, and money that is only held."""

import pytest
import stripe

from tests.billing.sandbox.purchases import RETURN, an_intent, event_types, paid
from tests.billing.sandbox.sandbox_process import SandboxProcess


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("pm_card_radarBlock", "card_declined", "fraudulent"),
    ],
)
def test_a_card_is_refused_with_its_reason(api: stripe.StripeClient, method: str, code: str, decline_code: str) -> None:
    intent = an_intent(api)

    with pytest.raises(stripe.CardError) as declined:
        paid(api, intent, method)

    assert (declined.value.code, declined.value.error.decline_code) == (code, decline_code)
    charge = api.v1.charges.retrieve(str(api.v1.payment_intents.retrieve(intent.id).latest_charge))
    assert (charge.status, charge.failure_code) == ("failed", code)


def test_risk_is_told_with_the_charge(api: stripe.StripeClient) -> None:
    elevated = paid(api, an_intent(api), "pm_card_riskLevelElevated")
    blocked = an_intent(api)
    with pytest.raises(stripe.CardError):
        paid(api, blocked, "pm_card_radarBlock")

    charge = api.v1.charges.retrieve(str(elevated.latest_charge))
    assert (charge.outcome.risk_level, charge.outcome.type) == ("elevated", "authorized")
    charge = api.v1.charges.retrieve(str(api.v1.payment_intents.retrieve(blocked.id).latest_charge))
    assert (charge.outcome.risk_level, charge.outcome.type) == ("highest", "blocked")
    assert charge.outcome.network_status == "not_sent_to_network"


def test_a_refund_may_be_pending_before_it_succeeds(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    refund = api.v1.refunds.create({"payment_intent": paid(api, an_intent(api), "pm_card_pendingRefund").id})
    assert (refund.status, refund.to_dict()["pending_reason"]) == ("pending", "processing")

    sandbox.control("agenda", deed="end_refund", subject=refund.id)

    assert api.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert event_types(api, refund.id) == ["refund.created", "refund.updated"]


@pytest.mark.parametrize("how", ["by the card", "by a control"])
def test_a_refund_that_had_succeeded_may_fail_and_brings_the_money_back(
    sandbox: SandboxProcess, api: stripe.StripeClient, how: str
) -> None:
    intent = paid(api, an_intent(api), "pm_card_refundFail" if how == "by the card" else "pm_card_visa")
    refund = api.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"

    if how == "by the card":
        sandbox.control("agenda", deed="end_refund", subject=refund.id)
    else:
        sandbox.control("refund_failures", refund=refund.id)

    failed = api.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert (failed.failure_balance_transaction.type, failed.failure_balance_transaction.net) == ("refund_failure", 1199)
    charge = api.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert event_types(api, refund.id)[-2:] == ["refund.updated", "refund.failed"]
    assert sandbox.post("/_sandbox/refund_failures")(refund=refund.id).status_code == 400


def test_held_money_is_captured_in_part(api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api, capture_method="manual"))
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 1199, 0)
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as over:
        api.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1200})
    assert over.value.param == "amount_to_capture"

    captured = api.v1.payment_intents.capture(
        intent.id, {"amount_to_capture": 999, "expand": ["latest_charge.balance_transaction"]}
    )

    assert (captured.status, captured.amount_received, captured.amount_capturable) == ("succeeded", 999, 0)
    assert captured.latest_charge.balance_transaction.amount == 999
    assert api.v1.refunds.create({"payment_intent": intent.id}).amount == 999
    with pytest.raises(stripe.InvalidRequestError) as again:
        api.v1.payment_intents.capture(intent.id)
    assert again.value.code == "payment_intent_unexpected_state"
    assert event_types(api, intent.id)[:5] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ]


def test_held_money_is_let_go_when_the_intent_is_canceled(api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api, capture_method="manual"))

    assert api.v1.payment_intents.cancel(intent.id).status == "canceled"

    charge = api.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.captured, charge.refunded, charge.balance_transaction) == (False, True, None)


def test_a_method_is_attached_used_again_and_detached(api: stripe.StripeClient) -> None:
    customer, stranger = api.v1.customers.create({"name": "Ada"}), api.v1.customers.create({"name": "Eva"})
    kept = api.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})
    listed = api.v1.payment_methods.list({"customer": customer.id, "type": "card"}).data
    assert [method.id for method in listed] == [kept.id]
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.payment_methods.attach(kept.id, {"customer": stranger.id})
    with pytest.raises(stripe.InvalidRequestError):
        paid(api, an_intent(api, customer=stranger.id), kept.id)

    again = an_intent(
        api, customer=customer.id, payment_method=kept.id, confirm=True, off_session=True, return_url=RETURN
    )
    changed = api.v1.payment_methods.update(
        kept.id, {"billing_details": {"name": "Ada"}, "card": {"exp_month": 11}, "metadata": {"a": "1"}}
    )

    assert again.status == "succeeded"
    assert (changed.billing_details.name, changed.card.exp_month) == ("Ada", 11)
    assert api.v1.payment_methods.detach(kept.id).customer is None
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.payment_methods.detach(kept.id)
    assert event_types(api, kept.id) == [
        "payment_method.attached",
        "payment_method.updated",
        "payment_method.detached",
    ]
