"""Sessions: one per browser or app, opened by a sign-in, each ended on its own or all at once."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import ABSOLUTE, IDLE
from auth.errors import NotSignedIn, SessionNotFound
from auth.identity import Identity
from auth.ids import new_id
from auth.known_devices import remember
from auth.models import Account, Session
from auth.ports import Outbox
from auth.tokens import SESSION, hash_token, make_token
from auth.visits import Visit

BY_PASSWORD: Final = ("pwd",)
"""How a person proved who they are, in the words of RFC 8176: by a password alone."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session. Its token is shown here, once."""

    token: str = field(repr=False)
    session_id: UUID
    account_id: UUID
    kind: str
    """Kind of the session: `web`, `app` or `staff`."""
    csrf_secret: bytes = field(repr=False)
    expires_at: datetime
    """The latest end; the session ends earlier when it is not used."""
    device_token: str | None = field(repr=False)
    """By which a device is known again that was not known before; shown here, once."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens and ends sessions. All times are real time."""

    session: AsyncSession
    outbox: Outbox

    async def open(
        self,
        *,
        account_id: UUID,
        kind: str,
        epoch: int,
        at: datetime,
        visit: Visit,
        proofs: Sequence[str] = BY_PASSWORD,
        previous: Identity | None = None,
        proved_at: datetime | None = None,
    ) -> SignedIn:
        """Open a session for an account that has just proved who it is, always with a new token, and know its device.

        `epoch` is the account's when the proof was read: if a reset came in between, the session is dead at birth.
        Where the proof was not given just now and here, `proved_at` says for what is sensitive how old it counts.
        A session that the request already had (`previous`) ends.
        """
        if previous is not None:
            await self._revoke(previous.session_id, at=at, reason="signed_in_again")
        token = make_token(SESSION)
        digest = hash_token(token, kind=SESSION)
        opened = Session(
            id=new_id(),
            kind=kind,
            account_id=account_id,
            token_hash=digest,
            epoch=epoch,
            amr=list(proofs),
            auth_at=proved_at or at,
            created_at=at,
            last_seen_at=at,
            idle_expires_at=at + IDLE[kind],
            expires_at=at + ABSOLUTE[kind],
            ip_trunc=visit.network,
            country=visit.country,
            ua_short=visit.user_agent,
            csrf_secret=secrets.token_bytes(32),
        )
        self.session.add(opened)
        await self.session.flush()
        device = await remember(self.session, account_id=account_id, visit=visit, at=at)
        if device.is_new and await self._was_here_before(opened):
            await self._tell_of_new_device(opened)
        await audit.record(
            self.session,
            at=at,
            actor=None,
            action="session.open",
            target_kind="account",
            target_id=account_id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"session_id": str(opened.id), "kind": kind, "proofs": list(proofs)},
        )
        return SignedIn(
            token=token,
            session_id=opened.id,
            account_id=account_id,
            kind=kind,
            csrf_secret=opened.csrf_secret,
            expires_at=opened.expires_at,
            device_token=device.token,
        )

    async def end(self, *, identity: Identity, session_id: UUID, at: datetime, visit: Visit) -> None:
        """End one of the account's own sessions; raises `SessionNotFound`, also for another account's."""
        ended = await self.session.scalar(
            update(Session)
            .where(
                Session.id == session_id,
                Session.account_id == identity.account_id,
                Session.revoked_at.is_(None),
            )
            .values(revoked_at=at, revoke_reason="signed_out")
            .returning(Session.id)
        )
        if ended is None:
            raise SessionNotFound
        await self._note_end(identity, "session.end", "session", session_id, at=at, visit=visit)

    async def end_all(self, *, identity: Identity, at: datetime, visit: Visit) -> None:
        """End every session of the own account, this one included."""
        await end_every_session(self.session, account_id=identity.account_id, at=at, reason="signed_out_everywhere")
        await self._note_end(identity, "session.end_all", "account", identity.account_id, at=at, visit=visit)

    async def end_others(self, *, identity: Identity, at: datetime, visit: Visit) -> None:
        """End every session of the own account but the one that asks."""
        await self.session.execute(
            update(Session)
            .where(
                Session.account_id == identity.account_id,
                Session.id != identity.session_id,
                Session.revoked_at.is_(None),
            )
            .values(revoked_at=at, revoke_reason="signed_out")
        )
        await self._note_end(identity, "session.end_others", "account", identity.account_id, at=at, visit=visit)

    async def end_all_of(self, *, account_id: UUID, agent: Identity, reason: str, at: datetime, visit: Visit) -> None:
        """Sign a customer out everywhere on behalf of support; the route has checked the permission."""
        await end_every_session(self.session, account_id=account_id, at=at, reason="ended_by_support")
        await self._note_end(agent, "session.end_all", "account", account_id, at=at, visit=visit, reason=reason)

    async def _was_here_before(self, opened: Session) -> bool:
        """Whether there was ever another session: that somebody signs in for the first time is no news to them."""
        another = exists().where(Session.account_id == opened.account_id, Session.id != opened.id)
        return bool(await self.session.scalar(select(another)))

    async def _tell_of_new_device(self, opened: Session) -> None:
        locale = await self.session.scalar(select(Account.locale).where(Account.id == opened.account_id))
        await self.outbox.queue(
            self.session,
            kind="new_device",
            account_id=opened.account_id,
            reference=opened.id,
            locale=locale or "de",
        )

    async def _revoke(self, session_id: UUID, *, at: datetime, reason: str) -> None:
        await self.session.execute(
            update(Session)
            .where(Session.id == session_id, Session.revoked_at.is_(None))
            .values(revoked_at=at, revoke_reason=reason)
        )

    async def _note_end(
        self,
        actor: Identity,
        action: str,
        target_kind: str,
        target_id: UUID,
        *,
        at: datetime,
        visit: Visit,
        reason: str | None = None,
    ) -> None:
        await audit.record(
            self.session,
            at=at,
            actor=actor,
            action=action,
            target_kind=target_kind,
            target_id=target_id,
            reason=reason,
            request_id=visit.request_id,
            ip=visit.ip,
        )


async def end_every_session(session: AsyncSession, *, account_id: UUID, at: datetime, reason: str) -> None:
    """End all sessions of an account: one new epoch kills them, and their rows say when and why."""
    await session.execute(update(Account).where(Account.id == account_id).values(auth_epoch=Account.auth_epoch + 1))
    await session.execute(
        update(Session)
        .where(Session.account_id == account_id, Session.revoked_at.is_(None))
        .values(revoked_at=at, revoke_reason=reason)
    )


async def end_other_sessions(session: AsyncSession, *, identity: Identity, at: datetime, reason: str) -> None:
    """End all sessions of an account but the one that asks, and those being opened with what held until now."""
    epoch = await session.scalar(
        update(Account)
        .where(Account.id == identity.account_id)
        .values(auth_epoch=Account.auth_epoch + 1)
        .returning(Account.auth_epoch)
    )
    await session.execute(
        update(Session)
        .where(
            Session.account_id == identity.account_id,
            Session.id != identity.session_id,
            Session.revoked_at.is_(None),
        )
        .values(revoked_at=at, revoke_reason=reason)
    )
    await session.execute(
        update(Session).where(Session.id == identity.session_id, Session.revoked_at.is_(None)).values(epoch=epoch)
    )


async def renew_token(session: AsyncSession, *, session_id: UUID, at: datetime) -> str:
    """Give a session whose owner has just proved who they are a new token; `NotSignedIn` if it ended meanwhile."""
    token = make_token(SESSION)
    renewed = await session.scalar(
        update(Session)
        .where(Session.id == session_id, Session.revoked_at.is_(None))
        .values(token_hash=hash_token(token, kind=SESSION), step_up_at=at)
        .returning(Session.id)
    )
    if renewed is None:
        raise NotSignedIn
    return token


async def bind_device(session: AsyncSession, *, session_id: UUID, device_id: UUID) -> None:
    """Note on which device a session is; writes only where that changed."""
    await session.execute(
        update(Session)
        .where(Session.id == session_id, Session.device_id.is_distinct_from(device_id))
        .values(device_id=device_id)
    )


async def end_sessions_of_device(
    session: AsyncSession, *, identity: Identity, device_id: UUID, at: datetime, visit: Visit
) -> None:
    """Sign the account out on one of its devices; the session that asks stays."""
    ended = await session.scalars(
        update(Session)
        .where(
            Session.account_id == identity.account_id,
            Session.device_id == device_id,
            Session.id != identity.session_id,
            Session.revoked_at.is_(None),
        )
        .values(revoked_at=at, revoke_reason="device_removed")
        .returning(Session.id)
    )
    for session_id in ended.all():
        await audit.record(
            session,
            at=at,
            actor=identity,
            action="session.end",
            target_kind="session",
            target_id=session_id,
            reason="device_removed",
            request_id=visit.request_id,
            ip=visit.ip,
        )


async def list_sessions(session: AsyncSession, *, account_id: UUID, at: datetime) -> Sequence[Session]:
    """The account's living sessions, the last used first."""
    statement = (
        select(Session)
        .join(Account, Account.id == Session.account_id)
        .where(
            Session.account_id == account_id,
            Session.epoch == Account.auth_epoch,
            Session.revoked_at.is_(None),
            Session.idle_expires_at > at,
            Session.expires_at > at,
        )
        .order_by(Session.last_seen_at.desc())
    )
    return (await session.scalars(statement)).all()
