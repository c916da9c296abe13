"""Withdrawals declared without signing in (BGB 356a): confirmed at once, then carried out by a job or a person."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import CheckConstraint, ForeignKey, Index, String, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.email_addresses import LONGEST, parse_email
from auth.errors import Refusal
from auth.ids import new_id
from auth.limits import Rule
from auth.models import Account
from auth.ports import Jobs, Outbox, Throttle
from auth.visits import Visit
from billing.books import Document
from billing.errors import WithdrawalNotFound, WithdrawalNotOpen
from billing.models import Base, Order, Refund
from billing.sale_refunds import SaleRefunds

log = structlog.get_logger("withdrawals")

RECEIPT_MAIL: Final = "withdrawal_receipt"
"""Kind of the mail that confirms that a declaration has arrived, with its content and time (BGB 356a(4))."""

PER_ADDRESS: Final = Rule("withdrawal.address", 5, timedelta(days=1), announced=False)
PER_IP: Final = Rule("withdrawal.ip", 20, timedelta(hours=1))
"""Declarations are mailed to an address that somebody typed: nobody's mailbox is flooded."""

LONGEST_NAME: Final = 100
LONGEST_CONTRACT: Final = 100

CONTRACT_UNKNOWN: Final = "contract_unknown"
ADDRESS_DIFFERS: Final = "address_differs"

_NUMBER: Final = re.compile(r"\b(?:V-\d{4}-[A-Z]{4}-\d{4}|R-\d{4}-\d{6,})\b")
"""An order number or an invoice number anywhere in what was typed."""


class WithdrawalState(StrEnum):
    """What became of a declaration."""

    RECEIVED = "received"
    """Waits for the job that looks for its contract."""
    WITHDRAWN = "withdrawn"
    """The contract was found and undone."""
    OPEN = "open"
    """A person has to look at it."""
    CLOSED = "closed"
    """A person has looked at it."""


class WithdrawalDeclaration(Base):
    """What somebody declared, in his words; kept as the proof of when it came."""

    __tablename__ = "withdrawal_declarations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    contract: Mapped[str] = mapped_column(String(LONGEST_CONTRACT))
    """What was typed to identify it: an order number, an invoice number, or words."""
    email: Mapped[str] = mapped_column(String(LONGEST))
    email_key: Mapped[str] = mapped_column(String(LONGEST))
    locale: Mapped[str] = mapped_column(String(5))
    state: Mapped[str] = mapped_column(String(16))
    """A `WithdrawalState`."""
    reason: Mapped[str | None] = mapped_column(String(40))
    """Why a person has to look at it: `contract_unknown`, `address_differs`, or the code of the refusal."""
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey(Refund.id))
    declared_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    note: Mapped[str | None] = mapped_column(String(500))
    """What the person did about it."""

    __table_args__ = (
        CheckConstraint("state IN ('received', 'withdrawn', 'open', 'closed')", name="state"),
        Index("ix_withdrawal_declarations_open", "declared_at", postgresql_where=text("state = 'open'")),
    )


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """Takes declarations in; the answer and the work are the same whether there is such a contract or not."""

    session: AsyncSession
    jobs: Jobs
    outbox: Outbox
    throttle: Throttle

    async def declare(
        self, *, name: str, contract: str, email: str, locale: str, at: datetime, visit: Visit
    ) -> WithdrawalDeclaration:
        """Receive a declaration: its receipt is mailed in any case, and a job looks for the contract.

        Raises `EmailAddressInvalid` or `TooManyAttempts`.
        """
        address = parse_email(email)
        await PER_IP.admit(self.throttle, visit.limit_key)
        await PER_ADDRESS.admit(self.throttle, address.key)
        declaration = WithdrawalDeclaration(
            id=new_id(),
            name=name,
            contract=contract,
            email=address.text,
            email_key=address.key,
            locale=locale,
            state=WithdrawalState.RECEIVED,
            declared_at=at,
        )
        self.session.add(declaration)
        await self.session.flush()
        await self.outbox.queue(
            self.session, kind=RECEIPT_MAIL, account_id=None, reference=declaration.id, locale=locale
        )
        await self.jobs.enqueue(
            self.session,
            "decide_withdrawal",
            dedupe_key=f"decide_withdrawal:{declaration.id}",
            declaration_id=str(declaration.id),
        )
        return declaration


async def decide_withdrawal(
    session: AsyncSession, sale_refunds: SaleRefunds, *, declaration_id: UUID, at: datetime
) -> None:
    """Undo the declared contract if it is the mailbox owner's and may be undone; else leave it to a person.

    Safe to repeat. The period is kept by the time of the declaration, not by that of this job.
    """
    declaration = await session.get(WithdrawalDeclaration, declaration_id, with_for_update=True)
    if declaration is None or declaration.state != WithdrawalState.RECEIVED:
        return
    order, owner_key = await _order_of(session, declaration.contract)
    if order is None or owner_key != declaration.email_key:
        _leave_to_a_person(declaration, CONTRACT_UNKNOWN if order is None else ADDRESS_DIFFERS)
        return
    try:
        refund = await sale_refunds.withdraw(
            order_id=order.id, account_id=order.account_id, at=at, declared_at=declaration.declared_at
        )
    except Refusal as refusal:
        _leave_to_a_person(declaration, refusal.code)
        return
    declaration.state, declaration.refund_id = WithdrawalState.WITHDRAWN, refund.id


async def list_open_withdrawals(session: AsyncSession, *, limit: int) -> list[WithdrawalDeclaration]:
    """Declarations that wait for a person, the oldest first."""
    waiting = (
        select(WithdrawalDeclaration)
        .where(WithdrawalDeclaration.state == WithdrawalState.OPEN)
        .order_by(WithdrawalDeclaration.declared_at)
    )
    return list(await session.scalars(waiting.limit(limit)))


async def close_withdrawal(
    session: AsyncSession, *, declaration_id: UUID, agent_id: UUID, note: str, at: datetime
) -> None:
    """A person has dealt with it; raises `WithdrawalNotFound` or `WithdrawalNotOpen`."""
    declaration = await session.get(WithdrawalDeclaration, declaration_id, with_for_update=True)
    if declaration is None:
        raise WithdrawalNotFound()
    if declaration.state != WithdrawalState.OPEN:
        raise WithdrawalNotOpen()
    declaration.state, declaration.note = WithdrawalState.CLOSED, note
    declaration.closed_at, declaration.closed_by = at, agent_id
    await session.flush()


def _leave_to_a_person(declaration: WithdrawalDeclaration, reason: str) -> None:
    declaration.state, declaration.reason = WithdrawalState.OPEN, reason
    log.info("left to a person", declaration_id=str(declaration.id), reason=reason)


async def _order_of(session: AsyncSession, contract: str) -> tuple[Order | None, str | None]:
    """The order that somebody named, and the key of its owner's address."""
    number = _NUMBER.search(contract.upper())
    if number is None:
        return None, None
    found = await session.execute(
        select(Order, Account.email_key)
        .join(Account, Account.id == Order.account_id)
        .outerjoin(Document, Document.order_id == Order.id)
        .where(or_(Order.order_number == number[0], Document.document_number == number[0]))
        .limit(1)
    )
    row = found.first()
    return (row[0], row[1]) if row else (None, None)
