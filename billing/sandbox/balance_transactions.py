"""Balance transactions: what moves the account at Stripe, fee and net; and the balance that they add up to."""

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import choice, text
from billing.sandbox.test_methods import BY_FINGERPRINT

DAY_SECONDS = 24 * 3600

_FEE_PER_MILLE, _FEE_FIXED = 15, 25
"""Stripe's price for European cards: 1.5 % and 25 cents."""
_FEE_OF_DEBIT = 35
"""Stripe's price for a SEPA debit."""
_AVAILABLE_AFTER_DAYS = 3

_CATEGORIES = {
    "payment": "charge",
    "payment_refund": "refund",
    "payout_cancel": "payout_reversal",
    "payout_failure": "payout_reversal",
}
"""`type` -> `reporting_category`, where the two differ."""


def book_charge(call: Call, charge: JsonObject) -> JsonObject:
    """The money of a charge with its fee (half cents are rounded up), to be put by the caller on the charge."""
    amount = charge["amount_captured"]
    if charge["payment_method_details"]["type"] != "card":
        return book(call, charge, kind="payment", amount=amount, fee=_FEE_OF_DEBIT)
    fee = (amount * _FEE_PER_MILLE + 500) // 1000 + _FEE_FIXED
    pays_at_once = BY_FINGERPRINT[charge["payment_method_details"]["card"]["fingerprint"]].pays_at_once
    available_on = call.now if pays_at_once else None
    return book(call, charge, kind="charge", amount=amount, fee=fee, available_on=available_on)


def book_refund(call: Call, refund: JsonObject, *, by_card: bool) -> JsonObject:
    """The money that a refund takes; Stripe keeps the fee of the charge."""
    return book(call, refund, kind="refund" if by_card else "payment_refund", amount=-refund["amount"])


def book_refund_failure(call: Call, refund: JsonObject) -> JsonObject:
    """The money of a refund that came back."""
    return book(call, refund, kind="refund_failure", amount=refund["amount"])


def book(
    call: Call,
    source: JsonObject,
    *,
    kind: str,
    amount: int,
    fee: int = 0,
    fee_for: str = "Stripe processing fees",
    category: str | None = None,
    available_on: int | None = None,
) -> JsonObject:
    """Move the account by `amount - fee`, from the start of the third day on or when the caller says."""
    if available_on is None:
        available_on = (call.now // DAY_SECONDS + _AVAILABLE_AFTER_DAYS) * DAY_SECONDS
    call.agenda.add("pay_out", source["currency"], due=-(-available_on // DAY_SECONDS) * DAY_SECONDS)
    details = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": fee_for,
        "type": "stripe_fee",
    }
    return call.objects.put(
        {
            "id": new_identifier("txn_3"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": available_on,
            "balance_type": "payments",
            "created": call.now,
            "currency": source["currency"],
            "description": source.get("description"),
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [details] if fee else [],
            "net": amount - fee,
            "reporting_category": category or _CATEGORIES.get(kind, kind),
            "source": source["id"],
            "status": "pending",
            "type": kind,
        }
    )


def as_of(now: int, booked: JsonObject) -> JsonObject:
    """Pending until its day has come."""
    return {**booked, "status": "available" if now >= booked["available_on"] else "pending"}


def retrieve_balance_transaction(call: Call) -> Answer:
    """GET /v1/balance_transactions/{id}."""
    return Answer(as_of(call.now, call.objects.get("balance_transaction", call.target)))


def list_balance_transactions(call: Call) -> Answer:
    """GET /v1/balance_transactions, by payout, type, source, currency and time."""
    if "payout" in call.given:
        call.objects.get("payout", call.given["payout"], param="payout")
    answer = list_objects(
        call,
        "balance_transaction",
        url="/v1/balance_transactions",
        **{name: call.given.get(name) for name in ("payout", "type", "source", "currency")},
    )
    return Answer({**answer.body, "data": [as_of(call.now, found) for found in answer.body["data"]]})


def retrieve_balance(call: Call) -> Answer:
    """GET /v1/balance."""
    sums = call.payout_items.balance(at=call.now) or [("eur", 0, 0)]
    available = [_part(currency, amount) for currency, amount, _ in sums]
    pending = [_part(currency, amount) for currency, _, amount in sums]
    return Answer({"object": "balance", "available": available, "livemode": False, "pending": pending})


def _part(currency: str, amount: int) -> JsonObject:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


ENDPOINTS = (
    Endpoint("GET", "/v1/balance", retrieve_balance),
    Endpoint("GET", "/v1/balance_transactions/{id}", retrieve_balance_transaction),
    Endpoint(
        "GET",
        "/v1/balance_transactions",
        list_balance_transactions,
        {
            **LIST_PARAMETERS,
            "currency": text(),
            "payout": text(),
            "source": text(),
            "type": choice(
                *("adjustment", "charge", "payment", "payment_failure_refund", "payment_refund", "payout"),
                *("payout_cancel", "payout_failure", "refund", "refund_failure", "stripe_fee"),
            ),
        },
    ),
)
