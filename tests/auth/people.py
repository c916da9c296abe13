"""People that tests need: customers, staff, where they come from, and signing them in."""

import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import httpx
from litestar import Litestar

from auth.accounts import Accounts
from auth.factor_records import SecondFactor
from auth.models import Account
from auth.visits import Visit
from store.composition import Parts
from tests.authenticators import Authenticator

GOOD_PASSWORD = "drei Esel tanzen im Regen"
OTHER_PASSWORD = "vier Pinguine lesen Zeitung"
AUTHENTICATOR = Authenticator("KRUGKAUUKRAUKRUGKAUUKRAUKRUGKAUU")
"""Holds the secret that every colleague of these tests has."""
HOME = Visit(ip="192.0.2.10", user_agent="Test/1.0", request_id="request-1")

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A signed-in program."""

    account_id: UUID
    session_id: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def parts_of(app: Litestar) -> Parts:
    parts: Parts = app.state.parts
    return parts


def with_unused_limits(app: Litestar) -> None:
    """Forget every try that was counted until now."""
    parts_of(app).throttle.key = os.urandom(32)


@asynccontextmanager
async def someone_at(app: Litestar, ip: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with another address than that of the other tests."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(ip, 50_000))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=parts_of(app).settings.base_url) as client:
        yield client


def an_address(word: str = "anna") -> str:
    """An address that no other test uses."""
    return f"{word}.{next(_numbers)}@beispiel.example"


async def a_customer(
    app: Litestar, *, email: str | None = None, password: str = GOOD_PASSWORD, locale: str = "de"
) -> Account:
    parts = parts_of(app)
    async with parts.database.sessions.begin() as session:
        return await Accounts(session, parts.hasher).create_customer(
            email=email or an_address(), password=password, residence_country="DE", locale=locale, at=datetime.now(UTC)
        )


async def a_colleague(app: Litestar, *, roles: Collection[str] = ("support",), email: str | None = None) -> Account:
    """A member of staff with a second factor."""
    parts, at = parts_of(app), datetime.now(UTC)
    async with parts.database.sessions.begin() as session:
        account = await Accounts(session, parts.hasher).create_staff(
            email=email or an_address("kollegin"), password=GOOD_PASSWORD, roles=roles, at=at
        )
        sealed = parts.one_time_codes.seal(AUTHENTICATOR.secret)
        session.add(SecondFactor(account_id=account.id, sealed_secret=sealed, created_at=at, confirmed_at=at))
        return account


async def sign_in(client: httpx.AsyncClient, account: Account, *, password: str = GOOD_PASSWORD) -> Bearer:
    """Sign in to the end, with a code where one is asked for."""
    answer = await client.post("/v1/sessions", json={"email": account.email, "password": password})
    if answer.status_code == 202:
        step = {"token": answer.json()["token"], "code": AUTHENTICATOR.code(str(account.id))}
        answer = await client.post("/v1/second-steps", json=step)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    return Bearer(account_id=UUID(body["account_id"]), session_id=UUID(body["id"]), token=body["token"])
