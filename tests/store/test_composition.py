"""The parts of a process: what they hold open ends with them."""

from auth.passwords import PasswordHasher
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
