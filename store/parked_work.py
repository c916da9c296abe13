"""What a person has to look at: parked jobs, parked events and refunds that did not arrive; read only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from auth.ports import OpenDatabase
from billing.money import Money

NEWEST: Final = 100
"""Rows of each list."""


@dataclass(frozen=True, slots=True)
class ParkedJob:
    """A job that failed too often. Neither its payload nor the fault's text is shown: both may name people."""

    id: int
    name: str
    attempts: int
    created_at: datetime
    parked_at: datetime
    fault: str | None
    """Kind of the last fault, such as `SMTPConnectError`."""


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """A provider's event that was taken in and changed nothing."""

    source: str
    event_id: str
    type: str
    object_id: str | None
    note: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class FailedRefund:
    """Money that the provider could not give back: a person has to send it."""

    id: UUID
    order_number: str
    reason: str
    """Code of why it goes back."""
    state: str
    amount: Money
    updated_at: datetime


_JOBS: Final = """
    SELECT j.id, j.entrypoint, j.attempts, j.created, j.updated, l.traceback ->> 'exception_type' AS fault
      FROM jobs.pgqueuer AS j
      LEFT JOIN LATERAL (
          SELECT traceback FROM jobs.pgqueuer_log
           WHERE job_id = j.id AND traceback IS NOT NULL ORDER BY created DESC LIMIT 1
      ) AS l ON true
     WHERE j.status = 'failed'
     ORDER BY j.updated DESC LIMIT $1
"""

_EVENTS: Final = """
    SELECT source, event_id, type, object_id, note, received_at FROM billing.webhook_events
     WHERE outcome = 'parked' ORDER BY received_at DESC LIMIT $1
"""

STUCK_REFUND: Final = """(
    r.state IN ('failed', 'canceled')
       AND NOT EXISTS (SELECT FROM billing.refunds AS again WHERE again.replaces_id = r.id)
    OR r.state = 'requested' AND r.provider_refund_id IS NULL AND r.updated_at - r.created_at > interval '2 days')"""
"""Of `billing.refunds AS r`: failed and not sent again, or refused by the provider for so long that it will not go."""

_REFUNDS: Final = f"""
    SELECT r.id, o.order_number, r.reason, r.state, r.amount, r.currency, r.updated_at
      FROM billing.refunds AS r JOIN billing.orders AS o ON o.id = r.order_id
     WHERE {STUCK_REFUND}
     ORDER BY r.updated_at DESC LIMIT $1
"""  # noqa: S608


async def list_parked_jobs(database: OpenDatabase) -> Sequence[ParkedJob]:
    """The newest parked jobs."""
    rows = await database.reads.fetch(_JOBS, NEWEST)
    return [
        ParkedJob(row["id"], row["entrypoint"], row["attempts"], row["created"], row["updated"], row["fault"])
        for row in rows
    ]


async def list_parked_events(database: OpenDatabase) -> Sequence[ParkedEvent]:
    """The newest parked events."""
    return [ParkedEvent(**row) for row in await database.reads.fetch(_EVENTS, NEWEST)]


async def list_failed_refunds(database: OpenDatabase) -> Sequence[FailedRefund]:
    """The newest refunds that failed and nobody has sent again, or that the provider keeps refusing."""
    rows = await database.reads.fetch(_REFUNDS, NEWEST)
    return [
        FailedRefund(
            id=row["id"],
            order_number=row["order_number"],
            reason=row["reason"],
            state=row["state"],
            amount=Money(row["amount"], row["currency"]),
            updated_at=row["updated_at"],
        )
        for row in rows
    ]
