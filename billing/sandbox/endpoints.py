"""Every address of the API, and how the one that was called is found."""

from collections import defaultdict

from billing.sandbox import (
    app_keys,
    balance_transactions,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    fraud_warnings,
    mandates,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    searches,
    setup_intents,
    webhook_endpoints,
)
from billing.sandbox.calls import Endpoint
from billing.sandbox.errors import StripeRefusal

ENDPOINTS: tuple[Endpoint, ...] = (
    *searches.ENDPOINTS,
    *payment_intents.ENDPOINTS,
    *setup_intents.ENDPOINTS,
    *app_keys.ENDPOINTS,
    *checkout_sessions.ENDPOINTS,
    *refunds.ENDPOINTS,
    *charges.ENDPOINTS,
    *customers.ENDPOINTS,
    *payment_methods.ENDPOINTS,
    *balance_transactions.ENDPOINTS,
    *payouts.ENDPOINTS,
    *events.ENDPOINTS,
    *disputes.ENDPOINTS,
    *fraud_warnings.ENDPOINTS,
    *mandates.ENDPOINTS,
    *webhook_endpoints.ENDPOINTS,
)

_BY_LENGTH: dict[tuple[str, int], list[tuple[list[str], Endpoint]]] = defaultdict(list)
for _endpoint in ENDPOINTS:
    _parts = _endpoint.path.split("/")
    _BY_LENGTH[_endpoint.method, len(_parts)].append((_parts, _endpoint))


def find_endpoint(method: str, path: str) -> tuple[Endpoint, str]:
    """The endpoint at an address and the id in it; 404 when there is none."""
    asked = path.split("/")
    for parts, endpoint in _BY_LENGTH.get((method, len(asked)), ()):
        target = ""
        for part, given in zip(parts, asked, strict=True):
            if part.startswith("{") and given:
                target = given
            elif part != given:
                break
        else:
            return endpoint, target
    raise StripeRefusal(
        f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing"
        " slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier"
        " in your code.",
        status=404,
    )
