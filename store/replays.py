"""Doing parked work once more: an event of the payment provider, or a job; each with its entry in the audit trail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.identity import Identity
from auth.visits import Visit
from billing.ports import PaymentGateway
from billing.webhooks import SOURCE, Webhooks, observe
from store.database import Database
from store.errors import NotParked
from store.jobs import PostgresJobs

LARGEST_ID: Final = 2**63 - 1

_OBJECT: Final = """
    SELECT object_kind, object_id FROM billing.webhook_events
     WHERE source = $1 AND event_id = $2 AND outcome = 'parked'
"""


@dataclass(frozen=True, slots=True)
class Replays:
    """Repeats what was parked, for a member of staff whose permission the route has checked."""

    session: AsyncSession
    database: Database
    gateway: PaymentGateway
    webhooks: Webhooks
    jobs: PostgresJobs
    agent: Identity
    visit: Visit

    async def event(self, event_id: str, *, at: datetime, real_now: datetime) -> str:
        """Apply a parked event to what the provider says of its object now; answers what became of it.

        The provider is asked before the request's transaction begins. Raises `NotParked` or `PaymentOutcomeUnknown`.
        """
        row = await self.database.reads.fetchrow(_OBJECT, SOURCE, event_id)
        if row is None:
            raise NotParked
        observed = await observe(self.gateway, row["object_kind"] or "", row["object_id"])
        outcome = await self.webhooks.replay(event_id, observed, at=at)
        if outcome is None:
            raise NotParked
        await self._record("parked_event.replayed", "webhook_event", event_id, real_now, {"outcome": outcome})
        return outcome

    async def job(self, job_id: int, *, real_now: datetime) -> None:
        """Put a parked job back into the queue; raises `NotParked`."""
        if not 0 < job_id <= LARGEST_ID or not await self.jobs.requeue(self.session, job_id):
            raise NotParked
        await self._record("parked_job.replayed", "job", str(job_id), real_now, {})

    async def _record(
        self, action: str, target_kind: str, target_id: str, real_now: datetime, details: dict[str, object]
    ) -> None:
        await audit.record(
            self.session,
            at=real_now,
            actor=self.agent,
            action=action,
            target_kind=target_kind,
            target_id=target_id,
            request_id=self.visit.request_id,
            ip=self.visit.ip,
            details=details,
        )
