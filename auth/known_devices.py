"""Devices that an account was signed in on before: they have limits of their own, and only new ones are news."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.email_addresses import EmailAddress
from auth.models import KnownDevice
from auth.ports import OpenDatabase
from auth.tokens import DEVICE, hash_token, make_token
from auth.visits import Visit

KEPT: Final = timedelta(days=400)
"""From the last sign-in on; browsers keep no cookie longer."""

_IS_KNOWN: Final = """
    SELECT EXISTS (SELECT FROM auth.known_devices d JOIN auth.accounts a ON a.id = d.account_id
                    WHERE a.email_key = $1 AND d.token_hash = $2)
"""

_IS_ANYBODYS: Final = "SELECT EXISTS (SELECT FROM auth.known_devices WHERE token_hash = $1)"


async def is_known(database: OpenDatabase, *, address: EmailAddress, visit: Visit) -> bool:
    """Whether the account of this address was signed in on this device before; one query for every address."""
    if visit.device is None:
        return False
    return bool(await database.reads.fetchval(_IS_KNOWN, address.key, visit.device))


async def is_anybodys(database: OpenDatabase, *, visit: Visit) -> bool:
    """Whether anybody was signed in on this device before, where nobody says yet who they are."""
    if visit.device is None:
        return False
    return bool(await database.reads.fetchval(_IS_ANYBODYS, visit.device))


@dataclass(frozen=True, slots=True)
class Remembered:
    """A device that somebody has just signed in on."""

    token: str | None = field(repr=False)
    """To be kept there; None where it has one of ours already."""
    is_new: bool
    """Whether the account was never signed in on it before."""


async def remember(session: AsyncSession, *, account_id: UUID, visit: Visit, at: datetime) -> Remembered:
    """Note that the account signed in on this device.

    A token that we never gave anyone is not taken: who made it up for another's browser would know it.
    """
    given = visit.device is not None and await session.scalar(
        select(exists().where(KnownDevice.token_hash == visit.device))
    )
    token = None if given else make_token(DEVICE)
    digest = visit.device if token is None else hash_token(token, kind=DEVICE)
    first_seen_at = await session.scalar(
        insert(KnownDevice)
        .values(account_id=account_id, token_hash=digest, first_seen_at=at, last_seen_at=at)
        .on_conflict_do_update(
            index_elements=[KnownDevice.account_id, KnownDevice.token_hash], set_={"last_seen_at": at}
        )
        .returning(KnownDevice.first_seen_at)
    )
    return Remembered(token, is_new=first_seen_at == at)


async def forget_devices(session: AsyncSession, *, account_id: UUID, but: bytes | None = None) -> None:
    """Know no device of an account any more, but perhaps the one that asks for it."""
    whose = KnownDevice.account_id == account_id
    await session.execute(delete(KnownDevice).where(whose, KnownDevice.token_hash.is_distinct_from(but)))


async def forget_old_devices(session: AsyncSession, *, at: datetime) -> None:
    """Remove devices on which nobody signed in for long: a periodic sweep."""
    await session.execute(delete(KnownDevice).where(KnownDevice.last_seen_at < at - KEPT))
