"""Shapes of billing's answers."""

from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec

from billing.declines import decline_sentence
from billing.exports import Transaction
from billing.models import Payment
from billing.money import Money, MoneyOut
from billing.money_states import SENTENCES, OrderMoney


class ProblemOut(msgspec.Struct, frozen=True):
    """Why something did not work, as a stable code and in words."""

    code: str
    sentence: str


class PaymentOut(msgspec.Struct, frozen=True):
    """A payment as its customer sees it."""

    id: UUID
    order_id: UUID
    state: str
    """`creating`, `unknown`, `requires_payment_method`, `requires_confirmation`, `requires_action`, `processing`,
    `canceled`, `succeeded` or `returned`."""
    amount: MoneyOut
    problem: ProblemOut | None
    """Why the last try was declined; the order stays open."""

    @classmethod
    def of(cls, payment: Payment, locale: str) -> Self:
        """The answer's form of a payment, in `de` or `en`."""
        return cls(
            id=payment.id,
            order_id=payment.order_id,
            state=payment.state.value,
            amount=MoneyOut.of(Money(payment.amount, payment.currency)),
            problem=_problem(payment.decline, locale),
        )


class OrderMoneyOut(msgspec.Struct, frozen=True):
    """What became of the money of an order; it changes after the order is paid, the order's own state need not."""

    state: str
    """`unpaid`, `given`, `paid`, `partly_refunded`, `refunding`, `refund_delayed`, `refunded`, `disputed` or
    `lost_by_dispute`."""
    sentence: str
    given_back: MoneyOut
    """What was decided to go back to the customer; what a bank took back is not of it."""

    @classmethod
    def of(cls, money: OrderMoney, locale: str) -> Self:
        """The answer's form of it, in `de` or `en`."""
        return cls(
            state=money.state.value,
            sentence=SENTENCES[money.state]["de" if locale == "de" else "en"],
            given_back=MoneyOut.of(money.given_back),
        )


class PayableOut(msgspec.Struct, frozen=True):
    """What the customer's program needs to pay by the provider's own form."""

    payment: PaymentOut
    provider: str
    publishable_key: str
    client_secret: str | None
    """For this one payment; given to nobody else."""


class PaymentCheckOut(msgspec.Struct, frozen=True):
    """What became of an order after the provider was asked."""

    order_state: str
    """`open`, `paid`, `cancelled` or `refunded`."""
    payment: PaymentOut


class TransactionOut(msgspec.Struct, frozen=True):
    """One money event of the books; amount = net + tax + to_refund + fees + elsewhere."""

    journal_id: UUID
    booked_at: datetime
    kind: str
    """`sale`, `refund`, `refund_paid`, `dispute_lost`, …: the journal's kind."""
    order_number: str | None
    """None, as customer, country and payment are, for what belongs to no order: a provider's own fee."""
    invoice_number: str | None
    customer: UUID | None
    """Pseudonym."""
    country: str | None
    tax_rate: str | None
    """Percent."""
    amount: MoneyOut
    net: MoneyOut
    tax: MoneyOut
    to_refund: MoneyOut
    """Money that came without a claim of ours."""
    fees: MoneyOut
    """Fees and losses, negative."""
    elsewhere: MoneyOut
    """What a bank holds until a dispute is decided."""
    payment_id: UUID | None
    description: str

    @classmethod
    def of(cls, transaction: Transaction) -> Self:
        """The answer's form of a transaction."""
        return cls(
            journal_id=transaction.journal_id,
            booked_at=transaction.booked_at,
            kind=transaction.kind,
            order_number=transaction.order_number,
            invoice_number=transaction.invoice_number,
            customer=transaction.customer,
            country=transaction.country,
            tax_rate=transaction.tax_rate,
            amount=MoneyOut.of(transaction.amount),
            net=MoneyOut.of(transaction.net),
            tax=MoneyOut.of(transaction.tax),
            to_refund=MoneyOut.of(transaction.to_refund),
            fees=MoneyOut.of(transaction.fees),
            elsewhere=MoneyOut.of(transaction.elsewhere),
            payment_id=transaction.payment_id,
            description=transaction.description,
        )


class TransactionsOut(msgspec.Struct, frozen=True):
    """A page of transactions in the order of time."""

    transactions: list[TransactionOut]
    next_cursor: str | None
    """Give it back to go on; None: that was all."""


def _problem(decline: str | None, locale: str) -> ProblemOut | None:
    return ProblemOut(decline, decline_sentence(decline, locale)) if decline else None
