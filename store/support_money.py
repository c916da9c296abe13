"""What support sees of a customer's orders and of their money: tries to pay, refunds, disputes."""

from collections import defaultdict
from typing import Final, Literal, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.books import Document
from billing.declined_tries import DeclinedTry
from billing.dispute_records import Dispute
from billing.models import Order, Payment, Refund
from billing.money import Money, MoneyOut
from billing.order_histories import money_by_order
from billing.orders import list_orders
from store.support_schemas import CustomerOrderOut, CustomerPaymentOut, DocumentOut

NEWEST: Final = 100
"""Rows of each list; older ones are not shown."""


async def orders_of(session: AsyncSession, account_id: UUID, locale: str) -> list[CustomerOrderOut]:
    """The newest orders with their documents and where their money is; lines in `locale`."""
    orders = await list_orders(session, account_id=account_id, limit=NEWEST)
    documents: dict[UUID, list[DocumentOut]] = defaultdict(list)
    for row in await session.scalars(
        select(Document)
        .where(Document.order_id.in_([order.id for order in orders]))
        .order_by(Document.issued_at, Document.number)
    ):
        kind: Literal["invoice", "credit_note"] = "invoice" if row.kind == "invoice" else "credit_note"
        documents[row.order_id].append(DocumentOut(row.document_number, kind, row.issued_at))
    money = await money_by_order(session, orders)
    return [
        CustomerOrderOut(
            id=order.id,
            order_number=order.order_number,
            state=order.state.value,
            money=money[order.id].state.value,
            ordered_at=order.ordered_at,
            paid_at=order.paid_at,
            total=MoneyOut.of(order.price),
            lines=[str(line.description.get(locale) or line.description.get("de", "")) for line in order.lines],
            documents=documents[order.id],
        )
        for order in orders
    ]


async def payments_of(session: AsyncSession, account_id: UUID) -> list[CustomerPaymentOut]:
    """Attempts to pay, refunds and disputes, the newest first."""
    found = [
        *[_paid(number, row) for number, row in await _of_customer(session, Payment, account_id)],
        *[_declined(number, row, paid) for number, row, paid in await _declined_tries(session, account_id)],
        *[_refunded(number, row) for number, row in await _of_customer(session, Refund, account_id)],
        *[_disputed(number, row) for number, row in await _of_customer(session, Dispute, account_id)],
    ]
    return sorted(found, key=lambda entry: entry.created_at, reverse=True)[:NEWEST]


Moved = TypeVar("Moved", Payment, Refund, Dispute)


async def _of_customer(session: AsyncSession, kind: type[Moved], account_id: UUID) -> list[tuple[str, Moved]]:
    """The newest rows of a table about a customer's orders, each with its order's number."""
    rows = await session.execute(
        select(Order.order_number, kind)
        .join(Order, Order.id == kind.order_id)
        .where(Order.account_id == account_id)
        .order_by(kind.created_at.desc(), kind.id.desc())
        .limit(NEWEST)
    )
    return [(number, row) for number, row in rows]


def _paid(number: str, row: Payment) -> CustomerPaymentOut:
    return _entry_of_money(number, "payment", row, problem=row.decline, amount=Money(row.amount, row.currency))


async def _declined_tries(session: AsyncSession, account_id: UUID) -> list[tuple[str, DeclinedTry, Payment]]:
    rows = await session.execute(
        select(Order.order_number, DeclinedTry, Payment)
        .join(Payment, Payment.id == DeclinedTry.payment_id)
        .join(Order, Order.id == Payment.order_id)
        .where(Order.account_id == account_id)
        .order_by(DeclinedTry.at.desc(), DeclinedTry.key)
        .limit(NEWEST)
    )
    return [(number, tried, payment) for number, tried, payment in rows]


def _declined(number: str, tried: DeclinedTry, payment: Payment) -> CustomerPaymentOut:
    return CustomerPaymentOut(
        order_number=number,
        kind="try",
        state="declined",
        problem=tried.decline,
        provider_reason=tried.reason,
        note=None,
        amount=MoneyOut(payment.amount, payment.currency),
        created_at=tried.at,
        updated_at=tried.at,
    )


def _refunded(number: str, row: Refund) -> CustomerPaymentOut:
    return _entry_of_money(number, "refund", row, problem=row.reason, amount=-row.money, note=row.note)


def _disputed(number: str, row: Dispute) -> CustomerPaymentOut:
    return _entry_of_money(number, "dispute", row, problem=row.reason, amount=-Money(row.amount, row.currency))


def _entry_of_money(
    number: str,
    kind: Literal["payment", "refund", "dispute"],
    row: Payment | Refund | Dispute,
    *,
    problem: str | None,
    amount: Money,
    note: str | None = None,
) -> CustomerPaymentOut:
    return CustomerPaymentOut(
        order_number=number,
        kind=kind,
        state=row.state.value,
        problem=problem,
        provider_reason=None,
        note=note,
        amount=MoneyOut.of(amount),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
