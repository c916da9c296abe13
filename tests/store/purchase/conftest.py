"""The whole application with a provider in memory, and a customer who buys."""

import pytest

from store.database import Database
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, sign_in


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def buyer(client: object, database: Database) -> Buyer:
    return Buyer(client, await sign_in(database))  # type: ignore[arg-type]
