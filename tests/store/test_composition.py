"""The parts of a process: what they hold open ends with them."""

from dataclasses import replace

import pytest

from auth.passwords import PasswordHasher, usable_cores
from store.composition import assemble
from store.database import Database
from store.settings import Settings
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock


async def test_a_process_that_ends_closes_its_connections_to_the_payment_provider(
    settings: Settings, database: Database, clock: MovableTestClock, hasher: PasswordHasher
) -> None:
    gateway = FakeGateway()
    parts = await assemble(settings, database=database, clock=clock, gateway=gateway, hasher=hasher)
    await parts.close()
    assert gateway.calls == ["close"]


@pytest.mark.parametrize("processes", [1, 2, 1000])
async def test_the_cores_are_shared_out_among_the_processes_for_hashing(
    settings: Settings, database: Database, clock: MovableTestClock, processes: int
) -> None:
    arranged = replace(settings, web_processes=processes, password_queue=9, password_wait=2)
    parts = await assemble(arranged, database=database, clock=clock, gateway=FakeGateway())
    await parts.close()
    assert parts.hasher.threads == max(1, usable_cores() // processes)
    assert (parts.hasher.capacity, parts.hasher.wait) == (parts.hasher.threads + 9, 2)
