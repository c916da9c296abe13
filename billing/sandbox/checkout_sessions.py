"""Checkout Sessions, which the store does not use: create, retrieve, update, expire, list; a control completes one."""

from collections.abc import Mapping

from billing.sandbox.calls import Answer, Call, Endpoint, copy_given
from billing.sandbox.confirmation import confirm_intent
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_parameter
from billing.sandbox.events import record_event
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import (
    Check,
    choice,
    fields,
    list_of,
    merged_metadata,
    metadata,
    text,
    whole_number,
)
from billing.sandbox.payment_intents import create_intent

_OPEN_SECONDS = 24 * 3600


def create_session(call: Call) -> Answer:
    """POST /v1/checkout/sessions in the mode `payment`, with prices named in the call."""
    given = call.given
    for name in ("mode", "line_items", "success_url"):
        if name not in given:
            raise missing_parameter(name)
    if "customer" in given:
        call.objects.get("customer", given["customer"], param="customer")
    amount, currency = _total(given["line_items"])
    identifier = new_identifier("cs_test_", 58)
    session: JsonObject = {
        "id": identifier,
        "object": "checkout.session",
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": None,
        "client_reference_id": None,
        "created": call.now,
        "currency": currency,
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": None,
        "customer_details": None,
        "customer_email": None,
        "expires_at": call.now + _OPEN_SECONDS,
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata", {})),
        "mode": "payment",
        "payment_intent": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "shipping_options": [],
        "status": "open",
        "success_url": given["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": f"https://checkout.stripe.com/c/pay/{identifier}",
    }
    copy_given(session, given, ("cancel_url", "client_reference_id", "customer", "customer_email", "expires_at"))
    call.objects.put(session)
    call.agenda.add("expire_session", identifier, due=session["expires_at"])
    return Answer(session)


def _total(items: list[JsonObject]) -> tuple[int, str]:
    prices = [item.get("price_data", {}) for item in items]
    for index, price in enumerate(prices):
        for name in ("currency", "unit_amount"):
            if name not in price:
                raise missing_parameter(f"line_items[{index}][price_data][{name}]")
    currencies = {price["currency"].lower() for price in prices}
    if len(currencies) != 1:
        raise StripeRefusal("All line items must have the same currency.", param="line_items")
    amounts = [price["unit_amount"] * item.get("quantity", 1) for item, price in zip(items, prices, strict=True)]
    return sum(amounts), currencies.pop()


def complete_session(call: Call, session: JsonObject, payment_method: str) -> JsonObject:
    """What the customer does on Stripe's page: pay; a decline leaves the session open."""
    if session["status"] != "open":
        raise StripeRefusal(f"Checkout Session {session['id']} is {session['status']}.", param="session")
    paying: JsonObject = {"amount": session["amount_total"], "currency": session["currency"]}
    if session["customer"]:
        paying["customer"] = session["customer"]
    intent = create_intent(call.with_given(paying)).body
    answer = confirm_intent(
        call.with_given({"payment_method": payment_method, "return_url": session["success_url"]}), intent
    )
    if answer.status == 200 and intent["status"] == "succeeded":
        session |= {"payment_intent": intent["id"], "payment_status": "paid", "status": "complete", "url": None}
        record_event(call, "checkout.session.completed", call.objects.put(session))
    return session


def expire_by_time(call: Call, identifier: str) -> None:
    """Nobody has paid in time."""
    session = call.objects.get("checkout.session", identifier)
    if session["status"] == "open":
        _expire(call, session)


def _expire(call: Call, session: JsonObject) -> None:
    session |= {"status": "expired", "url": None}
    record_event(call, "checkout.session.expired", call.objects.put(session))


def retrieve_session(call: Call) -> Answer:
    """GET /v1/checkout/sessions/{session}."""
    return Answer(call.objects.get("checkout.session", call.target))


def update_session(call: Call) -> Answer:
    """POST /v1/checkout/sessions/{session}: only its metadata."""
    session = call.objects.get("checkout.session", call.target)
    if "metadata" in call.given:
        session["metadata"] = merged_metadata(session["metadata"], call.given["metadata"])
    return Answer(call.objects.put(session))


def expire_session(call: Call) -> Answer:
    """POST /v1/checkout/sessions/{session}/expire, while it is open."""
    session = call.objects.get("checkout.session", call.target)
    if session["status"] != "open":
        raise StripeRefusal(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.'
        )
    _expire(call, session)
    return Answer(session)


def list_sessions(call: Call) -> Answer:
    """GET /v1/checkout/sessions, by customer, intent, status and time."""
    filters = {name: call.given.get(name) for name in ("customer", "payment_intent", "status")}
    return list_objects(call, "checkout.session", url="/v1/checkout/sessions", **filters)


_ITEM = fields(
    price_data=fields(
        currency=text(), product_data=fields(description=text(), name=text()), unit_amount=whole_number(at_least=0)
    ),
    quantity=whole_number(at_least=1),
)
_CREATE: Mapping[str, Check] = {
    "cancel_url": text(),
    "client_reference_id": text(200),
    "customer": text(),
    "customer_email": text(512),
    "expires_at": whole_number(),
    "line_items": list_of(_ITEM),
    "locale": text(),
    "metadata": metadata(),
    "mode": choice("payment"),
    "success_url": text(),
}

ENDPOINTS = (
    Endpoint("POST", "/v1/checkout/sessions", create_session, _CREATE),
    Endpoint(
        "GET",
        "/v1/checkout/sessions",
        list_sessions,
        {
            **LIST_PARAMETERS,
            "customer": text(),
            "payment_intent": text(),
            "status": choice("complete", "expired", "open"),
        },
    ),
    Endpoint("GET", "/v1/checkout/sessions/{session}", retrieve_session),
    Endpoint("POST", "/v1/checkout/sessions/{session}", update_session, {"metadata": metadata()}),
    Endpoint("POST", "/v1/checkout/sessions/{session}/expire", expire_session),
)
