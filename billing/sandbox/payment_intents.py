"""PaymentIntents: create, retrieve, update, cancel, list; confirming one is in `confirmation.py`."""

import hmac
from collections.abc import Mapping

from billing.sandbox.calls import Answer, Call, Endpoint, copy_given
from billing.sandbox.captures import capture_intent, let_go
from billing.sandbox.confirmation import CONFIRMATION_PARAMETERS, confirm_intent, unexpected_state
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_parameter
from billing.sandbox.events import record_event
from billing.sandbox.intent_answers import answer_intent
from billing.sandbox.intent_methods import choose_methods, usable_types
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import (
    Check,
    address,
    choice,
    fields,
    merged_metadata,
    metadata,
    text,
    texts,
    truth,
    unsettable,
    whole_number,
)
from billing.sandbox.payment_methods import take_payment_method

_SMALLEST = {"eur": (50, "€0.50"), "usd": (50, "$0.50"), "chf": (50, "CHF 0.50"), "gbp": (30, "£0.30")}
"""Currencies of the sandbox, each with the least that can be charged (minor units, and as Stripe writes it)."""
_LARGEST = 99_999_999

_PLAIN = (
    "description",
    "excluded_payment_method_types",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)

_UPDATE: Mapping[str, Check] = {
    "amount": whole_number(at_least=1),
    "capture_method": choice("automatic", "automatic_async", "manual"),
    "currency": text(),
    "customer": text(),
    "description": unsettable(text(1000)),
    "excluded_payment_method_types": unsettable(texts()),
    "metadata": metadata(),
    "payment_method": text(),
    "receipt_email": unsettable(text(512)),
    "setup_future_usage": unsettable(choice("off_session", "on_session")),
    "shipping": unsettable(
        fields(address=address(), carrier=text(), name=text(), phone=text(), tracking_number=text())
    ),
    "statement_descriptor": text(22),
    "statement_descriptor_suffix": text(22),
    "transfer_group": text(),
}
_CREATE: Mapping[str, Check] = {
    **_UPDATE,
    "automatic_payment_methods": fields(allow_redirects=choice("always", "never"), enabled=truth()),
    "confirm": truth(),
    "confirmation_method": choice("automatic", "manual"),
    "payment_method_types": texts(),
    **CONFIRMATION_PARAMETERS,
}
_BEFORE_CONFIRMATION = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE = (*_BEFORE_CONFIRMATION, "requires_capture")
_MONEY = ("amount", "currency", "customer", "capture_method", "setup_future_usage")


def create_intent(call: Call) -> Answer:
    """POST /v1/payment_intents, confirmed at once with `confirm=true`."""
    given = call.given
    for name in ("amount", "currency"):
        if name not in given:
            raise missing_parameter(name)
    currency = _checked_money(given["amount"], given["currency"])
    if "customer" in given:
        call.objects.get("customer", given["customer"], param="customer")
    intent = _new_intent(call, amount=given["amount"], currency=currency)
    copy_given(intent, given, (*_PLAIN, "capture_method", "confirmation_method", "customer"))
    if not given.get("confirm"):
        if "payment_method" in given:
            intent["payment_method"] = take_payment_method(call, given["payment_method"])["id"]
            intent["status"] = "requires_confirmation"
        call.objects.put(intent)
        record_event(call, "payment_intent.created", intent)
        return Answer(intent)
    if not given.keys() & {"payment_method", "payment_method_data", "confirmation_token"}:
        raise missing_parameter("payment_method")
    call.objects.put(intent)
    record_event(call, "payment_intent.created", intent)
    return confirm_intent(call, intent)


def _new_intent(call: Call, *, amount: int, currency: str) -> JsonObject:
    identifier = new_identifier("pi_3")
    automatic, types = choose_methods(call, currency=currency)
    return {
        "id": identifier,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": new_identifier(f"{identifier}_secret_", 25),
        "confirmation_method": "automatic",
        "created": call.now,
        "currency": currency,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merged_metadata({}, call.given.get("metadata", {})),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": types,
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def _checked_money(amount: int, currency: str) -> str:
    """The currency in lower case; 400 on one that is not known and on too little or too much money."""
    code = currency.lower()
    if code not in _SMALLEST:
        raise StripeRefusal(f"Invalid currency: {code}. This sandbox knows {', '.join(_SMALLEST)}.", param="currency")
    smallest, written = _SMALLEST[code]
    if amount < smallest:
        raise StripeRefusal(f"Amount must be at least {written} {code}", code="amount_too_small", param="amount")
    if amount > _LARGEST:
        raise StripeRefusal(f"Amount must be no more than 999999.99 {code}", code="amount_too_large", param="amount")
    return code


def retrieve_intent(call: Call) -> Answer:
    """GET /v1/payment_intents/{intent}; a customer's browser gets what concerns it."""
    intent = call.objects.get("payment_intent", call.target)
    secret = call.given.get("client_secret")
    if secret is not None and not call.by_customer:
        _check_client_secret(intent, secret)
    return answer_intent(call, intent)


def update_intent(call: Call) -> Answer:
    """POST /v1/payment_intents/{intent}; what decides about the money only before it is paid or canceled."""
    given = call.given
    intent = call.objects.get("payment_intent", call.target)
    if intent["status"] not in _BEFORE_CONFIRMATION:
        for name in (*_MONEY, "payment_method"):
            if name in given:
                raise unexpected_state(
                    intent, f"This PaymentIntent's {name} could not be updated because it has a status of"
                )
    if "amount" in given or "currency" in given:
        intent["amount"] = given.get("amount", intent["amount"])
        currency = given["currency"] if "currency" in given else intent["currency"]
        intent["currency"] = _checked_money(intent["amount"], currency)
    if "customer" in given:
        call.objects.get("customer", given["customer"], param="customer")
    copy_given(intent, given, (*_PLAIN, "capture_method", "customer"))
    if intent["automatic_payment_methods"]:
        intent["payment_method_types"] = usable_types(intent["currency"], intent["excluded_payment_method_types"] or ())
    if "metadata" in given:
        intent["metadata"] = merged_metadata(intent["metadata"], given["metadata"])
    if "payment_method" in given:
        intent["payment_method"] = take_payment_method(call, given["payment_method"])["id"]
        intent["status"], intent["next_action"] = "requires_confirmation", None
    return Answer(call.objects.put(intent))


def confirm(call: Call) -> Answer:
    """POST /v1/payment_intents/{intent}/confirm, by the server or by the customer."""
    intent = call.objects.get("payment_intent", call.target)
    secret = call.given.get("client_secret")
    if secret is not None and not call.by_customer:
        _check_client_secret(intent, secret)
    return confirm_intent(call, intent)


def cancel_intent(call: Call) -> Answer:
    """POST /v1/payment_intents/{intent}/cancel; refused once the money has moved."""
    intent = call.objects.get("payment_intent", call.target)
    if intent["status"] not in _CANCELABLE:
        raise unexpected_state(intent, "You cannot cancel this PaymentIntent because it has a status of", _CANCELABLE)
    if intent["status"] == "requires_capture":
        let_go(call, intent)
    intent |= {
        "status": "canceled",
        "canceled_at": call.now,
        "cancellation_reason": call.given.get("cancellation_reason"),
        "next_action": None,
    }
    call.objects.put(intent)
    record_event(call, "payment_intent.canceled", intent)
    return Answer(intent)


def list_intents(call: Call) -> Answer:
    """GET /v1/payment_intents, by customer and time."""
    return list_objects(call, "payment_intent", url="/v1/payment_intents", customer=call.given.get("customer"))


def _check_client_secret(intent: JsonObject, secret: str) -> None:
    if not hmac.compare_digest(secret.encode(), intent["client_secret"].encode()):
        raise StripeRefusal(
            "The client_secret provided does not match any associated PaymentIntent on this account.",
            code="payment_intent_invalid_parameter",
            param="client_secret",
        )


ENDPOINTS = (
    Endpoint("POST", "/v1/payment_intents", create_intent, _CREATE),
    Endpoint("GET", "/v1/payment_intents", list_intents, {**LIST_PARAMETERS, "customer": text()}),
    Endpoint(
        "GET",
        "/v1/payment_intents/{intent}",
        retrieve_intent,
        {"client_secret": text()},
        for_customers=True,
    ),
    Endpoint("POST", "/v1/payment_intents/{intent}", update_intent, _UPDATE),
    Endpoint(
        "POST",
        "/v1/payment_intents/{intent}/confirm",
        confirm,
        {
            **CONFIRMATION_PARAMETERS,
            "capture_method": _UPDATE["capture_method"],
            "client_secret": text(),
            "receipt_email": _UPDATE["receipt_email"],
            "setup_future_usage": _UPDATE["setup_future_usage"],
        },
        for_customers=True,
    ),
    Endpoint(
        "POST", "/v1/payment_intents/{intent}/capture", capture_intent, {"amount_to_capture": whole_number(at_least=1)}
    ),
    Endpoint(
        "POST",
        "/v1/payment_intents/{intent}/cancel",
        cancel_intent,
        {"cancellation_reason": choice("abandoned", "duplicate", "fraudulent", "requested_by_customer")},
    ),
)
