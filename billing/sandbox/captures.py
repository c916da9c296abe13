"""Money that is only held (`capture_method=manual`): captured whole or in part, or let go."""

from billing.sandbox.balance_transactions import book_charge
from billing.sandbox.calls import Answer, Call
from billing.sandbox.charges import announce_paid
from billing.sandbox.confirmation import unexpected_state
from billing.sandbox.errors import JsonObject, StripeRefusal
from billing.sandbox.events import record_event


def capture_intent(call: Call) -> Answer:
    """POST /v1/payment_intents/{intent}/capture; what is not captured is let go."""
    intent = call.objects.get("payment_intent", call.target)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            intent,
            "This PaymentIntent could not be captured because it has a status of",
            ("requires_capture",),
        )
    amount = call.given.get("amount_to_capture", intent["amount_capturable"])
    if amount > intent["amount_capturable"]:
        raise StripeRefusal(
            "The amount to capture is greater than what can be captured.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = call.objects.get("charge", intent["latest_charge"])
    charge |= {"captured": True, "amount_captured": amount}
    charge["balance_transaction"] = book_charge(call, charge)["id"]
    record_event(call, "charge.captured", call.objects.put(charge))
    intent |= {"amount_capturable": 0, "amount_received": amount, "status": "succeeded"}
    record_event(call, "payment_intent.succeeded", call.objects.put(intent))
    announce_paid(call, charge)
    return Answer(intent)


def let_go(call: Call, intent: JsonObject) -> None:
    """The intent is canceled: its bank need not hold the money any longer."""
    charge = call.objects.get("charge", intent["latest_charge"])
    charge |= {"amount_refunded": charge["amount"], "refunded": True}
    intent["amount_capturable"] = 0
    record_event(
        call, "charge.refunded", call.objects.put(charge), previously={"amount_refunded": 0, "refunded": False}
    )
