"""VAT: the rate of a country on a day, and the split of a gross price in whole cents."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import driver_of
from billing.errors import TaxRateUnknown

SELLER_ZONE: Final = ZoneInfo("Europe/Berlin")
"""Accounting days, periods and years are those of the seller."""

STANDARD: Final = "standard"
"""Category of electronically supplied services."""

_RATE: Final = """
    SELECT rate_bp FROM billing.tax_rates WHERE country = $1 AND category = $2 AND valid_from <= $3
     ORDER BY valid_from DESC LIMIT 1
"""


async def rate_on(session: AsyncSession, *, country: str, at: datetime, category: str = STANDARD) -> int:
    """The rate in basis points on the accounting day of `at`; raises `TaxRateUnknown`."""
    driver = await driver_of(session)
    rate: int | None = await driver.fetchval(_RATE, country, category, accounting_day(at))
    if rate is None:
        raise TaxRateUnknown(country=country)
    return rate


def accounting_day(at: datetime) -> date:
    """The seller's calendar day of an instant."""
    return at.astimezone(SELLER_ZONE).date()


def end_of_days(days: int, *, after: datetime) -> datetime:
    """The exclusive end, in UTC, of so many of the seller's calendar days after the day of an instant.

    Days are counted by the calendar: one of 23 or 25 hours is one (BGB 187(1), 188(1)).
    """
    return datetime.combine(accounting_day(after) + timedelta(days=days + 1), time(), SELLER_ZONE).astimezone(UTC)


def split_gross(gross: int, rate_bp: int) -> tuple[int, int]:
    """Net and tax of a gross amount in minor units; net = gross / (1 + rate), half a cent rounded up.

    The rule is applied to the sum of an invoice's lines of one rate (EN 16931, BR-CO-17). A negative gross gives the
    exact opposite of the positive one, so that a refund cancels its sale.
    """
    if gross < 0:
        net, tax = split_gross(-gross, rate_bp)
        return -net, -tax
    whole = 10_000 + rate_bp
    net = (2 * gross * 10_000 + whole) // (2 * whole)
    return net, gross - net


def rate_text(rate_bp: int) -> str:
    """A rate in percent without needless zeros: 1900 -> `19`, 2550 -> `25.5`."""
    whole, rest = divmod(rate_bp, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") if rest else str(whole)
