"""Accounts: made from a confirmed registration, by the command line or for the demo; found by their address."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.email_addresses import EmailAddress, parse_email
from auth.errors import EmailAddressInvalid, EmailAddressTaken
from auth.identity import Identity
from auth.ids import new_id
from auth.models import Account, Profile, RoleAssignment
from auth.passwords import PasswordHasher
from auth.permissions import STAFF_ROLES
from auth.visits import Visit

FIRST_PROFILE = {"de": "Mein Profil", "en": "My profile"}
"""Name of the profile that comes with an account, where none was chosen."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Makes accounts without a mailed link: for operators and the demo, never for visitors."""

    session: AsyncSession
    hasher: PasswordHasher

    async def create_staff(
        self,
        *,
        email: str,
        password: str,
        roles: Collection[str],
        at: datetime,
        locale: str = "de",
        granted_by: Identity | None = None,
    ) -> Account:
        """Make a staff account with its roles; raises `EmailAddressTaken` and `PasswordRefused`."""
        unknown = set(roles) - STAFF_ROLES
        if unknown:
            raise ValueError(f"no such roles: {', '.join(sorted(unknown))}")
        address = parse_email(email)
        hashed = await self.hasher.accept(password, kind="staff", words=address.words, urgent=True)
        account = await insert_account(
            self.session, kind="staff", address=address, password_hash=hashed, locale=locale, at=at
        )
        if account is None:
            raise EmailAddressTaken
        granter = granted_by.account_id if granted_by else None
        self.session.add_all(
            RoleAssignment(account_id=account.id, role=role, granted_at=at, granted_by=granter)
            for role in sorted(roles)
        )
        await audit.record(
            self.session,
            at=at,
            actor=granted_by,
            action="staff.create",
            target_kind="account",
            target_id=account.id,
            details={"roles": sorted(roles)},
        )
        return account

    async def create_customer(
        self,
        *,
        email: str,
        password: str,
        residence_country: str,
        at: datetime,
        locale: str = "de",
        profile_name: str | None = None,
    ) -> Account:
        """Make a customer whose address counts as confirmed; raises `EmailAddressTaken` and `PasswordRefused`."""
        address = parse_email(email)
        hashed = await self.hasher.accept(password, kind="customer", words=address.words, urgent=True)
        account = await insert_account(
            self.session,
            kind="customer",
            address=address,
            password_hash=hashed,
            locale=locale,
            residence_country=residence_country,
            residence_evidence={"declared": residence_country, "declared_at": at.isoformat(), "by": "operator"},
            profile_name=profile_name,
            at=at,
        )
        if account is None:
            raise EmailAddressTaken
        return account


async def insert_account(
    session: AsyncSession,
    *,
    kind: str,
    address: EmailAddress,
    password_hash: str | None,
    locale: str,
    at: datetime,
    residence_country: str | None = None,
    residence_evidence: Mapping[str, Any] | None = None,
    profile_name: str | None = None,
) -> Account | None:
    """Insert an account with a confirmed address (a customer with a first profile); None if the address has one.

    The unique key decides, so that of two at once one wins.
    """
    inserted = await session.scalar(
        insert(Account)
        .values(
            id=new_id(),
            kind=kind,
            email=address.text,
            email_key=address.key,
            email_verified_at=at,
            password_hash=password_hash,
            locale=locale,
            residence_country=residence_country,
            residence_evidence=dict(residence_evidence or {}),
            pseudonym=new_id(),
            created_at=at,
        )
        .on_conflict_do_nothing(index_elements=[Account.email_key])
        .returning(Account)
    )
    if inserted is not None and kind == "customer":
        session.add(Profile(account_id=inserted.id, name=profile_name or FIRST_PROFILE[locale], created_at=at))
        await session.flush()
    return inserted


async def change_settings(
    session: AsyncSession,
    *,
    identity: Identity,
    locale: str,
    residence_country: str | None,
    at: datetime,
    visit: Visit,
) -> None:
    """Change the own language and, for customers, the country of residence (None: as it is), with its evidence."""
    account = await session.get_one(Account, identity.account_id, with_for_update=True)
    changed: dict[str, str | None] = {}
    if locale != account.locale:
        account.locale = changed["locale"] = locale
    moves = identity.is_customer and residence_country not in (None, account.residence_country)
    if moves:
        account.residence_country = changed["residence_country"] = residence_country
        account.residence_evidence = {
            "declared": residence_country,
            "declared_at": at.isoformat(),
            "network": visit.network,
            "before": {key: fact for key, fact in account.residence_evidence.items() if key != "before"},
        }
    if not changed:
        return
    await audit.record(
        session,
        at=at,
        actor=identity,
        action="account.change_settings",
        target_kind="account",
        target_id=account.id,
        request_id=visit.request_id,
        ip=visit.ip,
        details=changed,
    )


async def find_customer(session: AsyncSession, *, email: str) -> Account | None:
    """The customer of exactly this address; staff accounts are never found."""
    try:
        address = parse_email(email)
    except EmailAddressInvalid:
        return None
    return await session.scalar(select(Account).where(Account.email_key == address.key, Account.kind == "customer"))


async def get_customer(session: AsyncSession, *, account_id: UUID) -> Account | None:
    """The customer of this id; staff accounts are never found."""
    return await session.scalar(select(Account).where(Account.id == account_id, Account.kind == "customer"))


async def list_profiles(session: AsyncSession, *, account_id: UUID) -> list[Profile]:
    """The account's profiles, the first one first."""
    return list(await session.scalars(select(Profile).where(Profile.account_id == account_id).order_by(Profile.id)))
