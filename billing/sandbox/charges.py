"""Charges: made by confirming an intent, settled later with their fee; retrieve, update, list."""

from datetime import UTC, datetime, timedelta

from billing.sandbox.balance_transactions import book_charge
from billing.sandbox.calls import Answer, Call, Endpoint, copy_given
from billing.sandbox.errors import JsonObject
from billing.sandbox.events import changes, record_event
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.mandates import make_mandate
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import merged_metadata, metadata, text
from billing.sandbox.payment_methods import passed_checks
from billing.sandbox.test_methods import BY_FINGERPRINT, TestMethod

_DAYS_TO_DEBIT = 2
"""From a SEPA debit to the day on which the customer's bank books it."""


def charge_card(call: Call, intent: JsonObject, method: JsonObject, *, authenticated: bool) -> JsonObject:
    """Ask the bank: the charge that comes of it, `succeeded` or `failed`, written with its event.

    With `capture_method=automatic_async`, Stripe's default, the balance transaction comes later; with `manual`,
    the money is only held.
    """
    card = behaviour_of(method)
    charge = _new_charge(call, intent, method, status="succeeded" if card.pays else "failed")
    charge["payment_method_details"] = _card_details(intent, method, authenticated=authenticated)
    charge["outcome"] = _outcome(card)
    if card.decline_code is not None:
        fail_charge(charge, card)
        record_event(call, "charge.failed", call.objects.put(charge))
        return charge
    call.objects.put(charge)
    if intent["capture_method"] == "manual":
        charge["captured"], charge["amount_captured"] = False, 0
    elif intent["capture_method"] == "automatic":
        charge["balance_transaction"] = book_charge(call, charge)["id"]
    record_event(call, "charge.succeeded", call.objects.put(charge))
    if charge["captured"]:
        announce_paid(call, charge)
    return charge


def charge_account(call: Call, intent: JsonObject, method: JsonObject) -> JsonObject:
    """Send a debit to the customer's bank, which takes days to answer: `charge.pending`."""
    charge = _new_charge(call, intent, method, status="pending")
    charge["payment_method_details"] = _debit_details(call, intent, method)
    record_event(call, "charge.pending", call.objects.put(charge))
    return charge


def announce_paid(call: Call, charge: JsonObject) -> None:
    """What follows by itself some time after a charge is paid: its fee, and what its test method brings."""
    if charge["balance_transaction"] is None:
        call.agenda.add_soon("settle_charge", charge["id"], at=call.now)
    details = charge["payment_method_details"]
    method = BY_FINGERPRINT[details[details["type"]]["fingerprint"]]
    if method.dispute_reason is not None:
        call.agenda.add_soon("dispute_charge", charge["id"], at=call.now)
    if method.warns_of_fraud:
        call.agenda.add_soon("warn_of_fraud", charge["id"], at=call.now)


def fail_charge(charge: JsonObject, method: TestMethod) -> None:
    """The bank does not pay."""
    reason = method.decline_code or "generic_decline"
    charge |= {
        "failure_code": method.error_code if method.kind == "card" else reason,
        "failure_message": decline_message(reason),
        "paid": False,
        "status": "failed",
    }


def behaviour_of(method: JsonObject) -> TestMethod:
    """Which test method a stored one is."""
    return BY_FINGERPRINT[method[method["type"]]["fingerprint"]]


def settle_charge(call: Call, identifier: str) -> None:
    """The fee is known now: balance transaction and `charge.updated`."""
    charge = call.objects.get("charge", identifier)
    charge["balance_transaction"] = book_charge(call, charge)["id"]
    call.objects.put(charge)
    record_event(call, "charge.updated", charge, previously={"balance_transaction": None})


def decline_message(decline_code: str) -> str:
    """What Stripe says to the person who pays."""
    return _MESSAGES.get(decline_code, "Your card was declined.")


_MESSAGES = {
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "insufficient_funds": "Your card has insufficient funds.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}


def _new_charge(call: Call, intent: JsonObject, method: JsonObject, *, status: str) -> JsonObject:
    paid = status == "succeeded"
    return {
        "id": new_identifier("ch_3"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if paid else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": intent["statement_descriptor"],
        "captured": status != "failed",
        "created": call.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": None,
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": None,
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": status,
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }


def _outcome(card: TestMethod) -> JsonObject:
    outcome = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": card.risk_level,
        "risk_score": {"normal": 20, "elevated": 68, "highest": 92}[card.risk_level],
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if card.decline_code is not None:
        outcome |= {
            "advice_code": "try_again_later",
            "network_advice_code": "02",
            "network_decline_code": "01",
            "network_status": "declined_by_network",
            "reason": card.decline_code,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }
    if card.is_blocked:
        outcome |= {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        }
    return outcome


def _card_details(intent: JsonObject, method: JsonObject, *, authenticated: bool) -> JsonObject:
    card = method["card"]
    three_d_secure = {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": new_identifier(""),
        "version": "2.2.0",
    }
    return {
        "card": {
            "amount_authorized": intent["amount"],
            "authorization_code": None,
            "brand": card["brand"],
            "checks": passed_checks(),
            "country": card["country"],
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": {"status": "disabled"},
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": card["last4"],
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": card["brand"],
            "network_token": {"used": False},
            "network_transaction_id": new_identifier("", 15),
            "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
            "regulated_status": card["regulated_status"],
            "three_d_secure": three_d_secure if authenticated else None,
            "wallet": None,
        },
        "type": "card",
    }


def _debit_details(call: Call, intent: JsonObject, method: JsonObject) -> JsonObject:
    account = method["sepa_debit"]
    debited_on = datetime.fromtimestamp(call.now, UTC).date() + timedelta(days=_DAYS_TO_DEBIT)
    return {
        "sepa_debit": {
            **{name: account[name] for name in ("bank_code", "branch_code", "country", "fingerprint", "last4")},
            "expected_debit_date": debited_on.isoformat(),
            "mandate": make_mandate(call, intent, method)["id"],
        },
        "type": "sepa_debit",
    }


def retrieve_charge(call: Call) -> Answer:
    """GET /v1/charges/{charge}."""
    return Answer(call.objects.get("charge", call.target))


def update_charge(call: Call) -> Answer:
    """POST /v1/charges/{charge}: description, receipt address and metadata."""
    charge = call.objects.get("charge", call.target)
    before = dict(charge)
    copy_given(charge, call.given, ("description", "receipt_email"))
    if "metadata" in call.given:
        charge["metadata"] = merged_metadata(charge["metadata"], call.given["metadata"])
    call.objects.put(charge)
    record_event(call, "charge.updated", charge, previously=changes(before, charge))
    return Answer(charge)


def list_charges(call: Call) -> Answer:
    """GET /v1/charges, by customer, intent and time."""
    return list_objects(
        call,
        "charge",
        url="/v1/charges",
        customer=call.given.get("customer"),
        payment_intent=call.given.get("payment_intent"),
    )


ENDPOINTS = (
    Endpoint("GET", "/v1/charges/{charge}", retrieve_charge),
    Endpoint(
        "POST",
        "/v1/charges/{charge}",
        update_charge,
        {"description": text(), "metadata": metadata(), "receipt_email": text()},
    ),
    Endpoint("GET", "/v1/charges", list_charges, {**LIST_PARAMETERS, "customer": text(), "payment_intent": text()}),
)
