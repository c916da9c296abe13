"""Quotes: a price with everything that belongs to it, promised to one account for ten minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import QuoteNotFound
from billing.models import Quote
from billing.money import Money
from billing.tax import STANDARD, rate_on, split_gross

QUOTE_LIFETIME: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ForSale:
    """One thing that the store offers to one customer, in billing's words."""

    item: str
    """What to grant, such as `offer:<uuid>`."""
    subject: str
    """What must not be bought twice at once, such as `title:<uuid>`."""
    kind: str
    """`rent` or `buy`."""
    description: Mapping[str, str]
    """What it is, by locale."""
    price: Money
    """Including VAT."""
    tax_country: str
    """ISO 3166-1 alpha-2: where the customer lives."""
    terms: Mapping[str, Any]
    licensor_terms: Mapping[str, Any]
    texts: Mapping[str, Any]
    """Versions and hashes of the legal texts shown with it."""
    tax_category: str = STANDARD


async def write_quote(
    session: AsyncSession,
    *,
    account_id: UUID,
    market: str,
    device_id: UUID | None,
    sale: ForSale,
    at: datetime,
) -> Quote:
    """Write a quote that is good until ten minutes after `at`; raises `TaxRateUnknown`."""
    rate_bp = await rate_on(session, country=sale.tax_country, at=at, category=sale.tax_category)
    net, tax = split_gross(sale.price.minor, rate_bp)
    quote = Quote(
        account_id=account_id,
        market=market,
        device_id=device_id,
        item=sale.item,
        subject=sale.subject,
        kind=sale.kind,
        description=dict(sale.description),
        currency=sale.price.currency,
        gross=sale.price.minor,
        net=net,
        tax=tax,
        tax_rate_bp=rate_bp,
        tax_country=sale.tax_country,
        terms=dict(sale.terms),
        licensor_terms=dict(sale.licensor_terms),
        texts=dict(sale.texts),
        created_at=at,
        expires_at=at + QUOTE_LIFETIME,
    )
    session.add(quote)
    await session.flush()
    return quote


async def find_quote(session: AsyncSession, *, quote_id: UUID, account_id: UUID) -> Quote:
    """A quote of the account; raises `QuoteNotFound` for another account's just as for none."""
    quote = await session.scalar(select(Quote).where(Quote.id == quote_id, Quote.account_id == account_id))
    if quote is None:
        raise QuoteNotFound()
    return quote
