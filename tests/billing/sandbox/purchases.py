"""Factories: an intent, a paid one, and the events that tell of it."""

from typing import Any

import stripe

RETURN = "https://videothek.example/de/orders/1"


def an_intent(api: stripe.StripeClient, **more: Any) -> stripe.PaymentIntent:
    """An open intent over 11.99 EUR."""
    return api.v1.payment_intents.create(
        {"amount": 1199, "currency": "eur", "automatic_payment_methods": {"enabled": True}, **more}
    )


def paid(api: stripe.StripeClient, intent: stripe.PaymentIntent, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    """The intent after it was confirmed with a test card."""
    return api.v1.payment_intents.confirm(intent.id, {"payment_method": method, "return_url": RETURN})


def event_types(api: stripe.StripeClient, about: str) -> list[str]:
    """Types of the latest events about an object or with it as their intent, oldest first."""
    events = api.v1.events.list({"limit": 100}).data
    subjects = [(event.type, event.data.object) for event in reversed(events)]
    return [kind for kind, subject in subjects if about in (subject["id"], subject.to_dict().get("payment_intent"))]
