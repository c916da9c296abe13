"""A movement at the provider that is none of ours: finance books it as unresolved, once, with a reason."""

import re

import asyncpg
import httpx
import pytest

from store.database import Database
from store.invariants import INVARIANTS
from tests.billing.test_reconciliation import LATER, sold
from tests.billing.test_sale_refunds import sums
from tests.billing.tills import Till
from tests.store.consoles.people import Person, a_person
from tests.store.web.page_reading import faults_of

REASON = "Aufladung durch das Festival, Beleg 4711."


@pytest.fixture
async def accountant(database: Database) -> Person:
    return await a_person(database, roles=("finance",))


@pytest.fixture
async def till(database: Database) -> Till:
    """A sale of ours, a payment of another program, a top-up, and one that its sale does not explain yet."""
    till = Till(database)
    await sold(till, price=1199, fee=43)
    till.gateway.moves("charge", "ch_foreign", 700, fee=5)
    till.gateway.moves("topup", "tu_1", 5000)
    order = await till.open_order()
    till.gateway.pay((await till.payable(order)).id)
    [unsettled] = [one for one in till.gateway.intents.values() if one.order_id == order.id]
    till.gateway.works_out(unsettled.id)
    await till.reconciliation.run(at=LATER)
    return till


def movement_of(till: Till, kind: str, amount: int) -> str:
    return next(one.id for one, _ in till.gateway.movements if (one.kind, one.amount.minor) == (kind, amount))


def path_of(movement_id: str) -> str:
    return f"/v1/finance/provider-transactions/{movement_id}/acknowledgements"


async def clearing_differs(owner: asyncpg.Connection) -> int:
    await owner.execute("UPDATE billing.provider_transactions SET created_at = now() - interval '40 days'")
    query = next(one.query for one in INVARIANTS if one.name == "clearing_differs_from_provider")
    found: int = await owner.fetchval(query)
    return found


async def test_what_is_acknowledged_is_unresolved_in_the_books_and_matched_for_good(
    client: httpx.AsyncClient, till: Till, accountant: Person, owner: asyncpg.Connection
) -> None:
    foreign, top_up = movement_of(till, "charge", 700), movement_of(till, "topup", 5000)
    before = await sums(owner)
    for movement_id in (foreign, top_up):
        keyed = {**accountant.headers, "Idempotency-Key": movement_id}
        answers = [await client.post(path_of(movement_id), headers=keyed, json={"reason": REASON}) for _ in range(2)]
        assert {answer.status_code for answer in answers} == {201}

    after = await sums(owner)
    assert after["receivable:unresolved"] == -5700
    assert after["clearing:stripe"] - before["clearing:stripe"] == 5700 - 5
    assert after["fees:stripe"] - before["fees:stripe"] == 5
    again = await client.post(path_of(foreign), headers=accountant.headers, json={"reason": REASON})
    assert (again.status_code, again.json()["code"]) == (409, "movement_not_unexplained")
    await till.reconciliation.run(at=LATER)
    assert await sums(owner) == after
    entries = await owner.fetch("SELECT * FROM auth.audit_events WHERE action = 'movement.acknowledged'")
    assert [(entry["actor_id"], entry["reason"]) for entry in entries] == [(accountant.account.id, REASON)] * 2


async def test_what_is_matched_or_ours_cannot_be_acknowledged(
    client: httpx.AsyncClient, till: Till, accountant: Person, owner: asyncpg.Connection
) -> None:
    before = await sums(owner)
    for movement_id in (movement_of(till, "charge", 1199), movement_of(till, "charge", 399)):
        refused = await client.post(path_of(movement_id), headers=accountant.headers, json={"reason": REASON})
        assert (refused.status_code, refused.json()["code"]) == (409, "movement_not_unexplained")
    nothing = await client.post(path_of("txn_none"), headers=accountant.headers, json={"reason": REASON})
    assert nothing.status_code == 404
    assert await sums(owner) == before


async def test_the_clearing_account_is_again_what_the_provider_owes(
    client: httpx.AsyncClient, database: Database, accountant: Person, owner: asyncpg.Connection
) -> None:
    till = Till(database)
    await sold(till, price=1199, fee=43)
    foreign = till.gateway.moves("charge", "ch_foreign", 700, fee=5).id
    await till.reconciliation.run(at=LATER)
    assert await clearing_differs(owner) == 1
    await client.post(path_of(foreign), headers=accountant.headers, json={"reason": REASON})
    assert await clearing_differs(owner) == 0


async def test_the_page_asks_for_a_reason_and_books(
    client: httpx.AsyncClient, till: Till, accountant: Person, owner: asyncpg.Connection
) -> None:
    for locale in ("de", "en"):
        page = (await client.get(f"/{locale}/finance/reconciliation", headers=accountant.headers)).text
        assert faults_of(page, locale=locale) == []
        forms = re.findall(rf'action="/{locale}/finance/reconciliation/(\w+)/acknowledgements"', page)
        assert forms == [movement_of(till, "charge", 700), movement_of(till, "topup", 5000)]
    path = f"/de/finance/reconciliation/{forms[0]}/acknowledgements"
    short = await client.post(path, headers=accountant.headers, data={"reason": "kurz"})
    assert short.headers["location"] == f"/de/finance/reconciliation?short={forms[0]}"
    assert "receivable:unresolved" not in await sums(owner)
    done = await client.post(path, headers=accountant.headers, data={"reason": REASON})
    assert done.headers["location"] == "/de/finance/reconciliation?done=movement_acknowledged"
    assert (await sums(owner))["receivable:unresolved"] == -700


@pytest.mark.parametrize("role", ["support", "support_lead", "editor", "admin", "customer"])
async def test_only_finance_acknowledges(role: str, client: httpx.AsyncClient, till: Till, database: Database) -> None:
    person = await a_person(database, roles=() if role == "customer" else (role,))
    movement_id = movement_of(till, "topup", 5000)
    for path, body in (
        (path_of(movement_id), {"json": {"reason": REASON}}),
        (f"/de/finance/reconciliation/{movement_id}/acknowledgements", {"data": {"reason": REASON}}),
    ):
        assert (await client.post(path, headers=person.headers, **body)).status_code == 403
