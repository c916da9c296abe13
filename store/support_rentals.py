"""Support mends a spoilt rental: within limits, for a reason, and the customer is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, select

from auth.errors import Refusal
from auth.ports import Outbox
from store.catalogue.models import Title, TitleText
from store.entitlement.device_places import lock_account
from store.entitlement.models import Entitlement
from store.entitlement.remedies import (
    REMEDIED_MAIL,
    RemedyKind,
    RemedyLimits,
    RentalRemedy,
    apply,
    extended,
    find_remedy_limits,
    hold_playbacks,
    rearmed,
    write_off,
)
from store.entitlement.remedy_errors import RemedyLimitReached, RentalNotFound, RentalRemediesUsed
from store.entitlement.rights import Standing, standing
from store.support import CustomerDesk
from store.support_money import NEWEST

REMEDY: Final = "rental.remedied"


class RemediedOut(msgspec.Struct, frozen=True):
    """A rental after what was done for it."""

    entitlement_id: UUID
    state: Standing
    start_by: datetime
    """The first play must lie before this instant."""
    ends_at: datetime | None
    """Exclusive end; null: it waits for its first play."""
    server_time: datetime
    """Business time."""


@dataclass(frozen=True, slots=True)
class RentalDesk:
    """Extends rentals, lets them begin anew or frees them from lost devices; who may is checked by the route."""

    desk: CustomerDesk
    outbox: Outbox

    async def remedy(
        self,
        customer_id: UUID,
        entitlement_id: UUID,
        *,
        kind: RemedyKind,
        hours: int | None,
        reason: str,
        at: datetime,
        real_now: datetime,
        remedy_id: UUID,
    ) -> RemediedOut:
        """Give a rental more hours, let it begin anew, or free it from a lost device.

        With the same `remedy_id` once more, nothing more is done. So often per rental, and per agent and day
        (`store.remedy_limits`). Raises `AccountNotFound`, `RentalNotFound`, or what `store.entitlement.remedies`
        raises; each refused try stays in the audit trail.
        """
        customer = await self.desk.customer(customer_id, action=REMEDY, real_now=real_now)
        account_id, locale = customer.id, customer.locale
        try:
            right = await self._locked_rental(account_id, entitlement_id)
            done = await self.desk.session.get(RentalRemedy, remedy_id)
            if done is not None and done.entitlement_id != right.id:
                raise RentalNotFound
            if done is not None:
                return _told(right, at=at)
            remedy = await self._remedy(remedy_id, right, kind, hours, reason, at=at, real_now=real_now)
        except Refusal as refusal:
            # Ends the request's transaction with its locks first; the entry has to outlive the refusal.
            await self.desk.session.rollback()
            await self.desk.record_refusal(REMEDY, account_id, real_now=real_now, reason=reason, code=refusal.code)
            raise
        told: dict[str, object] = {"entitlement_id": str(right.id), "kind": kind, "hours": hours}
        await self.desk.record(REMEDY, account_id, real_now=real_now, reason=reason, details=told)
        await self.outbox.queue(
            self.desk.session, kind=REMEDIED_MAIL, account_id=account_id, reference=remedy.id, locale=locale
        )
        return _told(right, at=at)

    async def list_rentals(
        self, customer_id: UUID, *, at: datetime, locale: str
    ) -> Sequence[tuple[str, str, Standing]]:
        """Id, title and state of the customer's rentals that something can be done for, the newest first."""
        name = func.coalesce(TitleText.title, Title.original_title)
        rows = await self.desk.session.execute(
            select(Entitlement, name)
            .join(Title, Title.id == Entitlement.title_id)
            .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
            .where(Entitlement.account_id == customer_id, Entitlement.kind == "rent", Entitlement.revoked_at.is_(None))
            .order_by(Entitlement.granted_at.desc())
            .limit(NEWEST)
        )
        return [(str(right.id), title, standing(right, at=at)) for right, title in rows]

    async def _locked_rental(self, account_id: UUID, entitlement_id: UUID) -> Entitlement:
        # Whoever counts does so alone: what was done for the customer, and what the agent did.
        for id_ in sorted((account_id, self.desk.agent.account_id)):
            await lock_account(self.desk.session, id_)
        await hold_playbacks(self.desk.session, entitlement_id)
        mine = select(Entitlement).where(Entitlement.id == entitlement_id, Entitlement.account_id == account_id)
        right = await self.desk.session.scalar(mine.with_for_update())
        if right is None:
            raise RentalNotFound
        return right

    async def _remedy(
        self,
        remedy_id: UUID,
        right: Entitlement,
        kind: RemedyKind,
        hours: int | None,
        reason: str,
        *,
        at: datetime,
        real_now: datetime,
    ) -> RentalRemedy:
        session = self.desk.session
        limits = await find_remedy_limits(session)
        await self._require_room(right.id, limits, real_now=real_now)
        match kind:
            case "extended":
                after = extended(right, hours=hours or 0, limits=limits, at=at)
            case "rearmed":
                after = rearmed(right, limits=limits, at=at)
            case "written_off":
                after = await write_off(session, right, limits=limits, at=at)
        remedy = RentalRemedy(
            id=remedy_id,
            account_id=right.account_id,
            entitlement_id=right.id,
            agent_id=self.desk.agent.account_id,
            kind=kind,
            hours=hours if kind == "extended" else None,
            reason=reason,
            start_by_before=right.start_by,
            ends_at_before=right.ends_at,
            start_by_after=after.start_by,
            ends_at_after=after.ends_at,
            at=at,
            done_at=real_now,
        )
        await apply(session, right, after, real_now=real_now)
        session.add(remedy)
        await session.flush()
        return remedy

    async def _require_room(self, entitlement_id: UUID, limits: RemedyLimits, *, real_now: datetime) -> None:
        # What makes an incident good for everybody is not of this customer's, nor of this agent's.
        single = RentalRemedy.incident_id.is_(None)
        of_rental = select(func.count()).where(RentalRemedy.entitlement_id == entitlement_id, single)
        if (await self.desk.session.scalar(of_rental) or 0) >= limits.per_rental:
            raise RentalRemediesUsed(limit=limits.per_rental)
        of_agent = select(func.count()).where(
            RentalRemedy.agent_id == self.desk.agent.account_id,
            RentalRemedy.done_at > real_now - timedelta(days=1),
            single,
        )
        if (await self.desk.session.scalar(of_agent) or 0) >= limits.per_agent_and_day:
            raise RemedyLimitReached(limit=limits.per_agent_and_day)


def _told(right: Entitlement, *, at: datetime) -> RemediedOut:
    return msgspec.convert(
        {
            "entitlement_id": right.id,
            "state": standing(right, at=at),
            "start_by": right.start_by,
            "ends_at": right.ends_at,
            "server_time": at,
        },
        RemediedOut,
    )
