"""Support gives a customer a film: an order without a price, within limits, for a reason, and the customer is told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import CheckConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from auth.errors import Refusal
from auth.models import Account
from auth.ports import Outbox
from billing.errors import OrderNotFound
from billing.gifts import Gift, give
from billing.models import Order
from billing.orders import lines_of
from billing.ports import Fulfilment
from store.catalogue.errors import OfferNotOnSale, TitleNotFound
from store.catalogue.models import Base, Title
from store.catalogue.offers import SellableOffer, find_sellable_offer, list_offers
from store.database import APP_ROLE
from store.entitlement.device_places import lock_account
from store.entitlement.remedy_errors import GiftLimitReached, GiftsUsed
from store.purchase import for_sale
from store.support import CustomerDesk

GIVE: Final = "film.given"
GIVEN_MAIL: Final = "film_given"
"""Kind of the mail that tells a customer."""

MONTH: Final = timedelta(days=30)


class GiftLimit(Base):
    """How much may be given away."""

    __tablename__ = "gift_limits"
    __table_args__ = (CheckConstraint("most > 0", "most"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    """`per_customer_and_month` (of 30 days) or `per_agent_and_day`."""
    most: Mapped[int]


class GiftOut(msgspec.Struct, frozen=True):
    """What was given."""

    order_id: UUID
    order_number: str
    description: str
    """What it is, in the customer's language."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which film, and how: the offer of it that is on sale in the customer's market."""

    title: str
    """The title's slug."""
    kind: Literal["rent", "buy"]
    quality: Literal["SD", "HD", "UHD"]


@dataclass(frozen=True, slots=True)
class GiftDesk:
    """Gives films away; who may is checked by the route."""

    desk: CustomerDesk
    fulfilment: Fulfilment
    outbox: Outbox

    async def give(
        self, customer_id: UUID, wanted: Wanted, *, reason: str, at: datetime, real_now: datetime, order_id: UUID
    ) -> GiftOut:
        """Give a film on the terms of its offer, without a price; with the same `order_id` once more, nothing more.

        So often per customer and month, and per agent and day (`store.gift_limits`). Raises `AccountNotFound`,
        `TitleNotFound`, `OfferNotOnSale`, `AlreadyEntitled`, `GiftsUsed` or `GiftLimitReached`; each refused try stays
        in the audit trail.
        """
        customer = await self.desk.customer(customer_id, action=GIVE, real_now=real_now)
        account_id = customer.id
        try:
            order = await self._give(customer, wanted, reason, at=at, real_now=real_now, order_id=order_id)
        except Refusal as refusal:
            # Ends the request's transaction with its locks first; the entry has to outlive the refusal.
            await self.desk.session.rollback()
            await self.desk.record_refusal(GIVE, account_id, real_now=real_now, reason=reason, code=refusal.code)
            raise
        return order

    async def _give(
        self, customer: Account, wanted: Wanted, reason: str, *, at: datetime, real_now: datetime, order_id: UUID
    ) -> GiftOut:
        session, agent_id = self.desk.session, self.desk.agent.account_id
        # Whoever counts does so alone: what was given to the customer, and by the agent.
        for id_ in sorted((customer.id, agent_id)):
            await lock_account(session, id_)
        before = await session.get(Order, order_id)
        if before is not None and before.account_id != customer.id:
            raise OrderNotFound
        if before is None:
            found = await self._find_offer(customer, wanted, at=at)
            await self._require_room(customer.id, agent_id, real_now=real_now)
            before = await give(
                session,
                self.fulfilment,
                order_id=order_id,
                account=customer,
                market=found.offer.market,
                sale=for_sale(found, None),
                agent_id=agent_id,
                reason=reason,
                at=at,
                real_now=real_now,
            )
            told: dict[str, object] = {
                "order": before.order_number,
                "title": wanted.title,
                "kind": wanted.kind,
                "quality": wanted.quality,
            }
            await self.desk.record(GIVE, customer.id, real_now=real_now, reason=reason, details=told)
            await self.outbox.queue(
                session, kind=GIVEN_MAIL, account_id=customer.id, reference=before.id, locale=customer.locale
            )
        [line] = await lines_of(session, before.id)
        return GiftOut(before.id, before.order_number, line.description[customer.locale])

    async def _find_offer(self, customer: Account, wanted: Wanted, *, at: datetime) -> SellableOffer:
        """What is on sale where the customer lives: the terms that it is given on, and what its licensor is owed."""
        session, market = self.desk.session, customer.residence_country or ""
        title_id = await session.scalar(select(Title.id).where(Title.slug == wanted.title))
        if title_id is None:
            raise TitleNotFound(slug=wanted.title)
        for offer in await list_offers(session, title_id=title_id, market=market, at=at):
            if (offer.kind, offer.quality) == (wanted.kind, wanted.quality):
                return await find_sellable_offer(session, offer_id=offer.id, market=market, at=at)
        raise OfferNotOnSale(offer_id="")

    async def _require_room(self, account_id: UUID, agent_id: UUID, *, real_now: datetime) -> None:
        session = self.desk.session
        limits = {row.name: row.most for row in await session.execute(select(GiftLimit.name, GiftLimit.most))}
        of_customer = (
            select(func.count())
            .select_from(Gift)
            .join(Order, Order.id == Gift.order_id)
            .where(Order.account_id == account_id, Gift.given_at > real_now - MONTH)
        )
        if (await session.scalar(of_customer) or 0) >= (most := limits["per_customer_and_month"]):
            raise GiftsUsed(limit=most)
        of_agent = select(func.count()).where(Gift.agent_id == agent_id, Gift.given_at > real_now - timedelta(days=1))
        if (await session.scalar(of_agent) or 0) >= (most := limits["per_agent_and_day"]):
            raise GiftLimitReached(limit=most)


DDL: Final[tuple[str, ...]] = (
    "INSERT INTO store.gift_limits (name, most) VALUES ('per_customer_and_month', 3), ('per_agent_and_day', 10)"
    " ON CONFLICT DO NOTHING",
    f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON store.gift_limits FROM {APP_ROLE}",
)
"""The limits to begin with; rows that exist are left as they were set."""
