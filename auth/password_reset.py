"""A new password by a mailed link: asked for by its owner or started by support, used once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit, models
from auth.email_addresses import mask_email, parse_email
from auth.errors import (
    AddressChangedLately,
    LinkNotValid,
    NotPermitted,
    Refusal,
    ResetLimitReached,
)
from auth.identity import Identity
from auth.ids import new_id
from auth.known_devices import forget_devices, is_known
from auth.limits import (
    COMPLETE_PER_IP,
    COMPLETE_PER_LINK,
    RESETS_PER_AGENT_AND_DAY,
    RESETS_PER_AGENT_AND_HOUR,
    RESETS_PER_CUSTOMER_AND_DAY,
    admit_forgotten,
)
from auth.models import Account
from auth.passwords import PasswordHasher
from auth.permissions import PASSWORD_RESET_START
from auth.ports import OpenDatabase, Outbox, Throttle
from auth.recovery.caller_codes import require_proof
from auth.recovery.reach import has_new_address, lock_customer
from auth.recovery.records import close_recoveries
from auth.sessions import end_every_session
from auth.tokens import PASSWORD_RESET, hash_token
from auth.visits import Visit

LINK_LIVES: Final = timedelta(minutes=30)
"""From the request on; a mail that would come later is not sent."""

_OPEN_RESET: Final = """
    SELECT r.account_id, a.email_key
      FROM auth.password_resets r JOIN auth.accounts a ON a.id = r.account_id
     WHERE r.token_hash = $1 AND r.used_at IS NULL AND r.superseded_at IS NULL AND r.expires_at > $2
       AND a.kind = 'customer' AND a.status = 'active'
"""


@dataclass(frozen=True, slots=True)
class StartedReset:
    """What support learns of a reset that it started: never the link."""

    id: UUID
    sent_to: str
    """The masked address."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """Lets customers set a new password. Staff never reset by themselves. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    hasher: PasswordHasher
    throttle: Throttle
    outbox: Outbox

    async def request(self, *, email: str, locale: str, at: datetime, visit: Visit) -> None:
        """Note that a link is wanted for an address; the same work and answer for every one.

        No account is looked up here: the worker does that when it mails, so that neither the answer nor its time
        tells anything. Only a device that brings a token is looked for, and alike for every address. Raises
        `EmailAddressInvalid` or `TooManyAttempts`.
        """
        address = parse_email(email)
        known = await is_known(self.database, address=address, visit=visit)
        await admit_forgotten(self.throttle, address=address, visit=visit, is_known=known)
        wish = models.PasswordReset(
            id=new_id(),
            email_key=address.key,
            channel="self_service",
            requested_at=at,
            expires_at=at + LINK_LIVES,
            request_ip=visit.network,
        )
        self.session.add(wish)
        await audit.record(
            self.session,
            at=at,
            actor=None,
            action="password_reset.request",
            target_kind="password_reset",
            target_id=wish.id,
            request_id=visit.request_id,
            ip=visit.ip,
        )
        await self.outbox.queue(self.session, kind="password_reset", account_id=None, reference=wish.id, locale=locale)

    async def start_for_customer(
        self,
        *,
        agent: Identity,
        account_id: UUID,
        reason: str,
        verification_id: UUID | None = None,
        at: datetime,
        visit: Visit,
    ) -> StartedReset:
        """Have the link mailed to a customer on behalf of support, which never sees it.

        Nothing changes on the account until the customer uses the link, who can call it off instead. A proof of the
        caller is kept with it; without one the link goes to the stored address all the same, and nowhere else.
        Raises `NotPermitted`, `AccountNotFound`, `NotACustomer`, `AccountNotResettable`, `AddressChangedLately`,
        `CallerNotProved` or `ResetLimitReached`; each refused try stays in the audit trail.
        """
        try:
            started = await self._start(agent, account_id, reason, verification_id, at=at, visit=visit)
        except Refusal as refusal:
            # Ends the request's transaction with its locks first; the entry has to outlive the refusal.
            await self.session.rollback()
            async with self.database.sessions.begin() as own:
                await self._note_start(own, agent, account_id, reason, at=at, visit=visit, refusal=refusal)
            raise
        await self._note_start(self.session, agent, account_id, reason, at=at, visit=visit, reset_id=started.id)
        return started

    async def complete(self, *, token: str, password: str, at: datetime, visit: Visit) -> UUID:
        """Set the new password and sign the account out everywhere; returns the account's id.

        A refused password leaves the link usable. Of any number of tries at once one succeeds. Raises
        `LinkNotValid` (unknown, used, replaced, expired), `PasswordRefused`, `Overloaded`, `TooManyAttempts`.
        """
        digest = hash_token(token, kind=PASSWORD_RESET)
        found = await self.database.reads.fetchrow(_OPEN_RESET, digest, at) if digest else None
        if found is None:
            # Only what is not valid counts, so that no neighbour in the same network uses up the owner's way back.
            await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
            raise LinkNotValid
        await COMPLETE_PER_LINK.admit(self.throttle, token)
        # Hashed before anything is locked: it takes longer than all the rest.
        words = parse_email(found["email_key"]).words
        hashed = await self.hasher.accept(password, kind="customer", words=words, urgent=True)
        account_id: UUID = found["account_id"]
        # The account first, as the mail's composer does, so that the two never wait for each other.
        await self.session.execute(select(Account.id).where(Account.id == account_id).with_for_update())
        used = await self.session.scalar(
            update(models.PasswordReset)
            .where(
                models.PasswordReset.token_hash == digest,
                models.PasswordReset.used_at.is_(None),
                models.PasswordReset.superseded_at.is_(None),
                models.PasswordReset.expires_at > at,
            )
            .values(used_at=at)
            .returning(models.PasswordReset.id)
        )
        if used is None:
            raise LinkNotValid
        await self._set_password(account_id, hashed, at=at)
        await audit.record(
            self.session,
            at=at,
            actor=None,
            action="password_reset.complete",
            target_kind="account",
            target_id=account_id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"reset_id": str(used)},
        )
        locale = await self.session.scalar(select(Account.locale).where(Account.id == account_id))
        await self.outbox.queue(
            self.session,
            kind="password_changed",
            account_id=account_id,
            reference=used,
            locale=locale or "de",
        )
        return account_id

    async def _set_password(self, account_id: UUID, hashed: str, *, at: datetime) -> None:
        """Set the hash, end all sessions and every other open link, and know no device any more."""
        await self.session.execute(
            update(Account).where(Account.id == account_id).values(password_hash=hashed, password_changed_at=at)
        )
        await end_every_session(self.session, account_id=account_id, at=at, reason="password_reset")
        await forget_devices(self.session, account_id=account_id)
        await close_links(self.session, account_id=account_id, at=at)

    async def _start(
        self,
        agent: Identity,
        account_id: UUID,
        reason: str,
        verification_id: UUID | None,
        *,
        at: datetime,
        visit: Visit,
    ) -> StartedReset:
        if PASSWORD_RESET_START not in agent.permissions:
            raise NotPermitted
        account = await lock_customer(self.session, agent_id=agent.account_id, account_id=account_id)
        if await has_new_address(self.session, account_id, at=at):
            raise AddressChangedLately
        if verification_id is not None:
            await require_proof(
                self.session, verification_id=verification_id, agent=agent, account_id=account_id, at=at
            )
        await self._check_limits(agent.account_id, account_id, at=at)
        wish = models.PasswordReset(
            id=new_id(),
            account_id=account_id,
            channel="support",
            requested_by=agent.account_id,
            reason=reason,
            verification_id=verification_id,
            requested_at=at,
            expires_at=at + LINK_LIVES,
            request_ip=visit.network,
        )
        self.session.add(wish)
        await self.session.flush()
        await self.outbox.queue(
            self.session, kind="password_reset", account_id=account_id, reference=wish.id, locale=account.locale
        )
        return StartedReset(id=wish.id, sent_to=mask_email(account.email or ""), expires_at=wish.expires_at)

    async def _check_limits(self, agent_id: UUID, account_id: UUID, *, at: datetime) -> None:
        """Count what was really started, in PostgreSQL: no lost cache lifts these limits."""
        by_agent = models.PasswordReset.requested_by == agent_id
        of_customer = models.PasswordReset.account_id == account_id
        limits = (
            ("per_hour", by_agent, timedelta(hours=1), RESETS_PER_AGENT_AND_HOUR),
            ("per_day", by_agent, timedelta(days=1), RESETS_PER_AGENT_AND_DAY),
            ("per_customer_and_day", of_customer, timedelta(days=1), RESETS_PER_CUSTOMER_AND_DAY),
        )
        for name, whose, span, most in limits:
            count, oldest = (
                await self.session.execute(
                    select(func.count(), func.min(models.PasswordReset.requested_at)).where(
                        whose, models.PasswordReset.requested_at > at - span
                    )
                )
            ).one()
            if count >= most:
                wait = oldest + span - at
                raise ResetLimitReached(limit=name, most=most, retry_after=max(1, int(wait.total_seconds())))

    async def _note_start(
        self,
        session: AsyncSession,
        agent: Identity,
        account_id: UUID,
        reason: str,
        *,
        at: datetime,
        visit: Visit,
        refusal: Refusal | None = None,
        reset_id: UUID | None = None,
    ) -> None:
        await audit.record(
            session,
            at=at,
            actor=agent,
            action="password_reset.start",
            target_kind="account",
            target_id=account_id,
            outcome="refused" if refusal else "done",
            reason=reason,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"refused_as": refusal.code} if refusal else {"reset_id": str(reset_id)},
        )


async def close_links(session: AsyncSession, *, account_id: UUID, at: datetime) -> None:
    """Let no link that is on its way change the account's password or address any more.

    Whoever has just used one has the mailbox: it is not lost, whatever support was told.
    """
    await close_email_changes(session, account_id=account_id, at=at)
    await close_recoveries(session, account_id=account_id, at=at, only="email_change")
    await session.execute(
        update(models.PasswordReset)
        .where(
            models.PasswordReset.account_id == account_id,
            models.PasswordReset.used_at.is_(None),
            models.PasswordReset.superseded_at.is_(None),
        )
        .values(superseded_at=at)
    )


async def close_email_changes(session: AsyncSession, *, account_id: UUID, at: datetime) -> None:
    """Let no change of address that waits for its confirmation take effect any more."""
    await session.execute(
        update(models.EmailChange)
        .where(
            models.EmailChange.account_id == account_id,
            models.EmailChange.confirmed_at.is_(None),
            models.EmailChange.closed_at.is_(None),
        )
        .values(closed_at=at)
    )


async def forget_addresses(session: AsyncSession, *, at: datetime) -> None:
    """Remove the address from expired requests whose mail never went out: a periodic sweep."""
    await session.execute(
        update(models.PasswordReset)
        .where(models.PasswordReset.expires_at < at, models.PasswordReset.email_key.is_not(None))
        .values(email_key=None)
    )
