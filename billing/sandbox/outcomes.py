"""How a try to pay an intent ends: paid, held, or failed with the error that the intent keeps as its last."""

from billing.sandbox.calls import Answer, Call
from billing.sandbox.charges import decline_message
from billing.sandbox.errors import JsonObject, documentation_of, error_body
from billing.sandbox.events import record_event
from billing.sandbox.intent_answers import answer_intent, visible_intent
from billing.sandbox.payment_methods import keep_for

_FAILED_LATER = "payment_intent_payment_attempt_failed"
_NOT_AUTHENTICATED = "payment_intent_authentication_failure"


def succeed(call: Call, intent: JsonObject, charge: JsonObject) -> Answer:
    """Paid: `payment_intent.succeeded`; or held until it is captured."""
    intent |= {
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "next_action": None,
        "payment_method": charge["payment_method"],
    }
    if charge["captured"]:
        intent |= {"amount_received": charge["amount_captured"], "status": "succeeded"}
    else:
        intent |= {"amount_capturable": charge["amount"], "status": "requires_capture"}
    call.objects.put(intent)
    name = "succeeded" if charge["captured"] else "amount_capturable_updated"
    record_event(call, f"payment_intent.{name}", intent)
    if intent["setup_future_usage"] and intent["customer"]:
        keep_for(call, call.objects.get("payment_method", charge["payment_method"]), intent["customer"])
    return answer_intent(call, intent)


def fail(
    call: Call,
    intent: JsonObject,
    method: JsonObject,
    *,
    code: str,
    decline_code: str | None = None,
    charge: str | None = None,
) -> Answer:
    """Not paid: the intent wants another payment method; 402 with the error that it keeps as its last."""
    kind, message = "card_error", decline_message(decline_code or code)
    if code in (_NOT_AUTHENTICATED, _FAILED_LATER):
        kind, message = "invalid_request_error", _MESSAGES[code]
    if code == "authentication_required":
        decline_code, message = code, _MESSAGES[code]
    error = {"charge": charge, "code": code, "decline_code": decline_code, "doc_url": documentation_of(code)}
    last_error: JsonObject = {name: value for name, value in error.items() if value is not None}
    last_error |= {"message": message, "payment_method": method, "type": kind}
    intent |= {
        "last_payment_error": last_error,
        "latest_charge": charge or intent["latest_charge"],
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    call.objects.put(intent)
    record_event(call, "payment_intent.payment_failed", intent)
    body = error_body(
        message,
        kind=kind,
        code=code,
        charge=charge,
        decline_code=decline_code,
        payment_intent=visible_intent(call, intent),
        payment_method=method,
    )
    return Answer(body, status=402)


_MESSAGES = {
    _NOT_AUTHENTICATED: (
        "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a"
        " new PaymentMethod to attempt to fulfill this PaymentIntent again."
    ),
    _FAILED_LATER: (
        "The latest attempt to pay this PaymentIntent has failed. You can provide payment_method_data or a"
        " new PaymentMethod to attempt to fulfill this PaymentIntent again."
    ),
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}
