"""The test cards, which exist by name only, and the PaymentMethod objects that paying with one makes."""

import hashlib
from dataclasses import dataclass

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject, missing_object
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import text

_EXPIRY_MONTH, _EXPIRY_YEAR = 12, 2034


@dataclass(frozen=True, slots=True)
class TestCard:
    """How one of Stripe's test payment methods behaves."""

    name: str
    """What a caller sends as `payment_method`."""
    brand: str
    last4: str
    """As Stripe publishes it for this method; no other digit of a card is known here."""
    decline_code: str | None = None
    """Why the bank declines; None: it pays."""
    asks_for_authentication: bool = False
    """The bank wants 3-D Secure first."""

    @property
    def fingerprint(self) -> str:
        """The same for every use of the card, as Stripe's is; by it a stored method finds its behaviour."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


_TEST_CARDS = (
    TestCard("pm_card_visa", "visa", "4242"),
    TestCard("pm_card_mastercard", "mastercard", "4444"),
    TestCard("pm_card_visa_chargeDeclined", "visa", "0002", decline_code="generic_decline"),
    TestCard("pm_card_chargeDeclined", "visa", "0002", decline_code="generic_decline"),
    TestCard("pm_card_chargeDeclinedInsufficientFunds", "visa", "9995", decline_code="insufficient_funds"),
    TestCard("pm_card_authenticationRequired", "visa", "3184", asks_for_authentication=True),
    TestCard("pm_card_threeDSecure2Required", "visa", "3220", asks_for_authentication=True),
)
_BY_NAME = {card.name: card for card in _TEST_CARDS}
_BY_FINGERPRINT = {card.fingerprint: card for card in _TEST_CARDS}


def take_payment_method(call: Call, name: str, *, param: str = "payment_method") -> JsonObject:
    """The stored method of this id; the name of a test card makes a new one. 400 on anything else."""
    card = _BY_NAME.get(name)
    if card is not None:
        return call.objects.put(_new_method(card, at=call.now))
    method = call.objects.find(name, "payment_method")
    if method is None:
        raise missing_object("payment_method", name, param=param, status=400)
    return method


def behaviour_of(method: JsonObject) -> TestCard:
    """Which test card a stored method is."""
    return _BY_FINGERPRINT[method["card"]["fingerprint"]]


def _new_method(card: TestCard, *, at: int) -> JsonObject:
    return {
        "id": new_identifier("pm_1"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": no_billing_details(),
        "card": {
            "brand": card.brand,
            "checks": passed_checks(),
            "country": "DE",
            "display_brand": card.brand,
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
        },
        "created": at,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def no_billing_details() -> JsonObject:
    """Nothing is known of who pays."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}


def passed_checks() -> JsonObject:
    """The card checks of a test card."""
    return {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def retrieve_payment_method(call: Call) -> Answer:
    """GET /v1/payment_methods/{payment_method}."""
    return Answer(call.objects.get("payment_method", call.target))


def list_of_customer(call: Call) -> Answer:
    """GET /v1/customers/{customer}/payment_methods: what was kept for later use."""
    call.objects.get("customer", call.target)
    return list_objects(
        call,
        "payment_method",
        url=f"/v1/customers/{call.target}/payment_methods",
        customer=call.target,
        type=call.given.get("type"),
    )


ENDPOINTS = (
    Endpoint("GET", "/v1/payment_methods/{payment_method}", retrieve_payment_method),
    Endpoint(
        "GET",
        "/v1/customers/{customer}/payment_methods",
        list_of_customer,
        {
            **{name: check for name, check in LIST_PARAMETERS.items() if name != "created"},
            "type": text(),
        },
    ),
)
