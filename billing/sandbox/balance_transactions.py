"""Balance transactions: what a charge or a refund changes on the account at Stripe, fee and net."""

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import choice, text

_FEE_PER_MILLE, _FEE_FIXED = 15, 25
"""Stripe's price for European cards: 1.5 % and 25 cents."""
_AVAILABLE_AFTER_SECONDS = 3 * 24 * 3600


def book_charge(call: Call, charge: JsonObject) -> JsonObject:
    """The money of a charge with its fee (half cents are rounded up), to be put by the caller on the charge."""
    fee = (charge["amount"] * _FEE_PER_MILLE + 500) // 1000 + _FEE_FIXED
    return _book(call, charge, kind="charge", amount=charge["amount"], fee=fee)


def book_refund(call: Call, refund: JsonObject) -> JsonObject:
    """The money that a refund takes; Stripe keeps the fee of the charge."""
    return _book(call, refund, kind="refund", amount=-refund["amount"], fee=0)


def _book(call: Call, source: JsonObject, *, kind: str, amount: int, fee: int) -> JsonObject:
    details = [
        {
            "amount": fee,
            "application": None,
            "currency": source["currency"],
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    return call.objects.put(
        {
            "id": new_identifier("txn_3"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": call.now + _AVAILABLE_AFTER_SECONDS,
            "balance_type": "payments",
            "created": call.now,
            "currency": source["currency"],
            "description": source.get("description"),
            "exchange_rate": None,
            "fee": fee,
            "fee_details": details if fee else [],
            "net": amount - fee,
            "reporting_category": kind,
            "source": source["id"],
            "status": "pending",
            "type": kind,
        }
    )


def retrieve_balance_transaction(call: Call) -> Answer:
    """GET /v1/balance_transactions/{id}."""
    return Answer(_as_of(call.now, call.objects.get("balance_transaction", call.target)))


def list_balance_transactions(call: Call) -> Answer:
    """GET /v1/balance_transactions, by type, source, currency and time."""
    answer = list_objects(
        call,
        "balance_transaction",
        url="/v1/balance_transactions",
        **{name: call.given.get(name) for name in ("type", "source", "currency")},
    )
    return Answer({**answer.body, "data": [_as_of(call.now, found) for found in answer.body["data"]]})


def _as_of(now: int, booked: JsonObject) -> JsonObject:
    """Pending until its day has come."""
    return {**booked, "status": "available" if now >= booked["available_on"] else "pending"}


ENDPOINTS = (
    Endpoint("GET", "/v1/balance_transactions/{id}", retrieve_balance_transaction),
    Endpoint(
        "GET",
        "/v1/balance_transactions",
        list_balance_transactions,
        {
            **LIST_PARAMETERS,
            "type": choice("charge", "refund"),
            "source": text(),
            "currency": text(),
        },
    ),
)
