"""Money for an incident beside other refunds of the same rental, and for a rental of a season."""

from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from billing.money import Money
from store.catalogue.models import Title
from store.database import Database
from store.invariants import count_invariants
from tests.auth.people import parts_of
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.consoles.people import Person, a_person
from tests.store.entitlement.parts import Customer, make_title
from tests.store.entitlement.takedown_orders import bought
from tests.store.entitlement.test_incident_money import agree, money
from tests.store.entitlement.test_incidents import BEGIN, FROM, HOUR, met, work


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def lead(database: Database) -> Person:
    return await a_person(database, roles=("support_lead",))


async def rented(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
    *,
    failed: Title | None = None,
) -> UUID:
    """The customer paid 3.99 for 48 hours and met the error (with an episode that failed); gives the order's id."""
    order_id = await bought(client, database, gateway, owner, customer, title, kind="rent")
    right = await owner.fetchval("SELECT id FROM store.entitlements WHERE account_id = $1", customer.account_id)
    await met(owner, customer, right, failed or title, FROM)
    clock.fixed = BEGIN
    return order_id


async def made_good(
    app: Litestar, client: httpx.AsyncClient, database: Database, lead: Person, title: Title, *, hours: int
) -> str:
    """Two leads agree to money for some hours, and it is worked off; gives the incident's id."""
    span = money(title, {"ends_at": (FROM + hours * HOUR).isoformat()})
    noted = (await client.post("/v1/staff/incidents", json=span, headers=lead.headers)).json()
    second = await a_person(database, roles=("support_lead",))
    assert (await agree(client, second, noted["id"])).status_code == 201
    await work(app, noted["id"])
    incident_id: str = noted["id"]
    return incident_id


async def amounts(owner: asyncpg.Connection) -> list[int]:
    rows = await owner.fetch("SELECT amount FROM billing.refunds WHERE reason = 'incident' ORDER BY id")
    return [row["amount"] for row in rows]


@pytest.mark.parametrize(("hours", "at_once", "in_the_end"), [(3, [25], [25]), (36, [], [299])])
async def test_what_a_second_person_has_not_decided_takes_nothing_from_what_is_due(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    title: Title,
    lead: Person,
    hours: int,
    at_once: list[int],
    in_the_end: list[int],
) -> None:
    order_id = await rented(client, database, clock, gateway, owner, customer, title)
    await owner.execute(
        "INSERT INTO billing.refunds (id, order_id, payment_id, intent_id, kind, amount, net, tax, currency, reason,"
        " idempotency_key, state, created_at, updated_at)"
        " SELECT $1, order_id, id, intent_id, 'sale', 200, 200, 0, 'EUR', 'goodwill', 'k', 'awaiting_approval',"
        " now(), now() FROM billing.payments WHERE order_id = $2",
        new_id(),
        order_id,
    )
    incident_id = await made_good(app, client, database, lead, title, hours=hours)
    assert await amounts(owner) == at_once
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == len(at_once)
    await owner.execute("UPDATE billing.refunds SET state = 'rejected' WHERE state = 'awaiting_approval'")
    await work(app, incident_id)
    assert await amounts(owner) == in_the_end


async def test_after_a_part_of_the_price_the_rest_goes_back_and_no_more(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    title: Title,
    lead: Person,
) -> None:
    order_id = await rented(client, database, clock, gateway, owner, customer, title)
    agent = await a_person(database, roles=("support",))
    async with database.sessions.begin() as session:
        await (
            parts_of(app)
            .sale_refunds(session)
            .ask(
                order_id=order_id,
                amount=Money(200, "EUR"),
                reason="goodwill",
                note="Der Ton fehlte.",
                agent_id=agent.account.id,
                at=BEGIN,
            )
        )
    await made_good(app, client, database, lead, title, hours=36)
    assert await amounts(owner) == [199]
    assert await owner.fetchval("SELECT state FROM billing.orders") == "refunded"
    assert await owner.fetchval("SELECT revoke_reason FROM store.entitlements") == "incident"
    assert {finding.invariant.name for finding in await count_invariants(database) if finding.count} == set()


async def test_an_error_of_an_episode_gives_its_part_of_the_seasons_price(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    lead: Person,
) -> None:
    season = await make_title(database, kind="season", parent=await make_title(database, kind="series"))
    first, second = [await make_title(database, kind="episode", parent=season, number=number) for number in (1, 2)]
    await rented(client, database, clock, gateway, owner, customer, season, failed=first)
    right = await owner.fetchval("SELECT id FROM store.entitlements")
    await met(owner, customer, right, second, FROM)
    for episode in (first, second):
        await made_good(app, client, database, lead, episode, hours=3)
    assert await amounts(owner) == [25], "of two episodes that failed at the same time no hour counts twice"
