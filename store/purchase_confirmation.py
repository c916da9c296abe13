"""The confirmation of a paid order on a durable medium (BGB 312f(3)): contract, declarations, legal texts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import Composer, Letter
from billing.books import Document
from billing.models import Order, OrderLine
from billing.money import Money
from billing.orders import invoice_of, lines_of
from billing.tax import rate_text
from store.legal_texts import CONSENTS, NAMES, load_text
from store.mail import TAKEN, Mail

KIND = "order_confirmation"


class LinkSettings(Protocol):
    """The setting that links need."""

    @property
    def base_url(self) -> str:
        """Public address without a trailing slash."""
        ...


def composers(settings: LinkSettings) -> Mapping[str, Composer]:
    """The composer of the one kind of mail that buying queues."""
    return {KIND: ComposeOrderConfirmation(settings.base_url)}


@dataclass(frozen=True, slots=True)
class ComposeOrderConfirmation:
    """Tells a customer what was bought, at which price, under which terms and declarations."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the order `reference`, or None if it was never paid or its owner has no address any more.

        A contract that was undone since is confirmed too: it was made, and its invoice stands.
        """
        order = await session.get(Order, reference)
        account = await session.get(Account, account_id)
        if order is None or order.paid_at is None or account is None or account.email is None:
            return None
        lines, invoice = await lines_of(session, order.id), await invoice_of(session, order.id)
        return Letter(recipient=account.email, values=self._values(order, lines, invoice, locale), locale=locale)

    def _values(
        self, order: Order, lines: Sequence[OrderLine], invoice: Document | None, locale: str
    ) -> dict[str, object]:
        def money(minor: int) -> str:
            return Money(minor, order.currency).format(locale)

        by_rate = groupby(sorted(lines, key=lambda line: line.tax_rate_bp), key=lambda line: line.tax_rate_bp)
        taxes = [
            {
                "rate": _percent(rate_bp, locale),
                "net": money(sum(line.net for line in same_rate)),
                "amount": money(sum(line.tax for line in same_rate)),
            }
            for rate_bp, same_rate in ((rate_bp, list(found)) for rate_bp, found in by_rate)
        ]
        return {
            "order_number": order.order_number,
            "ordered_at": order.ordered_at,
            "invoice_number": invoice.document_number if invoice else "",
            "lines": [
                {
                    "text": line.description[locale],
                    "price": money(line.gross),
                    "terms": line.terms["words"][locale],
                }
                for line in lines
            ],
            "total": money(order.gross),
            "taxes": taxes,
            "consents": _consents(order, locale),
            "texts": _texts(order, locale),
            "library": f"{self.base_url}/{locale}/library",
            "order_page": f"{self.base_url}/{locale}/orders/{order.id}",
        }


async def confirmed_at(session: AsyncSession, order_id: UUID) -> datetime | None:
    """When the mail server took the confirmation of an order; None: not yet.

    That it came back is no part of this: whoever got the mail can write such a report, and would regain a right by it.
    """
    return await session.scalar(
        select(Mail.sent_at).where(Mail.reference == order_id, Mail.kind == KIND, Mail.status.in_(TAKEN)).limit(1)
    )


def _consents(order: Order, locale: str) -> list[dict[str, object]]:
    """The declarations in the words of the version that was shown, with their times."""
    times = dict(zip(CONSENTS, (order.performance_consent_at, order.withdrawal_loss_acknowledged_at), strict=True))
    return [
        {"text": load_text(name, order.texts[name]["version"], locale).body, "at": declared_at}
        for name, declared_at in times.items()
        if declared_at is not None
    ]


def _texts(order: Order, locale: str) -> list[dict[str, str]]:
    """The terms and the information on withdrawal, in the words of the version that was agreed."""
    names = [name for name in NAMES if name not in CONSENTS]
    agreed = [load_text(name, order.texts[name]["version"], locale) for name in names]
    return [{"heading": text.heading, "body": _plain(text.body)} for text in agreed]


def _plain(markdown: str) -> str:
    """The text without its marks and the breaks of its lines, for mails."""
    blocks = (re.sub(r"\n(?!- ) *", " ", block) for block in re.split(r"\n\s*\n", markdown))
    return re.sub(r"^#+ |\*+", "", "\n\n".join(blocks), flags=re.MULTILINE)


def _percent(rate_bp: int, locale: str) -> str:
    text = rate_text(rate_bp)
    return f"{text.replace('.', ',')} %" if locale == "de" else f"{text}%"
