"""What is parked, withdrawals that need a person, and the invariants: the same for programs as on the pages."""

from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from store.database import Database
from store.invariants import INVARIANTS, check_if_never_checked
from tests.fakes import FakeGateway
from tests.store.consoles.people import Person, a_person
from tests.store.consoles.test_parked_work import park
from tests.store.purchase.shops import Buyer, intent_of, make_offer, sign_in

NOTE = "Am Telefon geklärt, Vorgang 4711."


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def lead(database: Database) -> Person:
    return await a_person(database, roles=("support_lead",))


async def actions(owner: asyncpg.Connection) -> list[str]:
    rows = await owner.fetch("SELECT action FROM auth.audit_events ORDER BY action")
    return [row["action"] for row in rows]


async def a_parked_job(owner: asyncpg.Connection) -> int:
    job: int = await owner.fetchval(
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, attempts, payload) "
        "VALUES (0, 'failed', 'deliver_mail', 20, 'a secret') RETURNING id"
    )
    return job


async def test_a_program_reads_what_is_parked_without_its_contents(
    client: httpx.AsyncClient, owner: asyncpg.Connection, lead: Person
) -> None:
    job = await a_parked_job(owner)
    await park(owner, "pi_foreign")

    answer = await client.get("/v1/staff/parked-work", headers=lead.headers)

    assert ([one["id"] for one in answer.json()["jobs"]], answer.json()["refunds"]) == ([job], [])
    assert [one["event_id"] for one in answer.json()["events"]] == ["evt_early"]
    assert "secret" not in answer.text
    assert await actions(owner) == ["parked_work.viewed"]


async def test_a_program_replays_an_event_that_pays_the_order_once(
    client: httpx.AsyncClient, database: Database, gateway: FakeGateway, owner: asyncpg.Connection, lead: Person
) -> None:
    buyer = Buyer(client, await sign_in(database))
    order = await buyer.order(await make_offer(database))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    await park(owner, intent)
    path, keyed = "/v1/staff/parked-events/evt_early/replays", {**lead.headers, "Idempotency-Key": "key-1"}

    answers = [await client.post(path, headers=keyed) for _ in range(2)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(201, {"outcome": "paid"})] * 2
    assert await owner.fetchval("SELECT state FROM billing.orders") == "paid"
    assert (await client.post(path, headers=lead.headers)).json()["code"] == "not_parked"
    assert (await actions(owner)).count("parked_event.replayed") == 1


async def test_a_program_puts_a_parked_job_back_once(
    client: httpx.AsyncClient, owner: asyncpg.Connection, lead: Person
) -> None:
    path = f"/v1/staff/parked-jobs/{await a_parked_job(owner)}/replays"
    assert (await client.post(path, headers=lead.headers)).json() == {"outcome": "queued"}
    assert (await client.post(path, headers=lead.headers)).status_code == 409
    assert await actions(owner) == ["parked_job.replayed"]


async def test_a_program_reads_and_closes_a_withdrawal_that_needs_a_person(
    client: httpx.AsyncClient, owner: asyncpg.Connection, lead: Person
) -> None:
    declared = new_id()
    await owner.execute(
        "INSERT INTO billing.withdrawal_declarations "
        "(id, name, contract, email, email_key, locale, state, reason, declared_at) VALUES "
        "($1, 'Anna', 'Her', 'anna@example.org', 'anna@example.org', 'de', 'open', 'contract_unknown', $2)",
        declared,
        datetime.now(UTC),
    )
    [one] = (await client.get("/v1/staff/withdrawals", headers=lead.headers)).json()["withdrawals"]
    assert (one["id"], one["reason"], one["contract"]) == (str(declared), "contract_unknown", "Her")

    path = f"/v1/staff/withdrawals/{declared}/closures"
    assert (await client.post(path, headers=lead.headers, json={"note": "kurz"})).status_code == 400
    assert (await client.post(path, headers=lead.headers, json={"note": NOTE})).status_code == 201
    assert (await client.post(path, headers=lead.headers, json={"note": NOTE})).json()["code"] == "withdrawal_not_open"
    nothing = f"/v1/staff/withdrawals/{new_id()}/closures"
    assert (await client.post(nothing, headers=lead.headers, json={"note": NOTE})).status_code == 404
    assert await owner.fetchval("SELECT note FROM billing.withdrawal_declarations") == NOTE
    assert await actions(owner) == ["withdrawal.closed", "withdrawals.viewed"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/staff/parked-events/evt_none/replays", {"support_lead", "admin"}),
        ("/v1/staff/parked-jobs/1/replays", {"support_lead", "admin"}),
        ("/v1/staff/withdrawals/{id}/closures", {"support", "support_lead"}),
        ("/v1/finance/invariant-checks", {"finance"}),
    ],
)
async def test_only_their_roles_act(
    path: str, allowed: set[str], client: httpx.AsyncClient, database: Database
) -> None:
    body = {"note": NOTE} if path.endswith("closures") else None
    address = path.format(id=new_id())
    for role in ("customer", "support", "support_lead", "finance", "editor", "admin"):
        person = await a_person(database, roles=() if role == "customer" else (role,))
        status = (await client.post(address, headers=person.headers, json=body)).status_code
        assert (status != 403) is (role in allowed), role
    assert (await client.post(address, headers={"Sec-Fetch-Site": "same-origin"}, json=body)).status_code == 401


async def test_a_program_has_the_invariants_counted_and_kept(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    accountant = await a_person(database, roles=("finance",))
    answer = await client.post("/v1/finance/invariant-checks", headers=accountant.headers)
    assert (answer.status_code, len(answer.json()["findings"])) == (201, len(INVARIANTS))
    assert await owner.fetchval("SELECT count(*) FROM store.invariant_findings") == len(INVARIANTS)
    assert await actions(owner) == ["invariants.checked"]


async def test_a_store_that_was_never_checked_is_checked_on_the_first_start_only(
    database: Database, owner: asyncpg.Connection
) -> None:
    await check_if_never_checked(database)
    first = await owner.fetchval("SELECT max(checked_at) FROM store.invariant_findings")
    assert first is not None
    await check_if_never_checked(database)
    assert await owner.fetchval("SELECT max(checked_at) FROM store.invariant_findings") == first
