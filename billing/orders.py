"""Reading orders, and the numbers by which people speak of them."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.attributes import set_committed_value

from auth.plain_statements import columns, driver_of, read
from billing.books import Document
from billing.errors import OrderNotFound
from billing.models import Order, OrderLine, Payment
from billing.tax import accounting_day

_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels (so no words come out) and no I or O (so none is taken for a digit)."""

_IS_TAKEN: Final = "SELECT EXISTS (SELECT FROM billing.orders WHERE order_number = $1)"

_MINE: Final = f"SELECT {columns(Order)} FROM billing.orders WHERE id = $1 AND account_id = $2"  # noqa: S608

_LINES_OF: Final = f"SELECT {columns(OrderLine)} FROM billing.order_lines WHERE order_id = $1 ORDER BY position"  # noqa: S608

_LAST_PAYMENT: Final = f"""
    SELECT {columns(Payment)} FROM billing.payments WHERE order_id = $1 ORDER BY attempt DESC LIMIT 1
"""  # noqa: S608


async def new_order_number(session: AsyncSession, at: datetime) -> str:
    """A number that can be said on the telephone, such as `V-2026-KRMT-4821`: 1.6 thousand million a year."""
    while True:
        letters = "".join(secrets.choice(_LETTERS) for _ in range(4))
        number = f"V-{accounting_day(at).year}-{letters}-{secrets.randbelow(10_000):04d}"
        driver = await driver_of(session)
        if not await driver.fetchval(_IS_TAKEN, number):
            return number


async def find_order(session: AsyncSession, *, order_id: UUID, account_id: UUID) -> Order:
    """An order of the account with its lines; raises `OrderNotFound` for another account's just as for none."""
    driver = await driver_of(session)
    found = await driver.fetchrow(_MINE, order_id, account_id)
    if found is None:
        raise OrderNotFound()
    order = read(Order, found)
    set_committed_value(order, "lines", await lines_of(session, order_id))
    return order


async def lock_order(session: AsyncSession, order_id: UUID) -> Order:
    """The order, locked until the transaction ends: first of all locks, before its payments and refunds."""
    return await session.get_one(Order, order_id, with_for_update=True, populate_existing=True)


async def list_orders(
    session: AsyncSession, *, account_id: UUID, before: tuple[datetime, UUID] | None = None, limit: int = 20
) -> Sequence[Order]:
    """The account's orders with their lines, newest first; `before` is the place of the last one seen."""
    query = (
        select(Order)
        .where(Order.account_id == account_id)
        .order_by(Order.created_at.desc(), Order.id.desc())
        .limit(limit)
        .options(selectinload(Order.lines))
    )
    if before is not None:
        created_at, order_id = before
        query = query.where(
            (Order.created_at < created_at) | ((Order.created_at == created_at) & (Order.id < order_id))
        )
    return (await session.scalars(query)).all()


async def lines_of(session: AsyncSession, order_id: UUID) -> Sequence[OrderLine]:
    """The lines of an order in their order."""
    driver = await driver_of(session)
    return [read(OrderLine, line) for line in await driver.fetch(_LINES_OF, order_id)]


async def latest_payment(session: AsyncSession, order_id: UUID) -> Payment:
    """The last attempt to pay an order; every order has one from the start."""
    [last] = await (await driver_of(session)).fetch(_LAST_PAYMENT, order_id)
    return read(Payment, last)


async def invoice_of(session: AsyncSession, order_id: UUID) -> Document | None:
    """The invoice of a paid order."""
    return await session.scalar(select(Document).where(Document.order_id == order_id, Document.kind == "invoice"))


async def credit_notes_of(session: AsyncSession, order_id: UUID) -> Sequence[Document]:
    """What was written of an order's price that went back, the oldest first."""
    return (
        await session.scalars(
            select(Document)
            .where(Document.order_id == order_id, Document.kind == "credit_note")
            .order_by(Document.issued_at, Document.number)
        )
    ).all()
