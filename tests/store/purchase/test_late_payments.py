"""Money that comes late: granted while the film is still offered at its price, else it goes back by itself."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from store.database import Database
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAYS = timedelta(days=3)


@pytest.mark.parametrize(
    ("ends_at", "state", "reasons"),
    [
        (None, "paid", []),
        (NOON + DAYS + timedelta(microseconds=1), "paid", []),
        (NOON + DAYS, "refunded", ["offer_not_on_sale"]),
    ],
)
async def test_late_money_is_granted_as_long_as_the_offer_stands(
    buyer: Buyer,
    database: Database,
    gateway: FakeGateway,
    clock: MovableTestClock,
    owner: asyncpg.Connection,
    ends_at: datetime | None,
    state: str,
    reasons: list[str],
) -> None:
    clock.fixed = NOON
    order = await buyer.order(await make_offer(database, kind="buy", ends_at=ends_at))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    clock.fixed = NOON + DAYS
    gateway.pay(intent)

    await send_event(buyer.client, intent)

    assert (await buyer.get(f"/v1/orders/{order['id']}")).json()["order"]["state"] == state
    assert [row["reason"] for row in await owner.fetch("SELECT reason FROM billing.refunds")] == reasons
    assert await owner.fetchval("SELECT count(*) FROM store.entitlements") == (state == "paid")
