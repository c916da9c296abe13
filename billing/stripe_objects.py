"""Stripe's objects, as the JSON that it answers, in billing's own words; nothing of Stripe's library is needed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from billing.dispute_records import DisputeState
from billing.models import PaymentState, RefundState
from billing.money import Money
from billing.ports import (
    DEBITS,
    Charge,
    Failure,
    FraudWarning,
    Intent,
    Movement,
    Notice,
    PaidBy,
    ProviderCharge,
    ProviderDispute,
    ProviderRefund,
)

Facts = Mapping[str, Any]
"""An object of Stripe's."""

_DECLINES: Final = {
    "insufficient_funds": "insufficient_funds",
    "expired_card": "expired_card",
    "incorrect_cvc": "wrong_details",
    "incorrect_number": "wrong_details",
    "invalid_cvc": "wrong_details",
    "invalid_expiry_month": "wrong_details",
    "invalid_expiry_year": "wrong_details",
    "invalid_number": "wrong_details",
    "authentication_required": "not_authenticated",
    "payment_intent_authentication_failure": "not_authenticated",
    "issuer_not_available": "try_again",
    "processing_error": "try_again",
    "reenter_transaction": "try_again",
    "try_again_later": "try_again",
}
"""Stripe's codes and decline codes -> keys of `billing.declines`; all others are simply `declined`."""

_INTENT_STATES: Final = {state.value: state for state in PaymentState}
"""Stripe's words are ours. Others, `requires_capture` (we never capture by hand) and what is yet to come, count as
under way until a person has looked."""

_REFUND_STATES: Final = {state.value: state for state in RefundState}
"""As above; `requires_action`, none and words that are yet to come: it has not arrived."""

_DISPUTE_STATES: Final = {
    "warning_needs_response": DisputeState.INQUIRY,
    "warning_under_review": DisputeState.INQUIRY,
    "warning_closed": DisputeState.CLOSED,
    "prevented": DisputeState.CLOSED,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}
"""Stripe's words -> ours; `needs_response`, `under_review` and words that are yet to come: the bank has the money."""


def read_intent(intent: Facts) -> Intent:
    """A PaymentIntent; its last charge is known only where it was expanded."""
    currency = intent["currency"].upper()
    metadata = _metadata(intent)
    return Intent(
        id=intent["id"],
        state=_INTENT_STATES.get(intent["status"], PaymentState.PROCESSING),
        amount=Money(intent["amount"], currency),
        received=Money(intent["amount_received"], currency),
        order_id=_uuid(metadata.get("order_id")),
        payment_id=_uuid(metadata.get("payment_id")),
        client_secret=intent["client_secret"],
        decline=_decline(intent),
        charge=_charge(intent["latest_charge"]),
        failure=_failure(intent["last_payment_error"]),
    )


def _charge(charge: Facts | str | None) -> Charge | None:
    if not isinstance(charge, Mapping):
        return None
    facts = charge["payment_method_details"] or {}
    kind = facts.get("type", "unknown")
    details = facts.get(kind) or {}
    is_declined = charge["status"] == "failed"
    reason = (charge["outcome"] or {}).get("reason") or charge["failure_code"]
    return Charge(
        id=charge["id"],
        paid_by=PaidBy(
            kind=kind,
            brand=details.get("brand"),
            last4=details.get("last4"),
            country=details.get("country"),
            fingerprint=details.get("fingerprint"),
            mandate=details.get("mandate") if kind in DEBITS else None,
            debited_on=details.get("expected_debit_date"),
        ),
        is_declined=is_declined,
        decline=_decline_of(kind, reason, charge["failure_code"]) if is_declined else None,
        reason=reason if is_declined else None,
    )


def _decline(intent: Facts) -> str | None:
    error = intent["last_payment_error"]
    if error is None or intent["status"] != "requires_payment_method":
        return None
    kind = (error.get("payment_method") or {}).get("type", "")
    return _decline_of(kind, error.get("decline_code"), error.get("code"))


def _decline_of(kind: str, *codes: str | None) -> str:
    """Our word for the first of the provider's codes that has one."""
    if kind in DEBITS:
        return "debit_failed"
    return next((_DECLINES[code] for code in codes if code in _DECLINES), "declined")


def _failure(error: Facts | None) -> Failure | None:
    """What failed before there was a charge; a payment method is new with every try."""
    method = (error or {}).get("payment_method") or {}
    if error is None or error.get("charge") is not None or "id" not in method:
        return None
    decline = _decline_of(method.get("type", ""), error.get("decline_code"), error.get("code"))
    return Failure(method["id"], decline, error.get("decline_code") or error.get("code"))


def read_refund(refund: Facts) -> ProviderRefund:
    """A Refund."""
    return ProviderRefund(
        id=refund["id"],
        intent_id=key_of(refund["payment_intent"]),
        state=_REFUND_STATES.get(refund["status"], RefundState.PENDING),
        amount=Money(refund["amount"], refund["currency"].upper()),
        refund_id=_uuid(_metadata(refund).get("refund_id")),
    )


def read_charge(charge: Facts) -> ProviderCharge:
    """A Charge whose intent was expanded; what it moved is known only where that was expanded, too."""
    intent, moved = charge["payment_intent"], charge["balance_transaction"]
    movement = read_movement(moved) if isinstance(moved, Mapping) else None
    return ProviderCharge(
        id=charge["id"],
        intent=read_intent(intent) if intent is not None else None,
        movement=replace(movement, intent_id=key_of(intent)) if movement is not None else None,
        tried=_charge(charge),
    )


def read_dispute(dispute: Facts) -> ProviderDispute:
    """A Dispute with the balance transactions that it caused."""
    due_by = (dispute["evidence_details"] or {}).get("due_by")
    return ProviderDispute(
        id=dispute["id"],
        intent_id=key_of(dispute["payment_intent"]),
        state=_DISPUTE_STATES.get(dispute["status"], DisputeState.OPEN),
        reason=dispute["reason"],
        amount=Money(dispute["amount"], dispute["currency"].upper()),
        evidence_due_by=_instant(due_by) if due_by else None,
        movements=tuple(read_movement(movement) for movement in dispute["balance_transactions"]),
    )


def read_fraud_warning(warning: Facts) -> FraudWarning:
    """An early fraud warning whose charge was expanded."""
    charge = warning["charge"]
    return FraudWarning(
        id=warning["id"],
        intent_id=key_of(charge["payment_intent"]) if isinstance(charge, Mapping) else None,
        is_actionable=warning["actionable"],
    )


def read_movement(movement: Facts) -> Movement:
    """A balance transaction; its payment is known only where its source was expanded."""
    currency, source = movement["currency"].upper(), movement["source"]
    return Movement(
        id=movement["id"],
        kind=movement["type"],
        source_id=key_of(source),
        amount=Money(movement["amount"], currency),
        fee=Money(movement["fee"], currency),
        created_at=_instant(movement["created"]),
        intent_id=key_of(source.get("payment_intent")) if isinstance(source, Mapping) else None,
    )


def read_event(event: Facts) -> Notice:
    """An event's JSON; raises KeyError, TypeError, AttributeError or OverflowError for anything that is none."""
    subject = event["data"]["object"]
    created = event.get("created")
    return Notice(
        event_id=str(event["id"]),
        type=str(event["type"]),
        object_kind=str(subject.get("object", "")),
        object_id=str(subject["id"]) if "id" in subject else None,
        happened_at=_instant(created) if isinstance(created, int) else None,
    )


def key_of(thing: Facts | str | None) -> str | None:
    """The key of something that is expanded or not."""
    return thing if isinstance(thing, str) or thing is None else str(thing["id"])


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _metadata(thing: Facts) -> Mapping[str, str]:
    return thing["metadata"] or {}


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
