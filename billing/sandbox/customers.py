"""Customers: create, retrieve, update, list."""

from collections.abc import Mapping

from billing.sandbox.calls import Answer, Call, Endpoint, copy_given
from billing.sandbox.errors import JsonObject
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
    texts,
    unsettable,
)

_PLAIN = ("address", "description", "email", "name", "phone", "preferred_locales", "tax_exempt")

_ACCEPTS: Mapping[str, Check] = {
    "address": unsettable(address()),
    "description": unsettable(text()),
    "email": unsettable(text(512)),
    "metadata": metadata(),
    "name": unsettable(text(256)),
    "phone": unsettable(text(20)),
    "preferred_locales": texts(),
    "tax": fields(ip_address=unsettable(text()), validate_location=choice("deferred", "immediately")),
    "tax_exempt": unsettable(choice("none", "exempt", "reverse")),
}


def create_customer(call: Call) -> Answer:
    """POST /v1/customers."""
    customer: JsonObject = {
        "id": new_identifier("cus_", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": new_identifier("", 8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merged_metadata({}, call.given.get("metadata", {})),
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    copy_given(customer, call.given, _PLAIN)
    call.objects.put(customer)
    record_event(call, "customer.created", customer)
    return Answer(customer)


def retrieve_customer(call: Call) -> Answer:
    """GET /v1/customers/{customer}; of a deleted one, that it was there."""
    if call.objects.find(call.target, "deleted_customer"):
        return Answer(_deleted(call.target))
    return Answer(call.objects.get("customer", call.target))


def update_customer(call: Call) -> Answer:
    """POST /v1/customers/{customer}."""
    customer = call.objects.get("customer", call.target)
    before = dict(customer)
    copy_given(customer, call.given, _PLAIN)
    if "metadata" in call.given:
        customer["metadata"] = merged_metadata(customer["metadata"], call.given["metadata"])
    call.objects.put(customer)
    record_event(call, "customer.updated", customer, previously=changes(before, customer))
    return Answer(customer)


def delete_customer(call: Call) -> Answer:
    """DELETE /v1/customers/{customer}: for good; what it paid stays."""
    customer = call.objects.get("customer", call.target)
    call.objects.remove(call.target)
    call.objects.put({"id": call.target, "object": "deleted_customer", "created": customer["created"]})
    record_event(call, "customer.deleted", customer)
    return Answer(_deleted(call.target))


def _deleted(identifier: str) -> JsonObject:
    return {"id": identifier, "object": "customer", "deleted": True}


def list_customers(call: Call) -> Answer:
    """GET /v1/customers, by e-mail address and time."""
    return list_objects(call, "customer", url="/v1/customers", email=call.given.get("email"))


ENDPOINTS = (
    Endpoint("POST", "/v1/customers", create_customer, _ACCEPTS),
    Endpoint("GET", "/v1/customers", list_customers, {**LIST_PARAMETERS, "email": text(512)}),
    Endpoint("GET", "/v1/customers/{customer}", retrieve_customer),
    Endpoint("DELETE", "/v1/customers/{customer}", delete_customer),
    Endpoint("POST", "/v1/customers/{customer}", update_customer, _ACCEPTS),
)
