"""Handing over what was bought: the `Fulfilment` of this shop, and taking a right back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Update, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from auth.errors import Refusal
from auth.ids import new_id
from auth.plain_statements import columns, driver_of, read
from billing.models import Order, OrderLine
from store.catalogue.errors import OfferNotOnSale
from store.catalogue.offer_records import Offer
from store.catalogue.offers import on_sale
from store.catalogue.takedowns import IS_TAKEN_DOWN_SQL, SEE_TAKEDOWNS_SQL
from store.entitlement.errors import AlreadyEntitled, TitleTakenDown, WithdrawalLost
from store.entitlement.models import Entitlement, LicenceEvent, PlaybackSession, RentalReminder
from store.entitlement.rights import holds
from store.purchase_confirmation import confirmed_at

TAKE_BACK_WITHIN: Final = timedelta(minutes=15)
"""How long after a rental's start a failed player may give it back."""

_LOCK: Final = f"SELECT {SEE_TAKEDOWNS_SQL}, pg_advisory_xact_lock(hashtextextended($1, 0))"

_RIGHTS: Final = f"""
    SELECT {IS_TAKEN_DOWN_SQL.format(title="$2")} AS is_taken_down, {columns(Entitlement, "e")}
      FROM (VALUES (0)) AS asked
      LEFT JOIN store.entitlements AS e ON e.account_id = $1 AND e.title_id = $2 AND e.revoked_at IS NULL
"""  # noqa: S608
"""At least one row, without an id where there is no right."""

_GRANT: Final = """
    INSERT INTO store.entitlements
           (id, account_id, order_line_id, title_id, kind, quality, source, granted_at, start_by, watch_hours, near_end,
            may_download)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (order_line_id, title_id) DO NOTHING
"""


class SoldTerms(msgspec.Struct, frozen=True):
    """What the grant reads from the terms that were copied to the order line at the sale."""

    kind: Literal["rent", "buy"]
    quality: Literal["SD", "HD", "UHD"]
    title_id: UUID
    start_days: int | None = None
    """Rentals: days from the grant in which the first play must lie."""
    watch_hours: int | None = None
    """Rentals: hours from the first play to the end."""
    near_end: Literal["full", "cut"] = "full"
    may_download: bool = False

    @classmethod
    def of(cls, terms: dict[str, Any]) -> "SoldTerms":
        """Read an order line's terms; raises `msgspec.ValidationError` for terms that nobody could grant."""
        sold = msgspec.convert(terms, cls)
        if sold.kind == "rent" and not (sold.start_days and sold.watch_hours):
            raise msgspec.ValidationError("a rental needs start_days and watch_hours")
        return sold


@dataclass(frozen=True, slots=True)
class Grants:
    """Implements `billing.ports.Fulfilment`: delivered means that the title can be watched at once.

    Asking locks account and title until the transaction ends: of two orders for one title that are settled at the same
    instant, the second one sees what the first one granted.
    """

    async def may_deliver(
        self, session: AsyncSession, *, account_id: UUID, line: OrderLine, at: datetime
    ) -> Refusal | None:
        """`TitleTakenDown`, `AlreadyEntitled` (owned, or rented while it would be rented), or None."""
        sold = SoldTerms.of(line.terms)
        await _lock(session, account_id, sold.title_id)
        driver = await driver_of(session)
        rows = await driver.fetch(_RIGHTS, account_id, sold.title_id)
        if rows[0]["is_taken_down"]:
            return TitleTakenDown()
        for right in (read(Entitlement, row) for row in rows if row["id"] is not None):
            # A right on hold still counts: it comes back. A purchase may follow while a rental runs.
            if (holds(right, at=at) or right.paused_at is not None) and (right.kind, sold.kind) != ("rent", "buy"):
                until = right.ends_at or right.start_by
                return AlreadyEntitled(
                    entitlement_id=str(right.id), title_id=str(right.title_id), kind=right.kind, until=until
                )
        return None

    async def still_offers(self, session: AsyncSession, *, line: OrderLine, at: datetime) -> Refusal | None:
        """`OfferNotOnSale` once the window of the line's offer has closed; else None."""
        offer_id = UUID(line.terms["offer_id"])
        offered = select(exists().where(Offer.id == offer_id, on_sale(at)))
        return None if await session.scalar(offered) else OfferNotOnSale(offer_id=str(offer_id))

    async def deliver(self, session: AsyncSession, *, order: Order, lines: Sequence[OrderLine], at: datetime) -> None:
        """Grant every line of a paid order from `at` on; safe to repeat: one right per line and title.

        The caller asked in the same transaction whether it may: account and title are locked since.
        """
        for line in lines:
            sold = SoldTerms.of(line.terms)
            is_rental = sold.kind == "rent"
            driver = await driver_of(session)
            await driver.execute(
                _GRANT,
                new_id(),
                order.account_id,
                line.id,
                sold.title_id,
                sold.kind,
                sold.quality,
                "goodwill" if order.is_gift else "sale",
                at,
                at + timedelta(days=sold.start_days or 0) if is_rental else None,
                sold.watch_hours if is_rental else None,
                sold.near_end,
                sold.may_download,
            )

    async def may_withdraw(self, session: AsyncSession, *, lines: Sequence[OrderLine], at: datetime) -> Refusal | None:
        """`WithdrawalLost` if one of the titles was begun; the rights stay locked, so that none begins meanwhile.

        The right of withdrawal ends only if the contract had been confirmed before (BGB 356(5)), which no playback
        begins without; asked all the same, for it is the customer's right.
        """
        of_lines = Entitlement.order_line_id.in_([line.id for line in lines])
        rights = (await session.scalars(select(Entitlement).where(of_lines).with_for_update())).all()
        begun = await session.execute(
            select(func.min(LicenceEvent.at), func.min(LicenceEvent.recorded_at)).where(
                LicenceEvent.entitlement_id.in_([right.id for right in rights]),
                LicenceEvent.step == "licence",
                LicenceEvent.outcome == "granted",
            )
        )
        began_at, recorded_at = begun.one()
        if began_at is None:
            return None
        # When mails were sent is real time, as is when licences were recorded.
        sent_at = await confirmed_at(session, lines[0].order_id)
        return WithdrawalLost(began_at=began_at) if sent_at is not None and sent_at <= recorded_at else None

    async def take_back(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        """End the rights of order lines; what is playing stops at its next heartbeat or licence."""
        await session.execute(
            _change(lines).where(Entitlement.revoked_at.is_(None)).values(revoked_at=at, revoke_reason=reason)
        )

    async def hold(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        """Suspend the rights of order lines; one that is suspended already stays as it is."""
        await session.execute(
            _change(lines)
            .where(Entitlement.revoked_at.is_(None), Entitlement.paused_at.is_(None))
            .values(paused_at=at, pause_reason=reason)
        )

    async def release(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        """Let rights hold again that were suspended for `reason`; a rental's ends move by the time it lost.

        Of the new ends the customer is reminded anew.
        """
        lost = at - Entitlement.paused_at
        released = await session.execute(
            _change(lines)
            .where(Entitlement.pause_reason == reason)
            .values(
                start_by=Entitlement.start_by + lost,
                ends_at=Entitlement.ends_at + lost,
                paused_at=None,
                pause_reason=None,
            )
            .returning(Entitlement.id)
        )
        await session.execute(delete(RentalReminder).where(RentalReminder.entitlement_id.in_(released.scalars().all())))


def _change(lines: Sequence[OrderLine]) -> Update:
    return update(Entitlement).where(Entitlement.order_line_id.in_([line.id for line in lines]))


def of_present_start() -> ColumnElement[bool]:
    """Whether a playback is of the hours that run now: the one that began them, one that was opened after it, or one
    that was opened before and had a licence since.

    Before them there may have been others: a start that was taken back, or one before support let it begin anew.
    """
    first = aliased(PlaybackSession)
    opened_at = (
        select(first.opened_at).where(first.id == Entitlement.started_by).correlate(Entitlement).scalar_subquery()
    )
    licensed = exists().where(
        LicenceEvent.account_id == Entitlement.account_id,
        LicenceEvent.playback_session_id == PlaybackSession.id,
        LicenceEvent.step == "licence",
        LicenceEvent.outcome == "granted",
        LicenceEvent.at >= Entitlement.first_played_at,
    )
    return or_(PlaybackSession.opened_at >= func.coalesce(opened_at, Entitlement.first_played_at), licensed)


async def take_back_start(session: AsyncSession, playback: PlaybackSession, *, at: datetime) -> bool:
    """Stop a rental's clock that this playback's device began, because no picture was seen; once per rental.

    Only soon after the start, for a player that fails does so at once; and only while the rental could still be
    started again, or taking back the start would take the rental. That the device began it is enough: who reloads a
    page that stays black has another playback by then.
    """
    of_device = select(PlaybackSession.id).where(
        PlaybackSession.entitlement_id == playback.entitlement_id, PlaybackSession.device_id == playback.device_id
    )
    taken = await session.execute(
        update(Entitlement)
        .where(
            Entitlement.id == playback.entitlement_id,
            Entitlement.kind == "rent",
            Entitlement.started_by.in_(of_device),
            Entitlement.start_taken_back_at.is_(None),
            Entitlement.first_played_at > at - TAKE_BACK_WITHIN,
            Entitlement.start_by > at,
            Entitlement.ends_at > at,
        )
        .values(first_played_at=None, ends_at=None, started_by=None, start_taken_back_at=at)
        .returning(Entitlement.id)
    )
    return taken.first() is not None


async def _lock(session: AsyncSession, account_id: UUID, title_id: UUID) -> None:
    """Hold account and title until the transaction ends; there may be no row of theirs to lock yet."""
    driver = await driver_of(session)
    await driver.execute(_LOCK, f"grant:{account_id}:{title_id}")
