"""Finance's page of our account at the provider: what no booking explains, payouts, and twelve months as a chart."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.permissions import MOVEMENTS_ACKNOWLEDGE, TRANSACTIONS_EXPORT, TRANSACTIONS_READ
from auth.visits import Visit
from billing.acknowledgements import ACKNOWLEDGEABLE, acknowledge, find_movement
from billing.cursors import cursor_of, text_place_of
from billing.errors import PeriodInvalid
from billing.exports import Period
from billing.money import Money
from billing.provider_account import MonthAtProvider, list_account_movements, list_payouts, total_by_month
from billing.provider_account_routes import record_acknowledgement
from billing.tax import accounting_day
from store.database import Database
from store.web.charts import MonthChart, chart_months
from store.web.finance_pages import month_before, month_of, month_text, read_month
from store.web.pages import Frame
from store.web.support_pages import LONGEST_REASON, SHORTEST_REASON, ReasonForm

PAGE: Final = 100
"""Movements on one page."""
SERIES: Final = ("charges", "refunds", "fees", "payouts")
"""The bars of a month, in their order."""
_MONTHS: Final = 12


@get("/finance/reconciliation", guards=[requires(TRANSACTIONS_READ)])
async def show_reconciliation(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    database: NamedDependency[Database],
    real_now: NamedDependency[datetime],
    month: FromQuery[str] = "",
    after: FromQuery[str | None] = None,
    short: FromQuery[str] = "",
) -> Response[str]:
    """A month's payouts, by default the present one's; what is unmatched is shown of all times.

    `short` names the movement whose reason was too short.
    """
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
        action="provider_account.viewed",
        target_kind="period",
        target_id=str(period),
        request_id=visit.request_id,
        ip=visit.ip,
    )
    found = await list_account_movements(database, matched=False, after=text_place_of(after), limit=PAGE + 1)
    page = found[:PAGE]
    months = months_until(period)
    year = await total_by_month(database, period=Period.of(months[0], period.end))
    return frame.page(
        "finance/reconciliation.html",
        status=400 if errors else 200,
        period=period,
        month=month_text(period.first),
        month_name=frame.w.month(period.first),
        previous=month_text(month_before(period.first)),
        following=month_text(period.end) if period.end <= present else "",
        unmatched=page,
        next_cursor=cursor_of((page[-1].created_at, page[-1].id)) if len(found) > PAGE else "",
        payouts=await list_payouts(database, period=period),
        series=SERIES,
        charts=charts_of(year, months),
        money_of=Money,
        may_export=TRANSACTIONS_EXPORT in identity.permissions,
        acknowledgeable=ACKNOWLEDGEABLE if MOVEMENTS_ACKNOWLEDGE in identity.permissions else (),
        short=short,
        longest=LONGEST_REASON,
        errors=errors,
    )


@post("/finance/reconciliation/{movement_id:str}/acknowledgements", guards=[requires(MOVEMENTS_ACKNOWLEDGE)])
async def acknowledge_movement(
    frame: NamedDependency[Frame],
    movement_id: FromPath[str],
    data: URLEncodedBody[ReasonForm],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Book a movement that is none of ours."""
    movement, reason = await find_movement(session, movement_id), data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return frame.go(frame.url("/finance/reconciliation", short=movement.id))
    await acknowledge(session, movement_id=movement_id, at=frame.at)
    await record_acknowledgement(session, identity, visit, movement_id, reason=reason, real_now=real_now)
    return frame.go("/finance/reconciliation", done="movement_acknowledged")


def months_until(period: Period) -> Sequence[date]:
    """The first days of the twelve months that end with a period's."""
    days = [period.first]
    while len(days) < _MONTHS:
        days.append(month_before(days[-1]).replace(day=1))
    return days[::-1]


def charts_of(year: Sequence[MonthAtProvider], months: Sequence[date]) -> Sequence[tuple[str, MonthChart]]:
    """A chart for each currency; payouts are drawn as what reached the bank."""
    charts = []
    for currency in sorted({row.charges.currency for row in year}):
        rows = {row.month: row for row in year if row.charges.currency == currency}
        charts.append((currency, chart_months({month: _bars(rows.get(month_text(month))) for month in months})))
    return charts


def _bars(row: MonthAtProvider | None) -> Sequence[int]:
    if row is None:
        return [0] * len(SERIES)
    return [row.charges.minor, row.refunds.minor, row.fees.minor, -row.payouts.minor]


handlers = [show_reconciliation, acknowledge_movement]
