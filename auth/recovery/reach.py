"""Whom support can reach: active customers with a confirmed address, never colleagues and never oneself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.errors import AccountNotFound, AccountNotResettable, NotACustomer, Refusal
from auth.identity import Identity
from auth.models import Account, EmailChange
from auth.ports import OpenDatabase
from auth.visits import Visit


async def lock_customer(session: AsyncSession, *, agent_id: UUID, account_id: UUID) -> Account:
    """The customer, locked together with the agent: limits are counted, and must not be counted twice at once.

    Raises `AccountNotFound`, `NotACustomer` or `AccountNotResettable`.
    """
    # Both rows in one order, so that no two of these wait for each other.
    locked = await session.scalars(
        select(Account).where(Account.id.in_([agent_id, account_id])).order_by(Account.id).with_for_update()
    )
    account = next((found for found in locked.all() if found.id == account_id), None)
    if account is None:
        raise AccountNotFound
    if account.kind != "customer":
        raise NotACustomer
    if account.status != "active" or account.email is None or account.email_verified_at is None:
        raise AccountNotResettable
    return account


async def has_new_address(session: AsyncSession, account_id: UUID, *, at: datetime) -> bool:
    """Whether the address is so new that the old one can still take it back."""
    undoable = exists().where(
        EmailChange.account_id == account_id,
        EmailChange.confirmed_at.is_not(None),
        EmailChange.undone_at.is_(None),
        EmailChange.undo_until > at,
    )
    return bool(await session.scalar(select(undoable)))


async def note_refused(
    session: AsyncSession,
    database: OpenDatabase,
    *,
    agent: Identity,
    action: str,
    account_id: UUID | str,
    refusal: Refusal,
    at: datetime,
    visit: Visit,
    reason: str | None = None,
) -> None:
    """Leave an entry of what support was refused: it outlives the refusal, which ends the request's transaction."""
    # First that one, with its locks.
    await session.rollback()
    async with database.sessions.begin() as own:
        await audit.record(
            own,
            at=at,
            actor=agent,
            action=action,
            target_kind="account",
            target_id=account_id,
            outcome="refused",
            reason=reason,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"refused_as": refusal.code},
        )
