"""Sums of a period for finance's page, read from the journals: by country and tax rate, and by accounting day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from auth.ports import OpenDatabase
from billing.exports import Period, amounts_of
from billing.money import Money
from billing.tax import SELLER_ZONE


@dataclass(frozen=True, slots=True)
class RateTotal:
    """All money events of a country, tax rate and currency; amount = net + tax + to_refund + fees + elsewhere."""

    country: str | None
    """None for what belongs to no order."""
    tax_rate: str | None
    """Percent; None where no VAT was booked."""
    count: int
    amount: Money
    net: Money
    tax: Money
    to_refund: Money
    fees: Money
    elsewhere: Money


@dataclass(frozen=True, slots=True)
class DayTotal:
    """All money events of an accounting day (seller's zone) in one currency; days without any have no row."""

    day: date
    count: int
    amount: Money
    """What came minus what went back."""


_BY_RATE: Final = """
    SELECT
        country, tax_rate, currency, count(*) AS count, sum(gross)::bigint AS amount, sum(net)::bigint AS net,
        sum(tax)::bigint AS tax, sum(to_refund)::bigint AS to_refund, sum(fees)::bigint AS fees,
        sum(elsewhere)::bigint AS elsewhere
    FROM billing.transactions
    WHERE booked_at >= $1 AND booked_at < $2
    GROUP BY country, tax_rate, currency ORDER BY currency, country, tax_rate NULLS LAST
"""

_BY_DAY: Final = """
    SELECT (booked_at AT TIME ZONE $3)::date AS day, currency, count(*) AS count, sum(gross)::bigint AS amount
    FROM billing.transactions
    WHERE booked_at >= $1 AND booked_at < $2
    GROUP BY 1, currency ORDER BY currency, 1
"""


async def total_by_rate(database: OpenDatabase, *, period: Period) -> Sequence[RateTotal]:
    """The period's sums by currency, country and tax rate."""
    rows = await database.reads.fetch(_BY_RATE, *period.instants)
    return [
        RateTotal(
            country=row["country"],
            tax_rate=row["tax_rate"],
            count=row["count"],
            **amounts_of(row),
        )
        for row in rows
    ]


async def total_by_day(database: OpenDatabase, *, period: Period) -> Sequence[DayTotal]:
    """The period's sums by currency and accounting day."""
    rows = await database.reads.fetch(_BY_DAY, *period.instants, SELLER_ZONE.key)
    return [DayTotal(row["day"], row["count"], Money(row["amount"], row["currency"])) for row in rows]
