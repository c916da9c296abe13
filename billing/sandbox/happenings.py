"""What banks and Stripe do by themselves, made to happen by a control: payouts, disputes, warnings, debits, failures.

Each control is named with what it takes in `HAPPENINGS`; what came of it is answered with its id.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from billing.sandbox.calls import Call
from billing.sandbox.checkout_sessions import complete_session
from billing.sandbox.debits import answer_debit
from billing.sandbox.disputes import REASONS, open_dispute
from billing.sandbox.errors import JsonObject, missing_parameter
from billing.sandbox.fraud_warnings import warn_of_fraud
from billing.sandbox.parameters import Check, check_parameters, choice, text, truth
from billing.sandbox.payouts import create_automatic, fail_payout
from billing.sandbox.refunds import fail_refund


@dataclass(frozen=True, slots=True)
class Happening:
    """One control: what it takes, and what it does inside a transaction."""

    accepts: Mapping[str, Check]
    make: Callable[[Call], JsonObject]


def make_happen(name: str, call: Call, given: JsonObject) -> JsonObject:
    """Let it happen; what came of it stands in the answer under the name of its kind."""
    happening = HAPPENINGS[name]
    return happening.make(call.with_given(check_parameters(given, happening.accepts)))


def _pay_out(call: Call) -> JsonObject:
    currency = call.given.get("currency", "eur")
    if call.given.get("early"):
        call.payout_items.make_available(currency, at=call.now)
    payout = create_automatic(call, currency)
    return {"payout": payout and payout["id"]}


def _fail_payout(call: Call) -> JsonObject:
    payout = fail_payout(call, call.objects.get("payout", _needed(call, "payout"), param="payout"))
    return {"payout": payout["id"]}


def _complete_checkout(call: Call) -> JsonObject:
    session = call.objects.get("checkout.session", _needed(call, "session"), param="session")
    return {"status": complete_session(call, session, _needed(call, "payment_method"))["status"]}


def _dispute(call: Call) -> JsonObject:
    reason, inquiry = call.given.get("reason", "fraudulent"), call.given.get("inquiry", False)
    return {"dispute": open_dispute(call, _charge(call), reason=reason, inquiry=inquiry)["id"]}


def _warn_of_fraud(call: Call) -> JsonObject:
    return {"fraud_warning": warn_of_fraud(call, _charge(call))["id"]}


def _fail_refund(call: Call) -> JsonObject:
    refund = fail_refund(call, call.objects.get("refund", _needed(call, "refund"), param="refund"))
    return {"refund": refund["id"]}


def _answer_debit(call: Call) -> JsonObject:
    intent = call.objects.get("payment_intent", _needed(call, "payment_intent"), param="payment_intent")
    answer_debit(call, intent, paid=_needed(call, "outcome") == "succeeded")
    return {"payment_intent": intent["id"]}


def _charge(call: Call) -> JsonObject:
    """The charge that is named, or the last one of the intent that is."""
    if "payment_intent" in call.given:
        intent = call.objects.get("payment_intent", call.given["payment_intent"], param="payment_intent")
        return call.objects.get("charge", str(intent["latest_charge"]), param="payment_intent")
    return call.objects.get("charge", _needed(call, "charge"), param="charge")


def _needed(call: Call, name: str) -> str:
    if name not in call.given:
        raise missing_parameter(name)
    value: str = call.given[name]
    return value


_OF_CHARGE: Mapping[str, Check] = {"charge": text(), "payment_intent": text()}

HAPPENINGS: Mapping[str, Happening] = {
    "checkouts": Happening({"session": text(), "payment_method": text()}, _complete_checkout),
    "debits": Happening({"payment_intent": text(), "outcome": choice("succeeded", "failed")}, _answer_debit),
    "disputes": Happening({**_OF_CHARGE, "reason": choice(*REASONS), "inquiry": truth()}, _dispute),
    "fraud_warnings": Happening(_OF_CHARGE, _warn_of_fraud),
    "payouts": Happening({"currency": text(), "early": truth()}, _pay_out),
    "payout_failures": Happening({"payout": text()}, _fail_payout),
    "refund_failures": Happening({"refund": text()}, _fail_refund),
}
"""By the last part of the address `/_sandbox/…`."""
