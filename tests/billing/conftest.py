"""Fixtures of billing's tests."""

import pytest

from store.database import Database
from tests.billing.tills import Till


@pytest.fixture
def till(database: Database) -> Till:
    """Billing on the scratch database, with fakes for provider, shelf and mail."""
    return Till(database)
