"""Refunds: whole or in parts, never more than was paid; some are pending first, some fail later."""

from billing.sandbox.balance_transactions import book_refund, book_refund_failure
from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.disputes import close_inquiry, find_open_dispute
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_parameter
from billing.sandbox.events import record_event
from billing.sandbox.fraud_warnings import disarm_warnings
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import choice, merged_metadata, metadata, text, whole_number
from billing.sandbox.test_methods import BY_FINGERPRINT


def create_refund(call: Call) -> Answer:
    """POST /v1/refunds by `charge` or `payment_intent`; without an amount, all that is left."""
    charge = _charge_to_refund(call)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise StripeRefusal(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    dispute = find_open_dispute(call, charge)
    if dispute is not None and not dispute["is_charge_refundable"]:
        raise StripeRefusal(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    amount = call.given.get("amount", left)
    if amount > left:
        raise StripeRefusal(
            f"Refund amount ({_spoken(amount, charge)}) is greater than unrefunded amount on charge"
            f" ({_spoken(left, charge)})",
            param="amount",
        )
    refund = _refund(call, charge, amount)
    if dispute is not None and charge["refunded"]:
        close_inquiry(call, dispute)
    return Answer(refund)


def _refund(call: Call, charge: JsonObject, amount: int) -> JsonObject:
    kind = charge["payment_method_details"]["type"]
    ends = BY_FINGERPRINT[charge["payment_method_details"][kind]["fingerprint"]].refund_ends
    refund = _new_refund(call, charge, amount)
    if ends == "succeeded":
        refund |= {"status": "pending", "pending_reason": "processing"}
    refund["balance_transaction"] = book_refund(call, refund, by_card=kind == "card")["id"]
    call.objects.put(refund)
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    call.objects.put(charge)
    record_event(call, "refund.created", refund)
    record_event(call, "charge.refunded", charge, previously=before)
    if charge["refunded"]:
        disarm_warnings(call, charge)
    if ends is not None:
        call.agenda.add_soon("end_refund", refund["id"], at=call.now)
    elif kind == "card":
        # Stripe reports the reference of the acquirer some time later; here at once, so that the event exists.
        _give_reference(refund)
        call.objects.put(refund)
        record_event(call, "refund.updated", refund, previously={"destination_details": {"card": {}}})
    return refund


def _new_refund(call: Call, charge: JsonObject, amount: int) -> JsonObject:
    destination: JsonObject = {"type": "eu_bank_transfer", "eu_bank_transfer": {}}
    if charge["payment_method_details"]["type"] == "card":
        card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
        destination = {"type": "card", "card": card}
    return {
        "id": new_identifier("re_3"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "destination_details": destination,
        "metadata": merged_metadata({}, call.given.get("metadata", {})),
        "payment_intent": charge["payment_intent"],
        "reason": call.given.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def _give_reference(refund: JsonObject) -> None:
    refund["destination_details"]["card"] |= {"reference": new_identifier("", 23), "reference_status": "available"}


def end_refund(call: Call, identifier: str) -> None:
    """What the test method of the charge wants: a pending refund succeeds, or one that had succeeded fails."""
    refund = call.objects.get("refund", identifier)
    if refund["status"] == "pending":
        refund["status"] = "succeeded"
        del refund["pending_reason"]
        _give_reference(refund)
        call.objects.put(refund)
        record_event(call, "refund.updated", refund, previously={"status": "pending"})
    elif refund["status"] == "succeeded":
        fail_refund(call, refund)


def fail_refund(call: Call, refund: JsonObject) -> JsonObject:
    """The customer's bank has sent the money back: it is on the account at Stripe again."""
    if refund["status"] not in ("pending", "succeeded"):
        raise StripeRefusal(f"Refund {refund['id']} is {refund['status']}.", param="refund")
    before = refund["status"]
    refund.pop("pending_reason", None)
    refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    refund["failure_balance_transaction"] = book_refund_failure(call, refund)["id"]
    call.objects.put(refund)
    call.agenda.forget("end_refund", refund["id"])
    charge = call.objects.get("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    call.objects.put(charge)
    record_event(call, "refund.updated", refund, previously={"status": before})
    record_event(call, "refund.failed", refund)
    return refund


def _charge_to_refund(call: Call) -> JsonObject:
    given = call.given
    if "charge" in given:
        charge = call.objects.get("charge", given["charge"], param="charge")
    elif "payment_intent" in given:
        intent = call.objects.get("payment_intent", given["payment_intent"], param="payment_intent")
        if intent["status"] != "succeeded":
            raise StripeRefusal(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
                param="payment_intent",
            )
        charge = call.objects.get("charge", intent["latest_charge"])
    else:
        raise missing_parameter("charge")
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise StripeRefusal(
            f"Charge {charge['id']} has not been paid and cannot be refunded.", code="charge_not_refundable"
        )
    return charge


def _spoken(amount: int, charge: JsonObject) -> str:
    return f"{amount // 100}.{amount % 100:02} {charge['currency']}"


def retrieve_refund(call: Call) -> Answer:
    """GET /v1/refunds/{refund}."""
    return Answer(call.objects.get("refund", call.target))


def update_refund(call: Call) -> Answer:
    """POST /v1/refunds/{refund}: only its metadata."""
    refund = call.objects.get("refund", call.target)
    before = refund["metadata"]
    if "metadata" in call.given:
        refund["metadata"] = merged_metadata(before, call.given["metadata"])
    call.objects.put(refund)
    record_event(call, "refund.updated", refund, previously={"metadata": before})
    return Answer(refund)


def list_refunds(call: Call) -> Answer:
    """GET /v1/refunds, by charge, intent and time."""
    return list_objects(
        call,
        "refund",
        url="/v1/refunds",
        charge=call.given.get("charge"),
        payment_intent=call.given.get("payment_intent"),
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/refunds",
        create_refund,
        {
            "amount": whole_number(at_least=1),
            "charge": text(),
            "metadata": metadata(),
            "payment_intent": text(),
            "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
        },
    ),
    Endpoint("GET", "/v1/refunds", list_refunds, {**LIST_PARAMETERS, "charge": text(), "payment_intent": text()}),
    Endpoint("GET", "/v1/refunds/{refund}", retrieve_refund),
    Endpoint("POST", "/v1/refunds/{refund}", update_refund, {"metadata": metadata()}),
)
