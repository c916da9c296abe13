"""SEPA debits: processing for days, then paid, refused or, however late, disputed for good."""

from typing import Any

import pytest
import stripe

from tests.billing.sandbox.purchases import RETURN, an_intent, event_types
from tests.billing.sandbox.sandbox_process import PUBLISHABLE_KEY, SandboxProcess

DAY_SECONDS = 24 * 3600
PAYS, REFUSES, DISPUTES = "DE89370400440532013000", "DE62370400440532013001", "DE35370400440532013002"
MANDATE: Any = {"customer_acceptance": {"type": "online", "online": {"ip_address": "192.0.2.1", "user_agent": "x"}}}


def account(iban: str) -> Any:
    return {
        "type": "sepa_debit",
        "sepa_debit": {"iban": iban},
        "billing_details": {"name": "Ada Beispiel", "email": "ada@videothek.example"},
    }


def debited(api: stripe.StripeClient, iban: str = PAYS, **more: Any) -> stripe.PaymentIntent:
    """An intent whose debit is under way."""
    return api.v1.payment_intents.confirm(
        an_intent(api, **more).id,
        {"payment_method_data": account(iban), "mandate_data": MANDATE, "return_url": RETURN},
    )


def test_a_debit_is_under_way_for_days_and_then_paid(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = debited(api)
    assert (intent.status, intent.amount_received) == ("processing", 0)
    charge = api.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.status, charge.paid, charge.balance_transaction) == ("pending", False, None)
    assert charge.payment_method_details.sepa_debit.last4 == "3000"

    sandbox.control("agenda", deed="end_debit", subject=intent.id)
    sandbox.control("agenda", deed="settle_charge", subject=charge.id)

    now = api.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge.balance_transaction"]})
    assert (now.status, now.amount_received) == ("succeeded", 1199)
    booked = now.latest_charge.balance_transaction
    assert (booked.type, booked.fee, booked.net) == ("payment", 35, 1164)
    assert event_types(api, intent.id) == [
        "payment_intent.created",
        "charge.pending",
        "payment_intent.processing",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]


def test_a_debit_is_answered_by_itself_when_its_days_are_over(own_sandbox: SandboxProcess) -> None:
    fields = {
        "amount": 1199,
        "currency": "eur",
        "confirm": "true",
        "return_url": RETURN,
        "payment_method_data[type]": "sepa_debit",
        "payment_method_data[sepa_debit][iban]": PAYS,
        "payment_method_data[billing_details][name]": "Ada",
        "payment_method_data[billing_details][email]": "ada@videothek.example",
        "mandate_data[customer_acceptance][type]": "offline",
    }
    intent = own_sandbox.post("/v1/payment_intents")(fields).json()
    own_sandbox.control("clock", advance=4 * DAY_SECONDS)
    assert own_sandbox.get(f"/v1/payment_intents/{intent['id']}").json()["status"] == "processing"

    own_sandbox.control("clock", advance=DAY_SECONDS)

    assert own_sandbox.get(f"/v1/payment_intents/{intent['id']}").json()["status"] == "succeeded"


@pytest.mark.parametrize("how", ["by the account", "by a control"])
def test_a_debit_that_bounces_leaves_the_intent_open(
    sandbox: SandboxProcess, api: stripe.StripeClient, how: str
) -> None:
    intent = debited(api, REFUSES if how == "by the account" else PAYS)
    if how == "by the account":
        sandbox.control("agenda", deed="end_debit", subject=intent.id)
    else:
        sandbox.control("debits", payment_intent=intent.id, outcome="failed")

    now = api.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert (now.status, now.amount_received) == ("requires_payment_method", 0)
    assert now.last_payment_error.code == "payment_intent_payment_attempt_failed"
    assert now.last_payment_error.payment_method.type == "sepa_debit"
    assert (now.latest_charge.status, now.latest_charge.balance_transaction) == ("failed", None)
    assert event_types(api, intent.id)[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    again = sandbox.post("/_sandbox/debits")(payment_intent=intent.id, outcome="succeeded")
    assert again.status_code == 400


def test_a_debit_under_way_can_be_neither_cancelled_nor_refunded(api: stripe.StripeClient) -> None:
    intent = debited(api)

    with pytest.raises(stripe.InvalidRequestError) as cancelled:
        api.v1.payment_intents.cancel(intent.id)
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.refunds.create({"payment_intent": intent.id})

    assert cancelled.value.code == "payment_intent_unexpected_state"
    assert api.v1.payment_intents.retrieve(intent.id).status == "processing"


def test_a_paid_debit_is_refunded_and_a_dispute_of_one_is_final(
    sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    refunded, disputed = debited(api), debited(api, DISPUTES)
    sandbox.control("agenda", deed="end_debit")
    refund = api.v1.refunds.create({"payment_intent": refunded.id, "expand": ["balance_transaction"]})
    assert (refund.status, refund.balance_transaction.type) == ("succeeded", "payment_refund")

    sandbox.control("agenda", deed="dispute_charge")

    [dispute] = api.v1.disputes.list({"payment_intent": disputed.id}).data
    assert (dispute.status, dispute.reason) == ("lost", "debit_not_authorized")
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})


def test_a_debit_needs_a_mandate_a_known_account_and_a_holder(api: stripe.StripeClient) -> None:
    intent = an_intent(api)
    nameless = {**account(PAYS), "billing_details": {"email": "ada@videothek.example"}}
    for data, mandate, code in (
        (account(PAYS), {}, "parameter_missing"),
        (account("DE00123"), {"mandate_data": MANDATE}, "invalid_bank_account_iban"),
        (nameless, {"mandate_data": MANDATE}, "parameter_missing"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            api.v1.payment_intents.confirm(intent.id, {"payment_method_data": data, "return_url": RETURN, **mandate})
        assert refused.value.code == code
    assert event_types(api, intent.id) == ["payment_intent.created"]


def test_an_intent_that_excludes_debits_takes_none(api: stripe.StripeClient) -> None:
    intent = an_intent(api, excluded_payment_method_types=["sepa_debit"])
    assert intent.payment_method_types == ["card"]
    assert an_intent(api).payment_method_types == ["card", "sepa_debit"]

    with pytest.raises(stripe.InvalidRequestError) as refused:
        debited(api, excluded_payment_method_types=["sepa_debit"])

    assert refused.value.code == "payment_intent_incompatible_payment_method"


def test_a_customer_debits_with_the_publishable_key(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = an_intent(api)
    fields = {
        "client_secret": intent.client_secret,
        "return_url": RETURN,
        "payment_method_data[type]": "sepa_debit",
        "payment_method_data[sepa_debit][iban]": PAYS,
        "payment_method_data[billing_details][name]": "Ada",
        "payment_method_data[billing_details][email]": "ada@videothek.example",
        "mandate_data[customer_acceptance][type]": "online",
        "mandate_data[customer_acceptance][online][infer_from_client]": "true",
    }

    confirmed = sandbox.post(f"/v1/payment_intents/{intent.id}/confirm", PUBLISHABLE_KEY)(fields)

    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "processing")
