"""Asking the provider about a payment: never while a transaction is open, always with the persisted key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import and_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import columns, read
from auth.ports import OpenDatabase
from billing.card_testing import address_key, admit_opening
from billing.checkout import Checkout
from billing.errors import (
    BillingError,
    OrderAlreadyPaid,
    OrderClosed,
    OrderNotFound,
    PaymentOutcomeUnknown,
    PaymentUnderWay,
    PaymentUnknownToProvider,
)
from billing.models import Order, OrderState, Payment, PaymentState
from billing.money import Money
from billing.orders import lock_order
from billing.ports import Intent, PaymentGateway
from billing.refunds import KEY_LIFETIME

log = structlog.get_logger("payments")

SWEEP_AFTER: Final = timedelta(seconds=30)
"""A payment without news for this long is asked about by the sweep."""

SWEEP_AT_ONCE: Final = 200

_ORDER_AND_LAST_PAYMENT: Final = f"""
    SELECT {columns(Order, "o")}, {columns(Payment, "p", prefix="payment_")}
      FROM billing.orders o JOIN billing.payments p ON p.order_id = o.id
     WHERE o.id = $1 AND o.account_id = $2 ORDER BY p.attempt DESC LIMIT 1
"""  # noqa: S608

_SETTLED: Final = (PaymentState.SUCCEEDED, PaymentState.RETURNED, PaymentState.CANCELED)


@dataclass(frozen=True, slots=True)
class Payments:
    """What is asked of the provider for the customer, for his return and for the sweep.

    Everything here runs in short transactions of its own: call it before the first statement of a request's.
    """

    database: OpenDatabase
    gateway: PaymentGateway
    checkouts: Callable[[AsyncSession], Checkout]
    """Makes a checkout over a session."""
    address_secret: bytes = field(repr=False)
    """Under which network addresses become what is counted."""

    async def ask_intent(self, *, order_id: UUID, account_id: UUID, address: str | None = None, at: datetime) -> Intent:
        """The intent by which an open order is paid from `address`, opened at the provider if there is none yet.

        Raises `OrderNotFound`, `OrderAlreadyPaid`, `OrderClosed`, `TooManyPaymentTries` or `PaymentOutcomeUnknown`.
        """
        order, payment = await self.read(order_id, account_id)
        if order.state is OrderState.PAID:
            raise OrderAlreadyPaid(order_number=order.order_number)
        if order.state is not OrderState.OPEN or at >= order.expires_at:
            raise OrderClosed(order_number=order.order_number)
        await self._admit(order, address)
        intent = await self._ask(order, payment, at)
        if intent.state is PaymentState.CANCELED:
            # Cancelled at the provider: noting it opens the next attempt, with a key of its own.
            await self._settle(intent, at)
            order, payment = await self.read(order_id, account_id)
            await self._admit(order, address)
            intent = await self._ask(order, payment, at)
        return intent

    async def check(self, *, order_id: UUID, account_id: UUID, at: datetime) -> Intent | None:
        """What the provider says of the order's last payment; None if it was never opened there, or is settled here."""
        order, payment = await self.read(order_id, account_id)
        if payment.intent_id is None or payment.state in _SETTLED:
            return None
        return await self._ask(order, payment, at)

    async def cancel(self, *, order_id: UUID, account_id: UUID, at: datetime) -> None:
        """Cancel an open order, at the provider first; cancelling a closed one changes nothing.

        Raises `OrderNotFound`, `OrderAlreadyPaid` or `PaymentUnderWay`.
        """
        order, payment = await self.read(order_id, account_id)
        await self._cancel(order, payment, at)

    async def stop(self, *, payment_id: UUID, at: datetime) -> None:
        """Cancel an open payment at the provider and leave its order open; one that is settled stays as it is."""
        async with self.database.sessions() as session:
            payment = await session.get_one(Payment, payment_id)
        if payment.intent_id is not None and payment.state not in _SETTLED:
            await self._settle(await self.gateway.cancel_intent(payment.intent_id), at)

    async def sweep(self, *, at: datetime) -> int:
        """Settle what nobody came back for and cancel what expired; answers how many payments were asked about."""
        waiting = at - Payment.updated_at
        async with self.database.sessions() as session:
            stale = (
                await session.execute(
                    select(Order, Payment)
                    .join(Payment, Payment.order_id == Order.id)
                    .where(Payment.state.not_in(_SETTLED), Payment.updated_at <= at - SWEEP_AFTER)
                    # Asked less and less often: after half of the time that it has been waiting already. What expired
                    # is closed at once, for it keeps its customer from ordering again.
                    .where(
                        (waiting + waiting >= Payment.updated_at - Payment.created_at)
                        | and_(
                            Order.state == OrderState.OPEN,
                            Order.expires_at <= at,
                            Payment.state != PaymentState.PROCESSING,
                        )
                    )
                    .order_by(Payment.updated_at)
                    .limit(SWEEP_AT_ONCE)
                )
            ).all()
        for order, payment in stale:
            try:
                await self._sweep_one(order, payment, at)
            except BillingError as refusal:
                log.warning("not swept", order_id=str(order.id), code=refusal.code)
            except Exception:
                # One payment that breaks must not keep the others waiting.
                log.exception("not swept", order_id=str(order.id))
        return len(stale)

    async def _sweep_one(self, order: Order, payment: Payment, at: datetime) -> None:
        if order.state is OrderState.OPEN and at >= order.expires_at:
            await self._cancel(order, payment, at)
        else:
            await self._settle(await self._ask(order, payment, at), at)

    async def _cancel(self, order: Order, payment: Payment, at: datetime) -> None:
        if order.state is OrderState.PAID:
            raise OrderAlreadyPaid(order_number=order.order_number)
        if order.state is not OrderState.OPEN:
            return
        intent, unknown_intent = None, None
        if payment.intent_id is not None:
            try:
                intent = await self.gateway.cancel_intent(payment.intent_id)
            except PaymentUnknownToProvider:
                if payment.state is PaymentState.PROCESSING:
                    raise  # Money is under way: only its provider can say what becomes of it.
                log.warning(
                    "the provider does not know the payment", order_id=str(order.id), payment_id=str(payment.id)
                )
                unknown_intent = payment.intent_id
        elif payment.state is PaymentState.UNKNOWN and at - payment.created_at <= KEY_LIFETIME:
            # Later the key would open a second intent; the first one's secret was never given to anybody.
            intent = await self.gateway.cancel_intent((await self._ask(order, payment, at)).id)
        async with self.database.sessions.begin() as session:
            checkout = self.checkouts(session)
            locked = await lock_order(session, order.id)
            is_unpayable = intent is None or intent.state is PaymentState.CANCELED
            if is_unpayable and locked.state is OrderState.OPEN:
                await checkout.close(locked, unknown_intent=unknown_intent, at=at)
            if intent is not None:
                await checkout.settle(intent, at=at)
            state = locked.state
        if state is OrderState.PAID:
            raise OrderAlreadyPaid(order_number=order.order_number)
        if state is OrderState.OPEN:
            raise PaymentUnderWay(order_number=order.order_number)

    async def _admit(self, order: Order, address: str | None) -> None:
        key = address_key(self.address_secret, address) if address is not None else None
        async with self.database.sessions.begin() as session:
            await admit_opening(session, order, address=key)

    async def _ask(self, order: Order, payment: Payment, at: datetime) -> Intent:
        """Retrieve the intent, or open it with the payment's key; no answer is kept as `unknown`."""
        try:
            if payment.intent_id is not None:
                return await self.gateway.retrieve_intent(payment.intent_id)
            return await self.gateway.open_intent(
                price=Money(payment.amount, payment.currency),
                idempotency_key=payment.idempotency_key,
                order_id=order.id,
                payment_id=payment.id,
                description=order.order_number,
                allows_debit=payment.allows_debit,
            )
        except PaymentOutcomeUnknown:
            if payment.intent_id is None:
                await self._note_unknown(payment, at)
            raise

    async def _note_unknown(self, payment: Payment, at: datetime) -> None:
        """Keep that no answer came, unless the intent became known meanwhile."""
        async with self.database.sessions.begin() as session:
            await session.execute(
                update(Payment)
                .where(Payment.id == payment.id, Payment.intent_id.is_(None))
                .where(Payment.state.not_in(_SETTLED))
                .values(state=PaymentState.UNKNOWN, updated_at=at)
            )

    async def _settle(self, intent: Intent, at: datetime) -> None:
        async with self.database.sessions.begin() as session:
            await self.checkouts(session).settle(intent, at=at)

    async def read(self, order_id: UUID, account_id: UUID) -> tuple[Order, Payment]:
        """The order with its last payment, as they are in the books now; raises `OrderNotFound`."""
        found = await self.database.reads.fetchrow(_ORDER_AND_LAST_PAYMENT, order_id, account_id)
        if found is None:
            raise OrderNotFound()
        return read(Order, found), read(Payment, found, prefix="payment_")
