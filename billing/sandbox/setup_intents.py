"""SetupIntents: a method is kept for later without paying; create, confirm, update, cancel, retrieve, list."""

import hmac
from collections.abc import Mapping

from billing.sandbox.authentications import send_to_bank
from billing.sandbox.calls import Answer, Call, Endpoint, copy_given
from billing.sandbox.charges import behaviour_of, decline_message
from billing.sandbox.confirmation import MANDATE_DATA, check_return_url
from billing.sandbox.errors import JsonObject, StripeRefusal, documentation_of, error_body, missing_parameter
from billing.sandbox.events import record_event
from billing.sandbox.intent_methods import choose_methods
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import (
    Check,
    choice,
    fields,
    merged_metadata,
    metadata,
    text,
    texts,
    truth,
)
from billing.sandbox.payment_methods import METHOD_DATA, keep_for, make_payment_method, take_payment_method

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_FOR_CUSTOMERS = (
    *("id", "object", "automatic_payment_methods", "cancellation_reason", "client_secret", "created", "description"),
    *("last_setup_error", "livemode", "next_action", "payment_method", "payment_method_types", "status", "usage"),
)

_CONFIRM: Mapping[str, Check] = {
    "mandate_data": MANDATE_DATA,
    "payment_method": text(),
    "payment_method_data": fields(**METHOD_DATA),
    "return_url": text(),
    "use_stripe_sdk": truth(),
}
_CREATE: Mapping[str, Check] = {
    **_CONFIRM,
    "automatic_payment_methods": fields(allow_redirects=choice("always", "never"), enabled=truth()),
    "confirm": truth(),
    "customer": text(),
    "description": text(1000),
    "excluded_payment_method_types": texts(),
    "metadata": metadata(),
    "payment_method_types": texts(),
    "usage": choice("off_session", "on_session"),
}


def create_setup_intent(call: Call) -> Answer:
    """POST /v1/setup_intents, confirmed at once with `confirm=true`."""
    given = call.given
    if "customer" in given:
        call.objects.get("customer", given["customer"], param="customer")
    automatic, types = choose_methods(call, currency=None)
    identifier = new_identifier("seti_1")
    intent: JsonObject = {
        "id": identifier,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": automatic,
        "cancellation_reason": None,
        "client_secret": new_identifier(f"{identifier}_secret_", 25),
        "created": call.now,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merged_metadata({}, given.get("metadata", {})),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": types,
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
    }
    copy_given(intent, given, ("customer", "description", "excluded_payment_method_types", "usage"))
    if not given.get("confirm"):
        _take_method(call, intent)
        record_event(call, "setup_intent.created", call.objects.put(intent))
        return Answer(intent)
    record_event(call, "setup_intent.created", call.objects.put(intent))
    return _confirm(call, intent)


def _take_method(call: Call, intent: JsonObject) -> JsonObject | None:
    """The method that is given, else the one that the intent has."""
    if "payment_method_data" in call.given:
        method = make_payment_method(call, call.given["payment_method_data"], prefix="payment_method_data")
    else:
        name = call.given.get("payment_method") or intent["payment_method"]
        if name is None:
            return None
        method = take_payment_method(call, name)
    intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    return method


def _confirm(call: Call, intent: JsonObject) -> Answer:
    if intent["status"] not in _OPEN:
        raise _unexpected_state(intent)
    check_return_url(call.given, intent["automatic_payment_methods"], what="SetupIntent")
    method = _take_method(call, intent)
    if method is None:
        raise missing_parameter("payment_method")
    test_method = behaviour_of(method)
    if test_method.kind == "card" and test_method.decline_code is not None:
        return _fail(call, intent, method, code=test_method.error_code, decline_code=test_method.decline_code)
    if test_method.kind == "sepa_debit" and "mandate_data" not in call.given:
        raise missing_parameter("mandate_data")
    if test_method.asks_for_authentication:
        send_to_bank(call, intent, method)
        record_event(call, "setup_intent.requires_action", intent)
        return Answer(_visible(call, intent))
    return _succeed(call, intent, method)


def finish_setup_authentication(call: Call, intent: JsonObject, *, passed: bool) -> None:
    """The customer comes from the 3-D Secure page."""
    method = call.objects.get("payment_method", intent["payment_method"])
    if passed:
        _succeed(call, intent, method)
    else:
        _fail(call, intent, method, code="setup_intent_authentication_failure")


def _succeed(call: Call, intent: JsonObject, method: JsonObject) -> Answer:
    intent |= {"last_setup_error": None, "next_action": None, "status": "succeeded"}
    record_event(call, "setup_intent.succeeded", call.objects.put(intent))
    if intent["customer"]:
        keep_for(call, method, intent["customer"])
    return Answer(_visible(call, intent))


def _fail(call: Call, intent: JsonObject, method: JsonObject, *, code: str, decline_code: str | None = None) -> Answer:
    kind, message = "card_error", decline_message(decline_code or code)
    if decline_code is None:
        kind, message = "invalid_request_error", "The latest attempt to set up the payment method has failed."
    error: JsonObject = {"code": code, "doc_url": documentation_of(code), "message": message, "type": kind}
    if decline_code is not None:
        error["decline_code"] = decline_code
    intent |= {
        "last_setup_error": {**error, "payment_method": method},
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    record_event(call, "setup_intent.setup_failed", call.objects.put(intent))
    body = error_body(message, kind=kind, code=code, decline_code=decline_code, setup_intent=_visible(call, intent))
    return Answer(body, status=402)


def _visible(call: Call, intent: JsonObject) -> JsonObject:
    return {name: intent[name] for name in _FOR_CUSTOMERS} if call.by_customer else intent


def _found(call: Call) -> JsonObject:
    intent = call.objects.get("setup_intent", call.target)
    secret = call.given.get("client_secret")
    if secret is not None and not hmac.compare_digest(secret.encode(), intent["client_secret"].encode()):
        raise StripeRefusal(
            "The client_secret provided does not match any associated SetupIntent on this account.",
            param="client_secret",
        )
    return intent


def retrieve_setup_intent(call: Call) -> Answer:
    """GET /v1/setup_intents/{intent}."""
    return Answer(_visible(call, _found(call)))


def update_setup_intent(call: Call) -> Answer:
    """POST /v1/setup_intents/{intent}, before it is confirmed."""
    given = call.given
    intent = call.objects.get("setup_intent", call.target)
    if intent["status"] not in _OPEN and given.keys() & {"customer", "payment_method"}:
        raise _unexpected_state(intent)
    if "customer" in given:
        call.objects.get("customer", given["customer"], param="customer")
    copy_given(intent, given, ("customer", "description"))
    if "metadata" in given:
        intent["metadata"] = merged_metadata(intent["metadata"], given["metadata"])
    if "payment_method" in given:
        _take_method(call, intent)
    return Answer(call.objects.put(intent))


def confirm_setup_intent(call: Call) -> Answer:
    """POST /v1/setup_intents/{intent}/confirm, by the server or by the customer."""
    return _confirm(call, _found(call))


def cancel_setup_intent(call: Call) -> Answer:
    """POST /v1/setup_intents/{intent}/cancel."""
    intent = call.objects.get("setup_intent", call.target)
    if intent["status"] not in _OPEN:
        raise _unexpected_state(intent)
    intent |= {"cancellation_reason": call.given.get("cancellation_reason"), "next_action": None, "status": "canceled"}
    record_event(call, "setup_intent.canceled", call.objects.put(intent))
    return Answer(intent)


def list_setup_intents(call: Call) -> Answer:
    """GET /v1/setup_intents, by customer, method and time."""
    return list_objects(
        call,
        "setup_intent",
        url="/v1/setup_intents",
        customer=call.given.get("customer"),
        payment_method=call.given.get("payment_method"),
    )


def _unexpected_state(intent: JsonObject) -> StripeRefusal:
    return StripeRefusal(
        f"This SetupIntent cannot be changed because it has a status of {intent['status']}.",
        code="setup_intent_unexpected_state",
        setup_intent=intent,
    )


ENDPOINTS = (
    Endpoint("POST", "/v1/setup_intents", create_setup_intent, _CREATE),
    Endpoint(
        "GET",
        "/v1/setup_intents",
        list_setup_intents,
        {**LIST_PARAMETERS, "customer": text(), "payment_method": text()},
    ),
    Endpoint("GET", "/v1/setup_intents/{intent}", retrieve_setup_intent, {"client_secret": text()}, for_customers=True),
    Endpoint(
        "POST",
        "/v1/setup_intents/{intent}",
        update_setup_intent,
        {"customer": text(), "description": text(1000), "metadata": metadata(), "payment_method": text()},
    ),
    Endpoint(
        "POST",
        "/v1/setup_intents/{intent}/confirm",
        confirm_setup_intent,
        {**_CONFIRM, "client_secret": text()},
        for_customers=True,
    ),
    Endpoint(
        "POST",
        "/v1/setup_intents/{intent}/cancel",
        cancel_setup_intent,
        {"cancellation_reason": choice("abandoned", "duplicate", "requested_by_customer")},
    ),
)
