"""Payouts: what is available goes to the bank account by itself, with the list of what is in it; or by a call."""

from billing.sandbox.balance_transactions import DAY_SECONDS, book
from billing.sandbox.calls import Answer, Call, Endpoint, copy_given
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_parameter
from billing.sandbox.events import record_event
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import choice, merged_metadata, metadata, moments, text, whole_number


def pay_out(call: Call, currency: str) -> None:
    """The automatic payout of a day: all that is available, if it is more than nothing."""
    create_automatic(call, currency)


def create_automatic(call: Call, currency: str) -> JsonObject | None:
    """Pay out all that is available; what is in it can be listed when it is reconciled. None: there is nothing."""
    amount = call.payout_items.open_sum(currency, at=call.now)
    if amount <= 0:
        return None
    payout = _new_payout(call, amount=amount, currency=currency, automatic=True)
    call.payout_items.collect(payout["id"], currency, at=call.now)
    _book_and_announce(call, payout)
    call.payout_items.add(payout["id"], payout["balance_transaction"])
    call.agenda.add_soon("reconcile_payout", payout["id"], at=call.now)
    return payout


def reconcile_payout(call: Call, identifier: str) -> None:
    """Stripe knows for certain what is in an automatic payout: `payout.reconciliation_completed`."""
    payout = call.objects.get("payout", identifier)
    payout["reconciliation_status"] = "completed"
    call.objects.put(payout)
    record_event(call, "payout.reconciliation_completed", payout)


def report_payout_paid(call: Call, identifier: str) -> None:
    """The money has reached the bank account."""
    payout = call.objects.get("payout", identifier)
    if payout["status"] != "pending":
        return
    payout |= {"status": "paid", "trace_id": {"status": "supported", "value": new_identifier("", 12).upper()}}
    call.objects.put(payout)
    record_event(call, "payout.paid", payout)


def fail_payout(call: Call, payout: JsonObject) -> JsonObject:
    """The bank has sent the money back: it is on the account at Stripe again."""
    if payout["status"] not in ("pending", "paid"):
        raise StripeRefusal(f"Payout {payout['id']} is {payout['status']}.", param="payout")
    _take_back(call, payout, kind="payout_failure")
    payout |= {
        "status": "failed",
        "failure_code": "account_closed",
        "failure_message": "The bank account has been closed.",
    }
    call.objects.put(payout)
    record_event(call, "payout.failed", payout)
    return payout


def _new_payout(call: Call, *, amount: int, currency: str, automatic: bool) -> JsonObject:
    return {
        "id": new_identifier("po_1"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": (call.now // DAY_SECONDS + 1) * DAY_SECONDS,
        "automatic": automatic,
        "balance_transaction": None,
        "created": call.now,
        "currency": currency,
        "description": "STRIPE PAYOUT" if automatic else None,
        "destination": "ba_1SandboxBankAccount000000",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress" if automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "pending",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }


def _book_and_announce(call: Call, payout: JsonObject) -> None:
    booked = book(call, payout, kind="payout", amount=-payout["amount"], available_on=call.now)
    payout["balance_transaction"] = booked["id"]
    call.objects.put(payout)
    record_event(call, "payout.created", payout)
    call.agenda.add("report_payout_paid", payout["id"], due=payout["arrival_date"])


def _take_back(call: Call, payout: JsonObject, *, kind: str) -> None:
    booked = book(call, payout, kind=kind, amount=payout["amount"], available_on=call.now)
    payout["failure_balance_transaction"] = booked["id"]
    call.agenda.forget("report_payout_paid", payout["id"])
    call.agenda.add("pay_out", payout["currency"], due=(call.now // DAY_SECONDS + 1) * DAY_SECONDS)


def create_payout(call: Call) -> Answer:
    """POST /v1/payouts: by hand, so Stripe does not know what is in it."""
    given = call.given
    for name in ("amount", "currency"):
        if name not in given:
            raise missing_parameter(name)
    currency = given["currency"].lower()
    available = {name: amount for name, amount, _ in call.payout_items.balance(at=call.now)}
    if given["amount"] > available.get(currency, 0):
        raise StripeRefusal(
            "You have insufficient funds in your Stripe account for this transfer.",
            code="balance_insufficient",
            param="amount",
        )
    payout = _new_payout(call, amount=given["amount"], currency=currency, automatic=False)
    copy_given(payout, given, ("description", "method", "statement_descriptor"))
    payout["metadata"] = merged_metadata({}, given.get("metadata", {}))
    _book_and_announce(call, payout)
    return Answer(payout)


def cancel_payout(call: Call) -> Answer:
    """POST /v1/payouts/{payout}/cancel, before it is on its way."""
    payout = call.objects.get("payout", call.target)
    if payout["status"] != "pending" or payout["automatic"]:
        raise StripeRefusal(f"Payouts can only be canceled while they are pending. {payout['id']} cannot be canceled.")
    _take_back(call, payout, kind="payout_cancel")
    payout["status"] = "canceled"
    call.objects.put(payout)
    record_event(call, "payout.canceled", payout)
    return Answer(payout)


def retrieve_payout(call: Call) -> Answer:
    """GET /v1/payouts/{payout}."""
    return Answer(call.objects.get("payout", call.target))


def update_payout(call: Call) -> Answer:
    """POST /v1/payouts/{payout}: only its metadata."""
    payout = call.objects.get("payout", call.target)
    before = payout["metadata"]
    if "metadata" in call.given:
        payout["metadata"] = merged_metadata(before, call.given["metadata"])
    call.objects.put(payout)
    record_event(call, "payout.updated", payout, previously={"metadata": before})
    return Answer(payout)


def list_payouts(call: Call) -> Answer:
    """GET /v1/payouts, by status, destination, time and day of arrival."""
    arrival = call.given.get("arrival_date", {})
    return list_objects(
        call,
        "payout",
        url="/v1/payouts",
        status=call.given.get("status"),
        destination=call.given.get("destination"),
        **{f"arrival_{name}": moment for name, moment in arrival.items()},
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/payouts",
        create_payout,
        {
            "amount": whole_number(at_least=1),
            "currency": text(),
            "description": text(),
            "metadata": metadata(),
            "method": choice("standard", "instant"),
            "statement_descriptor": text(22),
        },
    ),
    Endpoint(
        "GET",
        "/v1/payouts",
        list_payouts,
        {
            **LIST_PARAMETERS,
            "arrival_date": moments(),
            "destination": text(),
            "status": choice("pending", "paid", "failed", "canceled", "in_transit"),
        },
    ),
    Endpoint("GET", "/v1/payouts/{payout}", retrieve_payout),
    Endpoint("POST", "/v1/payouts/{payout}", update_payout, {"metadata": metadata()}),
    Endpoint("POST", "/v1/payouts/{payout}/cancel", cancel_payout),
)
