"""Transactions of a period, read from the journals: as a list, as totals, and as CSV written by PostgreSQL itself.

The columns of the CSV (comma, UTF-8, a header line, one line per money event, ordered by time):

    date               accounting day in the seller's zone
    booked_at          instant, RFC 3339 UTC
    journal_id         key of the journal
    kind               sale | refund | refund_paid | refund_reversal | refund_settled | refund_lost |
                       unfulfilled_receipt | unfulfilled_refund |
                       dispute_withdrawn | dispute_reinstated | dispute_lost | fee | provider_fee |
                       acknowledged | resolved
    order_number       what customers and support say; empty, as customer, country and payment_id are, for a
                       provider_fee or a movement that is none of ours, which belong to no order
    invoice_number     empty where no invoice belongs to the event
    customer           pseudonym; the only customer key in the books
    country            where the supply is taxed, ISO 3166-1
    tax_rate           percent, with a point; empty where no VAT was booked
    currency           ISO 4217
    amount_minor       money that came (or went, negative), in minor units
    net_minor          of that revenue
    tax_minor          of that VAT
    to_refund_minor    of that money without a claim of ours, which goes back
    fees_minor         of that fees and losses (negative)
    elsewhere_minor    of that money that a bank holds until a dispute is decided, or that is not known to be ours
                       amount = net + tax + to_refund + fees + elsewhere
    amount, net, tax, to_refund, fees, elsewhere     the same six as decimal numbers with a point
    payment_id         key of the payment
    description        what was sold, in the seller's language

A text that a spreadsheet would read as a formula begins with an apostrophe (ASVS 5.0, 1.2.10); numbers do not.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Self
from uuid import UUID

from auth.ports import OpenDatabase
from billing.cursors import Place
from billing.errors import PeriodInvalid
from billing.money import Money
from billing.tax import SELLER_ZONE

LONGEST_DAYS: Final = 3_700
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2999

AMOUNTS: Final = ("amount", "net", "tax", "to_refund", "fees", "elsewhere")
"""What every money event and every sum of them has, in one currency."""

_COPY_TIMEOUT: Final = 3_600.0
"""Seconds that one export may take."""

_CHUNKS_AHEAD: Final = 8
"""Chunks that PostgreSQL may be ahead of a slow reader."""


@dataclass(frozen=True, slots=True)
class Period:
    """Accounting days from `first` up to, but without, `end`, in the seller's zone."""

    first: date
    end: date

    @classmethod
    def of(cls, first: date, end: date) -> Self:
        """A period; raises `PeriodInvalid` if it is empty, too long or out of the calendar."""
        in_calendar = _FIRST_YEAR <= first.year <= _LAST_YEAR and _FIRST_YEAR <= end.year <= _LAST_YEAR
        if not in_calendar or not timedelta() < end - first <= timedelta(days=LONGEST_DAYS):
            raise PeriodInvalid(longest_days=LONGEST_DAYS)
        return cls(first, end)

    @property
    def instants(self) -> tuple[datetime, datetime]:
        """The same half-open span in UTC."""
        return _midnight(self.first), _midnight(self.end)

    def __str__(self) -> str:
        """ISO 8601, with the first day that is no longer part of it."""
        return f"{self.first}/{self.end}"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One money event of the books; amount = net + tax + to_refund + fees + elsewhere."""

    journal_id: UUID
    booked_at: datetime
    kind: str
    order_number: str | None
    """None, as customer, country and payment are, for what belongs to no order: a provider's own fee."""
    invoice_number: str | None
    customer: UUID | None
    country: str | None
    tax_rate: str | None
    amount: Money
    net: Money
    tax: Money
    to_refund: Money
    fees: Money
    elsewhere: Money
    payment_id: UUID | None
    description: str


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of all money events of one kind, country and currency."""

    kind: str
    country: str | None
    count: int
    amount: Money
    net: Money
    tax: Money
    to_refund: Money
    fees: Money
    elsewhere: Money


_LIST: Final = """
    SELECT *, gross AS amount FROM billing.transactions
    WHERE booked_at >= $1 AND booked_at < $2 AND (booked_at, journal_id) > ($3, $4)
    ORDER BY booked_at, journal_id LIMIT $5
"""

_TOTALS: Final = """
    SELECT
        kind, country, currency, count(*) AS count, sum(gross)::bigint AS amount, sum(net)::bigint AS net,
        sum(tax)::bigint AS tax, sum(to_refund)::bigint AS to_refund, sum(fees)::bigint AS fees,
        sum(elsewhere)::bigint AS elsewhere
    FROM billing.transactions
    WHERE booked_at >= $1 AND booked_at < $2
    GROUP BY kind, country, currency ORDER BY kind, country, currency
"""

_CSV: Final = r"""
    SELECT
        (booked_at AT TIME ZONE $3)::date AS date,
        to_char(booked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS booked_at,
        journal_id, kind, order_number, invoice_number, customer, country, tax_rate, currency,
        gross AS amount_minor, net AS net_minor, tax AS tax_minor, to_refund AS to_refund_minor,
        fees AS fees_minor, elsewhere AS elsewhere_minor,
        round(gross / 10::numeric ^ digits, digits) AS amount,
        round(net / 10::numeric ^ digits, digits) AS net,
        round(tax / 10::numeric ^ digits, digits) AS tax,
        round(to_refund / 10::numeric ^ digits, digits) AS to_refund,
        round(fees / 10::numeric ^ digits, digits) AS fees,
        round(elsewhere / 10::numeric ^ digits, digits) AS elsewhere,
        payment_id,
        CASE WHEN description ~ '^[=+@\t\r\n＝＋＠－-]' THEN '''' || description ELSE description END AS description
    FROM billing.transactions CROSS JOIN LATERAL billing.currency_digits(currency) AS digits
    WHERE transactions.booked_at >= $1 AND transactions.booked_at < $2
    ORDER BY transactions.booked_at, transactions.journal_id
"""
"""Only `description` comes from people (a film's title); the other texts are made by us."""


async def list_transactions(
    database: OpenDatabase, *, period: Period, after: Place | None = None, limit: int = 100
) -> Sequence[Transaction]:
    """The period's money events in the order of time, beginning behind the place `after`."""
    start, end = period.instants
    booked_at, journal_id = after or (start, UUID(int=0))
    rows = await database.reads.fetch(_LIST, start, end, booked_at, journal_id, limit)
    return [
        Transaction(
            journal_id=row["journal_id"],
            booked_at=row["booked_at"],
            kind=row["kind"],
            order_number=row["order_number"],
            invoice_number=row["invoice_number"],
            customer=row["customer"],
            country=row["country"],
            tax_rate=row["tax_rate"],
            payment_id=row["payment_id"],
            description=row["description"],
            **amounts_of(row),
        )
        for row in rows
    ]


async def total_transactions(database: OpenDatabase, *, period: Period) -> Sequence[Total]:
    """The period's sums by kind, country and currency."""
    rows = await database.reads.fetch(_TOTALS, *period.instants)
    return [Total(kind=row["kind"], country=row["country"], count=row["count"], **amounts_of(row)) for row in rows]


def export_csv(database: OpenDatabase, *, period: Period) -> AsyncGenerator[bytes]:
    """The period as CSV."""
    return stream_csv(database, _CSV, *period.instants, SELLER_ZONE.key)


async def stream_csv(database: OpenDatabase, query: str, *arguments: object) -> AsyncGenerator[bytes]:
    """A query's rows as CSV, in chunks as PostgreSQL writes them: one statement, so one consistent state of the books.

    A reader that goes away stops the copying and gives the connection back.
    """
    chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(maxsize=_CHUNKS_AHEAD)

    async def copy() -> None:
        try:
            async with database.reads.acquire() as connection:
                await connection.copy_from_query(
                    query,
                    *arguments,
                    output=chunks.put,
                    format="csv",
                    header=True,
                    timeout=_COPY_TIMEOUT,
                )
        except Exception as fault:
            await chunks.put(fault)
        else:
            await chunks.put(None)

    copying = asyncio.create_task(copy())
    try:
        while (chunk := await chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield bytes(chunk)  # asyncpg hands out bytearrays, which no ASGI server takes
    finally:
        copying.cancel()
        with suppress(asyncio.CancelledError):
            await copying


def amounts_of(row: Any) -> dict[str, Money]:
    """The amounts of a row of the view."""
    return {name: Money(row[name], row["currency"]) for name in AMOUNTS}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), SELLER_ZONE).astimezone(UTC)
