"""Signing in on a TV by a code that is entered on another screen: the device grant of OAuth 2.0 (RFC 8628).

A TV asks, and gets two codes: a secret one that it polls with, and a short one that it shows. Whoever is signed in
elsewhere enters the short one and allows or refuses. What the TV polls with is of use only to the key that asked.
"""

import secrets
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth import audit
from auth.device_grant_errors import (
    AuthorisationPending,
    DeviceCodeExpired,
    DeviceCodeInvalid,
    DeviceCodeRefused,
    PollingTooFast,
    UserCodeUnknown,
)
from auth.identity import Identity
from auth.ids import new_id
from auth.limits import TV_CODE_PER_ACCOUNT, TV_CODE_PER_ADDRESS, TV_GRANT_PER_ADDRESS, Count
from auth.models import Account, Base, Session
from auth.plain_statements import driver_of
from auth.ports import OpenDatabase, Throttle
from auth.sessions import Sessions, SignedIn
from auth.step_up import FRESH
from auth.tokens import TV, hash_token, make_token
from auth.visits import Visit

GRANT_LIVES: Final = timedelta(minutes=10)
"""To find the phone, sign in there and enter the code."""

INTERVAL: Final = 5
"""Seconds that a TV waits between two polls at first; each one that comes too early adds as many (RFC 8628, 3.5)."""

_TOLERANCE: Final = 1
"""Seconds by which a poll may come early: its way through the network is not always as long."""

_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Twenty consonants (RFC 8628, 6.1): no words come out, and no letter looks like another or like a digit."""

_CODE_LENGTH: Final = 8
"""20 ** 8 codes, 34.6 bits. Of a thousand TVs that wait at the same time, one who enters five codes every ten minutes
for a year meets one with a probability of 1 in 97; then it is he who has let a stranger's TV into his own account."""

_MEANT: Final = str.maketrans("01258OIUY6", "QLZSBQLVVG")
"""What people read or type for a letter that it looks like."""

_POLL: Final = """
    WITH before AS (
        SELECT id, interval_seconds AS pause, polled_at FROM auth.device_grants
         WHERE device_code_hash = $1 AND jkt = $2 AND state <> 'used' FOR UPDATE)
    UPDATE auth.device_grants AS g
       SET polled_at = $3,
           interval_seconds = before.pause + CASE
               WHEN g.state = 'pending' AND $3 < before.polled_at + make_interval(secs => before.pause - $4) THEN $5
               ELSE 0 END
      FROM before WHERE g.id = before.id
    RETURNING g.id, g.state, g.expires_at <= $3 AS is_over, g.interval_seconds, g.interval_seconds > before.pause
           AS is_early
"""
"""A statement, and so a transaction, of its own: that a poll came too early is kept though it is refused."""

_IS_KNOWN: Final = "SELECT EXISTS (SELECT FROM auth.device_grants WHERE device_code_hash = $1 AND jkt = $2)"

_USE: Final = """
    UPDATE auth.device_grants AS g SET state = 'used'
      FROM auth.accounts AS a
     WHERE g.id = $1 AND g.state = 'approved' AND g.expires_at > $2
       AND a.id = g.account_id AND a.auth_epoch = g.epoch AND a.status = 'active' AND a.kind = 'customer'
    RETURNING g.account_id, g.epoch, g.amr, g.device_name
"""


class DeviceGrant(Base):
    """A TV that wants to be signed in: asked, allowed or refused, and exchanged for a session, once."""

    __tablename__ = "device_grants"
    __table_args__ = (
        CheckConstraint("octet_length(device_code_hash) = 32", name="device_code_hash"),
        CheckConstraint("state IN ('pending', 'approved', 'refused', 'used')", name="state"),
        CheckConstraint("(state = 'pending') = (account_id IS NULL)", name="decided_by_somebody"),
        CheckConstraint(
            "(account_id IS NULL) = (epoch IS NULL) AND (account_id IS NULL) = (amr IS NULL)", name="decided_whole"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_code_hash: Mapped[bytes] = mapped_column(unique=True)
    """SHA-256 of what the TV polls with."""
    user_code: Mapped[str] = mapped_column(unique=True)
    """What the TV shows, without its hyphen."""
    jkt: Mapped[str]
    """Thumbprint (RFC 7638) of the key that asked, and alone may poll."""
    device_name: Mapped[str]
    ip_trunc: Mapped[str]
    """Network that the TV asked from: /24 or /48."""
    country: Mapped[str | None]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    interval_seconds: Mapped[int] = mapped_column(default=INTERVAL)
    polled_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(default="pending", server_default="pending")
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    """Who decided."""
    epoch: Mapped[int | None]
    """The account's `auth_epoch` when it was decided: a reset in between ends what was allowed."""
    amr: Mapped[list[str] | None]
    """How who decided had proved who they are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a TV is given: one code to keep, one to show."""

    device_code: str = field(repr=False)
    user_code: str
    """With its hyphen: `BCDF-GHJK`."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceGrants:
    """Lets TVs ask, their owners decide, and what was allowed be exchanged for a session. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    throttle: Throttle
    sessions: Sessions

    async def admit(self, visit: Visit) -> None:
        """Count that somebody wants to ask, before anything of theirs is written; raises `TooManyAttempts`."""
        await TV_GRANT_PER_ADDRESS.admit(self.throttle, visit.limit_key)

    async def ask(self, *, jkt: str, device_name: str, at: datetime, visit: Visit) -> Asked:
        """Note that the holder of a key wants to be signed in."""
        device_code = make_token(TV)
        grant = {
            "id": new_id(),
            "device_code_hash": hash_token(device_code, kind=TV),
            "jkt": jkt,
            "device_name": device_name,
            "ip_trunc": visit.network,
            "country": visit.country,
            "asked_at": at,
            "expires_at": at + GRANT_LIVES,
            "interval_seconds": INTERVAL,
        }
        while True:
            user_code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
            written = insert(DeviceGrant).values(**grant, user_code=user_code).on_conflict_do_nothing()
            if await self.session.scalar(written.returning(DeviceGrant.id)):
                return Asked(device_code, with_hyphen(user_code), at + GRANT_LIVES)

    async def find(self, user_code: str, *, identity: Identity, at: datetime, visit: Visit) -> DeviceGrant:
        """The TV that shows a code, in whatever way it was typed, and waits; a wrong code counts.

        Raises `UserCodeUnknown` for one that is unknown, over or decided, or `TooManyAttempts`.
        """
        guesses = (
            Count(TV_CODE_PER_ACCOUNT, str(identity.account_id)),
            Count(TV_CODE_PER_ADDRESS, visit.limit_key),
        )
        for guess in guesses:
            await guess.admit(self.throttle)
        grant = await self.session.scalar(
            select(DeviceGrant).where(
                DeviceGrant.user_code == as_meant(user_code),
                DeviceGrant.state == "pending",
                DeviceGrant.expires_at > at,
            )
        )
        if grant is None:
            raise UserCodeUnknown
        for guess in guesses:
            await guess.give_back(self.throttle)
        return grant

    async def decide(
        self, user_code: str, *, is_allowed: bool, identity: Identity, at: datetime, visit: Visit
    ) -> DeviceGrant:
        """Allow or refuse the TV that shows a code, once; raises what `find` raises."""
        grant = await self.find(user_code, identity=identity, at=at, visit=visit)
        # Of two decisions at once one finds it waiting.
        await self.session.refresh(grant, with_for_update=True)
        if grant.state != "pending":
            raise UserCodeUnknown
        account = await self.session.get_one(Account, identity.account_id)
        here = await self.session.get_one(Session, identity.session_id)
        grant.state = "approved" if is_allowed else "refused"
        grant.account_id, grant.epoch, grant.amr = account.id, here.epoch, list(here.amr)
        await audit.record(
            self.session,
            at=at,
            actor=identity,
            action=f"device_grant.{'allow' if is_allowed else 'refuse'}",
            target_kind="account",
            target_id=account.id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"grant_id": str(grant.id), "country": grant.country},
        )
        return grant

    async def require_known(self, device_code: str, *, jkt: str) -> None:
        """Raise `DeviceCodeInvalid` unless the key asked and was given this code, before anything of it is written."""
        digest = hash_token(device_code, kind=TV)
        if digest is None or not await self.database.reads.fetchval(_IS_KNOWN, digest, jkt):
            raise DeviceCodeInvalid

    async def exchange(self, device_code: str, *, jkt: str, at: datetime, visit: Visit) -> SignedIn:
        """Open the session that was allowed, once, for the key that asked.

        Raises `AuthorisationPending` or `PollingTooFast` while nobody has decided, and `DeviceCodeRefused`,
        `DeviceCodeExpired` or `DeviceCodeInvalid` (unknown, used, or another key's) when nobody will.
        """
        digest = hash_token(device_code, kind=TV)
        if digest is None:
            raise DeviceCodeInvalid
        found = await self.database.reads.fetchrow(_POLL, digest, jkt, at, _TOLERANCE, INTERVAL)
        if found is None:
            raise DeviceCodeInvalid
        if found["is_over"]:
            raise DeviceCodeExpired
        if found["state"] == "refused":
            raise DeviceCodeRefused
        if found["is_early"]:
            raise PollingTooFast(interval=found["interval_seconds"])
        if found["state"] == "pending":
            raise AuthorisationPending(interval=found["interval_seconds"])
        return await self._open(found["id"], at=at, visit=visit)

    async def _open(self, grant_id: UUID, *, at: datetime, visit: Visit) -> SignedIn:
        allowed = await (await driver_of(self.session)).fetchrow(_USE, grant_id, at)
        if allowed is None:
            # Exchanged at this very moment, or what was allowed holds no longer: a new password, a closed account.
            raise DeviceCodeInvalid
        return await self.sessions.open(
            account_id=allowed["account_id"],
            kind="app",
            epoch=allowed["epoch"],
            at=at,
            visit=replace(visit, user_agent=allowed["device_name"]),
            proofs=allowed["amr"],
            # It was on another screen that somebody proved who they are: whoever holds the remote control has not.
            proved_at=at - 2 * FRESH,
        )


def with_hyphen(user_code: str) -> str:
    """A code as it is shown: `BCDF-GHJK`."""
    return f"{user_code[:4]}-{user_code[4:]}"


def as_meant(typed: str) -> str:
    """The code that somebody means who types it in small letters, with other separators, or a 5 for an S."""
    letters = unicodedata.normalize("NFKC", typed).upper()
    return "".join(filter(str.isalnum, letters)).translate(_MEANT)[: _CODE_LENGTH + 1]


async def forget_device_grants(session: AsyncSession, *, at: datetime) -> None:
    """Remove TVs that were decided about, or not, an hour ago: a periodic sweep."""
    await session.execute(delete(DeviceGrant).where(DeviceGrant.expires_at < at - timedelta(hours=1)))
