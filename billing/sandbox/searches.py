"""Search over charges, customers and intents in Stripe's query language; unlike Stripe's, never out of date."""

import re
from collections.abc import Callable

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import StripeRefusal, missing_parameter
from billing.sandbox.object_store import Condition
from billing.sandbox.parameters import text, whole_number

_MOST = 100
_NAME = r"[a-z_.]+|metadata\[(?:\"[^\"]+\"|'[^']+')\]"
_CLAUSE = re.compile(rf"(-?)({_NAME})(:|~|>=|<=|>|<)(\"[^\"]*\"|'[^']*'|[0-9]+|null)")
_BETWEEN = re.compile(r"\s+(AND|OR)\s+")

_FIELDS = {
    "charge": {"amount", "created", "currency", "customer", "disputed", "refunded", "status"},
    "customer": {"created", "email", "name", "phone"},
    "payment_intent": {"amount", "created", "currency", "customer", "status"},
}


def _search(kind: str, url: str) -> Callable[[Call], Answer]:
    def answer(call: Call) -> Answer:
        if "query" not in call.given:
            raise missing_parameter("query")
        conditions, joint = _read(call.given["query"], kind)
        limit, after = min(call.given.get("limit", 10), _MOST), call.given.get("page", 0)
        found = call.objects.search(kind, conditions, joint=joint, limit=limit + 1, after=after)
        has_more = len(found) > limit
        return Answer(
            {
                "object": "search_result",
                "data": found[:limit],
                "has_more": has_more,
                "next_page": str(after + limit) if has_more else None,
                "url": url,
            }
        )

    return answer


def _read(query: str, kind: str) -> tuple[list[Condition], str]:
    """Clauses joined by AND or by OR, never by both."""
    parts = _BETWEEN.split(query.strip())
    joints = set(parts[1::2])
    if len(joints) > 1:
        raise StripeRefusal("We don't support AND and OR in the same query.", param="query")
    return [_condition(part, kind) for part in parts[::2]], joints.pop() if joints else "AND"


def _condition(clause: str, kind: str) -> Condition:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        raise StripeRefusal(f"We were unable to parse your search query: {clause}", param="query")
    negated, name, operator, quoted = match.groups()
    value: str | int | None = quoted.strip("\"'")
    if name.startswith("metadata["):
        path = f'$.metadata."{name[10:-2]}"'
    elif name in _FIELDS[kind]:
        path = f"$.{name}"
        value = int(quoted) if quoted.isdecimal() else {"true": 1, "false": 0}.get(str(value), value)
    else:
        raise StripeRefusal(f"Field `{name}` is an unsupported search field for resource `{kind}s`.", param="query")
    return Condition(path, operator, None if quoted == "null" else value, is_negated=bool(negated))


_ACCEPTS = {"limit": whole_number(at_least=1), "page": whole_number(at_least=0), "query": text()}

ENDPOINTS = tuple(
    Endpoint("GET", f"/v1/{kind}s/search", _search(kind, f"/v1/{kind}s/search"), _ACCEPTS) for kind in _FIELDS
)
