"""An incident is made good by money: two people agree, each gets the part of the price, and no hour counts twice."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from billing.money import Money
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.incidents import JOB, Affected
from store.invariants import count_invariants
from store.settings import Settings
from tests.auth.people import parts_of
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock, run_due_jobs
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.entitlement.parts import make_customer, make_right
from tests.store.entitlement.takedown_orders import bought, dispute
from tests.store.entitlement.test_incidents import BEGIN, FROM, HOUR, met, watchers, wish, work
from tests.store.purchase.shops import make_offer

PAGE = "/de/staff/incidents"


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def lead(database: Database, clock: MovableTestClock) -> Person:
    return await a_person(database, roles=("support_lead",))


@pytest.fixture
async def second(database: Database) -> Person:
    return await a_person(database, roles=("support_lead",))


@pytest.fixture
async def renters(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    title: Title,
) -> list[str]:
    """Two who paid 3.99 for 48 hours each and met the error; their addresses."""
    offer_id, addresses = await make_offer(database, title_id=title.id), []
    for _ in range(2):
        customer = await make_customer(database)
        await bought(client, database, gateway, owner, customer, title, kind="rent", offer_id=offer_id)
        right = await owner.fetchval(
            "SELECT id FROM store.entitlements WHERE account_id = $1 AND kind = 'rent'", customer.account_id
        )
        await met(owner, customer, right, title, FROM)
        addresses.append(f"{customer.account_id.hex}@example.org")
    clock.fixed = BEGIN
    return addresses


def money(title: Title, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    return wish(title, {"means": "money"} | (changes or {}))


async def agree(client: httpx.AsyncClient, person: Person, incident_id: str) -> httpx.Response:
    return await client.post(f"/v1/staff/incidents/{incident_id}/approvals", headers=person.headers)


@pytest.mark.parametrize(("hours", "price"), [(1, 8), (3, 25), (24, 200), (47, 391), (48, 399), (72, 399)])
def test_hours_cost_their_part_of_the_price_and_never_more(hours: int, price: int) -> None:
    rental = Affected(new_id(), new_id(), 48, new_id(), Money(399, "EUR"))
    assert rental.price_of(hours) == Money(price, "EUR")


async def test_once_two_leads_agree_each_gets_the_price_of_the_hours_and_is_told_why(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    settings: Settings,
    title: Title,
    lead: Person,
    second: Person,
    renters: list[str],
) -> None:
    given = await make_right(database, await make_customer(database), title, granted_at=FROM)
    stranger = await make_customer(database)
    await met(owner, stranger, given, title, FROM)
    noted = (await client.post("/v1/staff/incidents", json=money(title), headers=lead.headers)).json()
    assert (noted["waits_for_second_person"], noted["means"]) == (True, "money")
    assert noted["extent"] == {
        "rentals": 3,
        "customers": 3,
        "compensated": 0,
        "hours": 3,
        "price": [{"amount": 50, "currency": "EUR"}],
    }
    assert await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = $1", JOB) == 0
    await work(app, noted["id"])
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 0, "nobody agreed yet"

    own = await agree(client, lead, noted["id"])
    assert (own.status_code, own.json()["code"]) == (403, "second_person_needed")
    agreed = await agree(client, second, noted["id"])
    assert (agreed.status_code, agreed.json()["waits_for_second_person"]) == (201, False), agreed.text
    assert (await agree(client, second, noted["id"])).json()["code"] == "incident_not_waiting"
    with open_post_office(settings.smtp_url) as office:
        await asyncio.gather(*(work(app, noted["id"]) for _ in range(3)))
        await run_due_jobs(owner, parts_of(app))
        await deliver_mails(app)
        [mail] = office.to(renters[0])
    text = text_of(mail).replace("\xa0", " ")
    assert "wir zahlen Ihnen 0,25 € zurück" in text
    assert "Eine Störung bei uns hat Ihnen Zeit der Leihe genommen" in " ".join(text.split())
    refunds = await owner.fetch("SELECT amount, reason, note, state, requested_by FROM billing.refunds")
    assert {tuple(refund) for refund in refunds} == {(25, "incident", REASON, "succeeded", None)}
    assert len(refunds) == len(gateway.refunds) == 2
    remedies = await owner.fetch("SELECT kind, hours, refund_id IS NOT NULL AS paid FROM store.rental_remedies")
    assert [tuple(remedy) for remedy in remedies] == [("credited", 3, True)] * 2
    untouched = "SELECT count(*) FROM store.entitlements WHERE revoked_at IS NULL AND ends_at IS NULL AND kind = 'rent'"
    assert await owner.fetchval(untouched) == 3, "the rentals stay as they are"
    assert {finding.invariant.name for finding in await count_invariants(database) if finding.count} == set()
    actions = await owner.fetch("SELECT actor_id, action FROM auth.audit_events WHERE action LIKE 'incident.%'")
    assert {tuple(row) for row in actions} == {
        (lead.account.id, "incident.compensated"),
        (second.account.id, "incident.approved"),
    }


async def test_an_hour_is_made_good_by_one_of_the_means_only(
    app: Litestar,
    client: httpx.AsyncClient,
    owner: asyncpg.Connection,
    title: Title,
    lead: Person,
    second: Person,
    renters: list[str],
) -> None:
    time = (await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)).json()
    await work(app, time["id"])
    for later, refunded in ((timedelta(0), []), (2 * HOUR, [17, 17])):
        longer = money(title, {"ends_at": (FROM + 3 * HOUR + later).isoformat()})
        noted = (await client.post("/v1/staff/incidents", json=longer, headers=lead.headers)).json()
        assert noted["id"] != time["id"]
        await agree(client, second, noted["id"])
        await work(app, noted["id"])
        rows = await owner.fetch("SELECT amount FROM billing.refunds")
        assert [row["amount"] for row in rows] == refunded
    kinds = await owner.fetch("SELECT kind, hours FROM store.rental_remedies ORDER BY kind")
    assert [tuple(row) for row in kinds] == [("credited", 2)] * 2 + [("extended", 3)] * 2


async def test_all_hours_are_the_whole_price_and_end_the_rental(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    title: Title,
    lead: Person,
    second: Person,
    renters: list[str],
) -> None:
    noted = (
        await client.post(
            "/v1/staff/incidents",
            json=money(title, {"ends_at": (FROM + 60 * HOUR).isoformat()}),
            headers=lead.headers,
        )
    ).json()
    await agree(client, second, noted["id"])
    await work(app, noted["id"])
    assert {row["state"] for row in await owner.fetch("SELECT state FROM billing.orders")} == {"refunded"}
    ended = await owner.fetch("SELECT revoke_reason FROM store.entitlements")
    assert [row["revoke_reason"] for row in ended] == ["incident", "incident"]
    assert {finding.invariant.name for finding in await count_invariants(database) if finding.count} == set()


async def test_money_that_a_bank_has_is_left_out_and_given_once_it_is_back(
    app: Litestar,
    client: httpx.AsyncClient,
    owner: asyncpg.Connection,
    title: Title,
    lead: Person,
    second: Person,
    renters: list[str],
) -> None:
    order_id = await owner.fetchval("SELECT id FROM billing.orders ORDER BY id LIMIT 1")
    await dispute(owner, order_id)
    noted = (await client.post("/v1/staff/incidents", json=money(title), headers=lead.headers)).json()
    await agree(client, second, noted["id"])
    await work(app, noted["id"])
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds WHERE order_id = $1", order_id) == 0
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 1
    await owner.execute("UPDATE billing.disputes SET state = 'won'")
    await work(app, noted["id"])
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds WHERE order_id = $1", order_id) == 1
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 2


async def test_the_console_asks_a_second_lead_who_sees_how_much_it_is(
    client: httpx.AsyncClient,
    owner: asyncpg.Connection,
    title: Title,
    lead: Person,
    second: Person,
    renters: list[str],
) -> None:
    form = {"title": title.slug, "code": "keys_unreadable", "begins": "2026-12-01T08:00", "ends": "2026-12-01T10:30"}
    form["means"] = "money"
    shown = await client.get(PAGE, params=form, headers=lead.headers)
    assert "0,50" in shown.text
    assert "Allen das Geld erstatten lassen" in shown.text
    noted = await client.post(PAGE, data={**form, "reason": REASON}, headers=lead.headers)
    assert noted.headers["location"].endswith("done=incident_waits")
    incident_id = await owner.fetchval("SELECT id FROM store.incidents")
    path = f"{PAGE}/{incident_id}/approvals"
    assert path not in (await client.get(PAGE, headers=lead.headers)).text
    asked = await client.get(PAGE, headers=second.headers)
    assert path in asked.text
    assert "2 Leihen, höchstens 0,50" in asked.text.replace("\xa0", " ")
    assert REASON in asked.text
    for _ in range(2):
        agreed = await client.post(path, headers=second.headers)
        assert agreed.headers["location"].endswith("done=incident_noted")
    assert await owner.fetchval("SELECT approved_by FROM store.incidents") == second.account.id
    assert (await client.get(PAGE, params={**form, "means": "gold"}, headers=lead.headers)).status_code == 400


async def test_support_and_finance_may_not_agree(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, title: Title, lead: Person
) -> None:
    await watchers(database, owner, title, 1)
    noted = (await client.post("/v1/staff/incidents", json=money(title), headers=lead.headers)).json()
    for role in ("support", "finance", "editor", "admin"):
        person = await a_person(database, roles=(role,))
        assert (await agree(client, person, noted["id"])).status_code == 403
    assert (await agree(client, lead, str(lead.account.id))).status_code == 404
