import pytest
import stripe

from tests.billing.sandbox.purchases import an_intent, event_types, paid
from tests.billing.sandbox.sandbox_process import SandboxProcess

DAY_SECONDS = 24 * 3600


def disputed(
    sandbox: SandboxProcess, api: stripe.StripeClient, method: str = "pm_card_createDispute"
) -> stripe.Dispute:
    """The dispute that one of the disputing test cards brings."""
    intent = paid(api, an_intent(api), method)
    sandbox.control("agenda", deed="dispute_charge", subject=intent.latest_charge)
    return api.v1.disputes.list({"payment_intent": intent.id}).data[0]


def decide(sandbox: SandboxProcess, dispute: stripe.Dispute) -> None:
    sandbox.control("agenda", deed="end_dispute", subject=dispute.id)


def moved(dispute: stripe.Dispute) -> list[tuple[str, int, int, str]]:
    """What a dispute has moved: type, amount, fee, category."""
    return [(txn.type, txn.amount, txn.fee, txn.reporting_category) for txn in dispute.balance_transactions]


def test_a_dispute_takes_the_money_and_a_fee(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    dispute = disputed(sandbox, api)

    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 1199)
    assert not dispute.is_charge_refundable
    assert moved(dispute) == [("adjustment", -1199, 1500, "dispute")]
    assert dispute.balance_transactions[0].source == dispute.id
    assert (dispute.evidence_details.due_by or 0) > dispute.created + 18 * DAY_SECONDS
    assert api.v1.charges.retrieve(str(dispute.charge)).disputed
    assert event_types(api, dispute.id) == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert api.v1.disputes.retrieve(dispute.id).to_dict() == dispute.to_dict()


def test_a_disputed_charge_is_not_refunded(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    dispute = disputed(sandbox, api, "pm_card_createDisputeProductNotReceived")
    assert dispute.reason == "product_not_received"

    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.refunds.create({"charge": str(dispute.charge)})

    assert refused.value.code == "charge_disputed"
    assert api.v1.charges.retrieve(str(dispute.charge)).amount_refunded == 0


@pytest.mark.parametrize(
    ("words", "status", "more"),
    [("winning_evidence", "won", [("adjustment", 1199, 0, "dispute_reversal")]), ("losing_evidence", "lost", [])],
)
def test_evidence_is_looked_at_and_wins_or_loses(
    sandbox: SandboxProcess,
    api: stripe.StripeClient,
    words: str,
    status: str,
    more: list[tuple[str, int, int, str]],
) -> None:
    dispute = disputed(sandbox, api)

    draft = api.v1.disputes.update(
        dispute.id, {"evidence": {"customer_name": "Ada"}, "submit": False, "metadata": {"a": "1"}}
    )
    assert (draft.status, draft.evidence_details.submission_count) == ("needs_response", 0)
    sent = api.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": words}})
    assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)
    assert sent.evidence.customer_name == "Ada"
    decide(sandbox, dispute)

    ended = api.v1.disputes.retrieve(dispute.id)
    assert ended.status == status
    assert moved(ended) == [("adjustment", -1199, 1500, "dispute"), *more]
    assert event_types(api, dispute.id) == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.updated",
        "charge.dispute.closed",
        *(["charge.dispute.funds_reinstated"] if more else []),
    ]
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})


def test_closing_a_dispute_loses_it(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    dispute = disputed(sandbox, api)

    assert api.v1.disputes.close(dispute.id).status == "lost"
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.disputes.close(dispute.id)

    assert event_types(api, dispute.id)[-1] == "charge.dispute.closed"


def test_a_dispute_without_an_answer_is_lost_when_its_time_is_over(own_sandbox: SandboxProcess) -> None:
    intent = own_sandbox.post("/v1/payment_intents")(
        amount=1199, currency="eur", confirm="true", payment_method="pm_card_visa", return_url="https://x.example"
    ).json()
    dispute = own_sandbox.control("disputes", charge=intent["latest_charge"], reason="duplicate")["dispute"]

    own_sandbox.control("clock", advance=21 * DAY_SECONDS)

    found = own_sandbox.get(f"/v1/disputes/{dispute}").json()
    assert (found["status"], found["reason"]) == ("lost", "duplicate")


def test_an_inquiry_takes_no_money_and_a_full_refund_ends_it(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    inquiry = disputed(sandbox, api, "pm_card_createDisputeInquiry")
    assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
    assert moved(inquiry) == []

    api.v1.refunds.create({"charge": str(inquiry.charge), "amount": 199})
    assert api.v1.disputes.retrieve(inquiry.id).status == "warning_needs_response"
    api.v1.refunds.create({"charge": str(inquiry.charge)})

    assert api.v1.disputes.retrieve(inquiry.id).status == "warning_closed"
    assert event_types(api, inquiry.id) == ["charge.dispute.created", "charge.dispute.closed"]


def test_an_inquiry_can_become_a_dispute(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    inquiry = disputed(sandbox, api, "pm_card_createDisputeInquiry")

    sent = api.v1.disputes.update(inquiry.id, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}})
    assert sent.status == "warning_under_review"
    decide(sandbox, inquiry)

    escalated = api.v1.disputes.retrieve(inquiry.id)
    assert (escalated.status, escalated.is_charge_refundable) == ("needs_response", False)
    assert moved(escalated) == [("adjustment", -1199, 1500, "dispute")]
    assert event_types(api, inquiry.id)[-2:] == ["charge.dispute.updated", "charge.dispute.funds_withdrawn"]


def test_what_was_given_back_in_full_is_not_disputed(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api), "pm_card_createDispute")
    api.v1.refunds.create({"payment_intent": intent.id})

    sandbox.control("agenda", deed="dispute_charge", subject=intent.latest_charge)

    assert api.v1.disputes.list({"payment_intent": intent.id}).data == []
    assert sandbox.post("/_sandbox/disputes")(payment_intent=intent.id).status_code == 400


def test_a_charge_is_disputed_by_a_control_once(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent, unpaid = paid(api, an_intent(api)), an_intent(api)

    made = sandbox.control("disputes", payment_intent=intent.id, inquiry="true")["dispute"]

    assert api.v1.disputes.retrieve(made).status == "warning_needs_response"
    for fields in ({"payment_intent": intent.id}, {"payment_intent": unpaid.id}, {"charge": "ch_nothing"}, {}):
        assert sandbox.post("/_sandbox/disputes")(fields).status_code == 400
    assert [found.id for found in api.v1.disputes.list({"charge": intent.latest_charge}).data] == [made]


def test_a_bank_warns_of_fraud_until_there_is_nothing_left_to_do(
    sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    intent = paid(api, an_intent(api), "pm_card_createIssuerFraudRecord")
    sandbox.control("agenda", deed="warn_of_fraud", subject=intent.latest_charge)
    warnings = api.v1.radar.early_fraud_warnings
    [warning] = warnings.list({"payment_intent": intent.id}).data
    assert (warning.actionable, warning.charge) == (True, intent.latest_charge)

    api.v1.refunds.create({"payment_intent": intent.id})

    found = warnings.retrieve(warning.id, {"expand": ["charge"]})
    assert (found.actionable, found.charge.payment_intent) == (False, intent.id)
    assert event_types(api, warning.id) == [
        "radar.early_fraud_warning.created",
        "radar.early_fraud_warning.updated",
    ]
    late = sandbox.control("fraud_warnings", charge=intent.latest_charge)["fraud_warning"]
    assert not warnings.retrieve(late).actionable
