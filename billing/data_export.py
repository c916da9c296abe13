"""What billing holds about one buyer, for that buyer (Art. 15 and 20 GDPR): no provider's keys, no fraud rules."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Executable, select

from billing.books import Document
from billing.declined_tries import DeclinedTry
from billing.dispute_records import Dispute
from billing.gifts import Gift
from billing.models import Order, OrderLine, Payment, Quote, Refund
from billing.withdrawals import WithdrawalDeclaration


def parts_of_buyer(account_id: UUID, email_key: str | None) -> Mapping[str, Executable]:
    """A query for each part of the export, by its name. Amounts are in minor units."""
    return {
        "quotes": select(Quote.id, Quote.description, Quote.gross, Quote.currency, Quote.device_fit, Quote.created_at)
        .where(Quote.account_id == account_id)
        .order_by(Quote.id),
        "orders": select(
            Order.id,
            Order.order_number,
            Order.state,
            Order.market,
            Order.channel,
            Order.currency,
            Order.gross,
            Order.net,
            Order.tax,
            Order.tax_country,
            Order.tax_evidence,
            Order.client_address,
            Order.ordered_at,
            Order.paid_at,
            Order.confirmed_at,
            Order.closed_at,
        )
        .where(Order.account_id == account_id)
        .order_by(Order.id),
        "gifts": select(Order.order_number, Gift.reason, Gift.given_at)
        .join(Order, Order.id == Gift.order_id)
        .where(Order.account_id == account_id)
        .order_by(Gift.given_at),
        "order_lines": select(
            Order.order_number,
            OrderLine.kind,
            OrderLine.description,
            OrderLine.terms,
            OrderLine.gross,
            OrderLine.net,
            OrderLine.tax,
            OrderLine.tax_rate_bp,
        )
        .join(Order, Order.id == OrderLine.order_id)
        .where(Order.account_id == account_id)
        .order_by(OrderLine.id),
        "payments": select(
            Order.order_number,
            Payment.attempt,
            Payment.provider,
            Payment.state,
            Payment.decline,
            Payment.amount,
            Payment.currency,
            Payment.method["kind"].label("method"),
            Payment.method["brand"].label("brand"),
            Payment.method["last4"].label("last4"),
            Payment.method["country"].label("country"),
            Payment.created_at,
            Payment.updated_at,
        )
        .join(Order, Order.id == Payment.order_id)
        .where(Order.account_id == account_id)
        .order_by(Payment.id),
        "declined_tries": select(Order.order_number, DeclinedTry.decline, DeclinedTry.at)
        .join(Payment, Payment.id == DeclinedTry.payment_id)
        .join(Order, Order.id == Payment.order_id)
        .where(Order.account_id == account_id)
        .order_by(DeclinedTry.at, DeclinedTry.key),
        "refunds": select(
            Order.order_number,
            Refund.state,
            Refund.amount,
            Refund.currency,
            Refund.reason,
            Refund.note,
            Refund.created_at,
            Refund.updated_at,
        )
        .join(Order, Order.id == Refund.order_id)
        .where(Order.account_id == account_id)
        .order_by(Refund.id),
        "disputes": select(
            Order.order_number,
            Dispute.state,
            Dispute.reason,
            Dispute.amount,
            Dispute.currency,
            Dispute.created_at,
            Dispute.updated_at,
        )
        .join(Order, Order.id == Dispute.order_id)
        .where(Order.account_id == account_id)
        .order_by(Dispute.id),
        "documents": select(Document.document_number, Document.kind, Document.issued_at, Document.content)
        .join(Order, Order.id == Document.order_id)
        .where(Order.account_id == account_id)
        .order_by(Document.id),
        "withdrawal_declarations": select(
            WithdrawalDeclaration.id,
            WithdrawalDeclaration.name,
            WithdrawalDeclaration.contract,
            WithdrawalDeclaration.email,
            WithdrawalDeclaration.state,
            WithdrawalDeclaration.declared_at,
            WithdrawalDeclaration.closed_at,
        )
        .where(WithdrawalDeclaration.email_key == email_key)
        .order_by(WithdrawalDeclaration.id),
    }
