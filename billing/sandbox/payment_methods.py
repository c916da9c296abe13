"""PaymentMethod objects, made by paying with a test method; create, retrieve, update, list, attach, detach."""

from collections.abc import Mapping

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_object, missing_parameter
from billing.sandbox.events import changes, record_event
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
    unsettable,
    whole_number,
)
from billing.sandbox.test_methods import METHODS, TestMethod

_EXPIRY_MONTH, _EXPIRY_YEAR = 12, 2034
_LIST_PARAMETERS = {name: check for name, check in LIST_PARAMETERS.items() if name != "created"}

_BILLING_DETAILS = fields(
    address=unsettable(address()),
    email=unsettable(text(512)),
    name=unsettable(text()),
    phone=unsettable(text()),
)
METHOD_DATA: Mapping[str, Check] = {
    "allow_redisplay": choice("always", "limited", "unspecified"),
    "billing_details": _BILLING_DETAILS,
    "metadata": metadata(),
    "sepa_debit": fields(iban=text(34)),
    "type": choice("card", "sepa_debit"),
}
"""What a method can be made from: an account by its IBAN. Cards are named, never described."""


def take_payment_method(call: Call, name: str, *, param: str = "payment_method") -> JsonObject:
    """The stored method of this id; the name of a test card makes a new one. 400 on anything else."""
    test_method = METHODS.get(name)
    if test_method is not None and test_method.kind == "card":
        return call.objects.put(_new_method(test_method, at=call.now))
    method = call.objects.find(name, "payment_method")
    if method is None:
        raise missing_object("payment_method", name, param=param, status=400)
    return method


def make_payment_method(call: Call, given: JsonObject, *, prefix: str = "") -> JsonObject:
    """A bank account from what is given of it: one of Stripe's test IBANs, a name and an e-mail address; else 400."""
    kind = given.get("type")
    if kind is None:
        raise missing_parameter(f"{prefix}[type]" if prefix else "type")
    if kind == "card":
        raise StripeRefusal(
            "This sandbox takes no card data; name a test card such as pm_card_visa instead.", param=kind
        )
    iban = given.get("sepa_debit", {}).get("iban", "").replace(" ", "").upper()
    test_method = METHODS.get(iban)
    if test_method is None:
        raise StripeRefusal(
            "The IBAN you provided is invalid.", code="invalid_bank_account_iban", param="sepa_debit[iban]"
        )
    method = _new_method(test_method, at=call.now)
    method["billing_details"] |= given.get("billing_details", {})
    for name in ("email", "name"):
        if not method["billing_details"][name]:
            raise missing_parameter(f"billing_details[{name}]")
    method["metadata"] = merged_metadata({}, given.get("metadata", {}))
    method["allow_redisplay"] = given.get("allow_redisplay", "unspecified")
    return call.objects.put(method)


def _new_method(test_method: TestMethod, *, at: int) -> JsonObject:
    return {
        "id": new_identifier("pm_1"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": no_billing_details(),
        "created": at,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": test_method.kind,
        test_method.kind: _card(test_method) if test_method.kind == "card" else _account(test_method),
    }


def _card(card: TestMethod) -> JsonObject:
    return {
        "brand": card.brand,
        "checks": passed_checks(),
        "country": "DE",
        "display_brand": {"amex": "american_express"}.get(card.brand, card.brand),
        "exp_month": _EXPIRY_MONTH,
        "exp_year": _EXPIRY_YEAR,
        "fingerprint": card.fingerprint,
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _account(account: TestMethod) -> JsonObject:
    """German IBANs have a bank code of eight digits, Austrian ones of five."""
    country = account.name[:2]
    return {
        "bank_code": account.name[4 : 12 if country == "DE" else 9],
        "branch_code": "",
        "country": country,
        "fingerprint": account.fingerprint,
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": account.last4,
    }


def no_billing_details() -> JsonObject:
    """Nothing is known of who pays."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}


def passed_checks() -> JsonObject:
    """The card checks of a test card."""
    return {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def keep_for(call: Call, method: JsonObject, customer: str) -> None:
    """The method belongs to a customer from now on."""
    if method["customer"] is None:
        method["customer"] = customer
        call.objects.put(method)
        record_event(call, "payment_method.attached", method)


def create_payment_method(call: Call) -> Answer:
    """POST /v1/payment_methods: a bank account."""
    return Answer(make_payment_method(call, call.given))


def retrieve_payment_method(call: Call) -> Answer:
    """GET /v1/payment_methods/{payment_method}; the name of a test card is one, too."""
    return Answer(_by_name_or_id(call))


def update_payment_method(call: Call) -> Answer:
    """POST /v1/payment_methods/{payment_method}: only of one that belongs to a customer."""
    method = call.objects.get("payment_method", call.target)
    if method["customer"] is None:
        raise StripeRefusal("You must save this PaymentMethod to a customer before you can update it.")
    before = dict(method)
    method["billing_details"] = {**method["billing_details"], **call.given.get("billing_details", {})}
    if "card" in call.given:
        method["card"] = {**method["card"], **call.given["card"]}
    if "allow_redisplay" in call.given:
        method["allow_redisplay"] = call.given["allow_redisplay"]
    if "metadata" in call.given:
        method["metadata"] = merged_metadata(method["metadata"], call.given["metadata"])
    call.objects.put(method)
    record_event(call, "payment_method.updated", method, previously=changes(before, method))
    return Answer(method)


def attach_payment_method(call: Call) -> Answer:
    """POST /v1/payment_methods/{payment_method}/attach: to one customer and for good."""
    if "customer" not in call.given:
        raise missing_parameter("customer")
    customer = call.objects.get("customer", call.given["customer"], param="customer")
    method = _by_name_or_id(call)
    if method["customer"] not in (None, customer["id"]):
        raise StripeRefusal(
            "The payment method you provided has already been attached to a customer.", param="payment_method"
        )
    keep_for(call, method, customer["id"])
    return Answer(method)


def detach_payment_method(call: Call) -> Answer:
    """POST /v1/payment_methods/{payment_method}/detach: it can never be used again."""
    method = call.objects.get("payment_method", call.target)
    customer = method["customer"]
    if customer is None:
        raise StripeRefusal(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    method["customer"] = None
    call.objects.put(method)
    record_event(call, "payment_method.detached", method, previously={"customer": customer})
    return Answer(method)


def list_payment_methods(call: Call) -> Answer:
    """GET /v1/payment_methods, by customer and type."""
    return _list(call, "/v1/payment_methods", customer=call.given.get("customer"))


def list_of_customer(call: Call) -> Answer:
    """GET /v1/customers/{customer}/payment_methods: what was kept for later use."""
    call.objects.get("customer", call.target)
    return _list(call, f"/v1/customers/{call.target}/payment_methods", customer=call.target)


def _list(call: Call, url: str, *, customer: str | None) -> Answer:
    return list_objects(call, "payment_method", url=url, customer=customer, type=call.given.get("type"))


def _by_name_or_id(call: Call) -> JsonObject:
    if call.target in METHODS:
        return take_payment_method(call, call.target)
    return call.objects.get("payment_method", call.target)


ENDPOINTS = (
    Endpoint("POST", "/v1/payment_methods", create_payment_method, METHOD_DATA),
    Endpoint(
        "GET", "/v1/payment_methods", list_payment_methods, {**_LIST_PARAMETERS, "customer": text(), "type": text()}
    ),
    Endpoint("GET", "/v1/payment_methods/{payment_method}", retrieve_payment_method),
    Endpoint(
        "POST",
        "/v1/payment_methods/{payment_method}",
        update_payment_method,
        {
            "allow_redisplay": METHOD_DATA["allow_redisplay"],
            "billing_details": _BILLING_DETAILS,
            "card": fields(exp_month=whole_number(at_least=1, at_most=12), exp_year=whole_number(at_least=2000)),
            "metadata": metadata(),
        },
    ),
    Endpoint("POST", "/v1/payment_methods/{payment_method}/attach", attach_payment_method, {"customer": text()}),
    Endpoint("POST", "/v1/payment_methods/{payment_method}/detach", detach_payment_method),
    Endpoint("GET", "/v1/customers/{customer}/payment_methods", list_of_customer, {**_LIST_PARAMETERS, "type": text()}),
)
