"""What a customer declared, when, where and on which wording: at registration and with each order, as both keep it."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

import auth.consents
from auth.consents import list_registration_consents
from billing.models import Order
from store.legal_texts import CONSENTS, load_text

_DECLARED: Final = {
    "immediate_performance": Order.performance_consent_at,
    "withdrawal_loss": Order.withdrawal_loss_acknowledged_at,
}
"""Where an order keeps when each of the `CONSENTS` was declared."""


class Consent(msgspec.Struct, frozen=True):
    """One text in one version that was declared or, as part of a contract, accepted."""

    name: str
    version: str
    sha256: str
    """Of the text in the order's language."""
    heading: str
    is_declaration: bool
    """Ticked by the customer; otherwise it was shown for information or is part of the contract."""
    at: datetime
    channel: str
    """`web` or `app`: the interface on which it was given."""
    locale: str
    order_id: UUID | None
    """The order that it belongs to; null: the registration."""
    order_number: str | None


async def list_consents(session: AsyncSession, *, account_id: UUID) -> list[Consent]:
    """Every text that an account has agreed to, the newest first: with its orders, then at registration."""
    orders = await session.execute(
        select(Order, *_DECLARED.values()).where(Order.account_id == account_id).order_by(Order.id.desc())
    )
    with_orders = [
        consent
        for order, *declared in orders
        for consent in _of_order(order, dict(zip(_DECLARED, declared, strict=True)))
    ]
    at_registration = await list_registration_consents(session, account_id=account_id)
    return with_orders + [_of_registration(kept) for kept in at_registration]


def _of_registration(kept: auth.consents.Consent) -> Consent:
    return Consent(
        name=kept.name,
        version=kept.version,
        sha256=kept.sha256,
        heading=load_text(kept.name, kept.version, kept.locale).heading,
        is_declaration=kept.is_declaration,
        at=kept.at,
        channel=kept.channel,
        locale=kept.locale,
        order_id=None,
        order_number=None,
    )


def _of_order(order: Order, declared: dict[str, datetime | None]) -> list[Consent]:
    locale = "en" if order.locale == "en" else "de"
    return [
        Consent(
            name=name,
            version=kept["version"],
            sha256=kept["sha256"][locale],
            heading=load_text(name, kept["version"], locale).heading,
            is_declaration=name in CONSENTS,
            at=declared.get(name) or order.ordered_at,
            channel=order.channel,
            locale=locale,
            order_id=order.id,
            order_number=order.order_number,
        )
        for name, kept in sorted(order.texts.items())
    ]
