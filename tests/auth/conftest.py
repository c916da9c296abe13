"""Fixtures of the tests about accounts."""

from collections.abc import Iterator

import httpx
import pytest
from litestar import Litestar

from store.settings import Settings
from tests.auth.people import with_unused_limits
from tests.auth.post_office import PostOffice, open_post_office


@pytest.fixture
def client(app: Litestar, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client of all tests, with limits that nobody has used yet."""
    with_unused_limits(app)
    return client


@pytest.fixture
def post_office(settings: Settings) -> Iterator[PostOffice]:
    """A mail server at the settings' address."""
    with open_post_office(settings.smtp_url) as office:
        yield office
