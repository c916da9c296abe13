"""A store whose processes can be killed at will, for the tests of one file."""

import random
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.crash.buyers import BLOCKED_CARD, Buyer, Line
from tests.crash.machines import Machines, running_machines
from tests.crash.quiet import block_card
from tests.crash.scenes import WAIT, Scene
from tests.store.purchase.shops import make_offer, sign_in


@pytest.fixture(scope="module")
async def machines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machines]:
    async with running_machines(tmp_path_factory.mktemp("machines")) as machines:
        await block_card(machines, BLOCKED_CARD)
        owner = await asyncpg.connect(machines.database_url)
        await owner.execute(WAIT)
        await owner.close()
        yield machines


@pytest.fixture
async def scene(machines: Machines) -> AsyncIterator[Scene]:
    """A customer, a film that nobody has bought yet, and events that wait until they are let go."""
    await machines.wait_until_up()
    await machines.control("webhooks", hold="true")
    database = await Database.connect(machines.database_url, pool_size=2)
    offer_id, headers = str(await make_offer(database)), await sign_in(database)
    await database.close()
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        line = Line(client, machines.web, machines.stripe, random.Random(1), answered=lambda: None)
        owner = await asyncpg.connect(machines.database_url)
        yield Scene(machines, owner, client, Buyer(line, headers), offer_id)
        await owner.close()
    await machines.control("calm")
