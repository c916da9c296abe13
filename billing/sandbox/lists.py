"""Lists as Stripe answers them: newest first, by `limit`, `starting_after`, `ending_before` and `created`."""

from collections.abc import Mapping

from billing.sandbox.calls import Answer, Call
from billing.sandbox.object_store import Page
from billing.sandbox.parameters import Check, moments, text, whole_number

LIST_PARAMETERS: Mapping[str, Check] = {
    "limit": whole_number(at_least=1),
    "starting_after": text(),
    "ending_before": text(),
    "created": moments(),
}
_MOST = 100


def list_objects(call: Call, kind: str, *, url: str, **filters: object) -> Answer:
    """One page of the objects of a kind; `filters` that are None do not count."""
    given = call.given
    documents, has_more = call.objects.list(
        kind,
        Page(
            limit=min(given.get("limit", 10), _MOST),
            filters={**filters, **given.get("created", {})},
            older_than=given.get("starting_after"),
            newer_than=given.get("ending_before"),
        ),
    )
    return Answer({"object": "list", "data": list(documents), "has_more": has_more, "url": url})
