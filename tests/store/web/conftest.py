"""The whole application with a provider in memory, and a customer in a browser without JavaScript."""

import httpx
import pytest
from litestar import Litestar

from auth.models import Account
from store.database import Database
from tests.fakes import FakeGateway
from tests.store.web.visitors import make_customer, sign_in


@pytest.fixture(autouse=True)
def forgotten_facts(request: pytest.FixtureRequest) -> None:
    """The application lives longer than a test: what its pages keep for a minute is forgotten before each."""
    if "app" in request.fixturenames:
        request.getfixturevalue("app").state.pop("kept_facts", None)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def customer(app: Litestar, database: Database) -> Account:
    """A customer of this application."""
    return await make_customer(database, hasher=app.state.parts.hasher)


@pytest.fixture
async def browser(client: httpx.AsyncClient, customer: Account) -> httpx.AsyncClient:
    """A browser in which the customer is signed in."""
    await sign_in(client, customer)
    return client
