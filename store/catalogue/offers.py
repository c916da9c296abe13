"""What is on sale in a market at an instant: the one place that says what "on sale" means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import columns, driver_of, read
from store.catalogue.errors import OfferNotOnSale
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
    licensor_id: UUID
    alid: str
    """The licensor's id of the product."""
    country: str
    """The market's, ISO 3166-1 alpha-2."""
    tax_category: str
    title_id: UUID
    slug: str
    kind: str
    """Kind of the title: `film`, `series`, `season` or `episode`."""
    names: dict[str, str]
    """The title's name by locale, `de` and `en`; its original title where it has no other."""
    year: int | None


_SELLABLE: Final = f"""
    SELECT {columns(Offer, "o")}, p.licensor_id, p.alid, m.country, m.tax_category,
           t.id AS title_id, t.slug, t.kind AS title_kind, t.original_title, t.year,
           (SELECT title FROM store.title_texts WHERE title_id = t.id AND locale = 'de') AS name_de,
           (SELECT title FROM store.title_texts WHERE title_id = t.id AND locale = 'en') AS name_en
      FROM store.offers o
      JOIN store.products p ON p.id = o.product_id
      JOIN store.editions e ON e.id = p.edition_id
      JOIN store.titles t ON t.id = e.title_id
      JOIN store.markets m ON m.code = o.market
     WHERE o.id = $1 AND o.market = $2 AND {ON_SALE_SQL.format(at="$3")}
"""  # noqa: S608


def on_sale(at: datetime) -> ColumnElement[bool]:
    """Whether an offer's half-open window holds the instant."""
    return and_(Offer.starts_at <= at, or_(Offer.ends_at.is_(None), Offer.ends_at > at))


async def find_sellable_offer(session: AsyncSession, *, offer_id: UUID, market: str, at: datetime) -> SellableOffer:
    """The offer if it can be sold in this market at this instant; raises `OfferNotOnSale`."""
    driver = await driver_of(session)
    found = await driver.fetchrow(_SELLABLE, offer_id, market, at)
    if found is None:
        raise OfferNotOnSale(offer_id=str(offer_id))
    original = found["original_title"]
    return SellableOffer(
        offer=read(Offer, found),
        licensor_id=found["licensor_id"],
        alid=found["alid"],
        country=found["country"],
        tax_category=found["tax_category"],
        title_id=found["title_id"],
        slug=found["slug"],
        kind=found["title_kind"],
        names={"de": found["name_de"] or original, "en": found["name_en"] or original},
        year=found["year"],
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
