"""Card testing and stolen cards: what is kept of every try to pay, how many are too many, which cards are refused.

Counted per account, network address, device and card, in PostgreSQL alone: losing a cache lifts none of these limits.
They are security: their times are real, so moving the business clock frees nobody.
"""

import hmac
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, CompoundSelect, Select, bindparam, exists, func, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from billing.errors import TooManyPaymentTries
from billing.models import FINAL, Order, Payment, PaymentState, Quote
from billing.ports import Charge
from billing.provider_records import BlockedCard, PaymentTry, TryLimit

log = structlog.get_logger("card_testing")


@dataclass(frozen=True, slots=True)
class Payer:
    """Whom tries to pay are counted for."""

    account_id: UUID
    address_key: str | None = None
    device_id: UUID | None = None
    card: str | None = None
    """Fingerprint; known only once it was tried."""

    @classmethod
    def of(cls, order: Order, payment: Payment, charge: Charge | None = None) -> Self:
        """Who pays an order, and with which card."""
        card = charge.paid_by.fingerprint if charge is not None else None
        return cls(order.account_id, payment.address_key, payment.device_id, card)


def address_key(secret: bytes, address: str) -> str:
    """What is kept of a network address: enough to count by, useless without the secret."""
    return hmac.digest(secret, address.encode(), "sha256").hex()[:32]


async def admit_opening(session: AsyncSession, order: Order, *, address: str | None) -> None:
    """Count that the order's last payment is being opened for a customer.

    Raises `TooManyPaymentTries` if this payer, or anybody from this address, opened too many or was declined too often.
    """
    device_id = await session.scalar(select(Quote.device_id).where(Quote.id == order.quote_id))
    payer = Payer(order.account_id, address, device_id)
    # Two at once are counted one after the other: all take the account's lock first, then the address's.
    keys = filter(None, (str(payer.account_id), address))
    locks = [func.pg_advisory_xact_lock(func.hashtextextended(f"payment-tries:{key}", 0)) for key in keys]
    await session.execute(select(*locks))
    payment = (
        await session.scalars(
            select(Payment)
            .where(Payment.order_id == order.id)
            .order_by(Payment.attempt.desc())
            .limit(1)
            .with_for_update()
        )
    ).one()
    # Read behind the locks: waiting for them must not make this try older than those that it waited for.
    now = datetime.now(UTC)
    free_at = await _when_free(session, payer, now=now, is_opening=payment.opened_at is None)
    if free_at is not None:
        raise TooManyPaymentTries((free_at - now).total_seconds())
    payment.opened_at, payment.address_key, payment.device_id = payment.opened_at or now, address, device_id


async def note_try(session: AsyncSession, order: Order, payment: Payment, charge: Charge | None) -> bool:
    """Keep what paid, or tried to; whether this is news of a decline. Noted before, it changes nothing."""
    if charge is None or (payment.charge_id == charge.id and not charge.is_declined):
        return False
    if payment.state not in FINAL:
        # What paid stays known, also when an older try is told of later.
        payment.charge_id, payment.method = charge.id, asdict(charge.paid_by)
    return await count_try(session, order, payment, charge)


async def count_try(session: AsyncSession, order: Order, payment: Payment, charge: Charge) -> bool:
    """Keep a try to pay; whether this is news of a decline."""
    noting = insert(PaymentTry).values(
        charge_id=charge.id,
        account_id=order.account_id,
        fingerprint=charge.paid_by.fingerprint,
        address_key=payment.address_key,
        device_id=payment.device_id,
        is_declined=charge.is_declined,
        at=datetime.now(UTC),
    )
    # A debit that was under way when it was noted can be declined days later.
    declined = {"is_declined": noting.excluded.is_declined, "at": noting.excluded.at}
    noted = await session.scalar(
        noting.on_conflict_do_update(
            index_elements=[PaymentTry.charge_id],
            set_=declined,
            where=noting.excluded.is_declined & ~PaymentTry.is_declined,
        ).returning(PaymentTry.is_declined)
    )
    return bool(noted)


async def is_testing(session: AsyncSession, payer: Payer) -> bool:
    """Whether the payer has been declined so often that nothing more may be tried on an open payment."""
    free_at = await _when_free(session, payer, now=datetime.now(UTC))
    if free_at is not None:
        log.warning("too many declines", account_id=str(payer.account_id), until=free_at.isoformat())
    return free_at is not None


async def is_card_blocked(session: AsyncSession, charge: Charge | None) -> bool:
    """Whether the card of a charge was reported or disputed before."""
    if charge is None or charge.paid_by.fingerprint is None:
        return False
    blocked = exists().where(BlockedCard.fingerprint == charge.paid_by.fingerprint)
    return bool(await session.scalar(select(blocked)))


Count = Select[Any]
"""Gives one row, if a limit is reached: when there is room again."""


async def _when_free(
    session: AsyncSession, payer: Payer, *, now: datetime, is_opening: bool = False
) -> datetime | None:
    """When the last of the payer's reached limits has room again; None: none is reached."""
    facts = {name: fact for name, fact in asdict(payer).items() if fact is not None}
    statement = _counts(frozenset(facts), is_opening=is_opening)
    found: list[datetime] = [row[0] for row in await session.execute(statement, {**facts, "now": now})]
    return max(found, default=None)


@cache
def _counts(known: frozenset[str], *, is_opening: bool) -> CompoundSelect[Any]:
    """The counts for a payer of whom this much is known; kept, since to write them costs more than to ask them."""
    return union_all(*_declines(known), *(_openings(known) if is_opening else ()))


def _openings(known: frozenset[str]) -> list[Count]:
    """Payments that were opened and not paid."""
    unpaid = Payment.state != PaymentState.SUCCEEDED
    mine = Payment.order_id.in_(select(Order.id).where(Order.account_id == bindparam("account_id")))
    counts = [_reached("account_openings", func.count(), Payment.opened_at, mine & unpaid)]
    if "address_key" in known:
        from_here = Payment.address_key == bindparam("address_key")
        counts.append(_reached("address_openings", func.count(), Payment.opened_at, from_here & unpaid))
    return counts


def _declines(known: frozenset[str]) -> list[Count]:
    def reached(name: str, number: ColumnElement[int], mine: ColumnElement[bool]) -> Count:
        return _reached(name, number, PaymentTry.at, mine & PaymentTry.is_declined)

    mine = PaymentTry.account_id == bindparam("account_id")
    counts = [
        reached("account_declines", func.count(), mine),
        reached("account_cards", func.count(PaymentTry.fingerprint.distinct()), mine),
    ]
    if "address_key" in known:
        from_here = PaymentTry.address_key == bindparam("address_key")
        counts.append(reached("address_declines", func.count(), from_here))
    if "device_id" in known:
        on_device = PaymentTry.device_id == bindparam("device_id")
        counts.append(reached("device_declines", func.count(), on_device))
    if "card" in known:
        of_card = PaymentTry.fingerprint == bindparam("card")
        counts.append(reached("card_declines", func.count(), of_card))
        counts.append(reached("card_accounts", func.count(PaymentTry.account_id.distinct()), of_card))
    return counts


def _reached(
    name: str, number: ColumnElement[int], instant: InstrumentedAttribute[Any], counted: ColumnElement[bool]
) -> Count:
    return (
        select(func.min(instant) + TryLimit.within)
        .select_from(TryLimit)
        .join(instant.class_, instant > bindparam("now", type_=instant.type) - TryLimit.within)
        .where(TryLimit.name == name, counted)
        .group_by(TryLimit.name)
        .having(number >= TryLimit.most)
    )
