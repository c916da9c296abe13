"""The whole application with a provider in memory, and somebody whose name is found wherever it is kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.accounts import Accounts
from auth.models import Account
from store.database import Database
from store.settings import Settings
from tests.auth.people import parts_of
from tests.fakes import FakeGateway
from tests.store.privacy.lives import ADDRESS, EMAIL, NAME, PASSWORD, Life, live


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def program(app: Litestar, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A program at an address that is found wherever it is kept."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(ADDRESS, 4711))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as program:
        yield program


@pytest.fixture
async def person(app: Litestar, database: Database) -> Account:
    """A customer with a name of her own."""
    async with database.sessions.begin() as session:
        return await Accounts(session, parts_of(app).hasher).create_customer(
            email=EMAIL, password=PASSWORD, residence_country="DE", profile_name=NAME, at=datetime.now(UTC)
        )


@pytest.fixture
async def life(
    app: Litestar,
    program: httpx.AsyncClient,
    person: Account,
    settings: Settings,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
) -> Life:
    """All that she ever did here."""
    return await live(app, program, person, settings=settings, gateway=gateway, owner=owner)
