"""An acknowledged movement turns out to be something: finance books it there, large ones by two people, each once."""

import asyncio
import re

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.billing.test_reconciliation import LATER
from tests.billing.test_sale_refunds import sums
from tests.billing.tills import Till, books_balance, count
from tests.store.consoles.people import Person, a_person
from tests.store.web.page_reading import faults_of

REASON = "Aufladung durch das Festival, Beleg 4711."
LIST = "/v1/finance/unresolved-movements"


@pytest.fixture
async def accountant(database: Database) -> Person:
    return await a_person(database, roles=("finance",))


@pytest.fixture
async def second(database: Database) -> Person:
    return await a_person(database, roles=("finance",))


@pytest.fixture
def till(database: Database) -> Till:
    return Till(database)


async def acknowledged(client: httpx.AsyncClient, till: Till, person: Person, amount: int, *, fee: int = 0) -> str:
    """A movement that is none of ours and was acknowledged; gives its key."""
    movement = till.gateway.moves("topup", f"tu_{amount}", amount, fee=fee)
    await till.reconciliation.run(at=LATER)
    answer = await client.post(
        f"/v1/finance/provider-transactions/{movement.id}/acknowledgements",
        headers=person.headers,
        json={"reason": REASON},
    )
    assert answer.status_code == 201, answer.text
    return movement.id


async def resolve(
    client: httpx.AsyncClient, person: Person, movement_id: str, finding: str = "own_account", *, key: str = ""
) -> httpx.Response:
    headers = {**person.headers, **({"Idempotency-Key": key} if key else {})}
    path = f"/v1/finance/provider-transactions/{movement_id}/resolutions"
    return await client.post(path, headers=headers, json={"finding": finding, "reason": REASON})


async def decide(client: httpx.AsyncClient, person: Person, resolution_id: str, what: str) -> httpx.Response:
    return await client.post(f"/v1/finance/resolutions/{resolution_id}/{what}", headers=person.headers)


async def unresolved(client: httpx.AsyncClient, person: Person) -> list[str]:
    answer = await client.get(LIST, headers=person.headers)
    return [movement["movement_id"] for movement in answer.json()["movements"]]


@pytest.mark.parametrize(
    ("finding", "amount", "account"),
    [
        ("own_account", 1500, "bank:payouts"),
        ("provider_fee", -300, "fees:stripe"),
        ("other_business", 700, "receivable:others"),
        ("written_off", -20, "loss:unresolved"),
    ],
)
async def test_a_finding_books_the_movement_to_its_account_and_nothing_is_unresolved(
    client: httpx.AsyncClient,
    till: Till,
    accountant: Person,
    owner: asyncpg.Connection,
    finding: str,
    amount: int,
    account: str,
) -> None:
    movement_id = await acknowledged(client, till, accountant, amount)
    before = await sums(owner)
    assert before["receivable:unresolved"] == -amount
    assert await unresolved(client, accountant) == [movement_id]

    answer = await resolve(client, accountant, movement_id, finding)

    assert (answer.status_code, answer.json()["state"]) == (201, "booked"), answer.text
    after = await sums(owner)
    assert "receivable:unresolved" not in after
    assert after[account] - before.get(account, 0) == -amount
    assert after["clearing:stripe"] == before["clearing:stripe"], "what the provider owes us is as it was"
    assert await books_balance(owner)
    assert await unresolved(client, accountant) == []
    entry = await owner.fetchrow("SELECT * FROM auth.audit_events WHERE action = 'movement.resolved'")
    assert (entry["actor_id"], entry["target_id"], entry["reason"]) == (accountant.account.id, movement_id, REASON)
    ledger = await client.get("/v1/finance/transactions?from=2026-11-01&to=2027-11-01", headers=accountant.headers)
    [booked] = [row for row in ledger.json()["transactions"] if row["kind"] == "resolved"]
    assert booked["journal_id"] == answer.json()["journal_id"]


async def test_it_is_booked_once_by_key_by_a_second_try_and_by_ten_at_once(
    client: httpx.AsyncClient, till: Till, accountant: Person, owner: asyncpg.Connection
) -> None:
    movement_id = await acknowledged(client, till, accountant, 1500)
    first = [await resolve(client, accountant, movement_id, key="a-key") for _ in range(2)]
    assert [answer.status_code for answer in first] == [201, 201]
    assert first[0].json() == first[1].json()
    other = await resolve(client, accountant, movement_id, "written_off", key="a-key")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")

    another = await acknowledged(client, till, accountant, 900)
    answers = await asyncio.gather(*(resolve(client, accountant, another) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"movement_not_unresolved"}
    assert await count(owner, "billing.journals", kind="resolved") == 2


async def test_above_the_limit_a_second_person_books(
    client: httpx.AsyncClient, till: Till, accountant: Person, second: Person, owner: asyncpg.Connection
) -> None:
    movement_id = await acknowledged(client, till, accountant, 2001)
    before = await sums(owner)
    proposal = (await resolve(client, accountant, movement_id)).json()
    assert (proposal["state"], proposal["journal_id"]) == ("awaiting_approval", None)
    own = await decide(client, accountant, proposal["id"], "approvals")
    assert (own.status_code, own.json()["code"]) == (403, "second_person_needed")
    twice = await resolve(client, second, movement_id)
    assert (twice.status_code, twice.json()["code"]) == (409, "movement_not_unresolved")
    assert await sums(owner) == before

    answers = await asyncio.gather(*(decide(client, second, proposal["id"], "approvals") for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert (await sums(owner))["bank:payouts"] == -2001
    assert (
        await owner.fetchval("SELECT actor_id FROM auth.audit_events WHERE action = 'resolution.approved'")
        == second.account.id
    )


async def test_what_a_second_person_rejects_can_be_said_otherwise(
    client: httpx.AsyncClient, till: Till, accountant: Person, second: Person, owner: asyncpg.Connection
) -> None:
    movement_id = await acknowledged(client, till, accountant, -9900)
    proposal = (await resolve(client, accountant, movement_id, "written_off")).json()
    assert (await decide(client, second, proposal["id"], "rejections")).json()["state"] == "rejected"
    assert await count(owner, "billing.journals", kind="resolved") == 0
    gone = await decide(client, second, proposal["id"], "approvals")
    assert (gone.status_code, gone.json()["code"]) == (409, "resolution_not_awaiting_approval")

    again = (await resolve(client, accountant, movement_id, "provider_fee")).json()
    assert (await decide(client, second, again["id"], "approvals")).status_code == 201
    assert (await sums(owner))["fees:stripe"] == 9900


async def test_a_currency_without_limits_always_needs_a_second_person(
    client: httpx.AsyncClient, till: Till, accountant: Person
) -> None:
    movement = till.gateway.moves("topup", "tu_chf", 5, currency="CHF")
    await till.reconciliation.run(at=LATER)
    path = f"/v1/finance/provider-transactions/{movement.id}/acknowledgements"
    await client.post(path, headers=accountant.headers, json={"reason": REASON})
    assert (await resolve(client, accountant, movement.id)).json()["state"] == "awaiting_approval"


async def test_only_what_is_acknowledged_can_be_resolved(
    client: httpx.AsyncClient, till: Till, accountant: Person, owner: asyncpg.Connection
) -> None:
    movement = till.gateway.moves("topup", "tu_1", 500)
    await till.reconciliation.run(at=LATER)
    refused = await resolve(client, accountant, movement.id)
    assert (refused.status_code, refused.json()["code"]) == (409, "movement_not_unresolved")
    assert (await resolve(client, accountant, "txn_none")).status_code == 404
    for body in ({"finding": "gift", "reason": REASON}, {"finding": "written_off"}, {"reason": REASON}):
        path = f"/v1/finance/provider-transactions/{movement.id}/resolutions"
        assert (await client.post(path, headers=accountant.headers, json=body)).status_code in (400, 422)
    assert await count(owner, "billing.resolutions") == 0


async def test_what_is_booked_stays(
    client: httpx.AsyncClient, till: Till, accountant: Person, database: Database, owner: asyncpg.Connection
) -> None:
    await resolve(client, accountant, await acknowledged(client, till, accountant, 1500))
    for statement in (
        "UPDATE billing.resolutions SET finding = 'written_off'",
        "DELETE FROM billing.resolutions",
        "TRUNCATE billing.resolutions",
    ):
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await database.reads.execute(statement)
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    assert await owner.fetchval("SELECT finding FROM billing.resolutions") == "own_account"


async def test_the_page_resolves_and_decides_in_both_languages(
    client: httpx.AsyncClient, till: Till, accountant: Person, second: Person, owner: asyncpg.Connection
) -> None:
    small, large = [await acknowledged(client, till, accountant, amount) for amount in (1500, 7000)]
    for locale in ("de", "en"):
        page = (await client.get(f"/{locale}/finance/unresolved", headers=accountant.headers)).text
        assert faults_of(page, locale=locale) == []
        assert re.findall(rf'action="/{locale}/finance/unresolved/(\w+)/resolutions"', page) == [small, large]

    async def send(path: str, person: Person = accountant, **data: str) -> str:
        answer = await client.post(f"/de/finance/{path}", headers=person.headers, data=data)
        return str(answer.headers["location"])

    path = f"unresolved/{small}/resolutions"
    for incomplete in ({"finding": "", "reason": REASON}, {"finding": "written_off", "reason": "kurz"}):
        assert await send(path, **incomplete) == f"/de/finance/unresolved?short={small}"
    done = await send(path, finding="own_account", reason=REASON)
    assert done == "/de/finance/unresolved?done=movement_resolved"
    assert await send(path, finding="own_account", reason=REASON) == (
        "/de/finance/unresolved?refused=movement_not_unresolved"
    )
    waiting = await send(f"unresolved/{large}/resolutions", finding="other_business", reason=REASON)
    assert waiting == "/de/finance/unresolved?done=movement_proposed"

    resolution_id = await owner.fetchval("SELECT id FROM billing.resolutions WHERE state = 'awaiting_approval'")
    own = (await client.get("/de/finance/unresolved", headers=accountant.headers)).text
    assert f"/de/finance/resolutions/{resolution_id}" not in own
    theirs = (await client.get("/de/finance/unresolved", headers=second.headers)).text
    assert faults_of(theirs, locale="de") == []
    assert REASON in theirs
    assert f'action="/de/finance/resolutions/{resolution_id}/approvals"' in theirs
    refused = await send(f"resolutions/{resolution_id}/approvals")
    assert refused == "/de/finance/unresolved?refused=second_person_needed"
    done = await send(f"resolutions/{resolution_id}/approvals", second)
    assert done == "/de/finance/unresolved?done=movement_resolved"
    assert "receivable:unresolved" not in await sums(owner)


@pytest.mark.parametrize("role", ["support", "support_lead", "editor", "admin", "customer"])
async def test_only_finance_resolves(
    role: str, client: httpx.AsyncClient, till: Till, accountant: Person, database: Database
) -> None:
    person = await a_person(database, roles=() if role == "customer" else (role,))
    movement_id = await acknowledged(client, till, accountant, 7000)
    resolution_id = (await resolve(client, accountant, movement_id)).json()["id"]
    assert (await resolve(client, person, movement_id)).status_code == 403
    for what in ("approvals", "rejections"):
        assert (await decide(client, person, resolution_id, what)).status_code == 403
        page = await client.post(f"/de/finance/resolutions/{resolution_id}/{what}", headers=person.headers)
        assert page.status_code == 403
    assert (await client.get(LIST, headers=person.headers)).status_code == 403
