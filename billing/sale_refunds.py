"""Undoing a sale, whole or in part: asked for by the customer, by support (above a limit by two), or by the store.

A refund that is decided is credited, booked and, if nothing of the price is left, the right taken back in one
transaction; a job then sends the money. Whatever the provider says later only moves money, never the right.
"""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import Refusal
from auth.ids import new_id
from auth.ports import Jobs, Outbox
from billing.books import Document
from billing.dispute_records import Dispute, DisputeState
from billing.disputed_refunds import list_owed, next_try
from billing.errors import (
    AmountInvalid,
    DecidedByRequester,
    OrderDisputed,
    OrderGivenBack,
    OrderNotFound,
    OrderNotPaid,
    RefundExceedsPayment,
    RefundLimitUsedUp,
    RefundNotAwaitingApproval,
    RefundNotFailed,
    RefundNotFound,
    WithdrawalOver,
)
from billing.invoices import issue_credit_note
from billing.ledger import book_refund
from billing.models import Order, OrderState, Payment, PaymentState, Refund, RefundKind, RefundState
from billing.money import Money
from billing.orders import lines_of, lock_order
from billing.ports import Fulfilment, ProviderRefund, Seller
from billing.refund_allowance import allowance_of
from billing.refund_shares import share_out
from billing.refunds import MAIL, given_back, note_refund, send_off
from billing.tax import end_of_days

log = structlog.get_logger("refunds")

WITHDRAWAL: Final = "withdrawal"
"""Reason of a refund that the customer asked for within the withdrawal period."""

WITHDRAWAL_MAIL: Final = "withdrawal"
"""Kind of the mail that confirms a withdrawal at once on a durable medium (BGB 356a)."""

ELSEWHERE: Final = "made_at_provider"
"""Reason of a refund that was made at the provider itself, past this store."""

SUPPORT_REASONS: Final = ("technical_fault", "wrong_purchase", "duplicate_purchase", "goodwill")
"""Why support gives money back."""

_WITHDRAWAL_DAYS: Final = 14

_GONE_WRONG: Final = (RefundState.FAILED, RefundState.CANCELED)


def withdrawal_ends(order: Order) -> datetime:
    """Exclusive end of the withdrawal period: fourteen days after the day of the contract (BGB 355(2), 187(1))."""
    return end_of_days(_WITHDRAWAL_DAYS, after=order.ordered_at)


@dataclass(frozen=True, slots=True)
class SaleRefunds:
    """Undoes sales inside the caller's transaction; it never calls the provider."""

    session: AsyncSession
    fulfilment: Fulfilment
    jobs: Jobs
    outbox: Outbox
    seller: Seller

    async def withdraw(
        self, *, order_id: UUID, account_id: UUID, at: datetime, declared_at: datetime | None = None
    ) -> Refund:
        """Withdraw from the contract: all money back for a title that was not watched. Repeated, the same refund.

        `declared_at` is when the customer said so, if that was before `at`. Raises `OrderNotFound` or what
        `why_no_withdrawal` answers.
        """
        order = await self.lock(order_id)
        if order.account_id != account_id:
            raise OrderNotFound()
        if (before := await self._withdrawn(order)) is not None:
            return before
        if (refusal := await self.why_no_withdrawal(order, at=declared_at or at)) is not None:
            raise refusal
        payment = await self._paid(order)
        await self._drop_undecided(order, at)
        refund = self._new(order, payment, await self.left_of(order), WITHDRAWAL, at, requested_by=account_id)
        await self._decide(order, refund, at=at, mail=WITHDRAWAL_MAIL)
        return refund

    async def why_no_withdrawal(self, order: Order, *, at: datetime) -> Refusal | None:
        """Why an order cannot be withdrawn from at `at`, or None; then its rights are locked until the end.

        Answers `OrderNotPaid`, `OrderDisputed`, `OrderGivenBack`, `WithdrawalOver`, or why the right of withdrawal is
        lost (the film was begun).
        """
        if await self._payment(order) is None:
            return OrderNotPaid(order_number=order.order_number)
        if await self._disputed(order):
            return OrderDisputed(order_number=order.order_number)
        if await given_back(self.session, order.id, booked=True) >= order.gross:
            return OrderGivenBack(order_number=order.order_number)
        if at >= (ends_at := withdrawal_ends(order)):
            return WithdrawalOver(ended_at=ends_at.isoformat())
        return await self.fulfilment.may_withdraw(self.session, lines=await lines_of(self.session, order.id), at=at)

    async def ask(
        self, *, order_id: UUID, amount: Money | None, reason: str, note: str, agent_id: UUID, at: datetime
    ) -> Refund:
        """Support gives back `amount` (None: all that is left); above the limit it waits for a second person.

        Raises `OrderNotFound`, `OrderNotPaid`, `OrderDisputed`, `RefundExceedsPayment`, `AmountInvalid` (currency)
        or `RefundLimitUsedUp`.
        """
        order = await self.lock(order_id)
        payment = await self._paid(order)
        left = await self.left_of(order)
        wanted = left if amount is None else amount
        if wanted.currency != order.currency:
            raise AmountInvalid(currency=order.currency)
        if not 0 < wanted.minor <= left.minor:
            raise RefundExceedsPayment(left=left.minor, currency=left.currency)
        allowance = await allowance_of(self.session, agent_id=agent_id, currency=order.currency, at=at, lock=True)
        if allowance is not None and wanted.minor > allowance.left.minor:
            raise RefundLimitUsedUp(limit=allowance.per_day.minor, currency=wanted.currency)
        refund = self._new(order, payment, wanted, reason, at, requested_by=agent_id, note=note)
        if allowance is None or wanted.minor > allowance.needs_approval_above.minor:
            refund.state = RefundState.AWAITING_APPROVAL
            self.session.add(refund)
            await self.session.flush()
        else:
            await self._decide(order, refund, at=at)
        return refund

    async def give_back_all(self, *, order_id: UUID, reason: str, at: datetime) -> Refund | None:
        """The store itself undoes what is left of a sale; None if nothing is left or a bank has it already."""
        order = await self.lock(order_id)
        payment = await self._payment(order)
        if payment is None or await self._disputed(order):
            return None
        await self._drop_undecided(order, at)
        left = await self.left_of(order)
        if left.minor == 0:
            return None
        refund = self._new(order, payment, left, reason, at)
        await self._decide(order, refund, at=at)
        return refund

    async def give_back_part(
        self, *, order_id: UUID, amount: Money, reason: str, note: str, at: datetime
    ) -> Refund | None:
        """The store itself gives back an amount of a sale, or what is left of it.

        None as `give_back_all`, and while less is left because of what waits for a second person, who may say no.
        """
        order = await self.lock(order_id)
        payment, left = await self._payment(order), await self.left_of(order)
        undecided = order.gross - await given_back(self.session, order.id, booked=True) - left.minor
        is_uncertain = undecided > 0 and amount.minor > left.minor
        if payment is None or left.minor == 0 or is_uncertain or await self._disputed(order):
            return None
        refund = self._new(order, payment, min(amount, left, key=attrgetter("minor")), reason, at, note=note)
        await self._decide(order, refund, at=at)
        return refund

    async def adopt(self, observed: ProviderRefund, *, at: datetime) -> bool:
        """Take in a refund that somebody made at the provider itself.

        What fits beside all that is decided is one more, credited and booked as if asked for here: two parts of the
        same amount may both be meant. What does not fit was made in place of something that is decided, for the
        provider gives back no more than was paid and would refuse that one for ever: so it is that one's money.
        Safe to repeat and to race; False if it is about no money of ours, or nothing of its amount is owed.
        """
        if observed.intent_id is None or observed.refund_id is not None:
            return False
        payment = await self.session.scalar(select(Payment).where(Payment.intent_id == observed.intent_id))
        returned = select(Refund.order_id).where(Refund.intent_id == observed.intent_id)
        order_id = await self.session.scalar(returned) if payment is None else payment.order_id
        if order_id is None:
            return False
        order = await self.lock(order_id)
        if await note_refund(self.session, observed, at=at):
            return True
        if observed.state in _GONE_WRONG:
            return False
        left = order.gross - await given_back(self.session, order.id, booked=True)
        fits = observed.amount.currency == order.currency and observed.amount.minor <= left
        if payment is not None and payment.state is PaymentState.SUCCEEDED and fits:
            if observed.amount.minor > (await self.left_of(order)).minor:
                await self._drop_undecided(order, at)
            refund = self._new(order, payment, observed.amount, ELSEWHERE, at)
            refund.provider_refund_id = observed.id
            await self._decide(order, refund, at=at, is_sent=True)
        elif not await self._send_by(order, observed, at):
            return False
        log.warning("given back at the provider", order_id=str(order.id), provider_refund_id=observed.id)
        return await note_refund(self.session, observed, at=at)

    async def _send_by(self, order: Order, observed: ProviderRefund, at: datetime) -> bool:
        """Let a refund be the way of a debt of its amount that did not go, or went wrong; False if there is none."""
        for owed in await list_owed(self.session, order, observed.intent_id):
            if owed.money == observed.amount and owed.state is not RefundState.PENDING:
                is_tried = owed.state in _GONE_WRONG
                refund = next_try(owed, amount=owed.amount, at=at) if is_tried else owed
                refund.provider_refund_id = observed.id
                self.session.add(refund)
                await self.session.flush()
                return True
        return False

    async def approve(self, *, refund_id: UUID, agent_id: UUID, at: datetime) -> Refund:
        """A second person agrees: now it is credited, booked and sent.

        Raises `RefundNotFound`, `RefundNotAwaitingApproval`, `DecidedByRequester` or `OrderDisputed`.
        """
        order, refund = await self._awaiting(refund_id, agent_id)
        if await self._disputed(order):
            raise OrderDisputed(order_number=order.order_number)
        refund.decided_by = agent_id
        await self._decide(order, refund, at=at)
        return refund

    async def reject(self, *, refund_id: UUID, agent_id: UUID, at: datetime) -> Refund:
        """A second person says no; raises what `approve` raises, but for the dispute."""
        _, refund = await self._awaiting(refund_id, agent_id)
        refund.decided_by, refund.state, refund.updated_at = agent_id, RefundState.REJECTED, at
        await self.session.flush()
        return refund

    async def try_again(self, *, refund_id: UUID, agent_id: UUID, at: datetime) -> Refund:
        """Send the money of a failed refund once more: the same debt with a key of its own, booked only when paid.

        Raises `RefundNotFound` or `RefundNotFailed` (also if it is being tried again already).
        """
        failed = await self.session.get(Refund, refund_id)
        if failed is None:
            raise RefundNotFound()
        await self.lock(failed.order_id)
        await self.session.refresh(failed, with_for_update=True)
        is_tried = await self.session.scalar(select(Refund.id).where(Refund.replaces_id == failed.id))
        if failed.state not in _GONE_WRONG or is_tried is not None:
            raise RefundNotFailed()
        again = next_try(failed, amount=failed.amount, at=at, requested_by=agent_id)
        self.session.add(again)
        await self.session.flush()
        await send_off(self.session, self.jobs, again.id)
        return again

    def _new(
        self,
        order: Order,
        payment: Payment,
        amount: Money,
        reason: str,
        at: datetime,
        *,
        requested_by: UUID | None = None,
        note: str | None = None,
    ) -> Refund:
        refund_id = new_id()
        return Refund(
            id=refund_id,
            order_id=order.id,
            payment_id=payment.id,
            intent_id=payment.intent_id,
            kind=RefundKind.SALE,
            amount=amount.minor,
            net=amount.minor,
            tax=0,
            currency=amount.currency,
            reason=reason,
            note=note,
            requested_by=requested_by,
            idempotency_key=f"refund:{refund_id}",
            state=RefundState.REQUESTED,
            created_at=at,
            updated_at=at,
        )

    async def _decide(
        self, order: Order, refund: Refund, *, at: datetime, mail: str = MAIL, is_sent: bool = False
    ) -> None:
        """Credit, book and send a refund whose order is locked; the right ends with the last cent of its price."""
        lines = await lines_of(self.session, order.id)
        before = await given_back(self.session, order.id, booked=True)
        shares = share_out(lines, before=before, amount=refund.amount)
        refund.net, refund.tax = sum(share.net for share in shares), sum(share.tax for share in shares)
        refund.state, refund.updated_at = RefundState.REQUESTED, at
        self.session.add(refund)
        await self.session.flush()
        invoice_number = await self.session.scalar(
            select(Document.document_number).where(Document.order_id == order.id, Document.kind == "invoice")
        )
        credit_note = await issue_credit_note(
            self.session,
            order=order,
            shares=shares,
            refund=refund,
            invoice_number=invoice_number or "",
            seller=self.seller,
            at=at,
        )
        await book_refund(
            self.session,
            order=order,
            refund=refund,
            shares=shares,
            document_number=credit_note.document_number,
            at=at,
        )
        if before + refund.amount == order.gross:
            order.state, order.closed_at = OrderState.REFUNDED, at
            await self.fulfilment.take_back(self.session, lines=lines, reason=refund.reason, at=at)
        if not is_sent:
            await send_off(self.session, self.jobs, refund.id)
        await self.outbox.queue(
            self.session, kind=mail, account_id=order.account_id, reference=refund.id, locale=order.locale
        )

    async def lock(self, order_id: UUID) -> Order:
        """The order under its lock, which every refund of it takes: so no two together exceed what was paid."""
        found = await self.session.scalar(select(Order.id).where(Order.id == order_id))
        if found is None:
            raise OrderNotFound()
        return await lock_order(self.session, order_id)

    async def _payment(self, order: Order) -> Payment | None:
        return await self.session.scalar(
            select(Payment).where(Payment.order_id == order.id, Payment.state == PaymentState.SUCCEEDED)
        )

    async def _paid(self, order: Order) -> Payment:
        payment = await self._payment(order)
        if payment is None:
            raise OrderNotPaid(order_number=order.order_number)
        if await self._disputed(order):
            raise OrderDisputed(order_number=order.order_number)
        return payment

    async def _disputed(self, order: Order) -> bool:
        """Whether a bank has the money, or keeps it: what it took cannot be given back once more."""
        taken = (DisputeState.OPEN, DisputeState.LOST)
        found = await self.session.scalar(
            select(Dispute.id).where(Dispute.order_id == order.id, Dispute.state.in_(taken)).limit(1)
        )
        return found is not None

    async def left_of(self, order: Order) -> Money:
        """What of the price was neither given back nor asked to be."""
        return Money(order.gross - await given_back(self.session, order.id, booked=False), order.currency)

    async def _drop_undecided(self, order: Order, at: datetime) -> None:
        """What waits for a second person is overtaken when everything goes back."""
        await self.session.execute(
            update(Refund)
            .where(Refund.order_id == order.id, Refund.state == RefundState.AWAITING_APPROVAL)
            .values(state=RefundState.REJECTED, updated_at=at)
        )

    async def _withdrawn(self, order: Order) -> Refund | None:
        return await self.session.scalar(
            select(Refund).where(Refund.order_id == order.id, Refund.reason == WITHDRAWAL, Refund.replaces_id.is_(None))
        )

    async def _awaiting(self, refund_id: UUID, agent_id: UUID) -> tuple[Order, Refund]:
        refund = await self.session.get(Refund, refund_id)
        if refund is None:
            raise RefundNotFound()
        order = await self.lock(refund.order_id)
        await self.session.refresh(refund, with_for_update=True)
        if refund.state is not RefundState.AWAITING_APPROVAL:
            raise RefundNotAwaitingApproval()
        if refund.requested_by == agent_id:
            raise DecidedByRequester()
        return order, refund
