"""Who visits in the tests of the pages, and how they sign in."""

import re
from datetime import UTC, datetime

import httpx

from auth.accounts import Accounts
from auth.ids import new_id
from auth.models import Account
from auth.passwords import PasswordHasher
from store.database import Database

PASSWORD = "ein langer Satz über Lichtspielhäuser"


async def make_customer(
    database: Database, *, hasher: PasswordHasher, country: str = "DE", locale: str = "de"
) -> Account:
    """A customer whose address is confirmed, with `PASSWORD`."""
    async with database.sessions.begin() as session:
        return await Accounts(session, hasher).create_customer(
            email=f"kundin-{new_id().hex[-12:]}@example.org",
            password=PASSWORD,
            residence_country=country,
            locale=locale,
            at=datetime.now(UTC),
        )


async def sign_in(client: httpx.AsyncClient, account: Account, *, next: str = "") -> httpx.Response:
    """Sign in by the form; the cookie stays with the client."""
    form = {"email": account.email or "", "password": PASSWORD, "next": next}
    return await client.post("/de/sign-in", data=form, headers=OURS)


OURS = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of a form on our own page."""


def token_in(page: str) -> str:
    """The token that a page's forms carry."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]
