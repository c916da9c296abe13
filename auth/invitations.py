"""How staff come: invited by an admin, by a mailed link with which they set a password of their own."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit, models
from auth.accounts import insert_account
from auth.email_addresses import EmailAddress, parse_email
from auth.errors import EmailAddressTaken, InvitationNotFound, LinkNotValid
from auth.identity import Identity
from auth.ids import new_id
from auth.limits import COMPLETE_PER_IP
from auth.models import Account, RoleAssignment
from auth.passwords import PasswordHasher
from auth.permissions import STAFF_ROLES
from auth.ports import OpenDatabase, Outbox, Throttle
from auth.tokens import INVITATION, hash_token
from auth.visits import Visit

LINK_LIVES: Final = timedelta(hours=72)
"""Between the invitation and the password."""


@dataclass(frozen=True, slots=True)
class Invitations:
    """Invites staff. All times are real time; the routes have checked the permission."""

    session: AsyncSession
    database: OpenDatabase
    hasher: PasswordHasher
    throttle: Throttle
    outbox: Outbox

    async def invite(
        self, *, admin: Identity, email: str, roles: Collection[str], locale: str, at: datetime, visit: Visit
    ) -> models.Invitation:
        """Have a link mailed to a new colleague; an older invitation of the address is void.

        The answer does not tell whether the address has an account: its owner learns that, by the link. Raises
        `EmailAddressInvalid`.
        """
        if not roles or set(roles) - STAFF_ROLES:
            raise ValueError(f"no roles of staff: {', '.join(sorted(roles))}")
        address = parse_email(email)
        invitation = models.Invitation
        await self.session.execute(
            update(invitation).where(invitation.email_key == address.key, *_open()).values(withdrawn_at=at)
        )
        made = models.Invitation(
            id=new_id(),
            email=address.text,
            email_key=address.key,
            roles=sorted(set(roles)),
            locale=locale,
            invited_by=admin.account_id,
            created_at=at,
            expires_at=at + LINK_LIVES,
        )
        self.session.add(made)
        await self._note("staff.invite", admin, made.id, at=at, visit=visit, roles=made.roles)
        await self.outbox.queue(
            self.session, kind="staff_invitation", account_id=None, reference=made.id, locale=locale
        )
        return made

    async def withdraw(self, *, admin: Identity, invitation_id: UUID, at: datetime, visit: Visit) -> None:
        """Take an open invitation back; raises `InvitationNotFound`."""
        withdrawn = await self.session.scalar(
            update(models.Invitation)
            .where(models.Invitation.id == invitation_id, models.Invitation.expires_at > at, *_open())
            .values(withdrawn_at=at)
            .returning(models.Invitation.id)
        )
        if withdrawn is None:
            raise InvitationNotFound
        await self._note("staff.withdraw_invitation", admin, invitation_id, at=at, visit=visit)

    async def accept(self, *, token: str, password: str, at: datetime, visit: Visit) -> Account:
        """Make the account with its roles and its own password; nobody is signed in by it.

        A refused password leaves the link usable. Of any number of tries at once one succeeds. Raises
        `LinkNotValid`, `PasswordRefused`, `EmailAddressTaken`, `Overloaded`, `TooManyAttempts`.
        """
        await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
        digest = hash_token(token, kind=INVITATION)
        email_key = digest and await self.database.reads.fetchval(_OPEN_INVITATION, digest, at)
        if not email_key:
            raise LinkNotValid
        # Hashed before anything is locked: it takes longer than all the rest.
        words = parse_email(email_key).words
        hashed = await self.hasher.accept(password, kind="staff", words=words, urgent=True)
        accepted = await self.session.scalar(
            update(models.Invitation)
            .where(models.Invitation.token_hash == digest, models.Invitation.expires_at > at, *_open())
            .values(accepted_at=at)
            .returning(models.Invitation)
        )
        if accepted is None:
            raise LinkNotValid
        account = await insert_account(
            self.session,
            kind="staff",
            address=EmailAddress(text=accepted.email, key=accepted.email_key),
            password_hash=hashed,
            locale=accepted.locale,
            at=at,
        )
        if account is None:
            raise EmailAddressTaken
        self.session.add_all(
            RoleAssignment(account_id=account.id, role=role, granted_at=at, granted_by=accepted.invited_by)
            for role in accepted.roles
        )
        await audit.record(
            self.session,
            at=at,
            actor=None,
            action="staff.join",
            target_kind="account",
            target_id=account.id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"roles": accepted.roles, "invitation_id": str(accepted.id)},
        )
        return account

    async def _note(
        self,
        action: str,
        admin: Identity,
        invitation_id: UUID,
        *,
        at: datetime,
        visit: Visit,
        roles: Sequence[str] = (),
    ) -> None:
        await audit.record(
            self.session,
            at=at,
            actor=admin,
            action=action,
            target_kind="invitation",
            target_id=invitation_id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"roles": list(roles)} if roles else None,
        )


_OPEN_INVITATION = """
    SELECT email_key FROM auth.invitations
     WHERE token_hash = $1 AND expires_at > $2 AND accepted_at IS NULL AND withdrawn_at IS NULL
"""


def _open() -> tuple[ColumnElement[bool], ...]:
    return models.Invitation.accepted_at.is_(None), models.Invitation.withdrawn_at.is_(None)


async def list_invitations(session: AsyncSession, *, at: datetime) -> Sequence[models.Invitation]:
    """Open invitations, the newest first."""
    statement = (
        select(models.Invitation)
        .where(models.Invitation.expires_at > at, *_open())
        .order_by(models.Invitation.created_at.desc())
    )
    return (await session.scalars(statement)).all()


async def withdraw_all_of(session: AsyncSession, *, account_id: UUID, at: datetime) -> None:
    """Void the open invitations of an admin who is one no longer."""
    await session.execute(
        update(models.Invitation).where(models.Invitation.invited_by == account_id, *_open()).values(withdrawn_at=at)
    )
