"""The worker's part of the books: news of a payout and the hour queue a reconciliation, and lost events are found."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from billing.movements import RECONCILE
from billing.ports import Notice
from store.composition import Parts, job_handlers, periodic_jobs
from store.database import Database
from tests.billing.tills import jobs_named
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event, sign_in


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def parts(app: Litestar) -> Parts:
    return app.state.parts  # type: ignore[no-any-return]


async def an_intent(client: httpx.AsyncClient, database: Database, gateway: FakeGateway) -> str:
    """A payment that was made, and of which we know nothing yet."""
    buyer = Buyer(client, await sign_in(database))
    order = await buyer.order(await make_offer(database, kind="buy"))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    gateway.works_out(intent)
    return intent


async def unmatched(owner: asyncpg.Connection) -> int:
    found: int = await owner.fetchval("SELECT count(*) FROM billing.provider_transactions WHERE matched_at IS NULL")
    return found


async def test_news_of_a_payout_have_it_matched_to_the_last_cent(
    client: httpx.AsyncClient, database: Database, gateway: FakeGateway, parts: Parts, owner: asyncpg.Connection
) -> None:
    await send_event(client, await an_intent(client, database, gateway))
    payout_id = gateway.pays_out()

    await send_event(client, payout_id, kind="payout")

    assert await jobs_named(owner, RECONCILE) == 1
    await job_handlers(parts)[RECONCILE]()
    assert (
        await owner.fetchval("SELECT count(*) FROM billing.provider_transactions WHERE payout_id = $1", payout_id) == 2
    )
    assert await unmatched(owner) == 0
    clearing = "SELECT sum(minor) FROM billing.postings WHERE account = 'clearing:stripe'"
    assert await owner.fetchval(clearing) == 0


async def test_every_hour_one_reconciliation_is_queued_however_long_the_last_one_waits(
    client: httpx.AsyncClient, database: Database, gateway: FakeGateway, parts: Parts, owner: asyncpg.Connection
) -> None:
    await send_event(client, await an_intent(client, database, gateway))
    _, sweep = periodic_jobs(parts)["queue_reconciliation"]
    await sweep()
    await sweep()
    assert await jobs_named(owner, RECONCILE) == 1
    await job_handlers(parts)[RECONCILE]()
    assert await unmatched(owner) == 0


async def test_a_purchase_that_no_webhook_told_of_is_granted_by_the_search(
    client: httpx.AsyncClient, database: Database, gateway: FakeGateway, parts: Parts, owner: asyncpg.Connection
) -> None:
    intent = await an_intent(client, database, gateway)
    happened = datetime.now(UTC) - timedelta(minutes=10)
    gateway.notices.append(
        Notice(f"evt_{new_id().hex}", "payment_intent.succeeded", "payment_intent", intent, happened)
    )
    _, sweep = periodic_jobs(parts)["search_lost_events"]

    await sweep()
    await sweep()

    assert await owner.fetchval("SELECT count(*) FROM store.entitlements WHERE revoked_at IS NULL") == 1
    assert await owner.fetchval("SELECT found FROM billing.provider_cursors WHERE name = 'events'") == 1
