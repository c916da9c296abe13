"""What is on sale in a market at an instant: the one place that says what "on sale" means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.catalogue.errors import OfferNotOnSale
from store.catalogue.models import Market, Title, TitleText
from store.catalogue.offer_records import Edition, Offer, Product

ON_SALE_SQL: Final = "(o.starts_at <= {at} AND (o.ends_at IS NULL OR o.ends_at > {at}))"
"""The same rule for raw reads of `store.offers o`; `{at}` is the placeholder's name."""

MAY_BE_NAMED_SQL: Final = """
    coalesce((
        SELECT min(o.visible_from)
        FROM (
            SELECT t.id
            UNION ALL
            SELECT part.id FROM store.titles part WHERE part.parent_id = t.id
            UNION ALL
            SELECT episode.id FROM store.titles season JOIN store.titles episode ON episode.parent_id = season.id
            WHERE season.parent_id = t.id
        ) AS sold
        JOIN store.editions e ON e.title_id = sold.id
        JOIN store.products p ON p.edition_id = e.id
        JOIN store.offers o ON o.product_id = p.id
        WHERE o.market = {market}
    ) <= {at}, true)
"""
"""Whether `store.titles t` may be spoken of in a market: not before the first of its offers may be announced.

A series or season is offered by its episodes. A title that is not offered at all is a fact like any other, and one that
was offered once stays readable for those who bought it.
"""


@dataclass(frozen=True, slots=True)
class SellableOffer:
    """An offer with the title that it sells."""

    offer: Offer
    product: Product
    market: Market
    title_id: UUID
    slug: str
    kind: str
    """Kind of the title: `film`, `series`, `season` or `episode`."""
    names: dict[str, str]
    """The title's name by locale, `de` and `en`."""
    year: int | None


def on_sale(at: datetime) -> ColumnElement[bool]:
    """Whether an offer's half-open window holds the instant."""
    return and_(Offer.starts_at <= at, or_(Offer.ends_at.is_(None), Offer.ends_at > at))


async def find_sellable_offer(session: AsyncSession, *, offer_id: UUID, market: str, at: datetime) -> SellableOffer:
    """The offer if it can be sold in this market at this instant; raises `OfferNotOnSale`."""
    row = (
        await session.execute(
            select(Offer, Title, Product, Market)
            .join(Product, Product.id == Offer.product_id)
            .join(Edition, Edition.id == Product.edition_id)
            .join(Title, Title.id == Edition.title_id)
            .join(Market, Market.code == Offer.market)
            .where(Offer.id == offer_id, Offer.market == market, on_sale(at))
        )
    ).one_or_none()
    if row is None:
        raise OfferNotOnSale(offer_id=str(offer_id))
    offer, title, product, sold_in = row
    return SellableOffer(
        offer=offer,
        product=product,
        market=sold_in,
        title_id=title.id,
        slug=title.slug,
        kind=title.kind,
        names=await title_names(session, title),
        year=title.year,
    )


async def list_offers(session: AsyncSession, *, title_id: UUID, market: str, at: datetime) -> Sequence[Offer]:
    """What of a title is on sale in a market at an instant: rentals first, the cheapest first."""
    offers = await session.scalars(
        select(Offer)
        .join(Product, Product.id == Offer.product_id)
        .join(Edition, Edition.id == Product.edition_id)
        .where(Edition.title_id == title_id, Offer.market == market, on_sale(at))
        .order_by(Offer.kind.desc(), Offer.gross, Offer.id)
    )
    return offers.all()


async def title_names(session: AsyncSession, title: Title) -> dict[str, str]:
    """A title's name in German and English; its original title where it has no other."""
    texts = await session.execute(select(TitleText.locale, TitleText.title).where(TitleText.title_id == title.id))
    return {"de": title.original_title, "en": title.original_title} | {
        locale: name for locale, name in texts if locale in ("de", "en")
    }
