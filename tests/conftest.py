"""Fixtures of every test: real engines, a scratch database, the application in this process."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import pytest
import uvicorn
from hypothesis import settings as hypothesis_settings
from litestar import Litestar
from playwright.async_api import Browser, async_playwright
from sqlalchemy.engine import make_url

from auth.ids import new_id
from auth.passwords import PasswordHasher
from billing.ports import PaymentGateway
from store.app import attach, create_app
from store.composition import assemble
from store.database import Database
from store.migrations import migrate
from store.settings import Settings
from tests.cinema import CHROMIUM_FLAGS
from tests.contract_checks import Contract
from tests.scratch import REFERENCE_TABLES, MovableTestClock, sandbox_environment

# A busy machine is no fault: what a property costs is not what these tests are about.
hypothesis_settings.register_profile("videothek", deadline=None)
hypothesis_settings.load_profile("videothek")


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of PostgreSQL (its owner) and Redis: those of the environment, else throw-away ones of our own."""
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    with ExitStack() as stack:
        if not (database_url and redis_url):
            from store.sandbox.engines import running_engines

            addresses = stack.enter_context(running_engines(tmp_path_factory.mktemp("engines"), durable=False))
            database_url, redis_url = database_url or addresses.database_url, redis_url or addresses.redis_url
        yield database_url, redis_url


@pytest.fixture(scope="session")
async def owner_url(engines: tuple[str, str]) -> AsyncIterator[str]:
    """Address of a migrated scratch database, as the owner of its tables."""
    server, name = engines[0], f"videothek_test_{new_id().hex[-12:]}"
    connection = await asyncpg.connect(server)
    await connection.execute(f'CREATE DATABASE "{name}"')
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    await migrate(url)
    yield url
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture(scope="session")
def environment(engines: tuple[str, str], owner_url: str) -> dict[str, str]:
    """Environment variables of a sandbox on the scratch database."""
    return sandbox_environment(database_url=owner_url, redis_url=engines[1])


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """Sandbox settings; each test has a root secret of its own, so that no limit of another test counts here."""
    return replace(Settings.from_env(environment), root_secret=os.urandom(32))


@pytest.fixture(scope="session")
async def pools(owner_url: str) -> AsyncIterator[Database]:
    """The pools of the scratch database, with the rights of the application's role."""
    pools = await Database.connect(owner_url)
    yield pools
    await pools.close()


@pytest.fixture(scope="session")
async def owner_connection(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A raw connection as the owner of the tables."""
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def row_removal(owner_connection: asyncpg.Connection) -> str:
    """The statements that empty every table but those with reference data, with the triggers off."""
    tables = await owner_connection.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname IN ('auth', 'billing', 'store', 'jobs') ORDER BY 1"
    )
    deletions = [f"DELETE FROM {table['name']}" for table in tables if table["name"] not in REFERENCE_TABLES]
    return "; ".join(["SET session_replication_role = replica", *deletions, "SET session_replication_role = origin"])


@pytest.fixture
async def clean_rows(owner_connection: asyncpg.Connection, row_removal: str) -> AsyncIterator[None]:
    """Real commits, and rows removed after each test that used the database (about 1 ms)."""
    yield
    await owner_connection.execute(row_removal)


@pytest.fixture
def database(pools: Database, clean_rows: None) -> Database:
    """The database with the rights of the application's role, emptied after the test."""
    return pools


@pytest.fixture
def owner(owner_connection: asyncpg.Connection, clean_rows: None) -> asyncpg.Connection:
    """A raw connection as the owner of the tables: for looking, and for what only an owner may do."""
    return owner_connection


@pytest.fixture
def clock() -> MovableTestClock:
    """Business time that a test can set."""
    return MovableTestClock()


@pytest.fixture(scope="session")
def application(environment: dict[str, str]) -> Litestar:
    """The application with its routes; making it takes a second, so all tests share it."""
    return create_app(Settings.from_env(environment))


@pytest.fixture
def gateway() -> PaymentGateway | None:
    """The payment provider; None is Stripe's at the settings' address. Folders that need a fake override this."""
    return None


@pytest.fixture
def hasher() -> PasswordHasher:
    """A password hasher with little work; its own tests use the real parameters."""
    return PasswordHasher(memory_kibibytes=1024, passes=1)


@pytest.fixture
async def app(
    application: Litestar,
    settings: Settings,
    database: Database,
    clock: MovableTestClock,
    gateway: PaymentGateway | None,
    hasher: PasswordHasher,
) -> AsyncIterator[Litestar]:
    """The whole application on the scratch database, with parts of this test's own."""
    parts = await assemble(settings, database=database, clock=clock, gateway=gateway, hasher=hasher)
    attach(application, parts)
    application.state.pop("kept_facts", None)
    yield application
    await parts.close()


@pytest.fixture(scope="session")
def contract(application: Litestar) -> Contract:
    """The OpenAPI document, to hold answers against."""
    return Contract(application.openapi_schema.to_schema())


@pytest.fixture
async def client(app: Litestar, settings: Settings, contract: Contract) -> AsyncIterator[httpx.AsyncClient]:
    """A program (or a browser without JavaScript) on this event loop; every answer is held against the contract."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    hooks = {"response": [contract.check]}
    async with httpx.AsyncClient(transport=transport, base_url=settings.base_url, event_hooks=hooks) as client:
        yield client


@pytest.fixture
async def live_server(app: Litestar, settings: Settings) -> AsyncIterator[str]:
    """The application on a real port, for browsers; gives its address (that of the settings)."""
    port = make_url(settings.base_url).port or 80
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error", proxy_headers=False))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            await _answers(settings.base_url)
        yield settings.base_url
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving


async def _answers(base_url: str) -> None:
    """Wait until a server that was just started answers."""
    transport = httpx.AsyncHTTPTransport(retries=20)
    async with httpx.AsyncClient(transport=transport) as client:
        (await client.get(f"{base_url}/health/live")).raise_for_status()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """A Chromium found on the machine; without one the test is skipped with the line that installs it."""
    for candidate in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"):
        if Path(candidate).exists():
            return candidate
    missing = "no Chromium here; on Debian: sudo apt-get install chromium"
    if os.environ.get("VIDEOTHEK_REQUIRE_BROWSER"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    """A real browser; each test opens a context of its own in it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path, args=CHROMIUM_FLAGS, ignore_default_args=["--headless"]
        )
        yield browser
        await browser.close()
