"""Stripe's objects as JSON documents in SQLite, found by id or listed newest first."""

import json
import secrets
import sqlite3
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from billing.sandbox.errors import JsonObject, missing_object

_LETTERS = string.ascii_letters + string.digits

_FILTERS = {
    "customer": "AND customer = :customer",
    "payment_intent": "AND payment_intent = :payment_intent",
    "charge": "AND charge = :charge",
    "source": "AND source = :source",
    "type": "AND type = :type",
    "type_like": "AND type GLOB :type_like",
    "is_delivered": "AND (id NOT IN (SELECT event FROM postings WHERE state <> 'delivered')) = :is_delivered",
    "kept_since": "AND created >= :kept_since",
    "types": "AND type IN (SELECT value FROM json_each(:types))",
    "email": "AND email = :email",
    "currency": "AND currency = :currency",
    "payment_method": "AND json_extract(body, '$.payment_method') = :payment_method",
    "status": "AND json_extract(body, '$.status') = :status",
    "destination": "AND json_extract(body, '$.destination') = :destination",
    "payout": "AND id IN (SELECT balance_transaction FROM payout_items WHERE payout = :payout)",
    "arrival_gt": "AND json_extract(body, '$.arrival_date') > :arrival_gt",
    "arrival_gte": "AND json_extract(body, '$.arrival_date') >= :arrival_gte",
    "arrival_lt": "AND json_extract(body, '$.arrival_date') < :arrival_lt",
    "arrival_lte": "AND json_extract(body, '$.arrival_date') <= :arrival_lte",
    "gt": "AND created > :gt",
    "gte": "AND created >= :gte",
    "lt": "AND created < :lt",
    "lte": "AND created <= :lte",
    "older_than": "AND sequence < (SELECT sequence FROM objects WHERE id = :older_than)",
    "newer_than": "AND sequence > (SELECT sequence FROM objects WHERE id = :newer_than)",
}


def new_identifier(prefix: str, length: int = 24) -> str:
    """A random id as Stripe writes them: a prefix, then letters and digits."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))


@dataclass(frozen=True, slots=True)
class Page:
    """Which stretch of a list is asked for."""

    limit: int = 10
    filters: Mapping[str, object] = field(default_factory=dict)
    """Names of `_FILTERS` and what they must equal; `types` as JSON array."""
    older_than: str | None = None
    newer_than: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One clause of a search."""

    path: str
    """Of the field in the document, in SQLite's notation."""
    operator: str
    """A key of `_OPERATORS`."""
    value: str | int | None
    is_negated: bool = False


_OPERATORS = {
    ":": "json_extract(body, ?) IS ?",
    "~": "instr(lower(json_extract(body, ?)), lower(?)) > 0",
    ">": "json_extract(body, ?) > ?",
    ">=": "json_extract(body, ?) >= ?",
    "<": "json_extract(body, ?) < ?",
    "<=": "json_extract(body, ?) <= ?",
}


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Reads and writes Stripe's objects; every method is one statement."""

    connection: sqlite3.Connection

    def put(self, document: JsonObject) -> JsonObject:
        """Write a new object or the new state of one; its `object` and `created` never change."""
        self.connection.execute(
            "INSERT INTO objects (id, kind, created, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (document["id"], document["object"], document["created"], json.dumps(document)),
        )
        return document

    def remove(self, identifier: str) -> None:
        """Forget an object."""
        self.connection.execute("DELETE FROM objects WHERE id = ?", (identifier,))

    def find(self, identifier: str, kind: str | None = None) -> JsonObject | None:
        """The object of this id, if there is one (of this kind)."""
        row = self.connection.execute("SELECT kind, body FROM objects WHERE id = ?", (identifier,)).fetchone()
        if row is None or (kind is not None and row["kind"] != kind):
            return None
        found: JsonObject = json.loads(row["body"])
        return found

    def get(self, kind: str, identifier: str, *, param: str | None = None) -> JsonObject:
        """The object of this id; else 404, or 400 when it was named by the parameter `param`."""
        found = self.find(identifier, kind)
        if found is None:
            raise missing_object(kind, identifier, param=param or _name_in_address(kind), status=400 if param else 404)
        return found

    def list(self, kind: str, page: Page) -> tuple[Sequence[JsonObject], bool]:
        """Up to `limit` objects, newest first, and whether there are more in the same direction."""
        values = {name: value for name, value in page.filters.items() if value is not None}
        for name, anchor, param in (
            ("older_than", page.older_than, "starting_after"),
            ("newer_than", page.newer_than, "ending_before"),
        ):
            if anchor is not None:
                self.get(kind, anchor, param=param)
                values[name] = anchor
        forwards = page.newer_than is not None
        statement = [
            "SELECT body FROM objects WHERE kind = :kind",
            *(_FILTERS[name] for name in values),
            "ORDER BY sequence" if forwards else "ORDER BY sequence DESC",
            "LIMIT :enough",
        ]
        rows = self.connection.execute(
            " ".join(statement), {**values, "kind": kind, "enough": page.limit + 1}
        ).fetchall()
        found = [json.loads(row["body"]) for row in rows[: page.limit]]
        return found[::-1] if forwards else found, len(rows) > page.limit

    def search(
        self, kind: str, conditions: Sequence[Condition], *, joint: str, limit: int, after: int
    ) -> Sequence[JsonObject]:
        """Up to `limit` objects for which all (AND) or any (OR) of the conditions hold, newest first."""
        clauses = [
            f"NOT coalesce({_OPERATORS[part.operator]}, 0)" if part.is_negated else _OPERATORS[part.operator]
            for part in conditions
        ]
        values = [value for part in conditions for value in (part.path, part.value)]
        statement = [
            "SELECT body FROM objects WHERE kind = ? AND (",
            f" {joint} ".join(clauses),
            ") ORDER BY sequence DESC LIMIT ? OFFSET ?",
        ]
        rows = self.connection.execute(" ".join(statement), (kind, *values, limit, after))
        return [json.loads(row["body"]) for row in rows]


_NAMES = {"balance_transaction": "id", "event": "id", "payment_intent": "intent", "setup_intent": "intent"}


def _name_in_address(kind: str) -> str:
    """What Stripe calls the id in the address of a kind of object."""
    return _NAMES.get(kind, kind.rpartition(".")[2])
