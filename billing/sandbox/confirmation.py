"""Confirming an intent: the test card pays, is declined, or asks for 3-D Secure first."""

from collections.abc import Mapping, Sequence

from billing.sandbox.calls import Answer, Call, copy_given
from billing.sandbox.charges import charge_intent, decline_message
from billing.sandbox.errors import (
    JsonObject,
    StripeRefusal,
    documentation_of,
    error_body,
    missing_parameter,
)
from billing.sandbox.events import record_event
from billing.sandbox.intent_answers import answer_intent, visible_intent
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import Check, text, truth
from billing.sandbox.payment_methods import behaviour_of, take_payment_method

CONFIRMATION_PARAMETERS: Mapping[str, Check] = {
    "error_on_requires_action": truth(),
    "off_session": truth(),
    "return_url": text(),
    "use_stripe_sdk": truth(),
}
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def confirm_intent(call: Call, intent: JsonObject) -> Answer:
    """Try to pay. A decline is an answer of its own (402) whose traces stay: failed charge, events, last error."""
    given = call.given
    if intent["status"] not in _CONFIRMABLE:
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it has a status of",
            _CONFIRMABLE,
            seen=visible_intent(call, intent),
        )
    _check_return_url(call, intent)
    copy_given(intent, given, ("capture_method", "receipt_email", "setup_future_usage"))
    name = given.get("payment_method") or intent["payment_method"]
    if name is None:
        raise StripeRefusal(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either"
            " update the PaymentIntent with a payment method and then confirm it again, or confirm it again"
            " directly with a payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
            payment_intent=visible_intent(call, intent),
        )
    method = take_payment_method(call, name)
    card = behaviour_of(method)
    if card.asks_for_authentication:
        if given.get("off_session") or given.get("error_on_requires_action"):
            return _fail(call, intent, method, code="authentication_required")
        return _ask_for_authentication(call, intent, method)
    return _charge(call, intent, method, authenticated=False)


def finish_authentication(call: Call, intent: JsonObject, *, passed: bool) -> None:
    """The customer comes from the 3-D Secure page; the intent is paid, or wants another payment method."""
    method = call.objects.get("payment_method", intent["payment_method"])
    if passed:
        _charge(call, intent, method, authenticated=True)
    else:
        _fail(call, intent, method, code="payment_intent_authentication_failure")


def unexpected_state(
    intent: JsonObject, sentence: str, allowed: Sequence[str] = (), *, seen: JsonObject | None = None
) -> StripeRefusal:
    """400: the intent's status does not allow this; the error carries the intent, so that callers learn it."""
    message = f"{sentence} {intent['status']}."
    if allowed:
        message += f" Only a PaymentIntent with one of the following statuses may do so: {', '.join(allowed)}."
    return StripeRefusal(
        message, code="payment_intent_unexpected_state", payment_intent=seen if seen is not None else intent
    )


def _check_return_url(call: Call, intent: JsonObject) -> None:
    """Stripe wants to know the way back wherever a method might lead the customer away."""
    given, automatic = call.given, intent["automatic_payment_methods"] or {}
    address = given.get("return_url")
    if address is None:
        if automatic.get("allow_redirects") == "always" and not given.get("use_stripe_sdk"):
            raise StripeRefusal(
                "This PaymentIntent is configured to accept payment methods that might redirect your customer"
                " off of your page, so you must provide a `return_url`. If you don't want to accept"
                " redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and"
                " `automatic_payment_methods[allow_redirects]` to `never`.",
                param="return_url",
            )
    elif "://" not in address or address.startswith(("javascript:", "data:")):
        raise StripeRefusal("Not a valid URL", code="url_invalid", param="return_url")


def _charge(call: Call, intent: JsonObject, method: JsonObject, *, authenticated: bool) -> Answer:
    card = behaviour_of(method)
    charge = charge_intent(call, intent, method, card, authenticated=authenticated)
    if card.decline_code is not None:
        return _fail(call, intent, method, code="card_declined", decline_code=card.decline_code, charge=charge["id"])
    intent |= {
        "amount_received": intent["amount"],
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "next_action": None,
        "payment_method": method["id"],
        "status": "succeeded",
    }
    call.objects.put(intent)
    record_event(call, "payment_intent.succeeded", intent)
    if intent["setup_future_usage"] and intent["customer"] and method["customer"] is None:
        method["customer"] = intent["customer"]
        call.objects.put(method)
        record_event(call, "payment_method.attached", method)
    return answer_intent(call, intent)


def _fail(
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
    if code == "payment_intent_authentication_failure":
        kind = "invalid_request_error"
        message = (
            "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a"
            " new PaymentMethod to attempt to fulfill this PaymentIntent again."
        )
    if code == "authentication_required":
        decline_code = "authentication_required"
        message = "Your card was declined. This transaction requires authentication."
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


def _ask_for_authentication(call: Call, intent: JsonObject, method: JsonObject) -> Answer:
    """`requires_action`: the customer is sent to the page of `three_d_secure.py` and from there back."""
    if "return_url" not in call.given:
        raise missing_parameter("return_url")
    authentication = call.objects.put(
        {
            "id": new_identifier("auth_"),
            "object": "authentication",
            "created": call.now,
            "payment_intent": intent["id"],
            "return_url": call.given["return_url"],
            "passed": None,
        }
    )
    intent |= {
        "payment_method": method["id"],
        "status": "requires_action",
        "next_action": {
            "type": "redirect_to_url",
            "redirect_to_url": {
                "return_url": call.given["return_url"],
                "url": f"{call.origin}/3d_secure/{authentication['id']}",
            },
        },
    }
    call.objects.put(intent)
    record_event(call, "payment_intent.requires_action", intent)
    return answer_intent(call, intent)
