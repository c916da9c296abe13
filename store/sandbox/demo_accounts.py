"""The accounts that every sandbox has, one per kind of user, with the same known password."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import Accounts
from auth.email_addresses import parse_email
from auth.factor_records import SecondFactor
from auth.models import Account
from auth.passwords import OneTimeCodes, PasswordHasher
from store.database import Database

PASSWORD: Final = "Popcorn-bei-Regen-42"  # noqa: S105 - no secret: printed by `make run`, refused by production
"""The password of every demo account."""

SECRET: Final = "VIDEOTHEKDEMOSANDBOXSECRETABCDEF"  # noqa: S105 - no secret, like the password
"""The authenticator's key of every member of the demo staff."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account of the sandbox."""

    email: str
    role: str | None
    """Role of a member of staff; None: a customer."""

    @property
    def label(self) -> str:
        """What the account is called where it is listed."""
        return self.role or "customer"


DEMO_ACCOUNTS: Final = (
    DemoAccount("customer@demo.videothek.example", None),
    DemoAccount("support@demo.videothek.example", "support"),
    DemoAccount("lead@demo.videothek.example", "support_lead"),
    DemoAccount("finance@demo.videothek.example", "finance"),
    DemoAccount("editor@demo.videothek.example", "editor"),
    DemoAccount("admin@demo.videothek.example", "admin"),
)


async def make_demo_accounts(database: Database, *, codes: OneTimeCodes, at: datetime) -> None:
    """Make those demo accounts that are missing, staff with their second factor. For sandboxes only."""
    keys = {parse_email(demo.email).key: demo for demo in DEMO_ACCOUNTS}
    async with database.sessions() as session:
        present = set(await session.scalars(select(Account.email_key).where(Account.email_key.in_(keys))))
    hasher = PasswordHasher()
    try:
        async with database.sessions.begin() as session:
            for demo in (demo for key, demo in keys.items() if key not in present):
                await _make(Accounts(session, hasher), demo, at=at)
            await _give_second_factors(session, keys, codes=codes, at=at)
    finally:
        hasher.close()


async def _make(accounts: Accounts, demo: DemoAccount, *, at: datetime) -> None:
    if demo.role is None:
        await accounts.create_customer(
            email=demo.email, password=PASSWORD, residence_country="DE", at=at, profile_name="Demo"
        )
    else:
        await accounts.create_staff(email=demo.email, password=PASSWORD, roles={demo.role}, at=at)


async def _give_second_factors(
    session: AsyncSession, keys: Collection[str], *, codes: OneTimeCodes, at: datetime
) -> None:
    """Set up the demo staff's authenticator where there is none, also for accounts of an older sandbox."""
    in_force = exists().where(SecondFactor.account_id == Account.id, SecondFactor.confirmed_at.is_not(None))
    lacking = await session.scalars(
        select(Account.id).where(Account.email_key.in_(keys), Account.kind == "staff", ~in_force)
    )
    session.add_all(
        SecondFactor(account_id=account_id, sealed_secret=codes.seal(SECRET), created_at=at, confirmed_at=at)
        for account_id in lacking
    )
