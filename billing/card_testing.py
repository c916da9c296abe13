"""Card testing and stolen cards: what is kept of every try to pay, how many are too many, which cards are refused.

Counted per account, network address, device and card, in PostgreSQL alone: losing a cache lifts none of these limits.
They are security: their times are real, so moving the business clock frees nobody.
"""

import hmac
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple, Self
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import columns, driver_of, read, save
from billing.errors import TooManyPaymentTries
from billing.models import Order, Payment
from billing.ports import Charge

log = structlog.get_logger("card_testing")

_COUNT_TRY: Final = """
    INSERT INTO billing.payment_tries AS known
           (charge_id, account_id, fingerprint, address_key, device_id, is_declined, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (charge_id) DO UPDATE SET is_declined = true, at = excluded.at
     WHERE excluded.is_declined AND NOT known.is_declined
    RETURNING is_declined
"""
"""A debit that was under way when it was noted can be declined days later."""

_IS_BLOCKED: Final = "SELECT EXISTS (SELECT FROM billing.blocked_cards WHERE fingerprint = $1)"

_LAST_PAYMENT: Final = f"""
    SELECT {columns(Payment)}, (SELECT device_id FROM billing.quotes WHERE id = $2) AS buys_on
      FROM billing.payments WHERE order_id = $1 ORDER BY attempt DESC LIMIT 1 FOR UPDATE
"""  # noqa: S608

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest($1::text[]) AS key"


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
    driver = await driver_of(session)
    # Two at once are counted one after the other: all take the account's lock first, then the address's.
    keys = [f"payment-tries:{key}" for key in (order.account_id, address) if key is not None]
    await driver.execute(_LOCK, keys)
    [last] = await driver.fetch(_LAST_PAYMENT, order.id, order.quote_id)
    payment, payer = read(Payment, last), Payer(order.account_id, address, last["buys_on"])
    # Read behind the locks: waiting for them must not make this try older than those that it waited for.
    now = datetime.now(UTC)
    free_at = await _when_free(session, payer, now=now, is_opening=payment.opened_at is None)
    if free_at is not None:
        raise TooManyPaymentTries((free_at - now).total_seconds())
    payment.opened_at, payment.address_key = payment.opened_at or now, address
    payment.device_id = payer.device_id
    await save(session, payment)


async def note_try(session: AsyncSession, order: Order, payment: Payment, charge: Charge | None) -> bool:
    """Keep what paid, or tried to; whether this is news of a decline. Noted before, it changes nothing."""
    if charge is None or (payment.charge_id == charge.id and not charge.is_declined):
        return False
    return await count_try(session, order, payment, charge)


async def count_try(session: AsyncSession, order: Order, payment: Payment, charge: Charge) -> bool:
    """Keep a try to pay; whether this is news of a decline."""
    driver = await driver_of(session)
    noted = await driver.fetchval(
        _COUNT_TRY,
        charge.id,
        order.account_id,
        charge.paid_by.fingerprint,
        payment.address_key,
        payment.device_id,
        charge.is_declined,
        datetime.now(UTC),
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
    driver = await driver_of(session)
    return bool(await driver.fetchval(_IS_BLOCKED, charge.paid_by.fingerprint))


async def _when_free(
    session: AsyncSession, payer: Payer, *, now: datetime, is_opening: bool = False
) -> datetime | None:
    """When the last of the payer's reached limits has room again; None: none is reached."""
    facts = {name: fact for name, fact in asdict(payer).items() if fact is not None}
    driver = await driver_of(session)
    free_at: datetime | None = await driver.fetchval(
        _limits_reached(tuple(facts), is_opening=is_opening), now, *facts.values()
    )
    return free_at


class _Limit(NamedTuple):
    """How one of the limits of `billing.try_limits` counts."""

    name: str
    known: str
    """What must be known of the payer."""
    number: str
    tries: str
    at: str
    mine: str
    """Which of the tries are the payer's, whose fact stands at `{}`."""


_TRIES: Final = "billing.payment_tries AS tried"
_DECLINES: Final = (
    _Limit("account_declines", "account_id", "count(*)", _TRIES, "tried.at", "tried.account_id = {}"),
    _Limit("account_cards", "account_id", "count(DISTINCT fingerprint)", _TRIES, "tried.at", "tried.account_id = {}"),
    _Limit("address_declines", "address_key", "count(*)", _TRIES, "tried.at", "tried.address_key = {}"),
    _Limit("device_declines", "device_id", "count(*)", _TRIES, "tried.at", "tried.device_id = {}"),
    _Limit("card_declines", "card", "count(*)", _TRIES, "tried.at", "tried.fingerprint = {}"),
    _Limit("card_accounts", "card", "count(DISTINCT account_id)", _TRIES, "tried.at", "tried.fingerprint = {}"),
)

_OWN: Final = "(billing.payments AS opened JOIN billing.orders AS ordered ON ordered.id = opened.order_id)"
_ANYBODYS: Final = "billing.payments AS opened"
_OPENINGS: Final = (
    _Limit("account_openings", "account_id", "count(*)", _OWN, "opened.opened_at", "ordered.account_id = {}"),
    _Limit("address_openings", "address_key", "count(*)", _ANYBODYS, "opened.opened_at", "opened.address_key = {}"),
)
"""Payments that were opened and not paid."""

_REACHED: Final = """
    SELECT min({limit.at}) + allowed.within AS free_at
      FROM billing.try_limits AS allowed
      JOIN {limit.tries} ON {limit.at} > $1::timestamptz - allowed.within AND {mine} AND {counted}
     WHERE allowed.name = '{limit.name}' GROUP BY allowed.name HAVING {limit.number} >= allowed.most
"""
"""Gives one row, if a limit is reached: when there is room again."""


@cache
def _limits_reached(known: Sequence[str], *, is_opening: bool) -> str:
    """When the last of the reached limits has room again: `$1` is now, the others are what is known of the payer."""
    places = {name: f"${place}" for place, name in enumerate(known, start=2)}
    counts = [(limit, "tried.is_declined") for limit in _DECLINES]
    if is_opening:
        counts += [(limit, "opened.state <> 'succeeded'") for limit in _OPENINGS]
    reached = [
        _REACHED.format(limit=limit, mine=limit.mine.format(places[limit.known]), counted=counted)
        for limit, counted in counts
        if limit.known in places
    ]
    return f"SELECT max(free_at) FROM ({' UNION ALL '.join(reached)}) AS limits"  # noqa: S608
