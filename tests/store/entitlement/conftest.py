"""A customer with a registered device and the test film in place."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from litestar import Litestar
from playwright.async_api import Browser

from store.app import attach
from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.auth.people import parts_of
from tests.cinema import Cinema
from tests.store.entitlement.drm_contracts import AXINOM, DRMTODAY
from tests.store.entitlement.parts import Customer, TestDevice, load_test_film, make_customer, make_title


@pytest.fixture
async def title(database: Database, settings: Settings) -> Title:
    """A film that can be played."""
    await load_test_film(database, settings)
    return await make_title(database)


@pytest.fixture
async def customer(database: Database) -> Customer:
    return await make_customer(database)


@pytest.fixture
def unregistered_device(settings: Settings) -> TestDevice:
    return TestDevice(settings.base_url)


@pytest.fixture
async def device(client: httpx.AsyncClient, customer: Customer, settings: Settings) -> TestDevice:
    """A device of the customer."""
    device = TestDevice(settings.base_url)
    assert (await device.register(client, customer)).status_code == 201
    return device


@pytest.fixture
async def contracts(app: Litestar) -> AsyncIterator[None]:
    """The store has contracts with both services."""
    parts = parts_of(app)
    attach(app, replace(parts, settings=replace(parts.settings, axinom=AXINOM, drmtoday=DRMTODAY)))
    yield
    attach(app, parts)


@pytest.fixture
async def cinema(
    chromium: Browser, live_server: str, settings: Settings, customer: Customer, title: Title
) -> AsyncIterator[Cinema]:
    """A browser in which the customer is signed in."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 720}, locale="de-DE")
    await context.add_cookies([{"name": settings.session_cookie, "value": customer.token, "url": live_server}])
    yield await Cinema.in_page_of(context)
    await context.close()
