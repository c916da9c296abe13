"""Mandates: what a customer allowed with a debit; made with it, and read by whoever announces it."""

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject
from billing.sandbox.object_store import new_identifier


def make_mandate(call: Call, intent: JsonObject, method: JsonObject) -> JsonObject:
    """The mandate for one debit, with the reference that the customer's bank knows it by."""
    reference = new_identifier("", 16).upper()
    mandate: JsonObject = {
        "id": new_identifier("mandate_1"),
        "object": "mandate",
        "created": call.now,
        "customer_acceptance": {"accepted_at": call.now, "offline": {}, "type": "offline"},
        "livemode": False,
        "payment_method": method["id"],
        "payment_method_details": {
            "sepa_debit": {"reference": reference, "url": f"https://example.com/mandates/{reference}"},
            "type": "sepa_debit",
        },
        "single_use": {"amount": intent["amount"], "currency": intent["currency"]},
        "status": "active",
        "type": "single_use",
    }
    call.objects.put(mandate)
    return mandate


def retrieve_mandate(call: Call) -> Answer:
    """GET /v1/mandates/{mandate}; when it was made is told by none of its fields."""
    mandate = dict(call.objects.get("mandate", call.target))
    del mandate["created"]
    return Answer(mandate)


ENDPOINTS = (Endpoint("GET", "/v1/mandates/{mandate}", retrieve_mandate),)
