"""The confirmation of a contract as a file that the customer saves: a durable medium where the mail does not come."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import OrderNotPaid
from billing.models import Order
from store.letter_templates import render
from store.mail import common_values
from store.purchase_confirmation import KIND, ReadOrderConfirmation, keep_confirmed
from store.settings import Settings


@dataclass(frozen=True, slots=True)
class SavedConfirmation:
    """The same words as the mail's."""

    file_name: str
    text: str


async def hand_over(
    session: AsyncSession, reads: asyncpg.Pool, settings: Settings, order: Order, *, locale: str, real_now: datetime
) -> SavedConfirmation:
    """The confirmation of a paid order, which counts as confirmed from now on; raises `OrderNotPaid`."""
    read = ReadOrderConfirmation(settings.base_url)
    letter = await read(reads, account_id=order.account_id, reference=order.id, locale=locale)
    if letter is None:
        raise OrderNotPaid(order_number=order.order_number)
    await keep_confirmed(session, order.id, at=real_now)
    rendered = render(KIND, locale, {**common_values(settings, locale), **letter.values})
    return SavedConfirmation(f"{order.order_number}.txt", rendered.text)
