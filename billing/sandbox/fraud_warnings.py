"""Early fraud warnings: the bank tells that its customer knows nothing of a payment; retrieve and list."""

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject, StripeRefusal
from billing.sandbox.events import record_event
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import Page, new_identifier
from billing.sandbox.parameters import text

_KIND = "radar.early_fraud_warning"


def warn_by_method(call: Call, charge_id: str) -> None:
    """What the warning test method does some time after it has paid."""
    warn_of_fraud(call, call.objects.get("charge", charge_id))


def warn_of_fraud(call: Call, charge: JsonObject) -> JsonObject:
    """A warning about a charge; actionable unless it is given back or disputed already."""
    if charge["status"] != "succeeded":
        raise StripeRefusal(f"Charge {charge['id']} was not paid.", param="charge")
    warning = call.objects.put(
        {
            "id": new_identifier("issfr_1"),
            "object": _KIND,
            "actionable": not (charge["refunded"] or charge["disputed"]),
            "charge": charge["id"],
            "created": call.now,
            "fraud_type": "unauthorized_use_of_card",
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    record_event(call, "radar.early_fraud_warning.created", warning)
    return warning


def disarm_warnings(call: Call, charge: JsonObject) -> None:
    """The charge is given back or disputed: there is nothing left to do about its warnings."""
    warnings, _ = call.objects.list(_KIND, Page(filters={"charge": charge["id"]}))
    for warning in warnings:
        if warning["actionable"]:
            call.objects.put({**warning, "actionable": False})
            record_event(
                call,
                "radar.early_fraud_warning.updated",
                {**warning, "actionable": False},
                previously={"actionable": True},
            )


def retrieve_warning(call: Call) -> Answer:
    """GET /v1/radar/early_fraud_warnings/{early_fraud_warning}."""
    return Answer(call.objects.get(_KIND, call.target))


def list_warnings(call: Call) -> Answer:
    """GET /v1/radar/early_fraud_warnings, by charge, intent and time."""
    return list_objects(
        call,
        _KIND,
        url="/v1/radar/early_fraud_warnings",
        charge=call.given.get("charge"),
        payment_intent=call.given.get("payment_intent"),
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/radar/early_fraud_warnings",
        list_warnings,
        {**LIST_PARAMETERS, "charge": text(), "payment_intent": text()},
    ),
    Endpoint("GET", "/v1/radar/early_fraud_warnings/{early_fraud_warning}", retrieve_warning),
)
