"""What banks and Stripe do by themselves, made to happen by a control: payouts and their failure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from billing.sandbox.calls import Call
from billing.sandbox.errors import JsonObject, missing_parameter
from billing.sandbox.parameters import Check, check_parameters, text, truth
from billing.sandbox.payouts import create_automatic, fail_payout


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


def _needed(call: Call, name: str) -> str:
    if name not in call.given:
        raise missing_parameter(name)
    value: str = call.given[name]
    return value


HAPPENINGS: Mapping[str, Happening] = {
    "payouts": Happening({"currency": text(), "early": truth()}, _pay_out),
    "payout_failures": Happening({"payout": text()}, _fail_payout),
}
"""By the last part of the address `/_sandbox/…`."""
