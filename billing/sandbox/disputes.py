"""Disputes: the bank takes a payment back, or asks first; evidence, close, and what each moves on the account."""

from collections.abc import Mapping

from billing.sandbox.balance_transactions import DAY_SECONDS, as_of, book
from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject, StripeRefusal
from billing.sandbox.events import changes, record_event
from billing.sandbox.fraud_warnings import disarm_warnings
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import Check, fields, merged_metadata, metadata, text, truth, unsettable
from billing.sandbox.test_methods import BY_FINGERPRINT

_FEE = 1500
"""What Stripe takes for a dispute, whoever wins it."""
_DAYS_TO_ANSWER = 20
_OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")

REASONS = (
    *("credit_not_processed", "debit_not_authorized", "duplicate", "fraudulent", "general", "product_not_received"),
    *("product_unacceptable", "subscription_canceled", "unrecognized"),
)

_EVIDENCE = (
    *("access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure"),
    *("cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name"),
    *("customer_purchase_ip", "customer_signature", "duplicate_charge_documentation"),
    *("duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt", "refund_policy"),
    *("refund_policy_disclosure", "refund_refusal_explanation", "service_date", "service_documentation"),
    *("shipping_address", "shipping_carrier", "shipping_date", "shipping_documentation"),
    *("shipping_tracking_number", "uncategorized_file", "uncategorized_text"),
)


def dispute_by_method(call: Call, charge_id: str) -> None:
    """What one of the disputing test methods does some time after it has paid."""
    charge = call.objects.get("charge", charge_id)
    details = charge["payment_method_details"]
    method = BY_FINGERPRINT[details[details["type"]]["fingerprint"]]
    if method.dispute_reason is not None and not (charge["disputed"] or charge["refunded"]):
        open_dispute(call, charge, reason=method.dispute_reason, inquiry=method.is_inquiry)


def open_dispute(call: Call, charge: JsonObject, *, reason: str, inquiry: bool) -> JsonObject:
    """The customer has complained at the bank. An inquiry takes no money; a SEPA dispute is lost at once."""
    if charge["status"] != "succeeded" or charge["disputed"] or charge["refunded"]:
        raise StripeRefusal(f"Charge {charge['id']} cannot be disputed.", param="charge")
    is_final = charge["payment_method_details"]["type"] == "sepa_debit"
    dispute = _new_dispute(call, charge, reason=reason)
    dispute["status"] = "lost" if is_final else "warning_needs_response" if inquiry else "needs_response"
    dispute["is_charge_refundable"] = inquiry
    charge["disputed"] = True
    call.objects.put(charge)
    if not inquiry:
        _withdraw(call, dispute)
    call.objects.put(dispute)
    record_event(call, "charge.dispute.created", seen(call, dispute))
    if not inquiry:
        record_event(call, "charge.dispute.funds_withdrawn", seen(call, dispute))
    if is_final:
        record_event(call, "charge.dispute.closed", seen(call, dispute))
    else:
        call.agenda.add("end_dispute", dispute["id"], due=dispute["evidence_details"]["due_by"])
    disarm_warnings(call, charge)
    return dispute


def _new_dispute(call: Call, charge: JsonObject, *, reason: str) -> JsonObject:
    dispute: JsonObject = {
        "id": new_identifier("du_1"),
        "object": "dispute",
        "amount": charge["amount"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": _last_day(call),
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
    }
    details = charge["payment_method_details"]
    if details["type"] == "card":
        brand = details["card"]["brand"]
        card = {"brand": brand, "case_type": "chargeback", "network": brand, "network_reason_code": "10"}
        dispute["payment_method_details"] = {"card": card, "type": "card"}
    return dispute


def _last_day(call: Call) -> int:
    return (call.now // DAY_SECONDS + _DAYS_TO_ANSWER) * DAY_SECONDS - 1


def _withdraw(call: Call, dispute: JsonObject) -> None:
    _move(call, dispute, amount=-dispute["amount"], fee=_FEE, category="dispute")


def _move(call: Call, dispute: JsonObject, *, amount: int, fee: int, category: str) -> None:
    booked = book(
        call, dispute, kind="adjustment", amount=amount, fee=fee, fee_for="Dispute fee", category=category,
        available_on=call.now,
    )  # fmt: skip
    dispute["balance_transactions"].append(booked)


def seen(call: Call, dispute: JsonObject) -> JsonObject:
    """The dispute as it is told: with what it moved as that is now."""
    return {**dispute, "balance_transactions": [as_of(call.now, booked) for booked in dispute["balance_transactions"]]}


def _close(call: Call, dispute: JsonObject, status: str) -> None:
    dispute["status"] = status
    if status == "won":
        dispute["is_charge_refundable"] = True
        _move(call, dispute, amount=dispute["amount"], fee=0, category="dispute_reversal")
    call.objects.put(dispute)
    record_event(call, "charge.dispute.closed", seen(call, dispute))
    if status == "won":
        record_event(call, "charge.dispute.funds_reinstated", seen(call, dispute))


def end_dispute(call: Call, identifier: str) -> None:
    """The bank decides: by Stripe's magic words in `uncategorized_text`; without evidence, when its time is over."""
    dispute = call.objects.get("dispute", identifier)
    if dispute["status"] not in _OPEN:
        return
    words = dispute["evidence"]["uncategorized_text"] if dispute["evidence_details"]["submission_count"] else None
    is_inquiry = dispute["status"].startswith("warning_")
    if is_inquiry and words == "escalate_inquiry_evidence":
        _escalate(call, dispute)
    elif is_inquiry:
        _close(call, dispute, "warning_closed")
    else:
        _close(call, dispute, "won" if words == "winning_evidence" else "lost")


def _escalate(call: Call, dispute: JsonObject) -> None:
    """The inquiry becomes a dispute: now the bank takes the money."""
    dispute |= {"status": "needs_response", "is_charge_refundable": False}
    dispute["evidence_details"] |= {"submission_count": 0, "due_by": _last_day(call)}
    call.agenda.add("end_dispute", dispute["id"], due=dispute["evidence_details"]["due_by"])
    _withdraw(call, dispute)
    call.objects.put(dispute)
    record_event(call, "charge.dispute.updated", seen(call, dispute), previously={"status": "warning_under_review"})
    record_event(call, "charge.dispute.funds_withdrawn", seen(call, dispute))


def find_open_dispute(call: Call, charge: JsonObject) -> JsonObject | None:
    """The dispute that stands in the way of a refund, or an inquiry that a refund ends."""
    if not charge["disputed"]:
        return None
    found = list_objects(call.with_given({"limit": 1}), "dispute", url="", charge=charge["id"]).body["data"]
    dispute: JsonObject = found[0]
    return None if dispute["status"] in ("won", "warning_closed") else dispute


def close_inquiry(call: Call, dispute: JsonObject) -> None:
    """The payment was given back in full: the bank has no more questions."""
    _close(call, dispute, "warning_closed")


def retrieve_dispute(call: Call) -> Answer:
    """GET /v1/disputes/{dispute}."""
    return Answer(seen(call, call.objects.get("dispute", call.target)))


def update_dispute(call: Call) -> Answer:
    """POST /v1/disputes/{dispute}: evidence, which goes to the bank at once unless `submit` is false."""
    given = call.given
    dispute = call.objects.get("dispute", call.target)
    before = dict(dispute)
    if "metadata" in given:
        dispute["metadata"] = merged_metadata(dispute["metadata"], given["metadata"])
    if "evidence" in given or given.get("submit"):
        _check_open(dispute)
        dispute["evidence"] = {**dispute["evidence"], **given.get("evidence", {})}
        dispute["evidence_details"] = {**dispute["evidence_details"], "has_evidence": True}
        if given.get("submit", True):
            _submit(call, dispute)
    call.objects.put(dispute)
    record_event(call, "charge.dispute.updated", seen(call, dispute), previously=changes(before, dispute))
    return Answer(seen(call, dispute))


def _submit(call: Call, dispute: JsonObject) -> None:
    details = dispute["evidence_details"]
    details["submission_count"] += 1
    dispute["status"] = "warning_under_review" if dispute["status"].startswith("warning_") else "under_review"
    if str(dispute["evidence"]["uncategorized_text"]).endswith("_evidence"):
        call.agenda.forget("end_dispute", dispute["id"])
        call.agenda.add_soon("end_dispute", dispute["id"], at=call.now)


def close_dispute(call: Call) -> Answer:
    """POST /v1/disputes/{dispute}/close: given up; it is lost for good."""
    dispute = call.objects.get("dispute", call.target)
    _check_open(dispute)
    _close(call, dispute, "warning_closed" if dispute["status"].startswith("warning_") else "lost")
    return Answer(seen(call, dispute))


def _check_open(dispute: JsonObject) -> None:
    if dispute["status"] not in _OPEN:
        raise StripeRefusal(f"This dispute is already closed: {dispute['id']} is {dispute['status']}.")


def list_disputes(call: Call) -> Answer:
    """GET /v1/disputes, by charge, intent and time."""
    answer = list_objects(
        call,
        "dispute",
        url="/v1/disputes",
        charge=call.given.get("charge"),
        payment_intent=call.given.get("payment_intent"),
    )
    return Answer({**answer.body, "data": [seen(call, dispute) for dispute in answer.body["data"]]})


_UPDATE: Mapping[str, Check] = {
    "evidence": fields(**{name: unsettable(text(150_000)) for name in _EVIDENCE}),
    "metadata": metadata(),
    "submit": truth(),
}

ENDPOINTS = (
    Endpoint("GET", "/v1/disputes", list_disputes, {**LIST_PARAMETERS, "charge": text(), "payment_intent": text()}),
    Endpoint("GET", "/v1/disputes/{dispute}", retrieve_dispute),
    Endpoint("POST", "/v1/disputes/{dispute}", update_dispute, _UPDATE),
    Endpoint("POST", "/v1/disputes/{dispute}/close", close_dispute),
)
