"""Whether a caller is the customer: a code that only the customer is shown, read aloud, typed in by the agent."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth import audit
from auth.errors import AddressChangedLately, Refusal
from auth.identity import Identity
from auth.ids import new_id
from auth.models import Account, Base
from auth.ports import OpenDatabase, Outbox
from auth.recovery.errors import CallerCodeLimitReached, CallerCodeNotFound, CallerCodeRefused, CallerNotProved
from auth.recovery.reach import has_new_address, lock_customer, note_refused
from auth.visits import Visit

CODES: Final = "caller-codes"
"""Purpose of the key from which the codes are derived."""
MAIL: Final = "caller_code"
"""Kind of the mail that holds a code."""

CODE_LIVES: Final = timedelta(minutes=10)
MOST_TRIES: Final = 5
"""Of entering one code; with six digits, one caller in 200,000 gets through by guessing."""
PROOF_LIVES: Final = timedelta(minutes=30)
"""For how long after the code was right the agent can act on it: about one conversation."""
CODES_PER_AGENT_AND_HOUR: Final = 30
CODES_PER_CUSTOMER_AND_DAY: Final = 10
"""Counted in PostgreSQL under a lock, so that no lost cache lifts it."""

Channel = Literal["mail", "session"]
"""Where the customer is shown the code: in the mailbox, or where they are signed in."""


class CallerVerification(Base):
    """A code that the system gave a customer for one contact, and whether the caller knew it.

    The code itself is nowhere: of six digits a hash hides nothing, so they are derived from a key (`CallerCodes`).
    """

    __tablename__ = "caller_verifications"
    __table_args__ = (
        CheckConstraint("channel IN ('mail', 'session')", name="channel"),
        CheckConstraint("tries BETWEEN 0 AND 5", name="tries"),
        Index(None, "account_id", "requested_at"),
        Index(None, "agent_id", "requested_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    channel: Mapped[str]
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    confirmed_at: Mapped[datetime | None]
    """When the agent typed in the right code: the proof that what follows rests on."""
    closed_at: Mapped[datetime | None]
    """Replaced by a newer one."""

    def is_open(self, *, at: datetime) -> bool:
        """Whether its code can still be entered."""
        over = self.confirmed_at or self.closed_at or self.tries >= MOST_TRIES
        return not over and self.expires_at > at

    def is_proof(self, *, at: datetime) -> bool:
        """Whether the agent can act on it."""
        return self.confirmed_at is not None and self.confirmed_at > at - PROOF_LIVES


@dataclass(frozen=True, slots=True)
class CallerCodes:
    """Derives the codes, so that mail and page show the same one and no table, job or dump holds it."""

    key: bytes = field(repr=False)
    """32 secret bytes for this purpose alone."""

    def code(self, verification_id: UUID) -> str:
        """The six digits of a verification."""
        digest = hmac.digest(self.key, f"caller|{verification_id}".encode(), "sha256")
        return f"{int.from_bytes(digest) % 1_000_000:06d}"


@dataclass(frozen=True, slots=True)
class CallerVerifications:
    """Gives customers codes and checks what callers read out. The agent never sees a code. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    outbox: Outbox
    codes: CallerCodes

    async def request(
        self, *, agent: Identity, account_id: UUID, channel: Channel, at: datetime, visit: Visit
    ) -> tuple[CallerVerification, Account]:
        """Have a customer shown a code; an older one is void. The route checks the permission.

        Raises `AccountNotFound`, `NotACustomer`, `AccountNotResettable`, `AddressChangedLately` (for a code by mail)
        or `CallerCodeLimitReached`; each refused try stays in the audit trail.
        """
        try:
            account = await lock_customer(self.session, agent_id=agent.account_id, account_id=account_id)
            if channel == "mail" and await has_new_address(self.session, account_id, at=at):
                raise AddressChangedLately
            await self._check_limits(agent.account_id, account_id, at=at)
        except Refusal as refusal:
            await note_refused(
                self.session,
                self.database,
                agent=agent,
                action="caller_code.request",
                account_id=account_id,
                refusal=refusal,
                at=at,
                visit=visit,
            )
            raise
        await self.session.execute(
            update(CallerVerification)
            .where(
                CallerVerification.account_id == account_id,
                CallerVerification.confirmed_at.is_(None),
                CallerVerification.closed_at.is_(None),
            )
            .values(closed_at=at)
        )
        asked = CallerVerification(
            id=new_id(),
            account_id=account_id,
            agent_id=agent.account_id,
            channel=channel,
            requested_at=at,
            expires_at=at + CODE_LIVES,
            tries=0,
        )
        self.session.add(asked)
        await self.session.flush()
        if channel == "mail":
            await self.outbox.queue(
                self.session, kind=MAIL, account_id=account_id, reference=asked.id, locale=account.locale
            )
        await self._note(self.session, agent, "caller_code.request", asked, at=at, visit=visit)
        return asked, account

    async def confirm(
        self, *, agent: Identity, verification_id: UUID, code: str, at: datetime, visit: Visit
    ) -> tuple[CallerVerification, Account]:
        """Check the code that a caller read out; it counts once, and only for the agent who asked for it.

        Of any number of tries at once no more than five are compared. Raises `CallerCodeNotFound` or
        `CallerCodeRefused`; a wrong one stays counted and in the audit trail.
        """
        # In a transaction of its own, as the refusal ends the request's.
        async with self.database.sessions.begin() as own:
            tried = await self._count_try(own, agent.account_id, verification_id, at=at)
            if tried is None:
                raise CallerCodeNotFound
            is_right = hmac.compare_digest(self.codes.code(verification_id).encode(), code.encode())
            if not is_right:
                await self._note(own, agent, "caller_code.confirm", tried, at=at, visit=visit, reason="wrong_code")
        if not is_right:
            raise CallerCodeRefused(tries_left=MOST_TRIES - tried.tries)
        proved: CallerVerification | None = await self.session.scalar(
            update(CallerVerification)
            .where(
                CallerVerification.id == verification_id,
                CallerVerification.confirmed_at.is_(None),
                CallerVerification.closed_at.is_(None),
            )
            .values(confirmed_at=at)
            .returning(CallerVerification)
        )
        if proved is None:
            raise CallerCodeNotFound
        await self._note(self.session, agent, "caller_code.confirm", proved, at=at, visit=visit)
        return proved, await self.session.get_one(Account, proved.account_id)

    async def shown_code(self, *, account_id: UUID, at: datetime) -> tuple[str, datetime]:
        """The code that the customer is to be shown where they are signed in, and its end; `CallerCodeNotFound`."""
        found = await self._latest(CallerVerification.account_id == account_id)
        if found is None or found.channel != "session" or not found.is_open(at=at):
            raise CallerCodeNotFound
        return self.codes.code(found.id), found.expires_at

    async def current(self, *, agent: Identity, account_id: UUID, at: datetime) -> CallerVerification | None:
        """The agent's contact with a customer: a code that can still be entered, or a proof that still holds."""
        found = await self._latest(
            CallerVerification.account_id == account_id, CallerVerification.agent_id == agent.account_id
        )
        return found if found and (found.is_open(at=at) or found.is_proof(at=at)) else None

    async def _latest(self, *whose: Any) -> CallerVerification | None:
        newest = CallerVerification.requested_at.desc(), CallerVerification.id.desc()
        return await self.session.scalar(select(CallerVerification).where(*whose).order_by(*newest).limit(1))

    async def _count_try(
        self, session: AsyncSession, agent_id: UUID, verification_id: UUID, *, at: datetime
    ) -> CallerVerification | None:
        counted: CallerVerification | None = await session.scalar(
            update(CallerVerification)
            .where(
                CallerVerification.id == verification_id,
                CallerVerification.agent_id == agent_id,
                CallerVerification.confirmed_at.is_(None),
                CallerVerification.closed_at.is_(None),
                CallerVerification.tries < MOST_TRIES,
                CallerVerification.expires_at > at,
            )
            .values(tries=CallerVerification.tries + 1)
            .returning(CallerVerification)
        )
        return counted

    async def _check_limits(self, agent_id: UUID, account_id: UUID, *, at: datetime) -> None:
        limits = (
            ("per_hour", CallerVerification.agent_id == agent_id, timedelta(hours=1), CODES_PER_AGENT_AND_HOUR),
            (
                "per_customer_and_day",
                CallerVerification.account_id == account_id,
                timedelta(days=1),
                CODES_PER_CUSTOMER_AND_DAY,
            ),
        )
        for name, whose, span, most in limits:
            count, oldest = (
                await self.session.execute(
                    select(func.count(), func.min(CallerVerification.requested_at)).where(
                        whose, CallerVerification.requested_at > at - span
                    )
                )
            ).one()
            if count >= most:
                wait = (oldest + span - at).total_seconds()
                raise CallerCodeLimitReached(limit=name, most=most, retry_after=max(1, int(wait)))

    async def _note(
        self,
        session: AsyncSession,
        agent: Identity,
        action: str,
        verification: CallerVerification,
        *,
        at: datetime,
        visit: Visit,
        reason: str | None = None,
    ) -> None:
        await audit.record(
            session,
            at=at,
            actor=agent,
            action=action,
            target_kind="account",
            target_id=verification.account_id,
            outcome="refused" if reason else "done",
            reason=reason,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"verification_id": str(verification.id), "channel": verification.channel},
        )


async def require_proof(
    session: AsyncSession, *, verification_id: UUID, agent: Identity, account_id: UUID, at: datetime
) -> None:
    """Raise `CallerNotProved` unless this agent proved the caller for this account a short while ago."""
    found = await session.get(CallerVerification, verification_id)
    is_theirs = found is not None and (found.agent_id, found.account_id) == (agent.account_id, account_id)
    if found is None or not is_theirs or not found.is_proof(at=at):
        raise CallerNotProved
