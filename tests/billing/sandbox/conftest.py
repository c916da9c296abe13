"""Fixtures of the stand-in's tests: the real process on a real port, the official SDK, an endpoint for webhooks."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import stripe

from tests.billing.sandbox.sandbox_process import SandboxProcess
from tests.billing.sandbox.webhook_endpoint import WebhookEndpoint
from tests.billing.stripe_openapi.checked_client import CheckedHTTPXClient


def pytest_itemcollected(item: pytest.Item) -> None:
    """The official SDK hands its encoded bodies to httpx as `data`, which httpx still takes and warns about."""
    item.add_marker(pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"))


@pytest.fixture(scope="session")
async def webhooks() -> AsyncIterator[WebhookEndpoint]:
    """Where the stand-in posts its events to."""
    async with WebhookEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def willing_endpoint(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the endpoint answers 200 again and has forgotten what came."""
    yield
    if "webhooks" in request.fixturenames:
        endpoint: WebhookEndpoint = request.getfixturevalue("webhooks")
        endpoint.forget()


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory, webhooks: WebhookEndpoint) -> Iterator[SandboxProcess]:
    """One process for all tests that do not kill it."""
    with SandboxProcess(tmp_path_factory.mktemp("stripe") / "store.db", webhook_url=webhooks.url) as process:
        yield process


@pytest.fixture
def sandbox(shared_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The stand-in with all controls at rest, and again so after the test."""
    yield shared_sandbox
    shared_sandbox.control("calm")


@pytest.fixture
def own_sandbox(tmp_path: Path, webhooks: WebhookEndpoint) -> Iterator[SandboxProcess]:
    """A process of the test's own, to be killed and started again."""
    with SandboxProcess(tmp_path / "store.db", webhook_url=webhooks.url) as process:
        yield process


@pytest.fixture(scope="session")
def sdk_transport() -> Iterator[CheckedHTTPXClient]:
    """One client for all tests: making one reads the certificates of the world, which takes a while."""
    client = CheckedHTTPXClient()
    yield client
    client.close()


@pytest.fixture
def api(sandbox: SandboxProcess, sdk_transport: CheckedHTTPXClient) -> stripe.StripeClient:
    """The official SDK with the secret key; every call and answer is held against Stripe's description."""
    return sandbox.sdk(sdk_transport)
