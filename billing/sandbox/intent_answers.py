"""What of an intent is answered: all of it to the server, a public part to the customer's browser."""

from billing.sandbox.calls import Answer, Call
from billing.sandbox.errors import JsonObject

_FOR_CUSTOMERS = (
    "id",
    "object",
    "amount",
    "amount_details",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "capture_method",
    "client_secret",
    "confirmation_method",
    "created",
    "currency",
    "description",
    "last_payment_error",
    "livemode",
    "next_action",
    "payment_method",
    "payment_method_types",
    "processing",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "status",
)


def answer_intent(call: Call, intent: JsonObject) -> Answer:
    """The intent, as much of it as the caller may see (no metadata, customer or charge for browsers)."""
    return Answer(visible_intent(call, intent))


def visible_intent(call: Call, intent: JsonObject) -> JsonObject:
    """The fields for this caller."""
    return {name: intent[name] for name in _FOR_CUSTOMERS} if call.by_customer else intent
