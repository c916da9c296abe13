"""Invoices: numbered without a gap, written once, with a copy of all that stands on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.models import Document, DocumentSeries, Order, OrderLine
from billing.ports import Seller
from billing.tax import accounting_day, rate_text


async def issue_invoice(
    session: AsyncSession, *, order: Order, lines: Sequence[OrderLine], seller: Seller, at: datetime
) -> Document:
    """Write the invoice of a paid order, with what a small invoice must say (UStDV 33)."""
    series = f"R-{accounting_day(at).year}"
    number = await _next_number(session, series)
    invoice = Document(
        series=series,
        number=number,
        document_number=f"{series}-{number:06d}",
        kind="invoice",
        order_id=order.id,
        issued_at=at,
        currency=order.currency,
        gross=order.gross,
        net=order.net,
        tax=order.tax,
        content=_content(order, lines, seller, at),
    )
    session.add(invoice)
    await session.flush()
    return invoice


async def _next_number(session: AsyncSession, series: str) -> int:
    """The next number of a series.

    The series' row stays locked until the transaction ends, and a rollback gives the number back: a PostgreSQL
    sequence would leave a gap that a tax auditor asks about.
    """
    taking = (
        insert(DocumentSeries)
        .values(code=series, next_number=2)
        .on_conflict_do_update(
            index_elements=[DocumentSeries.code], set_={"next_number": DocumentSeries.next_number + 1}
        )
        .returning(DocumentSeries.next_number - 1)
    )
    number = await session.scalar(taking)
    if number is None:
        raise RuntimeError(f"series {series} gave no number")
    return number


def _content(order: Order, lines: Sequence[OrderLine], seller: Seller, at: datetime) -> dict[str, Any]:
    return {
        "seller": {"name": seller.name, "address": seller.address, "vat_id": seller.vat_id},
        "issued_on": accounting_day(at).isoformat(),
        "order_number": order.order_number,
        "tax_country": order.tax_country,
        "lines": [
            {
                "description": line.description,
                "kind": line.kind,
                "gross": line.gross,
                "net": line.net,
                "tax": line.tax,
                "tax_rate": rate_text(line.tax_rate_bp),
            }
            for line in lines
        ],
    }
