"""Invoices and credit notes: numbered without a gap, written once, with a copy of all that stands on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import add, driver_of
from billing.books import Document
from billing.models import Order, OrderLine, Refund
from billing.ports import Seller
from billing.refund_shares import LineShare
from billing.tax import accounting_day, rate_text

_TAKE_NUMBER: Final = """
    INSERT INTO billing.document_series AS series (code, next_number) VALUES ($1, 2)
    ON CONFLICT (code) DO UPDATE SET next_number = series.next_number + 1 RETURNING next_number - 1
"""


async def issue_invoice(
    session: AsyncSession, *, order: Order, lines: Sequence[OrderLine], seller: Seller, at: datetime
) -> Document:
    """Write the invoice of a paid order, with what a small invoice must say (UStDV 33)."""
    shares = [LineShare(line, line.gross, line.net, line.tax) for line in lines]
    content = _content(order, shares, seller, at)
    return await _issue(session, "R", kind="invoice", order=order, shares=shares, content=content, at=at)


async def issue_credit_note(
    session: AsyncSession,
    *,
    order: Order,
    shares: Sequence[LineShare],
    refund: Refund,
    invoice_number: str,
    seller: Seller,
    at: datetime,
) -> Document:
    """Write the correction of an invoice (UStG 14(6), UStDV 31(5)): what goes back, as positive amounts."""
    content = {**_content(order, shares, seller, at), "corrects": invoice_number, "reason": refund.reason}
    return await _issue(
        session, "G", kind="credit_note", order=order, shares=shares, content=content, at=at, refund_id=refund.id
    )


async def _issue(
    session: AsyncSession,
    letter: str,
    *,
    kind: str,
    order: Order,
    shares: Sequence[LineShare],
    content: dict[str, Any],
    at: datetime,
    refund_id: UUID | None = None,
) -> Document:
    series = f"{letter}-{accounting_day(at).year}"
    number = await _next_number(session, series)
    document = Document(
        series=series,
        number=number,
        document_number=f"{series}-{number:06d}",
        kind=kind,
        order_id=order.id,
        refund_id=refund_id,
        issued_at=at,
        currency=order.currency,
        gross=sum(share.gross for share in shares),
        net=sum(share.net for share in shares),
        tax=sum(share.tax for share in shares),
        content=content,
    )
    await add(session, document)
    return document


async def _next_number(session: AsyncSession, series: str) -> int:
    """The next number of a series.

    The series' row stays locked until the transaction ends, and a rollback gives the number back: a PostgreSQL
    sequence would leave a gap that a tax auditor asks about.
    """
    driver = await driver_of(session)
    number: int = await driver.fetchval(_TAKE_NUMBER, series)
    return number


def _content(order: Order, shares: Sequence[LineShare], seller: Seller, at: datetime) -> dict[str, Any]:
    return {
        "seller": {"name": seller.name, "address": seller.address, "vat_id": seller.vat_id},
        "issued_on": accounting_day(at).isoformat(),
        "order_number": order.order_number,
        "tax_country": order.tax_country,
        "lines": [
            {
                "description": share.line.description,
                "kind": share.line.kind,
                "gross": share.gross,
                "net": share.net,
                "tax": share.tax,
                "tax_rate": rate_text(share.line.tax_rate_bp),
            }
            for share in shares
        ],
    }
