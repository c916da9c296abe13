"""Erasing an account (Art. 17 GDPR): asked for, cancellable until its cool-off is over, then carried out by a job.

What the law demands to keep stays under the account's id and pseudonym; billing and store erase what is theirs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth import audit
from auth.errors import ErasureNotFound, LinkNotValid
from auth.identity import Identity
from auth.ids import new_id
from auth.limits import COMPLETE_PER_IP
from auth.models import Account, Base
from auth.ports import Outbox, Throttle
from auth.sessions import end_every_session
from auth.tokens import KEEP_ACCOUNT, hash_token
from auth.visits import Visit

COOL_OFF: Final = timedelta(days=14)
"""For so long it can be cancelled, by the mailed link or by who is signed in."""

ERASURE_MAIL: Final = "erasure_requested"
"""Kind of the mail that tells when the account will be erased, with the link that keeps it."""

_IS_OPEN: Final = "cancelled_at IS NULL AND erased_at IS NULL"


class Erasure(Base):
    """A wish to have an account erased, and what became of it."""

    __tablename__ = "erasures"
    __table_args__ = (
        CheckConstraint("cancelled_at IS NULL OR erased_at IS NULL", name="one_end"),
        Index("uq_erasures_account_id_open", "account_id", unique=True, postgresql_where=text(_IS_OPEN)),
        Index("ix_erasures_due_at_open", "due_at", postgresql_where=text(_IS_OPEN)),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    requested_at: Mapped[datetime]
    """Business time, as are the other instants here."""
    due_at: Mapped[datetime]
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the mailed token; None until it is mailed."""
    delayed_by: Mapped[str | None]
    """Why it could not be carried out when it was due: a code of `billing.erasure`."""
    cancelled_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


_OPEN: Final = (Erasure.cancelled_at.is_(None), Erasure.erased_at.is_(None))


@dataclass(frozen=True, slots=True)
class Erasures:
    """Takes the wish in, and takes it back. `at` is business time, `real_now` the time of the audit entries."""

    session: AsyncSession
    throttle: Throttle
    outbox: Outbox

    async def request(self, *, identity: Identity, at: datetime, real_now: datetime, visit: Visit) -> Erasure:
        """Note that the own account is to be erased; asked for again, it is the wish that there is already."""
        wish: Erasure | None = await self.session.scalar(
            insert(Erasure)
            .values(id=new_id(), account_id=identity.account_id, requested_at=at, due_at=at + COOL_OFF)
            .on_conflict_do_nothing(index_elements=[Erasure.account_id], index_where=text(_IS_OPEN))
            .returning(Erasure)
        )
        if wish is None:
            return await self.find(account_id=identity.account_id)
        await self._note(identity, "erasure.request", wish, real_now=real_now, visit=visit)
        await self.outbox.queue(
            self.session,
            kind=ERASURE_MAIL,
            account_id=identity.account_id,
            reference=wish.id,
            locale=identity.locale,
        )
        return wish

    async def find(self, *, account_id: UUID) -> Erasure:
        """The account's open wish; raises `ErasureNotFound`."""
        wish = await self.session.scalar(select(Erasure).where(Erasure.account_id == account_id, *_OPEN))
        if wish is None:
            raise ErasureNotFound
        return wish

    async def cancel(self, *, identity: Identity, at: datetime, real_now: datetime, visit: Visit) -> None:
        """Keep the own account; raises `ErasureNotFound`."""
        wish = await self.session.scalar(
            update(Erasure)
            .where(Erasure.account_id == identity.account_id, *_OPEN)
            .values(cancelled_at=at)
            .returning(Erasure)
        )
        if wish is None:
            raise ErasureNotFound
        await self._note(identity, "erasure.cancel", wish, real_now=real_now, visit=visit)

    async def cancel_by_link(self, *, token: str, at: datetime, real_now: datetime, visit: Visit) -> None:
        """Keep the account of whoever has the mailed link; raises `LinkNotValid` or `TooManyAttempts`."""
        await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
        digest = hash_token(token, kind=KEEP_ACCOUNT)
        wish = await self.session.scalar(
            update(Erasure).where(Erasure.token_hash == digest, *_OPEN).values(cancelled_at=at).returning(Erasure)
        )
        if digest is None or wish is None:
            raise LinkNotValid
        await self._note(None, "erasure.cancel", wish, real_now=real_now, visit=visit)

    async def _note(
        self, actor: Identity | None, action: str, wish: Erasure, *, real_now: datetime, visit: Visit
    ) -> None:
        await audit.record(
            self.session,
            at=real_now,
            actor=actor,
            action=action,
            target_kind="account",
            target_id=wish.account_id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"erasure_id": str(wish.id)},
        )


async def due_erasures(session: AsyncSession, *, at: datetime) -> list[UUID]:
    """Ids of the wishes whose cool-off is over, the oldest first."""
    due = select(Erasure.id).where(Erasure.due_at <= at, *_OPEN).order_by(Erasure.due_at, Erasure.id)
    return list(await session.scalars(due))


async def lock_due(session: AsyncSession, erasure_id: UUID, *, at: datetime) -> tuple[Erasure, Account] | None:
    """Lock a wish that is still due, after its account, so that nothing else is done with either; None if it is not."""
    owner = select(Erasure.account_id).where(Erasure.id == erasure_id).scalar_subquery()
    account = await session.scalar(select(Account).where(Account.id == owner).with_for_update())
    wish = await session.scalar(
        select(Erasure).where(Erasure.id == erasure_id, Erasure.due_at <= at, *_OPEN).with_for_update()
    )
    return (wish, account) if wish is not None and account is not None else None


async def lock_restored(session: AsyncSession, pseudonym: UUID) -> Account | None:
    """Lock the account of a pseudonym that has an owner again; None if there is none, or it is erased."""
    return await session.scalar(
        select(Account)
        .where(Account.pseudonym == pseudonym, Account.kind == "customer", Account.email_key.is_not(None))
        .with_for_update()
    )


async def note_erased(session: AsyncSession, *, account_id: UUID, erased_at: datetime) -> None:
    """Conclude the wish for an erasure that was carried out before a restore, also if the backup does not know it."""
    is_known = await session.scalar(
        update(Erasure)
        .where(Erasure.account_id == account_id, *_OPEN)
        .values(erased_at=erased_at, token_hash=None)
        .returning(Erasure.id)
    )
    if is_known is None:
        session.add(Erasure(account_id=account_id, requested_at=erased_at, due_at=erased_at, erased_at=erased_at))


_WISHES: Final = (
    "DELETE FROM auth.registrations WHERE email_key = :email_key RETURNING id",
    "DELETE FROM auth.recoveries WHERE account_id = :account_id OR new_email_key = :email_key RETURNING id",
    "DELETE FROM auth.password_resets WHERE account_id = :account_id OR email_key = :email_key RETURNING id",
    """
    DELETE FROM auth.email_changes
     WHERE account_id = :account_id OR :email_key IN (old_email_key, new_email_key) RETURNING id
    """,
)
"""What was asked for by address; the mails and the audit trail know these by their ids."""

_ROWS: Final = (
    "DELETE FROM auth.sessions WHERE account_id = :account_id",
    "DELETE FROM auth.sign_in_steps WHERE account_id = :account_id",
    "DELETE FROM auth.recovery_codes WHERE account_id = :account_id",
    "DELETE FROM auth.second_factors WHERE account_id = :account_id",
    "DELETE FROM auth.passkeys WHERE account_id = :account_id",
    "DELETE FROM auth.caller_verifications WHERE account_id = :account_id",
    "DELETE FROM auth.known_devices WHERE account_id = :account_id",
    "DELETE FROM auth.profiles WHERE account_id = :account_id",
    "DELETE FROM auth.parental_pins WHERE account_id = :account_id",
)

_ADDRESSES: Final = """
    DELETE FROM auth.audit_addresses WHERE audit_event_id IN (
        SELECT id FROM auth.audit_events
         WHERE actor_id = :account_id
            OR target_kind = 'account' AND target_id = :target_id AND actor_id IS NULL
            OR target_kind = 'password_reset' AND target_id = ANY(:wishes))
"""


async def erase_person(session: AsyncSession, account: Account, *, real_now: datetime) -> list[UUID]:
    """Erase who an account belonged to; its id and pseudonym stay, for the books. Answers the ids of erased wishes."""
    facts = {"account_id": account.id, "email_key": account.email_key}
    erased = [row for statement in _WISHES for row in await session.scalars(text(statement), facts)]
    await end_every_session(session, account_id=account.id, at=real_now, reason="account_erased")
    for statement in _ROWS:
        await session.execute(text(statement), {"account_id": account.id})
    await session.execute(
        text(_ADDRESSES),
        {"account_id": account.id, "target_id": str(account.id), "wishes": [str(wish) for wish in erased]},
    )
    account.email = account.email_key = account.email_verified_at = account.password_hash = None
    account.residence_evidence, account.status = {}, "disabled"
    await audit.record(
        session, at=real_now, actor=None, action="account.erase", target_kind="account", target_id=account.id
    )
    return erased
