"""What a takedown does to playbacks and rights, and whose rights it meets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.models import Order, OrderLine
from store.entitlement.errors import TitleTakenDown
from store.entitlement.models import Entitlement, PlaybackSession

ENDED: Final = "taken_down"
"""Why a playback ended."""


@dataclass(frozen=True, slots=True)
class Held:
    """A right that is in force, and the order that it rests on."""

    entitlement_id: UUID
    account_id: UUID
    order: Order | None
    """Its price is nothing where the title was given; None: it rests on none."""


async def end_playbacks(session: AsyncSession, title_ids: Sequence[UUID], *, real_now: datetime) -> None:
    """End all that plays of the titles: the next sign of life says so, and there is no further licence."""
    playing = (
        select(PlaybackSession.id)
        .where(PlaybackSession.title_id.in_(title_ids), PlaybackSession.ended_at.is_(None))
        .order_by(PlaybackSession.id)
        .with_for_update()
    )
    await session.execute(
        update(PlaybackSession).where(PlaybackSession.id.in_(playing)).values(ended_at=real_now, end_reason=ENDED)
    )


async def list_held(session: AsyncSession, title_ids: Sequence[UUID], *, at: datetime) -> Sequence[Held]:
    """The rights to the titles that are in force at an instant or on hold: bought, given, or rented and not over.

    A rental's deadlines stand still while it is on hold: it is over if it was when that began (`Grants.release`).
    """
    rows = await session.execute(
        select(Entitlement.id, Entitlement.account_id, Order)
        .outerjoin(OrderLine, OrderLine.id == Entitlement.order_line_id)
        .outerjoin(Order, Order.id == OrderLine.order_id)
        .where(
            Entitlement.title_id.in_(title_ids),
            Entitlement.revoked_at.is_(None),
            or_(
                Entitlement.kind == "buy",
                func.coalesce(Entitlement.ends_at, Entitlement.start_by) > func.coalesce(Entitlement.paused_at, at),
            ),
        )
        .order_by(Entitlement.id)
    )
    return [Held(*row) for row in rows]


async def end_right(session: AsyncSession, entitlement_id: UUID, *, at: datetime) -> bool:
    """End a right that nothing was paid for; False if it had ended already."""
    ended = await session.execute(
        update(Entitlement)
        .where(Entitlement.id == entitlement_id, Entitlement.revoked_at.is_(None))
        .values(revoked_at=at, revoke_reason=TitleTakenDown.code)
        .returning(Entitlement.id)
    )
    return ended.first() is not None
