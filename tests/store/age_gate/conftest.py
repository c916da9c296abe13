"""The whole application with a provider in memory, and a household with a child."""

import httpx
import pytest
from litestar import Litestar

from tests.fakes import FakeGateway
from tests.store.age_gate.households import Household, a_household


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def household(app: Litestar, client: httpx.AsyncClient, gateway: FakeGateway) -> Household:
    return await a_household(app, client, gateway)
