"""Finance's console: one month of the books as totals, days and single money events, and the way to the CSV."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.permissions import TRANSACTIONS_EXPORT, TRANSACTIONS_READ
from auth.visits import Visit
from billing.cursors import cursor_of, place_of
from billing.errors import PeriodInvalid
from billing.exports import AMOUNTS, LONGEST_DAYS, Period, list_transactions, total_transactions
from billing.money import Money
from billing.summaries import DayTotal, RateTotal, total_by_day, total_by_rate
from billing.tax import accounting_day
from store.database import Database
from store.web.charts import DayChart, chart_days
from store.web.pages import Frame

PAGE: Final = 100
"""Money events on one page."""
_MONTH: Final = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Sum:
    """The bottom line of a table in one currency."""

    count: int
    amount: Money
    net: Money
    tax: Money
    to_refund: Money
    fees: Money
    elsewhere: Money


@get("/finance", guards=[requires(TRANSACTIONS_READ)])
async def show_finance(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    database: NamedDependency[Database],
    real_now: NamedDependency[datetime],
    month: FromQuery[str] = "",
    after: FromQuery[str | None] = None,
) -> Response[str]:
    """A month, by default the present one; accounting days and months are those of the seller's zone."""
    errors: dict[str, str] = {}
    present = accounting_day(frame.at)
    try:
        period = read_month(month) if month else month_of(present)
    except PeriodInvalid:
        period, errors = month_of(present), {"month": frame.w.text("finance.month_unreadable")}
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="transactions.viewed",
        target_kind="period",
        target_id=str(period),
        request_id=visit.request_id,
        ip=visit.ip,
    )
    found = await list_transactions(database, period=period, after=place_of(after), limit=PAGE + 1)
    rates = await total_by_rate(database, period=period)
    page = found[:PAGE]
    last = (page[-1].booked_at, page[-1].journal_id) if len(found) > PAGE else None
    return frame.page(
        "finance/month.html",
        status=400 if errors else 200,
        period=period,
        last_day=period.end - timedelta(days=1),
        month=month_text(period.first),
        month_name=frame.w.month(period.first),
        previous=month_text(month_before(period.first)),
        following=month_text(period.end) if period.end <= present else "",
        transactions=page,
        next_cursor=cursor_of(last) if last else "",
        is_first=after is None,
        rates=rates,
        sums=sums_of(rates),
        kinds=await total_transactions(database, period=period),
        charts=charts_of(await total_by_day(database, period=period), period),
        money_of=Money,
        may_export=TRANSACTIONS_EXPORT in identity.permissions,
        errors=errors,
    )


def month_of(day: date) -> Period:
    """The calendar month of a day."""
    first = day.replace(day=1)
    return Period.of(first, (first + timedelta(days=31)).replace(day=1))


def read_month(text: str) -> Period:
    """The month written as `2026-03`; raises `PeriodInvalid` for anything else."""
    if not _MONTH.fullmatch(text):
        raise PeriodInvalid(longest_days=LONGEST_DAYS)
    return month_of(date.fromisoformat(f"{text}-01"))


def month_before(day: date) -> date:
    """A day of the month before."""
    return day.replace(day=1) - timedelta(days=1)


def month_text(day: date) -> str:
    """A day's month as forms and addresses write it: `2026-03`."""
    return f"{day.year:04d}-{day.month:02d}"


def sums_of(rates: Sequence[RateTotal]) -> Sequence[Sum]:
    """The sum of all rates, one for each currency."""
    sums: dict[str, Sum] = {}
    for rate in rates:
        before = sums.get(rate.amount.currency)
        amounts = {name: getattr(rate, name) for name in AMOUNTS}
        if before is not None:
            amounts = {name: getattr(before, name) + amount for name, amount in amounts.items()}
        sums[rate.amount.currency] = Sum(count=rate.count + (before.count if before else 0), **amounts)
    return list(sums.values())


def charts_of(days: Sequence[DayTotal], period: Period) -> Sequence[tuple[str, DayChart]]:
    """A chart of the days for each currency."""
    currencies = sorted({day.amount.currency for day in days})
    return [
        (
            currency,
            chart_days(
                {day.day: day.amount.minor for day in days if day.amount.currency == currency},
                first=period.first,
                end=period.end,
            ),
        )
        for currency in currencies
    ]


handlers = [show_finance]
