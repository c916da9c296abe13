"""Quotes: a price with everything that belongs to it, promised to one account for ten minutes."""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import add, columns, driver_of, read
from billing.errors import QuoteInvalid, QuoteNotFound
from billing.models import Quote
from billing.money import Money
from billing.tax import STANDARD, rate_on, split_gross

QUOTE_LIFETIME: Final = timedelta(minutes=10)

_LOCKED_QUOTE: Final = f"SELECT {columns(Quote)} FROM billing.quotes WHERE id = $1 AND account_id = $2 FOR UPDATE"  # noqa: S608

_NAME: Final = re.compile(r"quote_([0-9a-f]{32})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuoteSeal:
    """Names a quote by a signature over everything that it promises, so that it is ordered as it was shown."""

    key: bytes = field(repr=False)
    """32 secret bytes for this purpose alone."""
    before: bytes | None = field(default=None, repr=False)
    """The key that `key` takes over from: what it signed still counts."""

    def name(self, quote: Quote) -> str:
        """What the customer's program sends back to order: `quote_<id>_<signature>`."""
        return _sign(quote, self.key)

    async def find(self, session: AsyncSession, name: str, *, account_id: UUID) -> Quote:
        """The quote of a name, locked as by `lock_quote`; raises `QuoteInvalid` or `QuoteNotFound`."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise QuoteInvalid()
        quote = await lock_quote(session, quote_id=UUID(match[1]), account_id=account_id)
        keys = filter(None, (self.key, self.before))
        if not any(hmac.compare_digest(_sign(quote, key), name) for key in keys):
            raise QuoteInvalid()
        return quote


def _sign(quote: Quote, key: bytes) -> str:
    signature = hmac.digest(key, b"quote|" + _promise(quote), "sha256")
    return f"quote_{quote.id.hex}_{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _promise(quote: Quote) -> bytes:
    """Everything that a quote says, always in the same bytes."""
    facts = {column.key: getattr(quote, column.key) for column in Quote.__table__.columns}
    return msgspec.json.encode(facts, order="deterministic")


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
    device_fit: Mapping[str, Any] | None = None
    """What is said of what the buyer's device can use of it."""
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
        device_fit=dict(sale.device_fit) if sale.device_fit is not None else None,
        created_at=at,
        expires_at=at + QUOTE_LIFETIME,
    )
    await add(session, quote)
    return quote


async def lock_quote(session: AsyncSession, *, quote_id: UUID, account_id: UUID) -> Quote:
    """A quote of the account, locked so that it is ordered once; `QuoteNotFound` for another account's as for none."""
    driver = await driver_of(session)
    found = await driver.fetchrow(_LOCKED_QUOTE, quote_id, account_id)
    if found is None:
        raise QuoteNotFound()
    return read(Quote, found)
