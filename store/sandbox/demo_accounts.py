"""The accounts that every sandbox has, one per kind of user, with the same known password."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select

from auth.accounts import Accounts
from auth.email_addresses import parse_email
from auth.models import Account
from auth.passwords import PasswordHasher
from store.database import Database

PASSWORD: Final = "Popcorn-bei-Regen-42"  # noqa: S105 - no secret: printed by `make run`, refused by production
"""The password of every demo account."""


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
    DemoAccount("finance@demo.videothek.example", "finance"),
    DemoAccount("editor@demo.videothek.example", "editor"),
    DemoAccount("admin@demo.videothek.example", "admin"),
)


async def make_demo_accounts(database: Database, *, at: datetime) -> None:
    """Make those demo accounts that are missing. For sandboxes only."""
    keys = {parse_email(demo.email).key: demo for demo in DEMO_ACCOUNTS}
    async with database.sessions() as session:
        present = set(await session.scalars(select(Account.email_key).where(Account.email_key.in_(keys))))
    missing = [demo for key, demo in keys.items() if key not in present]
    if not missing:
        return
    hasher = PasswordHasher()
    try:
        async with database.sessions.begin() as session:
            accounts = Accounts(session, hasher)
            for demo in missing:
                if demo.role is None:
                    await accounts.create_customer(
                        email=demo.email, password=PASSWORD, residence_country="DE", at=at, profile_name="Demo"
                    )
                else:
                    await accounts.create_staff(email=demo.email, password=PASSWORD, roles={demo.role}, at=at)
    finally:
        hasher.close()
