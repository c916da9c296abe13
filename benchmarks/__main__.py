"""`make bench`: measures film page, playback, purchase and sign-ins and prints multiples of the baselines."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.accounts import measure_accounts, show_accounts
from benchmarks.film_page import compare
from benchmarks.load import Load
from benchmarks.playback import PLAIN, measure_playback
from benchmarks.processes import free_port
from benchmarks.purchase import LIMIT, Purchases, measure_purchases
from billing.webhooks import SUBSCRIBED
from store.catalogue.demo.loading import load_demo_catalogue
from store.catalogue.film_page import prepare_pages
from store.database import Database
from store.migrations import migrate
from store.sandbox.engines import EngineAddresses, running_engines
from store.sandbox.secrets import sandbox_variables
from store.settings import Settings

console = Console()

FOLDER = Path(".videothek/bench")
"""Data of the benchmark: a demo catalogue of its own, kept between runs."""


def settings_on(engines: EngineAddresses) -> tuple[Settings, dict[str, str]]:
    """The settings of a shop on engines of the benchmark's own, and the environment that says them to its processes."""
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        **sandbox_variables(FOLDER),
        "BASE_URL": f"http://127.0.0.1:{free_port()}",
        "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}",
        "STRIPE_SANDBOX_STORE": str(FOLDER / "stripe.sqlite3"),
        "DATABASE_URL": engines.database_url,
        "REDIS_URL": engines.redis_url or "",
    }
    settings = Settings.from_env(environment)
    environment["STRIPE_WEBHOOK_URL"] = f"{settings.base_url}/webhooks/stripe"
    environment["STRIPE_WEBHOOK_SECRET"] = settings.stripe_webhook_secrets[0]
    environment["STRIPE_WEBHOOK_EVENTS"] = ",".join(SUBSCRIBED)
    return settings, environment


async def prepare(settings: Settings) -> None:
    """Migrate, load the catalogue and build the German film pages, where that was not done before."""
    await migrate(settings.database_owner_url)
    with Progress(console=console) as progress:
        loading = progress.add_task("demo catalogue", total=None)
        owner = await asyncpg.connect(settings.database_owner_url)
        await load_demo_catalogue(
            owner, progress=lambda done, total: progress.update(loading, completed=done, total=total)
        )
        await owner.close()
        building = progress.add_task("film pages", total=None)
        database = await Database.connect(settings.database_url, pool_size=4)
        if not await database.reads.fetchval("SELECT EXISTS (SELECT FROM store.title_pages)"):
            await prepare_pages(
                database,
                market="DE",
                locale="de",
                at=datetime.now(UTC),
                progress=lambda done, total: progress.update(building, completed=done, total=total),
            )
        await database.close()


def show(loads: list[Load]) -> None:
    """Print the loads as multiples of the bare and of the one-query handlers, which took turns with them."""
    bare, one_query, *_others = loads
    plain_query = next((load for load in loads if load.name == PLAIN), None)
    cost = _table(
        "CPU per request: ms (user + system; with PostgreSQL's, and that alone)",
        "requests",
        "bytes",
        "ms",
        "database",
        "x bare",
        "x query",
        *(["x plain query"] if plain_query else []),
    )
    waits = _table("Waiting time: ms (x bare, x query)", "p50", "p95", "p99")
    for load in loads:
        cost.add_row(
            load.name,
            str(load.requests),
            str(load.body_bytes or "-"),
            f"{load.cpu_ms:.3f}",
            f"{load.database_ms:.3f}",
            _short(load.cpu_ms / bare.cpu_ms),
            _short(load.cpu_ms / one_query.cpu_ms),
            *([_short(load.cpu_ms / plain_query.cpu_ms)] if plain_query else []),
        )
        waits.add_row(
            load.name,
            *(
                f"{wait:.1f} ({_short(wait / of_bare)}, {_short(wait / of_query)})"
                for wait, of_bare, of_query in zip(load.waits, bare.waits, one_query.waits, strict=True)
            ),
        )
    console.print(cost, waits)


def show_purchases(found: Purchases) -> None:
    """Print what a purchase cost, what that is of its limit, and what it asked of the database and the provider."""
    cost = _table(
        "CPU per purchase: ms (user + system), and as a multiple of the one-query handlers beside it",
        "web",
        "worker",
        "database",
        "all",
        "query",
        "x query",
        "plain query",
        "x plain query",
    )
    parts = {
        "quote to granted film": found.purchase,
        "its fee, told of later": found.fee,
    }
    for name, spent in parts.items():
        parts_ms = (spent.web_ms, spent.worker_ms, spent.database_ms, spent.cpu_ms)
        cost.add_row(
            name,
            *(f"{spent_ms:.1f}" for spent_ms in parts_ms),
            f"{spent.one_query_ms:.3f}",
            _short(spent.multiple),
            f"{spent.plain_query_ms:.3f}",
            _short(spent.plain_multiple),
        )
    console.print(cost)
    console.print(
        f"{found.number} purchases of {found.purchase.wait_ms:.0f} ms each; the limit is {LIMIT} x plain query. In it: "
        "four requests of a signed-in customer, the provider's webhook, the confirmation's job and mail, and what both "
        "processes do besides. Not in it: the stand-in, the mail server, the customer's own program, and signing in."
    )
    asked = _table("What one purchase asks, its fee included", "times")
    for what, counts in (("database: statements", found.statements), ("provider: SDK calls", found.calls)):
        asked.add_row(what, f"{sum(counts.values()):.1f}")
        for name, times in counts.items():
            asked.add_row(f"  {name}", f"{times:.1f}")
    console.print(asked)


def _short(multiple: float) -> str:
    return f"{multiple:.2f}" if multiple < 10 else f"{multiple:.0f}"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def main() -> int:
    """Run all measurements on engines of the benchmark's own."""
    with running_engines(FOLDER, durable=True) as engines:
        settings, environment = settings_on(engines)
        asyncio.run(prepare(settings))
        pages = asyncio.run(compare(settings, engines.database_url, environment=environment))
        playback = asyncio.run(measure_playback(settings, environment=environment))
        purchases = asyncio.run(
            measure_purchases(settings, engines.database_url, folder=FOLDER, environment=environment)
        )
        accounts = asyncio.run(measure_accounts(settings, engines.database_url, environment=environment))
    show(pages)
    show(playback)
    show_purchases(purchases)
    show_accounts(*accounts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
