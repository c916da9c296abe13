"""The books: an append-only double-entry ledger, one journal per money event, debit positive and credit negative."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.ids import new_id
from auth.plain_statements import add
from billing.books import Journal, LedgerAccount, Posting
from billing.closing import booking_time
from billing.models import Order, OrderLine, Refund
from billing.money import Money
from billing.refund_shares import LineShare
from billing.tax import rate_text

CLEARING: Final = "clearing:stripe"
"""What the provider owes us until it pays out."""

TO_REFUND: Final = "liability:refunds"
"""Money that has to go back: it came without a claim of ours, or its sale was undone."""

DISPUTED: Final = "receivable:disputes"
"""Money that a bank took until it has decided."""

UNRESOLVED: Final = "receivable:unresolved"
"""Movements that finance acknowledged as none of ours, until it says what they were (`billing.resolutions`)."""

OTHERS: Final = "receivable:others"
"""What other businesses on the same account at the provider owe us, or negative what is theirs."""

FEES: Final = "fees:stripe"
"""What the provider keeps of payments."""

DISPUTE_FEES: Final = "fees:disputes"
"""What the provider keeps for disputes."""

LOST: Final = "loss:disputes"
"""Net prices that were lost to disputes."""

WRITTEN_OFF: Final = "loss:unresolved"
"""Movements that nobody could resolve."""

BANK: Final = "bank:payouts"
"""What the provider paid out to our bank."""

_KINDS: Final = {
    "clearing": "asset",
    "receivable": "asset",
    "bank": "asset",
    "liability": "liability",
    "vat": "liability",
    "revenue": "revenue",
    "fees": "expense",
    "loss": "expense",
}


async def book_sale(
    session: AsyncSession,
    *,
    order: Order,
    lines: Sequence[OrderLine],
    payment_id: UUID,
    document_number: str,
    at: datetime,
) -> Journal:
    """Book a paid order: the provider owes us its gross; revenue and VAT by kind, country and rate."""
    sides: dict[str, int] = defaultdict(int)
    for line in lines:
        sides[CLEARING] += line.gross
        sides[f"revenue:{line.kind}:{order.tax_country}"] -= line.net
        sides[vat_account(order, line)] -= line.tax
    return await book(
        session,
        kind="sale",
        source=("payment", payment_id),
        order=order,
        payment_id=payment_id,
        document_number=document_number,
        description=lines[0].description["de"],
        currency=order.currency,
        sides=sides,
        at=at,
    )


async def book_refund(
    session: AsyncSession,
    *,
    order: Order,
    refund: Refund,
    shares: Sequence[LineShare],
    document_number: str,
    at: datetime,
) -> Journal:
    """Book a sale that is undone, whole or in part: its revenue and VAT go back, and we owe the customer the money."""
    sides: dict[str, int] = defaultdict(int)
    for share in shares:
        sides[f"revenue:{share.line.kind}:{order.tax_country}"] += share.net
        sides[vat_account(order, share.line)] += share.tax
        sides[TO_REFUND] -= share.gross
    return await book(
        session,
        kind="refund",
        source=("refund", refund.id),
        order=order,
        payment_id=refund.payment_id,
        document_number=document_number,
        description=shares[0].line.description["de"],
        currency=order.currency,
        sides=sides,
        at=at,
    )


async def book_owed(
    session: AsyncSession,
    *,
    kind: str,
    order: Order,
    payment_id: UUID,
    refund_id: UUID,
    received: Money,
    at: datetime,
) -> Journal:
    """Book money that we have but owe (positive), or its way to the customer (negative): no revenue, no VAT."""
    return await book(
        session,
        kind=kind,
        source=("refund", refund_id),
        order=order,
        payment_id=payment_id,
        document_number=None,
        description=f"Rückzahlung zu {order.order_number}",
        currency=received.currency,
        sides={CLEARING: received.minor, TO_REFUND: -received.minor},
        at=at,
    )


async def book(
    session: AsyncSession,
    *,
    kind: str,
    source: tuple[str, UUID],
    order: Order | None,
    payment_id: UUID | None,
    document_number: str | None,
    description: str,
    currency: str,
    sides: Mapping[str, int],
    at: datetime,
) -> Journal:
    """Write one journal with its postings (account -> minor units; zeros are left out).

    What comes after its period was closed is booked behind it. The same source and kind are booked once, by
    constraint. The database refuses, at commit, a journal whose postings do not sum up to nothing.
    """
    sides = {account: minor for account, minor in sides.items() if minor}
    journal = Journal(
        id=new_id(),
        booked_at=await booking_time(session, at=at),
        source=source[0],
        source_id=source[1],
        kind=kind,
        currency=currency,
        country=order.tax_country if order else None,
        order_id=order.id if order else None,
        order_number=order.order_number if order else None,
        document_number=document_number,
        payment_id=payment_id,
        customer_pseudonym=order.customer_pseudonym if order else None,
        description=description[:200],
    )
    postings = [
        Posting(journal_id=journal.id, line=number, account=account, minor=minor)
        for number, (account, minor) in enumerate(sides.items(), start=1)
    ]
    accounts = [LedgerAccount(code=code, kind=_KINDS[code.partition(":")[0]]) for code in sorted(sides)]
    # A new tax rate must never keep a paid order from being booked: accounts that do not exist yet are opened.
    await add(session, *accounts, journal, *postings, unless={LedgerAccount: "(code)"})
    return journal


def vat_account(order: Order, line: OrderLine) -> str:
    """The account of the VAT that a line owes, such as `vat:DE:19`."""
    return f"vat:{order.tax_country}:{rate_text(line.tax_rate_bp)}"
