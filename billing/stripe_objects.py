"""Stripe's objects in billing's own words; it reads attributes only and needs nothing of Stripe's library."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from billing.models import DisputeState, PaymentState, RefundState
from billing.money import Money
from billing.ports import (
    DEBITS,
    Charge,
    FraudWarning,
    Intent,
    Movement,
    Notice,
    PaidBy,
    ProviderCharge,
    ProviderDispute,
    ProviderRefund,
)

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


def read_intent(intent: Any) -> Intent:
    """A PaymentIntent; its last charge is known only where it was expanded."""
    currency = intent.currency.upper()
    metadata = _metadata(intent)
    return Intent(
        id=intent.id,
        state=_INTENT_STATES.get(intent.status, PaymentState.PROCESSING),
        amount=Money(intent.amount, currency),
        received=Money(intent.amount_received, currency),
        order_id=_uuid(metadata.get("order_id")),
        payment_id=_uuid(metadata.get("payment_id")),
        client_secret=intent.client_secret,
        decline=_decline(intent),
        charge=_charge(intent.latest_charge),
    )


def _charge(charge: Any) -> Charge | None:
    if charge is None or isinstance(charge, str):
        return None
    facts = charge.payment_method_details.to_dict() if charge.payment_method_details else {}
    kind = facts.get("type", "unknown")
    details = facts.get(kind) or {}
    return Charge(
        id=charge.id,
        paid_by=PaidBy(
            kind=kind,
            brand=details.get("brand"),
            last4=details.get("last4"),
            country=details.get("country"),
            fingerprint=details.get("fingerprint"),
        ),
        is_declined=charge.status == "failed",
    )


def _decline(intent: Any) -> str | None:
    error = intent.last_payment_error
    if error is None or intent.status != "requires_payment_method":
        return None
    facts = error.to_dict()
    if (facts.get("payment_method") or {}).get("type") in DEBITS:
        return "debit_failed"
    return _DECLINES.get(facts.get("decline_code") or "") or _DECLINES.get(facts.get("code") or "") or "declined"


def read_refund(refund: Any) -> ProviderRefund:
    """A Refund."""
    return ProviderRefund(
        id=refund.id,
        intent_id=key_of(refund.payment_intent),
        state=_REFUND_STATES.get(refund.status, RefundState.PENDING),
        amount=Money(refund.amount, refund.currency.upper()),
        refund_id=_uuid(_metadata(refund).get("refund_id")),
    )


def read_charge(charge: Any) -> ProviderCharge:
    """A Charge; what it moved is known only where it was expanded."""
    intent_id, moved = key_of(charge.payment_intent), charge.balance_transaction
    movement = None if moved is None or isinstance(moved, str) else replace(read_movement(moved), intent_id=intent_id)
    return ProviderCharge(id=charge.id, intent_id=intent_id, movement=movement, tried=_charge(charge))


def read_dispute(dispute: Any) -> ProviderDispute:
    """A Dispute with the balance transactions that it caused."""
    due_by = dispute.evidence_details.due_by if dispute.evidence_details else None
    return ProviderDispute(
        id=dispute.id,
        intent_id=key_of(dispute.payment_intent),
        state=_DISPUTE_STATES.get(dispute.status, DisputeState.OPEN),
        reason=dispute.reason,
        amount=Money(dispute.amount, dispute.currency.upper()),
        evidence_due_by=_instant(due_by) if due_by else None,
        movements=tuple(read_movement(movement) for movement in dispute.balance_transactions),
    )


def read_fraud_warning(warning: Any) -> FraudWarning:
    """An early fraud warning whose charge was expanded."""
    charge = warning.charge
    return FraudWarning(
        id=warning.id,
        intent_id=None if isinstance(charge, str) else key_of(charge.payment_intent),
        is_actionable=warning.actionable,
    )


def read_movement(movement: Any) -> Movement:
    """A balance transaction; its payment is known only where its source was expanded."""
    currency = movement.currency.upper()
    return Movement(
        id=movement.id,
        kind=movement.type,
        source_id=key_of(movement.source),
        amount=Money(movement.amount, currency),
        fee=Money(movement.fee, currency),
        created_at=_instant(movement.created),
        intent_id=key_of(getattr(movement.source, "payment_intent", None)),
    )


def read_event(event: Mapping[str, Any]) -> Notice:
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


def key_of(thing: Any) -> str | None:
    """The key of something that is expanded or not."""
    return thing if isinstance(thing, str) or thing is None else str(thing.id)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _metadata(thing: Any) -> Mapping[str, str]:
    return thing.metadata.to_dict() if thing.metadata is not None else {}


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
