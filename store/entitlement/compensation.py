"""Makes an incident good: each rental that it met gets the time that it took, or what was paid for it, once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ids import new_id
from auth.models import Account
from auth.ports import Outbox
from billing.models import Refund
from billing.sale_refunds import SaleRefunds
from store.database import Database
from store.entitlement.device_places import lock_account
from store.entitlement.errors import EntitlementError
from store.entitlement.incidents import Affected, Incident, hours_due, list_affected
from store.entitlement.models import Entitlement
from store.entitlement.remedies import (
    REMEDIED_MAIL,
    Deadlines,
    RentalRemedy,
    apply,
    extended,
    find_remedy_limits,
    hold_playbacks,
)

log = structlog.get_logger("incidents")

REFUND_REASON: Final = "incident"
"""Reason of a refund that makes an incident good."""


@dataclass(frozen=True, slots=True)
class Compensation:
    """Makes incidents good in a transaction for each rental, at an instant."""

    database: Database
    outbox: Outbox
    sale_refunds: Callable[[AsyncSession], SaleRefunds]
    at: datetime
    real_now: datetime

    async def carry_out(self, incident_id: UUID) -> int:
        """Make an incident good for every rental that it met; how many were made good now.

        One remedy of an incident for each rental (a unique constraint): killed at any place it goes on where it was.
        What is over for too long to be extended, of which nothing is left to give back, or on hold, is left out. A
        rental that was made good for other spans gets what this one adds to them: so a span is corrected by noting it
        anew. A fault of ours with one rental keeps nobody else waiting; raised at the end, it has the job tried again.
        """
        async with self.database.sessions() as session:
            incident = await session.get_one(Incident, incident_id)
            affected = await list_affected(session, incident)
        if incident.waits:
            return 0
        make_good = self._give_back if incident.means == "money" else self._extend
        done, faults = 0, []
        for rental in affected:
            try:
                async with self.database.sessions.begin() as session:
                    done += await make_good(session, incident, rental)
            except Exception as fault:
                log.exception("not made good", entitlement_id=str(rental.entitlement_id))
                faults.append(fault)
        log.info("incident made good", incident_id=str(incident_id), rentals=len(affected), made_good=done)
        if faults:
            raise ExceptionGroup("some rentals were not made good", faults)
        return done

    async def _extend(self, session: AsyncSession, incident: Incident, rental: Affected) -> bool:
        await lock_account(session, rental.account_id)
        await hold_playbacks(session, rental.entitlement_id)
        right = await session.get_one(Entitlement, rental.entitlement_id, with_for_update=True)
        hours = await hours_due(session, incident, right.id)
        if not hours:
            return False
        try:
            after = extended(right, hours=hours, limits=await find_remedy_limits(session), at=self.at)
        except EntitlementError as refusal:
            return _left_out(incident, rental, refusal.code)
        remedy = self._remedy(incident, right, hours, after=after)
        await apply(session, right, after, real_now=self.real_now)
        session.add(remedy)
        locale = await session.scalar(select(Account.locale).where(Account.id == right.account_id))
        await self.outbox.queue(
            session, kind=REMEDIED_MAIL, account_id=right.account_id, reference=remedy.id, locale=locale or "de"
        )
        return True

    async def _give_back(self, session: AsyncSession, incident: Incident, rental: Affected) -> bool:
        """Give back what was paid for the hours; the refund tells the customer, and ends the right with its last cent.

        Locked is the order, then the right, as by every refund. No playbacks in between: who opens one has locked those
        that fell silent before the order (`decision.take_turn`, `keep_confirmed`).
        """
        refunds = self.sale_refunds(session)
        if rental.order_id is None or rental.price_of(incident.hours) is None:
            return _left_out(incident, rental, "not_paid")
        await refunds.lock(rental.order_id)
        right = await session.get_one(Entitlement, rental.entitlement_id, with_for_update=True)
        hours = await hours_due(session, incident, right.id)
        amount = rental.price_of(hours) if hours else None
        if amount is None:
            return False
        refund = await refunds.give_back_part(
            order_id=rental.order_id, amount=amount, reason=REFUND_REASON, note=incident.reason, at=self.at
        )
        if refund is None:
            return _left_out(incident, rental, "nothing_left")
        session.add(self._remedy(incident, right, hours, refund=refund))
        return True

    def _remedy(
        self,
        incident: Incident,
        right: Entitlement,
        hours: int,
        *,
        after: Deadlines | None = None,
        refund: Refund | None = None,
    ) -> RentalRemedy:
        return RentalRemedy(
            id=new_id(),
            account_id=right.account_id,
            entitlement_id=right.id,
            agent_id=incident.agent_id,
            incident_id=incident.id,
            kind="extended" if refund is None else "credited",
            hours=hours,
            refund_id=None if refund is None else refund.id,
            reason=incident.reason,
            start_by_before=right.start_by,
            ends_at_before=right.ends_at,
            start_by_after=after.start_by if after else right.start_by,
            ends_at_after=after.ends_at if after else right.ends_at,
            at=self.at,
            done_at=self.real_now,
        )


def _left_out(incident: Incident, rental: Affected, code: str) -> bool:
    log.info("left out", incident_id=str(incident.id), entitlement_id=str(rental.entitlement_id), code=code)
    return False
