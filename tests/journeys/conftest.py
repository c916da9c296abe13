"""The running store, and what people use to come to it: browsers, programs, mailboxes."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from auth.ids import new_id
from store.migrations import migrate
from tests.journeys.running_store import RunningStore, load_few_films, running_store
from tests.journeys.street import Street
from tests.store.web.conftest import axe_script as axe_script


@pytest.fixture(scope="session")
async def filled_database(engines: tuple[str, str]) -> AsyncIterator[str]:
    """Address of a database with a few films, as its owner; the journeys' own, for their store goes on and on."""
    server = await asyncpg.connect(engines[0])
    name = f"videothek_journeys_{new_id().hex[-12:]}"
    await server.execute(f'CREATE DATABASE "{name}"')
    url = make_url(engines[0]).set(database=name).render_as_string(hide_password=False)
    await migrate(url)
    owner = await asyncpg.connect(url)
    await load_few_films(owner)
    await owner.close()
    yield url
    await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await server.close()


@pytest.fixture(scope="session")
def store(
    engines: tuple[str, str], filled_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStore]:
    """Web, worker, mail catcher and payment stand-in as processes of their own: one store for all journeys."""
    folder = tmp_path_factory.mktemp("store")
    with running_store(folder, database_url=filled_database, redis_url=engines[1]) as store:
        yield store


@pytest.fixture
async def books(store: RunningStore) -> AsyncIterator[asyncpg.Connection]:
    """A look into the store's database, for what nobody is shown over HTTP."""
    connection = await asyncpg.connect(store.database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def street(store: RunningStore) -> AsyncIterator[Street]:
    """Where the people of a journey come from."""
    street = Street(store)
    yield street
    await street.leave()
