"""From a quote to an order, and from the provider's "succeeded" to paid, booked, invoiced and granted."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog
from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from auth.ids import new_id
from auth.models import Account
from auth.plain_statements import add, columns, driver_of, read, save, track
from auth.ports import Jobs, Outbox
from billing.card_testing import Payer, count_try, is_card_blocked, is_testing, note_try
from billing.debits import have_announced, may_debit
from billing.declined_tries import keep_declined
from billing.errors import (
    ConsentsMissing,
    OrderAlreadyOpen,
    QuoteExpired,
)
from billing.invoices import issue_invoice
from billing.ledger import book_sale
from billing.models import FINAL, Order, OrderLine, OrderState, Payment, PaymentState, Quote
from billing.orders import find_order, lines_of, new_order_number
from billing.ports import DEBITS, Charge, Fulfilment, Intent, Seller
from billing.refunds import give_back

log = structlog.get_logger("checkout")

_BUYER: Final = """
    SELECT id, pseudonym, residence_country, residence_evidence,
           (SELECT o.id FROM billing.orders o WHERE o.quote_id = $2) AS order_id
      FROM auth.accounts WHERE id = $1
"""
"""The account of a quote, and the order that was opened by it already."""

_HELD: Final = """
    SELECT o.id, o.order_number FROM billing.orders o JOIN billing.order_lines l ON l.order_id = o.id
     WHERE l.account_id = $1 AND l.subject = $2 AND l.is_open
"""

_RELEASE: Final = "UPDATE billing.order_lines SET is_open = false WHERE order_id = $1 AND is_open"

_OF_INTENT: Final = f"""
    SELECT {columns(Order, "o")}, {columns(Payment, "p", prefix="payment_")}
      FROM billing.orders o JOIN billing.payments p ON p.order_id = o.id
     WHERE p.intent_id = $1 OR p.id = $2 ORDER BY (p.intent_id = $1) DESC NULLS LAST LIMIT 1 FOR UPDATE
"""  # noqa: S608
"""Two rows match only if somebody wrote another payment's id into the metadata: the intent's own row wins."""

ORDER_LIFETIME: Final = timedelta(hours=1)
"""How long an order waits for its payment.

It must stay well below 24 hours: after that the provider may have forgotten the payment's idempotency key.
"""


FAILURE_MAIL: Final = "payment_failed"
"""Kind of the mail that tells a customer of such a failure."""

FAILURES_APART: Final = timedelta(hours=1)
"""Of one order's failures within this span only the first is told by mail."""


@dataclass(frozen=True, slots=True)
class Consents:
    """What the customer declared with the order (BGB 356(5)); both are needed to deliver at once."""

    immediate_performance: bool
    """Begin before the withdrawal period has ended."""
    withdrawal_loss: bool
    """I know that I lose my right of withdrawal by that."""

    def missing(self) -> list[str]:
        """Names of the declarations that were not made."""
        return [name for name in ("immediate_performance", "withdrawal_loss") if not getattr(self, name)]


class Outcome(StrEnum):
    """What `settle` did."""

    PAID = "paid"
    ALREADY = "already"
    """It had been settled before; nothing changed."""
    UPDATED = "updated"
    """Not paid yet; the payment's state was noted."""
    RETURNED = "returned"
    """Paid, but nothing could be granted: the money goes back."""
    FOREIGN = "foreign"
    """No payment of ours."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The result of `settle`: what it did, to which order and payment (None if foreign)."""

    outcome: Outcome
    order: Order | None = None
    payment: Payment | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """Opens orders and settles payments inside the caller's transaction; it never calls the provider."""

    session: AsyncSession
    fulfilment: Fulfilment
    jobs: Jobs
    outbox: Outbox
    seller: Seller
    takes_debits: bool = False
    """Whether anything may be paid by debits; `billing.debits` says what, and by whom."""

    async def open_order(
        self,
        *,
        quote: Quote,
        consents: Consents,
        button: str,
        channel: str,
        locale: str,
        client_address: str | None,
        at: datetime,
    ) -> Order:
        """Open the one order of a locked quote, with its first payment attempt; repeated, it answers the same order.

        The order comes with its lines. Raises `QuoteExpired`, `ConsentsMissing`, `OrderAlreadyOpen`, or why nothing may
        be delivered.
        """
        driver = await driver_of(self.session)
        [found] = await driver.fetch(_BUYER, quote.account_id, quote.id)
        if found["order_id"] is not None:
            return await find_order(self.session, order_id=found["order_id"], account_id=quote.account_id)
        if at >= quote.expires_at:
            raise QuoteExpired(expired_at=quote.expires_at.isoformat())
        if missing := consents.missing():
            raise ConsentsMissing(missing=missing)
        account = read(Account, found)
        order = _order(quote, account, await new_order_number(self.session, at), at)
        order.button, order.channel, order.locale, order.client_address = button, channel, locale, client_address
        line = _line(quote, order)
        allows_debit = self.takes_debits and await may_debit(
            self.session, account_id=account.id, kind=line.kind, currency=order.currency, at=at
        )
        payment = _attempt(order, 1, at, allows_debit=allows_debit)
        set_committed_value(order, "lines", [line])
        await self._claim_subject(order, line, payment)
        # Asked only now: whoever held the subject a moment ago may just have been granted it.
        refusal = await self.fulfilment.may_deliver(self.session, account_id=account.id, line=line, at=at)
        if refusal is not None:
            raise refusal
        return order

    async def _claim_subject(self, order: Order, line: OrderLine, payment: Payment) -> None:
        """Write the order; the partial unique index lets only one open order of a subject through."""
        unless = {OrderLine: "(account_id, subject) WHERE is_open"}
        if not await add(self.session, order, line, payment, unless=unless):
            # The refusal rolls the transaction back, and the order with it.
            driver = await driver_of(self.session)
            [held] = await driver.fetch(_HELD, line.account_id, line.subject)
            raise OrderAlreadyOpen(order_id=str(held["id"]), order_number=held["order_number"])

    async def settle(self, intent: Intent, *, at: datetime) -> Settlement:
        """Bring order and payment to what the provider says of the intent; safe to repeat and to race.

        A payment that succeeded is either granted (paid, booked, invoiced, delivered, confirmed by mail) or goes
        back; both in this transaction.
        """
        locked = await self._lock(intent)
        if locked is None:
            return Settlement(Outcome.FOREIGN)
        order, payment = locked
        if payment.intent_id not in (None, intent.id):
            return await self._settle_second_intent(intent, order, payment, at)
        is_decline = await note_try(self.session, order, payment, intent.charge)
        await keep_declined(self.session, payment, intent.charge, intent.failure, at=at)
        if payment.state in FINAL:
            return Settlement(Outcome.ALREADY, order, payment)
        if intent.state is not PaymentState.SUCCEEDED:
            _identify(payment, intent)
            if is_decline:
                await self._note_decline(intent, order, payment, at)
            return await self._note(intent, order, payment, at)
        lines = await lines_of(self.session, order.id)
        reason = await self._reason_to_return(intent, order, payment, lines, at)
        _identify(payment, intent)
        payment.updated_at, payment.decline = at, None
        if reason is not None:
            payment.state = PaymentState.RETURNED
            return await self._return(intent, order, payment, reason, at)
        payment.state = PaymentState.SUCCEEDED
        order.state, order.paid_at, order.closed_at = OrderState.PAID, at, at
        for line in lines:
            line.is_open = False
        await save(self.session, payment, order, *lines)
        await self.fulfilment.deliver(self.session, order=order, lines=lines, at=at)
        invoice = await issue_invoice(self.session, order=order, lines=lines, seller=self.seller, at=at)
        await book_sale(
            self.session,
            order=order,
            lines=lines,
            payment_id=payment.id,
            document_number=invoice.document_number,
            at=at,
        )
        await self.outbox.queue(
            self.session,
            kind="order_confirmation",
            account_id=order.account_id,
            reference=order.id,
            locale=order.locale,
        )
        return Settlement(Outcome.PAID, order, payment)

    async def count_older_try(self, intent: Intent, charge: Charge, *, at: datetime) -> None:
        """Count a declined try that is not the intent's last: of many within a moment an intent tells of one only."""
        locked = await self._lock(intent)
        if locked is None:
            return
        order, payment = locked
        await keep_declined(self.session, payment, charge, None, at=at)
        if await count_try(self.session, order, payment, charge):
            await self._stop_testing(order, payment, charge)

    async def close(self, order: Order, *, unknown_intent: str | None = None, at: datetime) -> None:
        """Mark a locked, open order as cancelled; the caller has cancelled its payment at the provider before.

        A payment whose `unknown_intent` the provider does not know counts as cancelled, too. Should it be paid after
        all, it is settled as any that comes too late.
        """
        order.state, order.closed_at = OrderState.CANCELLED, at
        await self.session.execute(
            update(Payment)
            .where(Payment.order_id == order.id)
            .where(or_(Payment.intent_id.is_(None), Payment.intent_id == unknown_intent))
            .values(state=PaymentState.CANCELED, updated_at=at)
        )
        await self._release_subjects(order)

    async def _lock(self, intent: Intent) -> tuple[Order, Payment] | None:
        """Order and payment of an intent, the order locked first and the payment second: every caller in this order."""
        driver = await driver_of(self.session)
        found = await driver.fetchrow(_OF_INTENT, intent.id, intent.payment_id)
        if found is None:
            return None
        # As they are once nobody else holds them, also where the session has read them before.
        order, payment = read(Order, found), read(Payment, found, prefix="payment_")
        return track(self.session, order), track(self.session, payment)

    async def _note_decline(self, intent: Intent, order: Order, payment: Payment, at: datetime) -> None:
        """Stop who tests cards, and write to whom nobody could tell on the page."""
        await self._stop_testing(order, payment, intent.charge)
        is_delayed = intent.charge is not None and intent.charge.paid_by.kind in DEBITS
        if is_delayed and (order.failure_told_at is None or at - order.failure_told_at >= FAILURES_APART):
            order.failure_told_at = at
            await self.outbox.queue(
                self.session, kind=FAILURE_MAIL, account_id=order.account_id, reference=payment.id, locale=order.locale
            )

    async def _stop_testing(self, order: Order, payment: Payment, charge: Charge | None) -> None:
        """Have an open payment cancelled on which, or by whose payer, too much was declined."""
        if await is_testing(self.session, Payer.of(order, payment, charge)):
            await self.jobs.enqueue(
                self.session, "stop_payment", dedupe_key=f"stop_payment:{payment.id}", payment_id=str(payment.id)
            )

    async def _note(self, intent: Intent, order: Order, payment: Payment, at: datetime) -> Settlement:
        """Keep the state of a payment that is not paid; a cancelled one is followed by the next attempt."""
        if payment.state is PaymentState.CANCELED:
            return Settlement(Outcome.ALREADY, order, payment)
        if intent.state is PaymentState.CANCELED and order.state is OrderState.OPEN:
            await add(self.session, _attempt(order, payment.attempt + 1, at, allows_debit=payment.allows_debit))
        payment.state, payment.decline, payment.updated_at = intent.state, intent.decline, at
        await have_announced(self.session, self.jobs, payment, intent)
        await save(self.session, payment)
        return Settlement(Outcome.UPDATED, order, payment)

    async def _reason_to_return(
        self, intent: Intent, order: Order, payment: Payment, lines: Sequence[OrderLine], at: datetime
    ) -> str | None:
        """Why money that came cannot be kept, as a code; None if everything can be granted."""
        if intent.received != order.price:
            return "amount_mismatch"
        if (intent.order_id, intent.payment_id) != (order.id, payment.id):
            return "metadata_mismatch"
        if await is_card_blocked(self.session, intent.charge):
            return "card_blocked"
        if order.state is OrderState.PAID:
            return "order_already_paid"
        if order.state is OrderState.REFUNDED:
            return "order_closed"
        for line in lines:
            refusal = await self.fulfilment.may_deliver(self.session, account_id=order.account_id, line=line, at=at)
            if refusal is None and at >= order.expires_at:
                refusal = await self.fulfilment.still_offers(self.session, line=line, at=at)
            if refusal is not None:
                return refusal.code
        return None

    async def _settle_second_intent(self, intent: Intent, order: Order, payment: Payment, at: datetime) -> Settlement:
        """Another intent claims the same payment (a key used after the provider forgot it): its money goes back."""
        if intent.state is not PaymentState.SUCCEEDED:
            return Settlement(Outcome.ALREADY, order, payment)
        return await self._return(intent, order, payment, "second_intent", at)

    async def _return(self, intent: Intent, order: Order, payment: Payment, reason: str, at: datetime) -> Settlement:
        given_back = await give_back(
            self.session,
            self.jobs,
            self.outbox,
            order=order,
            payment=payment,
            intent=intent,
            reason=reason,
            at=at,
        )
        if not given_back:
            return Settlement(Outcome.ALREADY, order, payment)
        log.error("money goes back", order_id=str(order.id), payment_id=str(payment.id), reason=reason)
        if order.state is not OrderState.PAID:
            order.state, order.closed_at = OrderState.REFUNDED, at
            await self._release_subjects(order)
        return Settlement(Outcome.RETURNED, order, payment)

    async def _release_subjects(self, order: Order) -> None:
        """The order waits no longer, so its subjects may be ordered again."""
        driver = await driver_of(self.session)
        await driver.execute(_RELEASE, order.id)


def _identify(payment: Payment, intent: Intent) -> None:
    """Keep which intent the payment is, and what paid it, or tried to last."""
    payment.intent_id = intent.id
    if intent.charge is not None:
        payment.charge_id, payment.method = intent.charge.id, asdict(intent.charge.paid_by)


def _order(quote: Quote, account: Account, order_number: str, at: datetime) -> Order:
    return Order(
        id=new_id(),
        order_number=order_number,
        account_id=account.id,
        customer_pseudonym=account.pseudonym,
        quote_id=quote.id,
        market=quote.market,
        state=OrderState.OPEN,
        currency=quote.currency,
        gross=quote.gross,
        net=quote.net,
        tax=quote.tax,
        tax_country=quote.tax_country,
        tax_evidence={"residence_country": account.residence_country, "items": account.residence_evidence},
        texts=quote.texts,
        ordered_at=at,
        performance_consent_at=at,
        withdrawal_loss_acknowledged_at=at,
        created_at=at,
        expires_at=at + ORDER_LIFETIME,
    )


def _line(quote: Quote, order: Order) -> OrderLine:
    return OrderLine(
        order_id=order.id,
        position=1,
        account_id=quote.account_id,
        is_open=True,
        item=quote.item,
        subject=quote.subject,
        kind=quote.kind,
        description=quote.description,
        gross=quote.gross,
        net=quote.net,
        tax=quote.tax,
        tax_rate_bp=quote.tax_rate_bp,
        terms=quote.terms,
        licensor_terms=quote.licensor_terms,
    )


def _attempt(order: Order, number: int, at: datetime, *, allows_debit: bool) -> Payment:
    return Payment(
        order_id=order.id,
        attempt=number,
        provider="stripe",
        idempotency_key=f"order:{order.id}:attempt:{number}",
        state=PaymentState.CREATING,
        allows_debit=allows_debit,
        amount=order.gross,
        currency=order.currency,
        created_at=at,
        updated_at=at,
    )
