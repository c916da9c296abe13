"""The staff: who they are, what roles they have, and how they leave with all sessions ended at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.errors import ColleagueNotFound, LastAdmin, OwnAccount, Refusal
from auth.factor_records import Passkey, SecondFactor
from auth.identity import Identity
from auth.invitations import withdraw_all_of
from auth.models import Account, RoleAssignment
from auth.permissions import ROLES, STAFF_MANAGE, STAFF_ROLES
from auth.ports import OpenDatabase
from auth.sessions import end_every_session
from auth.visits import Visit

_MANAGING = [role for role, permissions in ROLES.items() if STAFF_MANAGE in permissions]
"""Roles of which somebody must always have one."""


@dataclass(frozen=True, slots=True)
class Colleague:
    """A member of staff."""

    id: UUID
    email: str
    roles: tuple[str, ...]
    has_second_factor: bool
    """False until the first sign-in."""
    since: datetime


@dataclass(frozen=True, slots=True)
class Colleagues:
    """Changes roles and lets staff go. All times are real time; the routes have checked the permission."""

    session: AsyncSession
    database: OpenDatabase

    async def change_roles(
        self,
        *,
        admin: Identity,
        colleague_id: UUID,
        roles: Collection[str],
        reason: str,
        at: datetime,
        visit: Visit,
    ) -> Colleague:
        """Give somebody exactly these roles and sign them out everywhere, so that the change counts at once.

        Raises `ColleagueNotFound`, `OwnAccount` or `LastAdmin`; each refused try stays in the audit trail.
        """
        if not roles or set(roles) - STAFF_ROLES:
            raise ValueError(f"no roles of staff: {', '.join(sorted(roles))}")
        try:
            account, before = await self._lock(admin, colleague_id, keeps=roles)
        except Refusal as refusal:
            await self._note_refusal("staff.change_roles", admin, colleague_id, reason, refusal, at=at, visit=visit)
            raise
        wanted = set(roles)
        await self.session.execute(
            delete(RoleAssignment).where(
                RoleAssignment.account_id == account.id, RoleAssignment.role.in_(before - wanted)
            )
        )
        self.session.add_all(
            RoleAssignment(account_id=account.id, role=role, granted_at=at, granted_by=admin.account_id)
            for role in sorted(wanted - before)
        )
        await end_every_session(self.session, account_id=account.id, at=at, reason="roles_changed")
        if not wanted & set(_MANAGING):
            await withdraw_all_of(self.session, account_id=account.id, at=at)
        details = {"before": sorted(before), "after": sorted(wanted)}
        await self._note("staff.change_roles", admin, account.id, reason, at=at, visit=visit, details=details)
        return await get_colleague(self.session, colleague_id=account.id)

    async def let_go(self, *, admin: Identity, colleague_id: UUID, reason: str, at: datetime, visit: Visit) -> None:
        """Close somebody's account: sessions end at once, roles, password and open invitations are gone.

        The address is free again, so that who comes back, or lost the second factor, is invited anew. Raises
        `ColleagueNotFound`, `OwnAccount` or `LastAdmin`; each refused try stays in the audit trail.
        """
        try:
            account, before = await self._lock(admin, colleague_id, keeps=())
        except Refusal as refusal:
            await self._note_refusal("staff.let_go", admin, colleague_id, reason, refusal, at=at, visit=visit)
            raise
        account.status, account.password_hash, account.email_key = "disabled", None, None
        await self.session.flush()
        await end_every_session(self.session, account_id=account.id, at=at, reason="left")
        await self.session.execute(delete(RoleAssignment).where(RoleAssignment.account_id == account.id))
        await withdraw_all_of(self.session, account_id=account.id, at=at)
        details = {"before": sorted(before)}
        await self._note("staff.let_go", admin, account.id, reason, at=at, visit=visit, details=details)

    async def _lock(self, admin: Identity, colleague_id: UUID, *, keeps: Collection[str]) -> tuple[Account, set[str]]:
        """The account and its roles, with the roles of all who manage staff locked: of two admins who let each
        other go at once, the second one is the last.
        """
        if colleague_id == admin.account_id:
            raise OwnAccount
        managing = await self.session.scalars(
            select(RoleAssignment.account_id)
            .where(RoleAssignment.role.in_(_MANAGING))
            .order_by(RoleAssignment.account_id)
            .with_for_update()
        )
        others = set(managing) - {colleague_id}
        account = await self.session.scalar(
            select(Account)
            .where(Account.id == colleague_id, Account.kind == "staff", Account.status == "active")
            .with_for_update()
        )
        if account is None:
            raise ColleagueNotFound
        if not others and not set(keeps) & set(_MANAGING):
            raise LastAdmin
        roles = await self.session.scalars(select(RoleAssignment.role).where(RoleAssignment.account_id == colleague_id))
        return account, set(roles)

    async def _note(
        self,
        action: str,
        admin: Identity,
        colleague_id: UUID,
        reason: str,
        *,
        at: datetime,
        visit: Visit,
        details: dict[str, list[str]],
    ) -> None:
        await audit.record(
            self.session,
            at=at,
            actor=admin,
            action=action,
            target_kind="account",
            target_id=colleague_id,
            reason=reason,
            request_id=visit.request_id,
            ip=visit.ip,
            details=details,
        )

    async def _note_refusal(
        self,
        action: str,
        admin: Identity,
        colleague_id: UUID,
        reason: str,
        refusal: Refusal,
        *,
        at: datetime,
        visit: Visit,
    ) -> None:
        # Ends the request's transaction with its locks first; the entry has to outlive the refusal.
        await self.session.rollback()
        async with self.database.sessions.begin() as own:
            await audit.record(
                own,
                at=at,
                actor=admin,
                action=action,
                target_kind="account",
                target_id=colleague_id,
                outcome="refused",
                reason=reason,
                request_id=visit.request_id,
                ip=visit.ip,
                details={"refused_as": refusal.code},
            )


async def list_colleagues(session: AsyncSession) -> Sequence[Colleague]:
    """All who work here, by their address."""
    accounts = await session.scalars(
        select(Account).where(Account.kind == "staff", Account.status == "active").order_by(Account.email)
    )
    return await _described(session, accounts.all())


async def get_colleague(session: AsyncSession, *, colleague_id: UUID) -> Colleague:
    """One who works here; raises `ColleagueNotFound`."""
    account = await session.scalar(
        select(Account).where(Account.id == colleague_id, Account.kind == "staff", Account.status == "active")
    )
    if account is None:
        raise ColleagueNotFound
    return (await _described(session, [account]))[0]


async def _described(session: AsyncSession, accounts: Sequence[Account]) -> Sequence[Colleague]:
    ids = [account.id for account in accounts]
    assigned = await session.scalars(select(RoleAssignment).where(RoleAssignment.account_id.in_(ids)))
    roles: dict[UUID, list[str]] = {account_id: [] for account_id in ids}
    for assignment in assigned:
        roles[assignment.account_id].append(assignment.role)
    protected = set(
        await session.scalars(
            select(SecondFactor.account_id).where(
                SecondFactor.account_id.in_(ids),
                SecondFactor.confirmed_at.is_not(None),
                SecondFactor.removed_at.is_(None),
            )
        )
    )
    protected.update(
        await session.scalars(
            select(Passkey.account_id).where(Passkey.account_id.in_(ids), Passkey.removed_at.is_(None))
        )
    )
    return [
        Colleague(
            id=account.id,
            email=account.email or "",
            roles=tuple(sorted(roles[account.id])),
            has_second_factor=account.id in protected,
            since=account.created_at,
        )
        for account in accounts
    ]
