"""Addresses that take no mail any more: they are left in peace but for what safety or a contract demands."""

import re
from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.email_addresses import key_of
from store.catalogue.models import Base
from store.database import RawConnection

BOUNCED: Final = "bounced"
"""The mail server said for good that there is no such mailbox; the next mail that it takes proves otherwise."""
RETURNED: Final = "returned"
"""A mail was taken and came back for good. That another one is taken proves nothing: its owner has to say so."""
COMPLAINED: Final = "complained"
"""Its owner called a mail of ours unwanted; only a person takes that back."""

_OUTWEIGHED_BY: Final = {BOUNCED: (), RETURNED: (BOUNCED,), COMPLAINED: (BOUNCED, RETURNED)}
"""Which reasons a new one replaces."""

CAN_BE_LEFT_OUT: Final = frozenset({"payment_failed", "rental_start_reminder", "rental_end_reminder"})
"""Kinds of mail that a suppressed address does not get. Every other one protects an account or belongs to a contract
on a durable medium: withholding it would lock its owner out or break the law, and so it is tried all the same."""

_OTHER_CAUSE: Final = re.compile(r"5\.(?!1\.)\d")
"""An enhanced status (RFC 3463) that speaks of something else than the address: a full mailbox, a policy."""


class SuppressedAddress(Base):
    """An address that gets no mail which can be left out."""

    __tablename__ = "suppressed_addresses"
    __table_args__ = (CheckConstraint("reason IN ('bounced', 'returned', 'complained')", name="reason"),)

    email_key: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    since: Mapped[datetime]
    """Real time."""


def is_bounce(code: int, message: str) -> bool:
    """Whether a server's refusal of a recipient says for good that there is no such mailbox."""
    return code >= 500 and not _OTHER_CAUSE.match(message)


async def is_suppressed(connection: RawConnection, address: str) -> bool:
    """Whether mails that can be left out are to be left out for this address."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM store.suppressed_addresses WHERE email_key = $1)", key_of(address)
    )
    return found


async def suppress(session: AsyncSession, email_key: str, *, reason: str, at: datetime) -> None:
    """Leave an address in peace; a complaint outweighs a returned mail, and that a refused one."""
    suppressing = insert(SuppressedAddress).values(email_key=email_key, reason=reason, since=at)
    await session.execute(
        suppressing.on_conflict_do_update(
            index_elements=["email_key"],
            set_={"reason": reason, "since": at},
            where=SuppressedAddress.reason.in_(_OUTWEIGHED_BY[reason]),
        )
    )


async def find_suppression(session: AsyncSession, email_key: str) -> SuppressedAddress | None:
    """Why and since when an address gets no mail which can be left out."""
    return await session.get(SuppressedAddress, email_key)


async def lift_suppression(session: AsyncSession, email_key: str) -> bool:
    """Write to an address again, because its owner says that mails arrive; False if nothing was left out."""
    statement = delete(SuppressedAddress).where(SuppressedAddress.email_key == email_key)
    return await session.scalar(statement.returning(SuppressedAddress.email_key)) is not None
