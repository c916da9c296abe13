"""Which events must still be posted to which endpoint, kept in SQLite so that a restart posts them."""

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from billing.sandbox.switches import Switches

CONFIGURED = ""
"""The endpoint of the configuration, in place of the id of one that was made by a call."""

KEEP_TRYING_SECONDS = 3 * 24 * 3600
"""How long Stripe repeats an event that is not answered with 2xx (live mode)."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 3600.0

_RECIPIENTS = """
SELECT id FROM objects
WHERE kind = 'webhook_endpoint' AND json_extract(body, '$.status') = 'enabled'
AND EXISTS (SELECT 1 FROM json_each(body, '$.enabled_events') WHERE value IN ('*', ?))
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint."""

    id: int
    event: str
    endpoint: str
    attempts: int
    first_due: float


@dataclass(frozen=True, slots=True)
class DeliveryQueue:
    """The queue; all times are real Unix seconds, since signatures are checked against the real clock."""

    connection: sqlite3.Connection
    switches: Switches
    has_configured: bool
    """False without a webhook address in the configuration."""
    configured_events: Sequence[str] = ()
    """What that address wants; empty: everything."""

    def recipients(self, kind: str) -> Sequence[str]:
        """Which endpoints want events of this type."""
        made = [row["id"] for row in self.connection.execute(_RECIPIENTS, (kind,))]
        is_wanted = not self.configured_events or kind in self.configured_events
        return [CONFIGURED, *made] if self.has_configured and is_wanted else made

    def add(self, event: str, recipients: Sequence[str], *, at: float) -> None:
        """Queue a new event, in the transaction that it tells of; later than now where a control wants it."""
        for endpoint in recipients:
            scattered = secrets.randbelow(self.switches.read("webhooks_scatter_ms") + 1)
            due = at + (self.switches.read("webhooks_delay_ms") + scattered) / 1000
            self.connection.execute(
                "INSERT INTO postings (event, endpoint, first_due, due) VALUES (?, ?, ?, ?)",
                (event, endpoint, due, due),
            )

    def due(self, *, at: float, limit: int) -> Sequence[Delivery]:
        """What must be posted by now, oldest first."""
        rows = self.connection.execute(
            "SELECT id, event, endpoint, attempts, first_due FROM postings WHERE state = 'pending' AND due <= ?"
            " ORDER BY due, id LIMIT ?",
            (at, limit),
        )
        return [Delivery(**row) for row in rows]

    def undelivered(self, event: str | None) -> Sequence[Delivery]:
        """All that never arrived, dropped ones included; or one event, even if it did arrive."""
        rows = self.connection.execute(
            "SELECT id, event, endpoint, attempts, first_due FROM postings"
            " WHERE event = :event OR (:event IS NULL AND state <> 'delivered') ORDER BY id",
            {"event": event},
        )
        return [Delivery(**row) for row in rows]

    def next_due(self) -> float | None:
        """When the next attempt is due, if any waits."""
        moment: float | None = self.connection.execute(
            "SELECT min(due) FROM postings WHERE state = 'pending'"
        ).fetchone()[0]
        return moment

    def pending_of(self, event: str) -> int:
        """Stripe's `pending_webhooks` of an event."""
        count: int = self.connection.execute(
            "SELECT count(*) FROM postings WHERE event = ? AND state <> 'delivered'", (event,)
        ).fetchone()[0]
        return count

    def counts(self) -> dict[str, int]:
        """How many deliveries are in each state."""
        rows = self.connection.execute("SELECT state, count(*) AS many FROM postings GROUP BY state")
        return {row["state"]: row["many"] for row in rows}

    def mark_delivered(self, delivery: Delivery) -> None:
        """The endpoint answered 2xx."""
        self._mark(delivery, "delivered")

    def mark_dropped(self, delivery: Delivery) -> None:
        """Lost on its way on purpose (a control); only `undelivered` brings it back."""
        self._mark(delivery, "dropped")

    def mark_given_up(self, delivery: Delivery) -> None:
        """Its endpoint is no longer there."""
        self._mark(delivery, "given_up")

    def mark_refused(self, delivery: Delivery, *, at: float) -> None:
        """No 2xx: again after a pause that doubles, given up after three days."""
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(delivery.attempts, 20), _LONGEST_PAUSE_SECONDS)
        given_up = at + pause > delivery.first_due + KEEP_TRYING_SECONDS
        self.connection.execute(
            "UPDATE postings SET state = ?, attempts = attempts + 1, due = ? WHERE id = ? AND state <> 'delivered'",
            ("given_up" if given_up else "pending", at + pause, delivery.id),
        )

    def _mark(self, delivery: Delivery, state: str) -> None:
        self.connection.execute(
            "UPDATE postings SET state = ?, attempts = attempts + 1 WHERE id = ?", (state, delivery.id)
        )
