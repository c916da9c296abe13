"""Charges: made by confirming an intent, settled later with their fee; retrieve, update, list."""

from billing.sandbox.balance_transactions import book_charge
from billing.sandbox.calls import Answer, Call, Endpoint, copy_given
from billing.sandbox.errors import JsonObject
from billing.sandbox.events import changes, record_event
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import merged_metadata, metadata, text
from billing.sandbox.payment_methods import TestCard, passed_checks


def charge_intent(
    call: Call, intent: JsonObject, method: JsonObject, card: TestCard, *, authenticated: bool
) -> JsonObject:
    """Ask the bank: the charge that comes of it, `succeeded` or `failed`, written with its event.

    With `capture_method=automatic_async`, Stripe's default, the balance transaction comes later.
    """
    paid = card.decline_code is None
    charge = call.objects.put(_new_charge(call, intent, method, card, authenticated=authenticated))
    if paid and intent["capture_method"] == "automatic":
        charge["balance_transaction"] = book_charge(call, charge)["id"]
        call.objects.put(charge)
    record_event(call, "charge.succeeded" if paid else "charge.failed", charge)
    if paid and intent["capture_method"] == "automatic_async":
        call.agenda.add_soon("settle_charge", charge["id"], at=call.now)
    return charge


def settle_charge(call: Call, identifier: str) -> None:
    """The fee is known now: balance transaction and `charge.updated`."""
    charge = call.objects.get("charge", identifier)
    charge["balance_transaction"] = book_charge(call, charge)["id"]
    call.objects.put(charge)
    record_event(call, "charge.updated", charge, previously={"balance_transaction": None})


def decline_message(decline_code: str) -> str:
    """What Stripe says to the person who pays."""
    if decline_code == "insufficient_funds":
        return "Your card has insufficient funds."
    return "Your card was declined."


def _new_charge(
    call: Call, intent: JsonObject, method: JsonObject, card: TestCard, *, authenticated: bool
) -> JsonObject:
    paid = card.decline_code is None
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
        "captured": paid,
        "created": call.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None if paid else "card_declined",
        "failure_message": None if card.decline_code is None else decline_message(card.decline_code),
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": _outcome(card),
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(intent, method, authenticated=authenticated),
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
        "status": "succeeded" if paid else "failed",
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }


def _outcome(card: TestCard) -> JsonObject:
    outcome = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 20,
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
    return outcome


def _details(intent: JsonObject, method: JsonObject, *, authenticated: bool) -> JsonObject:
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
