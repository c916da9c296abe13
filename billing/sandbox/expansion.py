"""`expand[]`: ids in an answer replaced by the objects that they name."""

from collections.abc import Iterable
from typing import Any

from billing.sandbox.errors import JsonObject, StripeRefusal
from billing.sandbox.object_store import ObjectStore, Page

_EXPANDABLE = frozenset(
    {
        "balance_transaction",
        "charge",
        "customer",
        "default_payment_method",
        "failure_balance_transaction",
        "latest_charge",
        "payment_intent",
        "payment_method",
        "review",
        "source",
    }
)
_DEEPEST = 4


def expand(document: JsonObject, paths: Iterable[str], objects: ObjectStore) -> JsonObject:
    """The answer with what the dotted paths name put in; 400 on a path that cannot be expanded."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST:
            raise StripeRefusal("You cannot expand more than 4 levels of a property.", param="expand")
        _expand(document, steps, path, objects)
    return document


def _expand(document: JsonObject, steps: list[str], path: str, objects: ObjectStore) -> None:
    name, rest = steps[0], steps[1:]
    if document.get("object") == "list" and name == "data":
        for part in document["data"]:
            _expand(part, rest, path, objects)
        return
    if document.get("object") == "charge" and name == "refunds":
        document[name] = _refunds(document, objects)
    elif name in document and (name in _EXPANDABLE or isinstance(document[name], dict)):
        document[name] = _found(document[name], objects)
    else:
        raise StripeRefusal(f"This property cannot be expanded ({path}).", param="expand")
    if rest and isinstance(document[name], dict):
        _expand(document[name], rest, path, objects)


def _found(value: Any, objects: ObjectStore) -> Any:
    """An id's object; anything else (null, already expanded) stays."""
    return objects.find(value) or value if isinstance(value, str) else value


def _refunds(charge: JsonObject, objects: ObjectStore) -> JsonObject:
    documents, has_more = objects.list("refund", Page(filters={"charge": charge["id"]}))
    return {
        "object": "list",
        "data": list(documents),
        "has_more": has_more,
        "url": f"/v1/charges/{charge['id']}/refunds",
    }
