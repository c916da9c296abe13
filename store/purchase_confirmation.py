"""The confirmation of a paid order on a durable medium (BGB 312f(3)): contract, declarations, legal texts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import ScalarSelect, SQLColumnExpression, exists, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ports import Letter
from billing.models import Order, OrderLine
from billing.money import Money
from billing.tax import rate_text
from store.database import RawConnection
from store.legal_texts import CONSENTS, NAMES, load_text
from store.mail import TAKEN, Mail

KIND: Final = "order_confirmation"

_READ: Final = """
    SELECT a.email, o.order_number, o.ordered_at, o.currency, o.gross, o.texts,
           o.performance_consent_at, o.withdrawal_loss_acknowledged_at,
           (SELECT document_number FROM billing.documents WHERE order_id = o.id AND kind = 'invoice') AS invoice_number,
           (SELECT json_agg(json_build_object(
                       'text', description ->> $3, 'terms', terms -> 'words' ->> $3,
                       'gross', gross, 'net', net, 'tax', tax, 'tax_rate_bp', tax_rate_bp) ORDER BY position)
              FROM billing.order_lines WHERE order_id = o.id) AS lines
      FROM billing.orders AS o CROSS JOIN auth.accounts AS a
     WHERE o.id = $1 AND o.paid_at IS NOT NULL AND a.id = $2 AND a.email IS NOT NULL
"""


class _Line(msgspec.Struct, frozen=True):
    """A line of the order, in the language of the mail."""

    text: str
    terms: str
    gross: int
    net: int
    tax: int
    tax_rate_bp: int


@dataclass(frozen=True, slots=True)
class ReadOrderConfirmation:
    """Tells a customer what was bought, at which price, under which terms and declarations."""

    base_url: str

    async def __call__(
        self, connection: RawConnection, *, account_id: UUID | None, reference: UUID | None, locale: str
    ) -> Letter | None:
        """The mail about the order `reference`, or None if it was never paid or its owner has no address any more.

        A contract that was undone since is confirmed too: it was made, and its invoice stands.
        """
        order = await connection.fetchrow(_READ, reference, account_id, locale)
        if order is None:
            return None
        link = f"{self.base_url}/{locale}"
        links = {"library": f"{link}/library", "order_page": f"{link}/orders/{reference}"}
        return Letter(recipient=order["email"], values={**_values(order, locale), **links}, locale=locale)


def _values(order: asyncpg.Record, locale: str) -> dict[str, object]:
    lines = msgspec.json.decode(order["lines"], type=list[_Line])

    def money(minor: int) -> str:
        return Money(minor, order["currency"]).format(locale)

    by_rate = groupby(sorted(lines, key=lambda line: line.tax_rate_bp), key=lambda line: line.tax_rate_bp)
    taxes = [
        {
            "rate": _percent(rate_bp, locale),
            "net": money(sum(line.net for line in same_rate)),
            "amount": money(sum(line.tax for line in same_rate)),
        }
        for rate_bp, same_rate in ((rate_bp, list(found)) for rate_bp, found in by_rate)
    ]
    texts = msgspec.json.decode(order["texts"])
    return {
        "order_number": order["order_number"],
        "ordered_at": order["ordered_at"],
        "invoice_number": order["invoice_number"] or "",
        "lines": [{"text": line.text, "price": money(line.gross), "terms": line.terms} for line in lines],
        "total": money(order["gross"]),
        "taxes": taxes,
        "consents": _consents(order, texts, locale),
        "texts": _texts(texts, locale),
    }


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether a contract was confirmed on a durable medium (BGB 312f(3)): by mail, or by a file that was saved."""

    order_id: UUID
    at: datetime | None
    """Real time; None: not yet."""
    is_kept: bool
    """Whether the order itself knows."""


async def confirmation_of_line(session: AsyncSession, order_line_id: UUID) -> Confirmation | None:
    """How the confirmation of a line's contract stands; None for a gift: nobody owes a price for it (BGB 312(1))."""
    kept = select(Order.confirmed_at).where(Order.id == OrderLine.order_id).scalar_subquery()
    given = exists().where(Order.id == OrderLine.order_id, Order.quote_id.is_(None))
    asked = select(
        OrderLine.order_id, kept.label("kept_at"), _sent_at(OrderLine.order_id).label("sent_at"), given.label("given")
    )
    row = (await session.execute(asked.where(OrderLine.id == order_line_id))).one()
    if row.given:
        return None
    return Confirmation(row.order_id, row.kept_at or row.sent_at, is_kept=row.kept_at is not None)


async def keep_confirmed(session: AsyncSession, order_id: UUID, *, at: datetime) -> None:
    """Have the order itself know when it was confirmed, once: mails are forgotten one day, purchases last."""
    await session.execute(
        update(Order).where(Order.id == order_id, Order.confirmed_at.is_(None)).values(confirmed_at=at)
    )


async def confirmed_at(session: AsyncSession, order_id: UUID) -> datetime | None:
    """When the mail server took the confirmation of an order, or the customer saved it; None: not yet.

    That it came back is no part of this: whoever got the mail can write such a report, and would regain a right by it.
    """
    kept = select(Order.confirmed_at).where(Order.id == order_id).scalar_subquery()
    return await session.scalar(select(func.least(kept, _sent_at(literal(order_id)))))


def _sent_at(order_id: SQLColumnExpression[UUID]) -> ScalarSelect[datetime | None]:
    taken = select(func.min(Mail.sent_at)).where(Mail.reference == order_id, Mail.kind == KIND, Mail.status.in_(TAKEN))
    return taken.scalar_subquery()


def _consents(order: asyncpg.Record, texts: dict[str, Any], locale: str) -> list[dict[str, object]]:
    """The declarations in the words of the version that was shown, with their times."""
    times = dict(
        zip(CONSENTS, (order["performance_consent_at"], order["withdrawal_loss_acknowledged_at"]), strict=True)
    )
    return [
        {"text": load_text(name, texts[name]["version"], locale).body, "at": declared_at}
        for name, declared_at in times.items()
        if declared_at is not None
    ]


def _texts(texts: dict[str, Any], locale: str) -> list[Mapping[str, str]]:
    """The terms and the information on withdrawal, in the words of the version that was agreed."""
    return [_plain(name, texts[name]["version"], locale) for name in NAMES if name not in CONSENTS]


@cache
def _plain(name: str, version: str, locale: str) -> Mapping[str, str]:
    """A text without its marks and the breaks of its lines, for mails."""
    text = load_text(name, version, locale)
    blocks = (re.sub(r"\n(?!- ) *", " ", block) for block in re.split(r"\n\s*\n", text.body))
    body = re.sub(r"^#+ |\*+", "", "\n\n".join(blocks), flags=re.MULTILINE)
    return MappingProxyType({"heading": text.heading, "body": body})


def _percent(rate_bp: int, locale: str) -> str:
    text = rate_text(rate_bp)
    return f"{text.replace('.', ',')} %" if locale == "de" else f"{text}%"
