"""Which kinds of payment method an intent takes, by what its caller asks for and by the caller's API version."""

from billing.sandbox.calls import Call
from billing.sandbox.errors import JsonObject, missing_parameter, unknown_parameter

_AUTOMATIC_BY_DEFAULT = "2023-08-16"
_WITHOUT_TYPES = "2026-09-30"
"""Versions in which `automatic_payment_methods` became the default and `payment_method_types` went away."""


def choose_methods(call: Call, *, currency: str | None) -> tuple[JsonObject | None, list[str]]:
    """`automatic_payment_methods` and `payment_method_types` of a new intent."""
    given = call.given
    if "payment_method_types" in given:
        if call.version >= _WITHOUT_TYPES:
            raise unknown_parameter("payment_method_types")
        return None, given["payment_method_types"]
    automatic = given.get("automatic_payment_methods")
    if automatic is not None and "enabled" not in automatic:
        raise missing_parameter("automatic_payment_methods[enabled]")
    is_automatic = call.version >= _AUTOMATIC_BY_DEFAULT if automatic is None else automatic["enabled"]
    if not is_automatic:
        return None, ["card"]
    redirects = (automatic or {}).get("allow_redirects", "always")
    excluded = given.get("excluded_payment_method_types") or ()
    return {"allow_redirects": redirects, "enabled": True}, usable_types(currency, excluded)


def usable_types(currency: str | None, excluded: tuple[str, ...] | list[str]) -> list[str]:
    """What the account offers: cards, and in euros a SEPA debit; but nothing that was excluded."""
    offered = ["card", "sepa_debit"] if currency in ("eur", None) else ["card"]
    return [kind for kind in offered if kind not in excluded]
