"""A legal takedown carried out: nothing plays and nothing is sold any more, and who paid for the title gets it back."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from billing.money import Money
from billing.sale_refunds import SaleRefunds
from store.catalogue.errors import TitleNotFound
from store.catalogue.models import Title
from store.catalogue.offer_records import Offer
from store.catalogue.takedowns import (
    end_offers,
    lift_takedown,
    list_containers,
    list_parts,
    note_takedown,
    offers_that_stand,
)
from store.database import Database
from store.entitlement.errors import TitleTakenDown
from store.entitlement.takedowns import Held, end_playbacks, end_right, list_held

log = structlog.get_logger("takedowns")

TAKE_DOWN: Final = "title.taken_down"
LIFT: Final = "title.takedown_lifted"

GIFT_ENDED_MAIL: Final = "gift_taken_down"
"""Kind of the mail that tells whom the title was given; of money that goes back the refund's own tells."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What a takedown meets at an instant."""

    title: str
    """The original one."""
    parts: Counter[str]
    """How many titles of each kind, itself among them."""
    offers: int
    """That it ends: of the title, of what belongs to it, and of the season and series that it belongs to."""
    held: Sequence[Held]
    """Rights to the title or to what belongs to it."""
    held_as_part: Sequence[Held]
    """Rights to the season or the series that it belongs to."""

    @property
    def customers(self) -> int:
        """Who holds the rights."""
        return len({right.account_id for right in self.held})

    @property
    def paid(self) -> Sequence[Money]:
        """What was paid for the rights, by currency."""
        sums: Counter[str] = Counter()
        for order in (right.order for right in self.held):
            if order is not None and order.gross > 0:
                sums[order.currency] += order.gross
        return [Money(minor, currency) for currency, minor in sorted(sums.items())]


async def preview(session: AsyncSession, slug: str, *, at: datetime) -> Extent:
    """What a takedown of a title would meet, or what one left; raises `TitleNotFound`."""
    title = await _find_title(session, slug)
    parts, containers = await list_parts(session, title), await list_containers(session, title)
    part_ids = [part.id for part in parts]
    offers = select(func.count()).select_from(Offer).where(offers_that_stand([*part_ids, *containers], at=at))
    return Extent(
        title=title.original_title,
        parts=Counter(part.kind for part in parts),
        offers=await session.scalar(offers) or 0,
        held=await list_held(session, part_ids, at=at),
        held_as_part=await list_held(session, containers, at=at),
    )


@dataclass(frozen=True, slots=True)
class Takedowns:
    """Carries out takedowns in short transactions; killed at any place, the same once more goes on where it was."""

    database: Database
    sale_refunds: Callable[[AsyncSession], SaleRefunds]

    async def carry_out(
        self,
        slug: str,
        *,
        reason: str,
        done_by: str | None,
        at: datetime,
        real_now: datetime,
        progress: Callable[[int, int], None],
    ) -> None:
        """Take a title down with all that belongs to it; raises `TitleNotFound`.

        First what plays and what begins to play is stopped, then the sale, then each right ends: with all its money
        back, or as a gift without. A fault with one right keeps no other one waiting; a right that a bank's dispute
        or a fault delays stays, and `preview` tells of it. `progress` is told how many of how many rights are done.
        """
        async with self.database.sessions.begin() as session:
            title = await _find_title(session, slug)
            part_ids = [part.id for part in await list_parts(session, title)]
            if await note_takedown(session, title, reason=reason, done_by=done_by, at=at, done_at=real_now):
                await _record(session, TAKE_DOWN, title, reason, done_by, real_now=real_now)
            await end_playbacks(session, part_ids, real_now=real_now)
        # Apart from the first transaction, for which every beginning of a playback waits: film pages are locked here.
        async with self.database.sessions.begin() as session:
            await end_offers(session, [*part_ids, *await list_containers(session, title)], at=at)
        async with self.database.sessions() as session:
            rights = await list_held(session, part_ids, at=at)
        for done, right in enumerate(rights, start=1):
            try:
                async with self.database.sessions.begin() as session:
                    await self._end(session, right, at=at)
            except Exception:
                log.exception("right not ended", entitlement_id=str(right.entitlement_id))
            progress(done, len(rights))

    async def lift(self, slug: str, *, reason: str, done_by: str | None, real_now: datetime) -> bool:
        """Let a title be shown again; False if it was not taken down. Raises `TitleNotFound`.

        What was given back stays given back, and it is sold again by new offers.
        """
        async with self.database.sessions.begin() as session:
            title = await _find_title(session, slug)
            lifted = await lift_takedown(session, title, real_now=real_now)
            if lifted:
                await _record(session, LIFT, title, reason, done_by, real_now=real_now)
        return lifted

    async def _end(self, session: AsyncSession, right: Held, *, at: datetime) -> None:
        refunds, order = self.sale_refunds(session), right.order
        if order is not None and order.gross > 0:
            await refunds.give_back_all(order_id=order.id, reason=TitleTakenDown.code, at=at)
        elif await end_right(session, right.entitlement_id, at=at) and order is not None:
            await refunds.outbox.queue(
                session,
                kind=GIFT_ENDED_MAIL,
                account_id=right.account_id,
                reference=order.id,
                locale=order.locale,
            )


async def _find_title(session: AsyncSession, slug: str) -> Title:
    title = await session.scalar(select(Title).where(Title.slug == slug))
    if title is None:
        raise TitleNotFound(slug=slug)
    return title


async def _record(
    session: AsyncSession, action: str, title: Title, reason: str, done_by: str | None, *, real_now: datetime
) -> None:
    await audit.record(
        session,
        at=real_now,
        actor=None,
        action=action,
        target_kind="title",
        target_id=title.slug,
        reason=reason,
        details={"by": done_by},
    )
