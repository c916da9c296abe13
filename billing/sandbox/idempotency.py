"""Idempotency keys: the first answer under a key is the answer, for 24 hours."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass

from billing.sandbox.calls import Answer
from billing.sandbox.errors import JsonObject, StripeRefusal

_KEPT_SECONDS = 24 * 3600
_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer given before under the same key."""

    answer: Answer
    request_id: str
    """Of the call that did the work."""


def checked_key(key: str) -> str:
    """The key; 400 when it is empty or too long."""
    if not key or len(key) > _LONGEST_KEY:
        raise StripeRefusal("Idempotency keys must have between 1 and 255 characters.", kind="idempotency_error")
    return key


def key_in_use(key: str) -> StripeRefusal:
    """409: the first call with this key has not been answered yet."""
    return StripeRefusal(
        "There is currently another in-progress request using this Stripe-Idempotency key (that probably means"
        f" you submitted twice, and the other request is still going through): {key}.",
        status=409,
        kind="idempotency_error",
        code="idempotency_key_in_use",
    )


def fingerprint_of(method: str, path: str, parameters: JsonObject) -> str:
    """What two calls must share to count as the same; a hash, so that no parameter is kept."""
    canonical = json.dumps([method, path, parameters], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """Answers by key, in the transaction that made them: both are there after a crash, or neither."""

    connection: sqlite3.Connection

    def find(self, key: str, fingerprint: str, *, at: int) -> KeptAnswer | None:
        """The answer to repeat, if any; 400 `idempotency_error` when the key was used for another call."""
        row = self.connection.execute(
            "SELECT fingerprint, status, body, request_id FROM answers WHERE idempotency_key = ? AND created > ?",
            (key, at - _KEPT_SECONDS),
        ).fetchone()
        if row is None:
            return None
        if row["fingerprint"] != fingerprint:
            raise StripeRefusal(
                "Keys for idempotent requests can only be used with the same parameters they were first used"
                f" with. Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return KeptAnswer(Answer(json.loads(row["body"]), row["status"]), row["request_id"])

    def prune(self, *, at: int) -> None:
        """Remove what has expired."""
        self.connection.execute("DELETE FROM answers WHERE created <= ?", (at - _KEPT_SECONDS,))

    def keep(self, key: str, fingerprint: str, answer: Answer, *, request_id: str, at: int) -> None:
        """Keep an answer; an expired one under the same key gives way."""
        self.connection.execute(
            "INSERT OR REPLACE INTO answers (idempotency_key, fingerprint, status, body, request_id, created)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (key, fingerprint, answer.status, json.dumps(answer.body), request_id, at),
        )
