"""A purchase from quote to granted film, over HTTP, against the payment stand-in (whose own cost is not counted).

What is counted is the CPU time of the web process, of the worker and of PostgreSQL, from the quote until the film is
granted, the provider's webhook of the payment is taken in and the confirmation has left by mail. Beside these run, and
are not counted: the stand-in, the mail server, and the customer's own program (this process).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final
from uuid import UUID

import asyncpg
import httpx
import psutil

from auth.accounts import Accounts
from auth.ids import new_id
from auth.passwords import PasswordHasher
from auth.sessions import Sessions
from auth.visits import Visit
from benchmarks.counted_stand_in import CALLS
from benchmarks.load import Load, measure
from benchmarks.processes import CpuMeter, free_port, running, serving
from benchmarks.statements import begin_logging, end_logging
from store.database import Database
from store.jobs import PostgresJobs
from store.mail import SmtpMailer
from store.settings import Settings
from store.smtp import MailServer

WARM_UP: Final = 8
"""Rounds before, which are not counted: PostgreSQL plans a statement anew on each connection the first five times."""

ROUNDS: Final = 7
"""Rounds, odd; their median is shown. In each, the one-query handler is measured beside the purchases."""

BUYERS: Final = 4
"""Customers who buy at the same time."""

FILMS: Final = 5
"""Films that each of them buys in a round, one after the other."""

ONE_QUERY_REQUESTS: Final = 3000

LIMIT: Final = 80
"""How many handlers of one query through asyncpg's pool as it comes a purchase may cost (docs/decisions/0022)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one purchase cost: CPU milliseconds, and those of the one-query handlers measured beside it."""

    web_ms: float
    worker_ms: float
    database_ms: float
    one_query_ms: float
    """Through the store's own pool, which resets nothing."""
    plain_query_ms: float
    """Through asyncpg's pool as it comes."""
    wait_ms: float
    """From the quote to the granted film, wall milliseconds."""

    @property
    def cpu_ms(self) -> float:
        """Web, worker and database together."""
        return self.web_ms + self.worker_ms + self.database_ms

    @property
    def multiple(self) -> float:
        """As a multiple of the one-query handler."""
        return self.cpu_ms / self.one_query_ms

    @property
    def plain_multiple(self) -> float:
        """As a multiple of the handler whose pool is asyncpg's as it comes."""
        return self.cpu_ms / self.plain_query_ms


@dataclass(frozen=True, slots=True)
class Purchases:
    """All that was measured of purchases."""

    number: int
    """How many were bought in the measured rounds."""
    purchase: Cost
    """From the quote until paid, granted and confirmed."""
    fee: Cost
    """Later: the provider tells its fee, and it is booked."""
    statements: dict[str, float]
    """A purchase's statements by their first word, fee included."""
    calls: dict[str, float]
    """A purchase's SDK calls by operation, fee included."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer of the benchmark, signed in at the shop."""

    shop: httpx.AsyncClient
    offers: Iterator[UUID]
    """What to buy, each once."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The store under measurement, with what is around it."""

    settings: Settings
    watcher: asyncpg.Connection
    """Reads what the driver wants to know; its statements are not the store's."""
    web: psutil.Process
    worker: psutil.Process
    baselines: str
    bare: psutil.Process
    provider: httpx.AsyncClient
    """At the stand-in, with the secret key."""
    buyers: Sequence[Buyer]


async def measure_purchases(
    settings: Settings, owner_url: str, *, folder: Path, environment: dict[str, str]
) -> Purchases:
    """Buy in rounds; the first ones warm everything up and are not counted, a last one counts statements and calls."""
    log = folder / "postgresql.log"
    async with open_shop(settings, folder, environment) as shop:
        for _ in range(WARM_UP):
            await _purchases(shop)
            await _fees(shop)
        rounds = [await _round(shop) for _ in range(ROUNDS)]
        before = await _calls(shop)
        begun = await begin_logging(owner_url, log)
        await _purchases(shop)
        await _fees(shop)
        statements = await end_logging(owner_url, log, begun)
        after = await _calls(shop)
    bought = BUYERS * FILMS
    return Purchases(
        number=bought * ROUNDS,
        purchase=_median([purchase for purchase, _fee in rounds]),
        fee=_median([fee for _purchase, fee in rounds]),
        statements={word: number / bought for word, number in statements.most_common()},
        calls={name: (number - before.get(name, 0)) / bought for name, number in sorted(after.items())},
    )


async def _round(shop: Shop) -> tuple[Cost, Cost]:
    """Measure the one-query handlers, purchases until they are confirmed, and then what their fees cost."""
    queries = (await ask_one_query(shop)).cpu_ms, (await ask_one_query(shop, "plain-query")).cpu_ms
    meter = CpuMeter(shop.web, shop.worker)
    waits = await _purchases(shop)
    purchase = _cost(meter, queries, median(waits))
    meter = CpuMeter(shop.web, shop.worker)
    await _fees(shop)
    return purchase, _cost(meter, queries, 0)


async def _purchases(shop: Shop) -> list[float]:
    """Have every buyer buy; how long each purchase took. All is told and confirmed when it returns."""
    waits = await asyncio.gather(*(_buy_some(shop, buyer) for buyer in shop.buyers))
    await _all_is_told(shop)
    return [wait for some in waits for wait in some]


async def _fees(shop: Shop) -> None:
    """Have the provider tell its fees now."""
    (await shop.provider.post("/_sandbox/settlements")).raise_for_status()
    await _all_is_told(shop)


def _cost(meter: CpuMeter, queries: tuple[float, float], wait_ms: float) -> Cost:
    web, worker, database = (spent / (BUYERS * FILMS) for spent in meter.milliseconds())
    return Cost(web, worker, database, *queries, wait_ms)


def _median(costs: Sequence[Cost]) -> Cost:
    """The round whose multiple is the median."""
    return sorted(costs, key=lambda cost: cost.multiple)[len(costs) // 2]


async def ask_one_query(shop: Shop, handler: str = "one-query") -> Load:
    """Measure a handler that everything is compared with."""
    keys = await shop.watcher.fetch(
        "SELECT key FROM public.benchmark_documents ORDER BY random() LIMIT $1", ONE_QUERY_REQUESTS
    )
    paths = [f"/{handler}/{row['key']}" for row in keys]
    return await measure(handler, shop.baselines, paths, server=shop.bare)


async def _buy_some(shop: Shop, buyer: Buyer) -> list[float]:
    """Buy a few films one after the other; how long each took."""
    waits = []
    for _ in range(FILMS):
        started = time.perf_counter()
        await buy(shop, buyer.shop, next(buyer.offers))
        waits.append((time.perf_counter() - started) * 1000)
    return waits


async def buy(shop: Shop, customer: httpx.AsyncClient, offer_id: UUID) -> None:
    """Quote, order, payment, the customer's confirmation at the provider, and the return to the shop."""
    quote = (await customer.post("/v1/quotes", json={"offer_id": str(offer_id)})).raise_for_status().json()
    ordered = await customer.post(
        "/v1/orders",
        json={"quote_id": quote["id"], "consents": {"immediate_performance": True, "withdrawal_loss": True}},
        headers={"Idempotency-Key": str(new_id())},
    )
    order = ordered.raise_for_status().json()["order"]
    payment = (await customer.post(f"/v1/orders/{order['id']}/payments", json={})).raise_for_status().json()
    intent = payment["client_secret"].partition("_secret_")[0]
    confirmed = await shop.provider.post(
        f"/v1/payment_intents/{intent}/confirm",
        data={
            "client_secret": payment["client_secret"],
            "payment_method": "pm_card_visa",
            "return_url": shop.settings.base_url,
        },
        headers={"Authorization": f"Bearer {shop.settings.stripe_publishable_key}"},
    )
    confirmed.raise_for_status()
    paid = (await customer.post(f"/v1/orders/{order['id']}/payment-checks", json={})).raise_for_status().json()
    if paid["payment"]["state"] != "succeeded":
        raise RuntimeError(f"order {order['order_number']}: {paid}")


async def _all_is_told(shop: Shop) -> None:
    """Wait until every webhook is taken in and every mail has left."""
    while True:
        deliveries = (await shop.provider.get("/_sandbox")).raise_for_status().json()["deliveries"]
        mails = await shop.watcher.fetchval("SELECT count(*) FROM store.mails WHERE status = 'queued'")
        if not deliveries.get("pending") and not mails:
            return
        await asyncio.sleep(0.1)


async def _calls(shop: Shop) -> dict[str, int]:
    calls: dict[str, int] = (await shop.provider.get(CALLS)).raise_for_status().json()
    return calls


@asynccontextmanager
async def open_shop(settings: Settings, folder: Path, environment: dict[str, str]) -> AsyncIterator[Shop]:
    """Web process, worker, stand-in, mail server and baselines, with signed-in customers."""
    smtp_port = free_port()
    environment = {
        **environment,
        "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        # Fees are told of when a round asks for them.
        "STRIPE_SANDBOX_SETTLE_SECONDS": "86400",
    }
    catcher = ["--folder", str(folder / "mail"), "--smtp-port", str(smtp_port), "--page-port", str(free_port())]
    with ExitStack() as stack:
        stand_in, _ = stack.enter_context(
            serving("benchmarks.counted_stand_in:create_app", environment, port=_port(settings.stripe_api_base))
        )
        stack.enter_context(running(["store.sandbox.mail_catcher", *catcher], environment))
        web, web_process = stack.enter_context(
            serving("store.app:create_app", environment, port=_port(settings.base_url))
        )
        worker = stack.enter_context(running(["store.worker"], environment))
        baselines, bare = stack.enter_context(serving("benchmarks.baselines:create_app", environment))
        database = await Database.connect(settings.database_url, pool_size=2)
        offers = await _offers(database)
        tokens = [await _sign_in(database, settings) for _ in range(BUYERS)]
        await database.close()
        watcher = await asyncpg.connect(settings.database_url)
        key = {"Authorization": f"Bearer {settings.stripe_secret_key}"}
        async with httpx.AsyncClient(base_url=stand_in, headers=key, timeout=30) as provider:
            signed_in = [{"Authorization": f"Bearer {token}"} for token in tokens]
            buyers = [
                Buyer(httpx.AsyncClient(base_url=web, headers=session, timeout=60), iter(offers))
                for session in signed_in
            ]
            try:
                yield Shop(settings, watcher, web_process, worker, baselines, bare, provider, buyers)
            finally:
                for buyer in buyers:
                    await buyer.shop.aclose()
                await watcher.close()


async def _sign_in(database: Database, settings: Settings) -> str:
    """Make a customer and answer the token of a session."""
    at, hasher = datetime.now(UTC), PasswordHasher(threads=1)
    async with database.sessions.begin() as session:
        account = await Accounts(session, hasher).create_customer(
            email=f"benchmark-{new_id().hex[-12:]}@demo.videothek.example",
            password=f"benchmark {new_id()}",
            residence_country="DE",
            locale="de",
            at=at,
        )
        outbox = SmtpMailer(
            database=database,
            jobs=PostgresJobs(),
            settings=settings,
            server=MailServer(settings.smtp_url),
            composers={},
        )
        signed_in = await Sessions(session, outbox).open(
            account_id=account.id, kind="app", epoch=account.auth_epoch, at=at, visit=Visit(ip="127.0.0.1")
        )
    hasher.close()
    return signed_in.token


async def _offers(database: Database) -> list[UUID]:
    """One purchase offer each of as many films as one customer buys."""
    rows: list[asyncpg.Record] = await database.reads.fetch(
        """
        SELECT DISTINCT ON (t.slug) o.id FROM store.offers o
          JOIN store.products p ON p.id = o.product_id
          JOIN store.editions e ON e.id = p.edition_id
          JOIN store.titles t ON t.id = e.title_id
         WHERE o.market = 'DE' AND o.kind = 'buy' AND o.starts_at <= now() AND (o.ends_at IS NULL OR o.ends_at > now())
         ORDER BY t.slug LIMIT $1
        """,
        (WARM_UP + ROUNDS + 1) * FILMS,
    )
    return [row["id"] for row in rows]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
