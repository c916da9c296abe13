"""Support gives money back with a reason and within limits; a second person decides above them."""

import re
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from billing.models import RefundState
from store.database import Database
from tests.fakes import FakeGateway
from tests.store.consoles.people import Person, a_person
from tests.store.purchase.shops import Buyer, sign_in
from tests.store.purchase.test_giving_back import NOTE, a_paid_order
from tests.store.web.page_reading import faults_of

WHOLE = {"part": "whole", "reason": "technical_fault", "note": NOTE}
PART = {"part": "part", "reason": "goodwill", "note": NOTE}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def buyer(client: httpx.AsyncClient, database: Database) -> Buyer:
    return Buyer(client, await sign_in(database))


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",), email="agentin@example.org")


@pytest.fixture
async def lead(database: Database) -> Person:
    return await a_person(database, roles=("support_lead",), email="leitung@example.org")


def refund_path(order_id: str) -> str:
    return f"/de/support/orders/{order_id}/refund"


async def ask(client: httpx.AsyncClient, agent: Person, order_id: str, **form: str) -> httpx.Response:
    return await client.post(refund_path(order_id), data={"once": str(new_id()), **form}, headers=agent.headers)


async def states(owner: asyncpg.Connection) -> list[tuple[str, int]]:
    """State and amount of every refund in the order of time."""
    rows = await owner.fetch("SELECT state, amount FROM billing.refunds ORDER BY created_at, id")
    return [(row["state"], row["amount"]) for row in rows]


async def test_the_form_says_what_is_left_of_the_order_and_of_the_agents_day(
    client: httpx.AsyncClient, database: Database, gateway: FakeGateway, buyer: Buyer, agent: Person
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    await ask(client, agent, order_id, **PART, amount="1,50")
    for locale in ("de", "en"):
        page = await client.get(refund_path(order_id).replace("/de/", f"/{locale}/"), headers=agent.headers)
        assert faults_of(page.text, locale=locale) == []
    for words in ("2,49\N{NO-BREAK SPACE}€", "298,50\N{NO-BREAK SPACE}€", "300,00\N{NO-BREAK SPACE}€ in 24 Stunden"):
        assert words in (await client.get(refund_path(order_id), headers=agent.headers)).text


async def test_a_part_goes_back_at_once_and_the_customers_file_shows_why(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    buyer: Buyer,
    agent: Person,
    owner: asyncpg.Connection,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    done = await ask(client, agent, order_id, **PART, amount="1,50")
    assert done.status_code == 303
    assert done.headers["location"].endswith("?done=refund_requested")
    assert await states(owner) == [("requested", 150)]
    file = (await client.get(done.headers["location"], headers=agent.headers)).text
    assert faults_of(file, locale="de") == []
    for words in ("Die Rückzahlung ist veranlasst.", NOTE, "Kulanz", "-1,50\N{NO-BREAK SPACE}€"):
        assert words in file
    trail = await owner.fetchrow("SELECT * FROM auth.audit_events WHERE action = 'refund.requested'")
    assert trail is not None
    assert (trail["actor_id"], trail["reason"]) == (agent.account.id, NOTE)


async def test_a_form_that_is_sent_twice_gives_back_once(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    buyer: Buyer,
    agent: Person,
    owner: asyncpg.Connection,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    page = (await client.get(refund_path(order_id), headers=agent.headers)).text
    once = re.search(r'name="once" value="([^"]+)"', page)
    assert once is not None
    for _ in range(2):
        assert (await ask(client, agent, order_id, **PART, amount="1,50", once=once[1])).status_code == 303
    assert await states(owner) == [("requested", 150)]


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        ({**PART, "amount": "viel"}, "amount", "Das ist kein Betrag."),
        ({**PART, "amount": ""}, "amount", "Das ist kein Betrag."),
        ({**PART, "amount": "-3"}, "amount", "Das ist kein Betrag."),
        ({**PART, "amount": "1,999"}, "amount", "Das ist kein Betrag."),
        ({**PART, "amount": "0"}, "amount", "So viel ist von dieser Zahlung nicht mehr übrig."),
        ({**PART, "amount": "4,00"}, "amount", "So viel ist von dieser Zahlung nicht mehr übrig."),
        ({**PART, "amount": "1", "reason": ""}, "reason", "Bitte füllen Sie dieses Feld aus."),
        ({**PART, "amount": "1", "reason": "withdrawal"}, "reason", "Bitte füllen Sie dieses Feld aus."),
        ({**WHOLE, "note": "kurz"}, "note", "mindestens zehn Zeichen"),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    buyer: Buyer,
    agent: Person,
    owner: asyncpg.Connection,
    form: dict[str, str],
    field: str,
    words: str,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    page = await ask(client, agent, order_id, **form)
    assert 400 <= page.status_code < 500
    assert faults_of(page.text, locale="de") == []
    assert words in page.text
    assert re.search(rf'name="{field}"[^>]* aria-invalid="true"', page.text)
    assert f'value="{form["note"]}"' in page.text
    assert await states(owner) == []
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action LIKE 'refund.%'") == 0


async def test_beyond_the_agents_day_nothing_is_asked_for(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    buyer: Buyer,
    agent: Person,
    owner: asyncpg.Connection,
) -> None:
    for _ in range(2):
        large = await a_paid_order(buyer, database, gateway, kind="buy", gross=20_000)
        page = await ask(client, agent, large, **WHOLE)
    assert page.status_code == 429
    assert "Ihr Tagesrahmen für Rückzahlungen ist ausgeschöpft." in page.text
    assert await states(owner) == [("awaiting_approval", 20_000)]


async def test_above_the_limit_a_second_person_decides_and_never_the_one_who_asked(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    buyer: Buyer,
    lead: Person,
    owner: asyncpg.Connection,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway, kind="buy", gross=2499)
    done = await ask(client, lead, order_id, **WHOLE)
    assert done.headers["location"].endswith("?done=refund_awaiting")
    refund = await owner.fetchval("SELECT id FROM billing.refunds")
    own = await client.get("/de/staff/refunds", headers=lead.headers)
    assert "Darüber entscheidet jemand anders." in own.text
    assert f"{refund}/approvals" not in own.text
    tried = await client.post(f"/de/staff/refunds/{refund}/approvals", headers=lead.headers)
    told = await client.get(tried.headers["location"], headers=lead.headers)
    assert "Über eine eigene Anfrage entscheidet eine zweite Person." in told.text
    assert await states(owner) == [("awaiting_approval", 2499)]

    finance = await a_person(database, roles=("finance",))
    queue = await client.get("/de/staff/refunds", headers=finance.headers)
    assert faults_of(queue.text, locale="de") == []
    for words in (NOTE, "leitung@example.org", "24,99\N{NO-BREAK SPACE}€", "alles, das Recht endet"):
        assert words in queue.text
    assert "/support/customers/" not in queue.text, "finance opens no customer"
    approved = await client.post(f"/de/staff/refunds/{refund}/approvals", headers=finance.headers)
    assert approved.headers["location"] == "/de/staff/refunds?done=refund_approved"
    assert await states(owner) == [("requested", 2499)]
    assert await owner.fetchval("SELECT state FROM billing.orders WHERE id = $1", UUID(order_id)) == "refunded"
    again = await client.post(f"/de/staff/refunds/{refund}/rejections", headers=finance.headers)
    assert again.headers["location"] == "/de/staff/refunds?refused=refund_not_awaiting_approval"
    trail = await owner.fetch("SELECT action FROM auth.audit_events WHERE action LIKE 'refund.%' ORDER BY id")
    assert [row["action"] for row in trail] == ["refund.requested", "refund.approved"]


async def test_a_rejected_refund_gives_nothing_back(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    buyer: Buyer,
    agent: Person,
    lead: Person,
    owner: asyncpg.Connection,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway, kind="buy", gross=2499)
    await ask(client, agent, order_id, **WHOLE)
    refund = await owner.fetchval("SELECT id FROM billing.refunds")
    await client.post(f"/de/staff/refunds/{refund}/rejections", headers=lead.headers)
    assert await states(owner) == [("rejected", 2499)]
    assert await owner.fetchval("SELECT state FROM billing.orders WHERE id = $1", UUID(order_id)) == "paid"


async def test_a_failed_refund_is_sent_again_once(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    buyer: Buyer,
    agent: Person,
    lead: Person,
    owner: asyncpg.Connection,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    await ask(client, agent, order_id, **WHOLE)
    refund = await owner.fetchval("UPDATE billing.refunds SET state = $1 RETURNING id", RefundState.FAILED.value)
    page = await client.get("/de/staff/refunds", headers=lead.headers)
    assert faults_of(page.text, locale="de") == []
    assert f'action="/de/staff/refunds/{refund}/retries"' in page.text
    for _ in range(2):
        answer = await client.post(f"/de/staff/refunds/{refund}/retries", headers=lead.headers)
    assert answer.headers["location"] == "/de/staff/refunds?refused=refund_not_failed"
    assert await states(owner) == [("failed", 399), ("requested", 399)]
    assert f"{refund}/retries" not in (await client.get("/de/staff/refunds", headers=lead.headers)).text


@pytest.mark.parametrize(
    ("path", "callers"),
    [
        ("/de/support/orders/{id}/refund", {"support", "support_lead"}),
        ("/de/staff/refunds/{id}/approvals", {"support_lead", "finance"}),
        ("/de/staff/refunds/{id}/rejections", {"support_lead", "finance"}),
        ("/de/staff/refunds/{id}/retries", {"support_lead", "finance"}),
        ("/de/staff/withdrawals/{id}/closures", {"support", "support_lead"}),
        ("/de/staff/parked/events/{id}/replays", {"support_lead", "admin"}),
        ("/de/staff/parked/jobs/1/replays", {"support_lead", "admin"}),
        ("/de/finance/invariants/checks", {"finance"}),
    ],
)
async def test_only_who_may_acts_and_only_from_our_own_pages(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, path: str, callers: set[str]
) -> None:
    address, form = path.format(id=new_id()), {**WHOLE, "reason": NOTE}
    roles = ("support", "support_lead", "finance", "editor", "admin")
    for role in (None, *roles):
        person = await a_person(database, roles=(role,) if role else ())
        answer = await client.post(address, data=form, headers=person.headers)
        assert (answer.status_code != 403) == (role in callers), role
        foreign = {"Cookie": person.cookie, "Sec-Fetch-Site": "cross-site", "X-CSRF-Token": person.csrf_token}
        assert (await client.post(address, data=form, headers=foreign)).status_code == 403
    nobody = await client.post(address, data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert nobody.status_code == 401
    refused = await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE reason = 'not_permitted'")
    assert refused == 2 * (1 + len(roles) - len(callers)), "each refused try is on record"
