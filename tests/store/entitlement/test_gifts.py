"""Support gives a customer a film: an order without a price that is delivered, told, limited and never paid."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.invariants import count_invariants
from store.settings import Settings
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.entitlement.parts import Customer, TestDevice, make_customer
from tests.store.purchase.shops import make_offer


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


@pytest.fixture
async def offer(database: Database, title: Title) -> UUID:
    """The title is on sale: rental in HD, with what its licensor is owed."""
    return await make_offer(database, title_id=title.id, cost=180, minimum_price=150, may_download=True)


def path_of(customer: Customer) -> str:
    return f"/v1/staff/customers/{customer.account_id}/gifts"


def wish(title: Title, *, kind: str = "rent", quality: str = "HD") -> dict[str, Any]:
    return {"title": title.slug, "kind": kind, "quality": quality, "reason": REASON}


async def given(client: httpx.AsyncClient, agent: Person, customer: Customer, title: Title) -> dict[str, Any]:
    answer = await client.post(path_of(customer), json=wish(title), headers=agent.headers)
    assert answer.status_code == 201, answer.text
    gift: dict[str, Any] = answer.json()
    return gift


@pytest.mark.usefixtures("offer")
async def test_a_gift_is_an_order_without_a_price_on_the_terms_of_the_offer(
    client: httpx.AsyncClient, owner: asyncpg.Connection, customer: Customer, agent: Person, title: Title
) -> None:
    gift = await given(client, agent, customer, title)
    assert gift["description"].endswith("in HD leihen")
    order = await owner.fetchrow("SELECT * FROM billing.orders WHERE id = $1", UUID(gift["order_id"]))
    assert (order["state"], order["gross"], order["quote_id"], order["channel"]) == ("paid", 0, None, "support")
    line = await owner.fetchrow("SELECT * FROM billing.order_lines")
    assert (line["gross"], line["net"], line["tax"], line["is_open"]) == (0, 0, 0, False)
    assert '"cost": 180' in line["licensor_terms"], "what the licensor is owed is kept as of a sale"
    assert '"licensor_id"' in line["licensor_terms"]
    right = await owner.fetchrow("SELECT * FROM store.entitlements")
    assert (right["source"], right["kind"], right["quality"], right["may_download"]) == ("goodwill", "rent", "HD", True)
    assert (right["order_line_id"], right["watch_hours"]) == (line["id"], 48)
    assert right["start_by"] - right["granted_at"] == timedelta(days=30)
    kept = await owner.fetchrow("SELECT * FROM billing.gifts")
    assert (kept["agent_id"], kept["reason"]) == (agent.account.id, REASON)
    for table in ("payments", "journals", "documents"):
        assert await owner.fetchval(f"SELECT count(*) FROM billing.{table}") == 0


@pytest.mark.usefixtures("offer")
async def test_it_plays_at_once_and_nothing_that_must_hold_is_broken(
    client: httpx.AsyncClient, database: Database, customer: Customer, agent: Person, title: Title, device: TestDevice
) -> None:
    await given(client, agent, customer, title)
    showing = await device.open(client, customer, title)
    assert showing.status_code == 201, "a gift needs no confirmation of a contract"
    assert (await device.licence(client, showing.json()["token"])).status_code == 200
    assert {finding.invariant.name: finding.count for finding in await count_invariants(database)} == dict.fromkeys(
        (finding.invariant.name for finding in await count_invariants(database)), 0
    )


@pytest.mark.usefixtures("offer")
async def test_an_order_without_a_price_that_nobody_gave_is_found(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    agent: Person,
    title: Title,
) -> None:
    await given(client, agent, customer, title)
    await owner.execute("DELETE FROM billing.gifts")
    found = {finding.invariant.name: finding.count for finding in await count_invariants(database)}
    assert found["given_by_nobody"] == 1


async def test_neither_a_sale_without_a_price_nor_a_gift_with_one_can_be_written(
    owner: asyncpg.Connection, client: httpx.AsyncClient, customer: Customer, agent: Person, title: Title, offer: UUID
) -> None:
    await given(client, agent, customer, title)
    for change in ("gross = 119, net = 100, tax = 19", "gross = -1, net = -1"):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"UPDATE billing.orders SET {change}")


@pytest.mark.usefixtures("offer")
async def test_the_customer_sees_a_gift_and_can_neither_pay_nor_return_it(
    client: httpx.AsyncClient, customer: Customer, agent: Person, title: Title
) -> None:
    order_id = (await given(client, agent, customer, title))["order_id"]
    detail = (await client.get(f"/v1/orders/{order_id}", headers=customer.headers)).json()
    assert (detail["payment"], detail["invoice_number"]) == (None, None)
    assert (detail["order"]["money"]["state"], detail["order"]["price"]["amount"]) == ("given", 0)
    listed = (await client.get("/v1/orders", headers=customer.headers)).json()["orders"]
    assert [order["money"]["state"] for order in listed] == ["given"]
    page = (await client.get(f"/de/orders/{order_id}", headers=customer.headers)).text
    assert "Ein Geschenk unseres Kundendienstes" in page
    assert "/withdrawal" not in page.partition("<main")[2].partition("</main")[0]
    assert "Geschenkt" in (await client.get("/de/orders", headers=customer.headers)).text
    pay = await client.get(f"/de/orders/{order_id}/pay", headers=customer.headers)
    assert pay.headers["location"] == f"/de/orders/{order_id}"
    for action, body in (
        ("payments", None),
        ("payment-checks", None),
        ("cancellations", None),
        ("withdrawals", {"declared": True}),
    ):
        answer = await client.post(f"/v1/orders/{order_id}/{action}", json=body, headers=customer.headers)
        assert answer.status_code in (404, 409), (action, answer.text)
    refund = {"order_id": order_id, "reason": "goodwill", "note": REASON}
    assert (await client.post("/v1/refunds", json=refund, headers=agent.headers)).status_code == 409


@pytest.mark.usefixtures("offer")
async def test_the_customer_is_told_by_mail(
    app: Litestar, client: httpx.AsyncClient, customer: Customer, agent: Person, title: Title, settings: Settings
) -> None:
    with open_post_office(settings.smtp_url) as office:
        await given(client, agent, customer, title)
        await deliver_mails(app)
        [mail] = office.to(f"{customer.account_id.hex}@example.org")
    assert mail["Subject"] == "Ein Film für Sie"
    text = text_of(mail)
    for words in ("in HD leihen", "innerhalb von 30 Tagen", f"/de/watch/{title.slug}", "Es kostet nichts"):
        assert words in text


@pytest.mark.usefixtures("offer")
async def test_what_cannot_be_given_is_refused_and_leaves_an_entry(
    client: httpx.AsyncClient, owner: asyncpg.Connection, customer: Customer, agent: Person, title: Title
) -> None:
    asked = [
        ({**wish(title), "title": "gibt-es-nicht"}, 404, "title_not_found"),
        (wish(title, kind="buy"), 409, "offer_not_on_sale"),
        (wish(title, quality="UHD"), 409, "offer_not_on_sale"),
        ({**wish(title), "reason": "kurz"}, 400, "malformed_request"),
    ]
    for body, status, code in asked:
        answer = await client.post(path_of(customer), json=body, headers=agent.headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    await given(client, agent, customer, title)
    twice = await client.post(path_of(customer), json=wish(title), headers=agent.headers)
    assert (twice.status_code, twice.json()["code"]) == (409, "already_entitled")
    refused = "SELECT count(*) FROM auth.audit_events WHERE action = 'film.given' AND outcome = 'refused'"
    assert await owner.fetchval(refused) == 4
    assert await owner.fetchval("SELECT count(*) FROM billing.orders") == 1


async def test_so_much_is_given_to_a_customer_and_by_an_agent(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, customer: Customer, agent: Person
) -> None:
    offers = [await make_offer(database) for _ in range(11)]
    slug = "SELECT t.slug FROM store.offers o JOIN store.products p ON p.id = o.product_id"
    slug += " JOIN store.editions e ON e.id = p.edition_id JOIN store.titles t ON t.id = e.title_id WHERE o.id = $1"
    slugs = [await owner.fetchval(slug, offer) for offer in offers]

    async def give(to: Customer, slug: str) -> tuple[int, str]:
        body = {"title": slug, "kind": "rent", "quality": "HD", "reason": REASON}
        answer = await client.post(path_of(to), json=body, headers=agent.headers)
        return answer.status_code, answer.json().get("code", "")

    for slug_of in slugs[:3]:
        assert await give(customer, slug_of) == (201, "")
    assert await give(customer, slugs[3]) == (409, "gifts_used")
    await owner.execute("UPDATE billing.gifts SET given_at = given_at - interval '31 days'")
    assert await give(customer, slugs[3]) == (201, "")
    others = [await make_customer(database) for _ in range(10)]
    answers = [await give(other, slugs[4]) for other in others]
    assert answers == [(201, "")] * 9 + [(409, "gift_limit_reached")]


@pytest.mark.usefixtures("offer")
async def test_one_film_given_many_times_at_once_is_given_once(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
) -> None:
    agents = [await a_person(database, roles=("support",)) for _ in range(4)]
    giving = (
        client.post(path_of(customer), json=wish(title), headers=agent.headers) for agent in agents for _ in range(3)
    )
    statuses = [answer.status_code for answer in await asyncio.gather(*giving)]
    assert sorted(statuses) == [201] + [409] * 11
    assert await owner.fetchval("SELECT count(*) FROM store.entitlements") == 1


@pytest.mark.usefixtures("offer")
async def test_the_console_gives_a_film_once_however_often_the_form_is_sent(
    client: httpx.AsyncClient, owner: asyncpg.Connection, customer: Customer, agent: Person, title: Title
) -> None:
    page = f"/de/support/customers/{customer.account_id}"
    assert "Film schenken" in (await client.get(f"{page}/playback", headers=agent.headers)).text
    address = f"https://kino.example/de/films/{title.slug}?x=1"
    form = {"request": str(new_id()), "title": address, "kind": "rent", "quality": "HD", "reason": REASON}
    for changed, outcome in (
        ({"reason": "kurz"}, "refused=no_reason"),
        ({"title": "gibt-es-nicht"}, "refused=title_not_found"),
        ({}, "done=film_given"),
        ({}, "done=film_given"),
    ):
        answer = await client.post(f"{page}/gifts", data={**form, **changed}, headers=agent.headers)
        assert outcome in answer.headers["location"], changed
    assert await owner.fetchval("SELECT count(*) FROM billing.gifts") == 1
    refused = await client.get(f"{page}/playback?refused=title_not_found&of=gift", headers=agent.headers)
    assert "Diesen Film gibt es nicht" in refused.text
    file = (await client.get(page, headers=agent.headers)).text
    assert "geschenkt" in file
    assert "/refund" not in file, "nothing was paid that could go back"


@pytest.mark.parametrize("role", ["support_lead", "finance", "editor", "admin"])
@pytest.mark.usefixtures("offer")
async def test_only_support_may(
    client: httpx.AsyncClient, database: Database, customer: Customer, title: Title, role: str
) -> None:
    person = await a_person(database, roles=(role,))
    answer = await client.post(path_of(customer), json=wish(title), headers=person.headers)
    assert answer.status_code == (201 if role == "support_lead" else 403)


@pytest.mark.usefixtures("offer")
async def test_who_gave_what_stays_as_it_was_written(
    client: httpx.AsyncClient, database: Database, customer: Customer, agent: Person, title: Title
) -> None:
    await given(client, agent, customer, title)
    for statement in ("UPDATE billing.gifts SET agent_id = NULL", "DELETE FROM billing.gifts"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.reads.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.reads.execute("UPDATE store.gift_limits SET most = 100")
