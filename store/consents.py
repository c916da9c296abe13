"""What a customer declared, when, where and on which wording: read from the orders, which keep it as its proof."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

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
    order_id: UUID
    order_number: str


async def list_consents(session: AsyncSession, *, account_id: UUID) -> list[Consent]:
    """Every text that an account has agreed to with its orders, the newest first."""
    orders = await session.execute(
        select(Order, *_DECLARED.values()).where(Order.account_id == account_id).order_by(Order.id.desc())
    )
    return [
        consent
        for order, *declared in orders
        for consent in _of_order(order, dict(zip(_DECLARED, declared, strict=True)))
    ]


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
