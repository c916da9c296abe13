"""Mails about money that goes back: the receipts of withdrawals (BGB 356a), and why and how much of any refund."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import Composer, Letter
from billing.books import Document
from billing.models import Order, Refund
from billing.orders import lines_of
from billing.refunds import MAIL
from billing.sale_refunds import WITHDRAWAL_MAIL
from billing.withdrawals import RECEIPT_MAIL, WithdrawalDeclaration
from store.entitlement.compensation import REFUND_REASON
from store.entitlement.errors import TitleTakenDown

REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "withdrawal": {"de": "Sie haben den Vertrag widerrufen.", "en": "You withdrew from the contract."},
    "technical_fault": {
        "de": "Der Film ließ sich nicht so ansehen, wie er sollte.",
        "en": "The film could not be watched as it should.",
    },
    "wrong_purchase": {"de": "Der Film war versehentlich bestellt.", "en": "The film was ordered by mistake."},
    "duplicate_purchase": {"de": "Der Film war doppelt bestellt.", "en": "The film was ordered twice."},
    "goodwill": {"de": "Wir kommen Ihnen gern entgegen.", "en": "We are glad to meet you halfway."},
    "fraud_warning": {
        "de": "Ihre Bank hat uns gemeldet, dass diese Zahlung womöglich nicht von Ihnen kam.",
        "en": "Your bank told us that this payment may not have come from you.",
    },
    "made_at_provider": {"de": "Wir haben die Zahlung storniert.", "en": "We cancelled the payment."},
    "already_entitled": {
        "de": "Sie hatten diesen Film schon, als die Zahlung ankam.",
        "en": "You already had this film when the payment arrived.",
    },
    "offer_not_on_sale": {
        "de": "Der Film war zu diesem Preis nicht mehr zu haben, als die Zahlung ankam.",
        "en": "The film was no longer available at this price when the payment arrived.",
    },
    REFUND_REASON: {
        "de": "Eine Störung bei uns hat Ihnen Zeit der Leihe genommen; diesen Teil des Preises erstatten wir.",
        "en": "A fault of ours took time of your rental; we give back that part of the price.",
    },
    TitleTakenDown.code: {
        "de": "Dieser Titel darf aus rechtlichen Gründen nicht mehr gezeigt werden, auch denen nicht, die ihn haben.",
        "en": "For legal reasons this title may no longer be shown, not even to those who have it.",
    },
    "order_already_paid": {
        "de": "Die Bestellung war schon bezahlt, als diese Zahlung ankam.",
        "en": "The order had already been paid when this payment arrived.",
    },
    "card_blocked": {
        "de": "Zahlungen mit dieser Karte können wir nicht annehmen.",
        "en": "We cannot accept payments with this card.",
    },
}
"""Why, in a sentence, by the refund's reason."""

_OTHERWISE: Final = {
    "de": "Wir konnten den Film für diese Zahlung nicht freischalten.",
    "en": "We could not release the film for this payment.",
}


def reason_of(refund: Refund, locale: str) -> str:
    """Why money goes back, in a sentence for its customer."""
    return REASONS.get(refund.reason, _OTHERWISE)[locale]


def composers(base_url: str) -> Mapping[str, Composer]:
    """The composers of the three kinds of mails about refunds."""
    compose = ComposeRefundLetter(base_url)
    return {MAIL: compose, WITHDRAWAL_MAIL: compose, RECEIPT_MAIL: compose_receipt}


async def compose_receipt(
    session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
) -> Letter | None:
    """Confirms to who declared a withdrawal without signing in what has arrived and when, whatever comes of it."""
    declaration = await session.get(WithdrawalDeclaration, reference)
    if declaration is None:
        return None
    values = {
        "name": declaration.name,
        "contract": declaration.contract,
        "email": declaration.email,
        "declared_at": declaration.declared_at,
    }
    return Letter(recipient=declaration.email, values=values, locale=locale)


@dataclass(frozen=True, slots=True)
class ComposeRefundLetter:
    """Tells a customer what goes back, why, and by which credit note."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the refund `reference`, or None if its owner has no address any more."""
        refund, account = await session.get(Refund, reference), await session.get(Account, account_id)
        if refund is None or account is None or account.email is None:
            return None
        order = await session.get_one(Order, refund.order_id)
        credit_note = await session.scalar(select(Document.document_number).where(Document.refund_id == refund.id))
        lines = await lines_of(session, order.id)
        values = {
            "order_number": order.order_number,
            "lines": [line.description[locale] for line in lines],
            "declared_at": refund.created_at,
            "amount": refund.money.format(locale),
            "reason": reason_of(refund, locale),
            "credit_note": credit_note or "",
            "order_page": f"{self.base_url}/{locale}/orders/{order.id}",
        }
        return Letter(recipient=account.email, values=values, locale=locale)
