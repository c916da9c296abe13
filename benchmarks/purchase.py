"""A purchase from quote to granted film, over HTTP, against the payment stand-in (whose own cost is not counted)."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx

from auth.accounts import Accounts
from auth.ids import new_id
from auth.passwords import PasswordHasher
from auth.sessions import Sessions
from auth.visits import Visit
from benchmarks.load import Load
from benchmarks.processes import CpuMeter, serving
from store.clock import SystemClock
from store.composition import assemble
from store.database import Database
from store.settings import Settings

PURCHASES = 60


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer of the benchmark, signed in."""

    account_id: UUID
    token: str


async def measure_purchases(settings: Settings, *, environment: dict[str, str]) -> Load:
    """Buy `PURCHASES` different films one after another, in one web process, webhooks included."""
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        buyer = await _make_buyer(settings, database)
        offers = await _offers(database)
        with ExitStack() as stack:
            stand_in, _ = stack.enter_context(
                serving("billing.sandbox.app:create_app", environment, port=_port(settings.stripe_api_base))
            )
            web, process = stack.enter_context(
                serving("store.app:create_app", environment, port=_port(settings.base_url))
            )
            async with httpx.AsyncClient(
                base_url=web, headers={"Authorization": f"Bearer {buyer.token}"}, timeout=30
            ) as shop:
                await _buy(shop, stand_in, settings, offers.pop())
                meter, waits = CpuMeter(process), []
                for offer_id in offers:
                    started = time.perf_counter()
                    await _buy(shop, stand_in, settings, offer_id)
                    waits.append((time.perf_counter() - started) * 1000)
                app_ms, database_ms = meter.milliseconds()
    finally:
        await database.close()
    waits.sort()
    return Load(
        name="purchase",
        requests=len(waits),
        app_ms=app_ms / len(waits),
        database_ms=database_ms / len(waits),
        p50=waits[len(waits) // 2],
        p95=waits[int(len(waits) * 0.95)],
        p99=waits[int(len(waits) * 0.99)],
        body_bytes=0,
    )


async def _buy(shop: httpx.AsyncClient, stand_in: str, settings: Settings, offer_id: UUID) -> None:
    """Quote, order, payment, the customer's confirmation at the stand-in, and the return to the shop."""
    quote = (await shop.post("/v1/quotes", json={"offer_id": str(offer_id)})).raise_for_status().json()
    consents = {"immediate_performance": True, "withdrawal_loss": True}
    ordered = await shop.post("/v1/orders", json={"quote_id": quote["id"], "consents": consents})
    order = ordered.raise_for_status().json()["order"]
    payment = (await shop.post(f"/v1/orders/{order['id']}/payments", json={})).raise_for_status().json()
    intent = payment["client_secret"].partition("_secret_")[0]
    async with httpx.AsyncClient(base_url=stand_in) as customer:
        confirmed = await customer.post(
            f"/v1/payment_intents/{intent}/confirm",
            data={
                "client_secret": payment["client_secret"],
                "payment_method": "pm_card_visa",
                "return_url": settings.base_url,
            },
            headers={"Authorization": f"Bearer {settings.stripe_publishable_key}"},
        )
        confirmed.raise_for_status()
    paid = (await shop.post(f"/v1/orders/{order['id']}/payment-checks", json={})).raise_for_status().json()
    if paid["payment"]["state"] != "succeeded":
        raise RuntimeError(f"order {order['order_number']}: {paid}")


async def _make_buyer(settings: Settings, database: Database) -> Buyer:
    at, hasher = datetime.now(UTC), PasswordHasher(threads=1)
    parts = await assemble(settings, database=database, clock=SystemClock())
    async with database.sessions.begin() as session:
        account = await Accounts(session, hasher).create_customer(
            email=f"benchmark-{new_id().hex[-12:]}@demo.videothek.example",
            password=f"benchmark {new_id()}",
            residence_country="DE",
            locale="de",
            at=at,
        )
        sessions = Sessions(session, database, hasher, parts.throttle)
        signed_in = await sessions.open(
            account_id=account.id, kind="app", epoch=account.auth_epoch, at=at, visit=Visit(ip="127.0.0.1")
        )
    hasher.close()
    await parts.close()
    return Buyer(account.id, signed_in.token)


async def _offers(database: Database) -> list[UUID]:
    """One purchase offer each of as many films as are to be bought, and one to warm up."""
    rows: list[asyncpg.Record] = await database.reads.fetch(
        """
        SELECT DISTINCT ON (t.slug) o.id FROM store.offers o
          JOIN store.products p ON p.id = o.product_id
          JOIN store.editions e ON e.id = p.edition_id
          JOIN store.titles t ON t.id = e.title_id
         WHERE o.market = 'DE' AND o.kind = 'buy' AND o.starts_at <= now() AND (o.ends_at IS NULL OR o.ends_at > now())
         ORDER BY t.slug LIMIT $1
        """,
        PURCHASES + 1,
    )
    return [row["id"] for row in rows]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
