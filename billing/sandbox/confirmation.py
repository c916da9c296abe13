"""Confirming an intent: the method pays, is declined, asks for 3-D Secure first, or takes days."""

from collections.abc import Mapping, Sequence

from billing.sandbox.authentications import send_to_bank
from billing.sandbox.calls import Answer, Call, copy_given
from billing.sandbox.charges import behaviour_of, charge_card
from billing.sandbox.debits import debit
from billing.sandbox.errors import JsonObject, StripeRefusal
from billing.sandbox.events import record_event
from billing.sandbox.intent_answers import answer_intent, visible_intent
from billing.sandbox.outcomes import fail, succeed
from billing.sandbox.parameters import Check, choice, fields, text, truth, whole_number
from billing.sandbox.payment_methods import METHOD_DATA, make_payment_method, take_payment_method

MANDATE_DATA: Check = fields(
    customer_acceptance=fields(
        accepted_at=whole_number(),
        # The browser script leaves it to Stripe to see address and program of the customer.
        online=fields(infer_from_client=truth(), ip_address=text(), user_agent=text()),
        type=choice("offline", "online"),
    )
)
CONFIRMATION_PARAMETERS: Mapping[str, Check] = {
    "confirmation_token": text(),
    "error_on_requires_action": truth(),
    "mandate_data": MANDATE_DATA,
    "off_session": truth(),
    "payment_method": text(),
    "payment_method_data": fields(**METHOD_DATA),
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
    check_return_url(given, intent["automatic_payment_methods"])
    copy_given(intent, given, ("capture_method", "receipt_email", "setup_future_usage"))
    method = _method_to_pay_with(call, intent)
    if method["type"] not in intent["payment_method_types"]:
        raise StripeRefusal(
            f"The payment method type {method['type']} cannot be used with this PaymentIntent.",
            code="payment_intent_incompatible_payment_method",
            param="payment_method",
        )
    if method["type"] == "sepa_debit":
        return debit(call, intent, method)
    if behaviour_of(method).asks_for_authentication:
        if given.get("off_session") or given.get("error_on_requires_action"):
            return fail(call, intent, method, code="authentication_required")
        return _ask_for_authentication(call, intent, method)
    return _charge(call, intent, method, authenticated=False)


def _method_to_pay_with(call: Call, intent: JsonObject) -> JsonObject:
    given = call.given
    if "payment_method_data" in given:
        return make_payment_method(call, given["payment_method_data"], prefix="payment_method_data")
    if "confirmation_token" in given:
        token = call.objects.get("confirmation_token", given["confirmation_token"], param="confirmation_token")
        call.objects.put({**token, "payment_intent": intent["id"]})
        return take_payment_method(call, call.objects.get("token_method", f"{token['id']}_method")["payment_method"])
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
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        raise StripeRefusal(
            "The provided PaymentMethod belongs to a Customer; the PaymentIntent must name the same one.",
            param="payment_method",
        )
    return method


def finish_authentication(call: Call, intent: JsonObject, *, passed: bool) -> None:
    """The customer comes from the 3-D Secure page; the intent is paid, or wants another payment method."""
    method = call.objects.get("payment_method", intent["payment_method"])
    if passed:
        _charge(call, intent, method, authenticated=True)
    else:
        fail(call, intent, method, code="payment_intent_authentication_failure")


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


def check_return_url(given: JsonObject, automatic: JsonObject | None, *, what: str = "PaymentIntent") -> None:
    """Stripe wants to know the way back wherever a method might lead the customer away."""
    address = given.get("return_url")
    if address is None:
        if automatic and automatic["allow_redirects"] == "always" and not given.get("use_stripe_sdk"):
            raise StripeRefusal(
                f"This {what} is configured to accept payment methods that might redirect your customer"
                " off of your page, so you must provide a `return_url`. If you don't want to accept"
                " redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and"
                " `automatic_payment_methods[allow_redirects]` to `never`.",
                param="return_url",
            )
    elif "://" not in address or address.startswith(("javascript:", "data:")):
        raise StripeRefusal("Not a valid URL", code="url_invalid", param="return_url")


def _charge(call: Call, intent: JsonObject, method: JsonObject, *, authenticated: bool) -> Answer:
    charge = charge_card(call, intent, method, authenticated=authenticated)
    if charge["status"] == "succeeded":
        return succeed(call, intent, charge)
    card = behaviour_of(method)
    return fail(call, intent, method, code=card.error_code, decline_code=card.decline_code, charge=charge["id"])


def _ask_for_authentication(call: Call, intent: JsonObject, method: JsonObject) -> Answer:
    """`requires_action`: the customer is sent to the page of `three_d_secure.py` and from there back."""
    send_to_bank(call, intent, method)
    record_event(call, "payment_intent.requires_action", intent)
    return answer_intent(call, intent)
