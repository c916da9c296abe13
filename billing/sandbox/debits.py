"""SEPA debits: under way for days, then paid, or refused by the customer's bank."""

from billing.sandbox.calls import Answer, Call
from billing.sandbox.charges import announce_paid, behaviour_of, charge_account, fail_charge
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_parameter
from billing.sandbox.events import record_event
from billing.sandbox.intent_answers import answer_intent
from billing.sandbox.outcomes import fail, succeed


def debit(call: Call, intent: JsonObject, method: JsonObject) -> Answer:
    """`processing`: nobody knows yet whether it will be paid. The customer must have given a mandate."""
    if "mandate_data" not in call.given:
        raise missing_parameter("mandate_data")
    charge = charge_account(call, intent, method)
    intent |= {
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "next_action": None,
        "payment_method": method["id"],
        "status": "processing",
    }
    call.objects.put(intent)
    record_event(call, "payment_intent.processing", intent)
    call.agenda.add("end_debit", intent["id"], due=call.now + call.agenda.debit_seconds)
    return answer_intent(call, intent)


def end_debit(call: Call, identifier: str) -> None:
    """The answer of the customer's bank, as the test IBAN wants it."""
    intent = call.objects.get("payment_intent", identifier)
    method = call.objects.get("payment_method", intent["payment_method"])
    answer_debit(call, intent, paid=behaviour_of(method).pays)


def answer_debit(call: Call, intent: JsonObject, *, paid: bool) -> None:
    """The customer's bank has paid, or refuses."""
    if intent["status"] != "processing":
        raise StripeRefusal(f"PaymentIntent {intent['id']} is {intent['status']}.", param="payment_intent")
    call.agenda.forget("end_debit", intent["id"])
    charge = call.objects.get("charge", intent["latest_charge"])
    method = call.objects.get("payment_method", intent["payment_method"])
    if paid:
        charge |= {"status": "succeeded", "paid": True, "amount_captured": charge["amount"]}
        record_event(call, "charge.succeeded", call.objects.put(charge))
        succeed(call, intent, charge)
        announce_paid(call, charge)
    else:
        fail_charge(charge, behaviour_of(method))
        record_event(call, "charge.failed", call.objects.put(charge))
        fail(call, intent, method, code="payment_intent_payment_attempt_failed", charge=charge["id"])
