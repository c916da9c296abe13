"""A takedown names a rental on hold also where its deadline passed meanwhile: after the hold it would go on."""

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.fakes import FakeGateway
from tests.store.entitlement.parts import Customer
from tests.store.entitlement.takedown_orders import bought, dispute, order_down

BEGUN = "first_played_at = now() - interval '72 hours', ends_at = now() - interval '24 hours'"
NEVER_BEGUN = "start_by = now() - interval '24 hours'"


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.mark.parametrize(
    ("deadline", "held_for", "status"),
    [(BEGUN, "71 hours", 1), (BEGUN, "1 hour", 0), (NEVER_BEGUN, "71 hours", 1), (NEVER_BEGUN, "1 hour", 0)],
)
async def test_what_was_not_over_when_the_hold_began_is_paid_back_once_the_bank_has_no_money(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
    capsys: pytest.CaptureFixture[str],
    deadline: str,
    held_for: str,
    status: int,
) -> None:
    order_id = await bought(client, database, gateway, owner, customer, title, kind="rent")
    await dispute(owner, order_id)
    await owner.execute(f"UPDATE store.entitlements SET {deadline}, paused_at = now() - interval '{held_for}'")
    assert await order_down(settings, title.slug) == status
    number = await owner.fetchval("SELECT order_number FROM billing.orders")
    assert (number in capsys.readouterr().out) == bool(status)
    await owner.execute("UPDATE billing.disputes SET state = 'won'")
    assert await order_down(settings, title.slug) == 0
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == status
