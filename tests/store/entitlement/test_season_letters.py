"""Mails about a season or series lead to its episodes, which are what plays; those about a film lead to the player."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.catalogue.models import Title
from store.database import Database
from store.entitlement.reminders import END_NOTICE, START_NOTICE, Reminders
from store.settings import Settings
from tests.auth.people import parts_of
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.scratch import MovableTestClock
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.entitlement.parts import Customer, make_right, make_title
from tests.store.entitlement.test_after_a_new_beginning import mend
from tests.store.purchase.shops import make_offer

BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["film", "season", "series"])
async def title(database: Database, request: pytest.FixtureRequest) -> Title:
    series = await make_title(database, kind="series")
    return await make_title(database, kind=request.param, parent=series if request.param == "season" else None)


@pytest.fixture
async def agent(database: Database, clock: MovableTestClock) -> Person:
    clock.fixed = BEGIN
    return await a_person(database, roles=("support",))


async def places_in_mails(app: Litestar, settings: Settings, title: Title) -> list[bool]:
    """Of each mail that waits: whether it leads to where the title plays, and not to the player of what does not."""
    player = f"{settings.base_url}/de/watch/{title.slug}"
    episodes = f"{settings.base_url}/de/films/{title.slug}#seasons"
    right, wrong = (player, episodes) if title.kind == "film" else (episodes, player)
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
        texts = [text_of(letter) for letter in office.letters]
    return [right in text and wrong not in text for text in texts]


async def test_reminders_and_what_support_did(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    agent: Person,
    customer: Customer,
    title: Title,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN)
    parts = parts_of(app)
    reminders = Reminders(parts.database, parts.outbox)
    await mend(client, agent, customer, right, hours=24)
    start_by = BEGIN + timedelta(days=31)
    assert await reminders.send_due(at=start_by - START_NOTICE) == 1
    assert await places_in_mails(app, settings, title) == [True, True]
    await owner.execute(
        "UPDATE store.entitlements SET first_played_at = $1, ends_at = $2", start_by, start_by + timedelta(hours=48)
    )
    assert await reminders.send_due(at=start_by + timedelta(hours=48) - END_NOTICE) == 1
    assert await places_in_mails(app, settings, title) == [True]


async def test_gifts(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    agent: Person,
    customer: Customer,
    title: Title,
) -> None:
    await make_offer(database, title_id=title.id)
    wish = {"title": title.slug, "kind": "rent", "quality": "HD", "reason": REASON}
    path = f"/v1/staff/customers/{customer.account_id}/gifts"
    given = await client.post(path, json=wish, headers=agent.headers)
    assert given.status_code == 201, given.text
    assert await places_in_mails(app, settings, title) == [True]
