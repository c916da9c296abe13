"""A table of callers and routes: who may enter which console, and that each refused try is on record."""

from typing import Any

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from store.database import Database
from tests.store.consoles.people import REASON, a_person

ROLES: dict[str, tuple[str, ...]] = {
    "customer": (),
    "support": ("support",),
    "support_lead": ("support_lead",),
    "finance": ("finance",),
    "editor": ("editor",),
    "admin": ("admin",),
}

READS = {
    "/v1/staff/customers?email=nobody@example.org": {"support", "support_lead"},
    "/v1/staff/customers/{customer}": {"support", "support_lead"},
    "/de/support/customers/{customer}/playback": {"support", "support_lead"},
    "/v1/staff/recoveries": {"support", "support_lead"},
    "/de/staff/recoveries": {"support", "support_lead"},
    "/v1/staff/cases": {"support", "support_lead"},
    "/de/staff/cases": {"support", "support_lead"},
    "/de/support": {"support", "support_lead"},
    "/de/support/customers/{customer}": {"support", "support_lead"},
    "/de/finance": {"finance"},
    "/de/finance/reconciliation": {"finance"},
    "/v1/finance/transactions?from=2026-11-01&to=2026-12-01": {"finance"},
    "/v1/finance/transactions.csv?from=2026-11-01&to=2026-12-01": {"finance"},
    "/v1/finance/invariants": {"finance"},
    "/v1/finance/provider-transactions": {"finance"},
    "/v1/finance/unresolved-movements": {"finance"},
    "/de/finance/unresolved": {"finance"},
    "/v1/finance/payouts?from=2026-11-01&to=2026-12-01": {"finance"},
    "/v1/finance/payouts.csv?from=2026-11-01&to=2026-12-01": {"finance"},
    "/v1/refunds": {"support_lead", "finance"},
    "/de/staff": {"support", "support_lead", "finance", "editor", "admin"},
    "/de/staff/parked": {"support_lead", "admin"},
    "/de/staff/refunds": {"support_lead", "finance"},
    "/de/staff/withdrawals": {"support", "support_lead"},
    "/de/staff/incidents": {"support_lead"},
    "/de/finance/invariants": {"finance"},
    "/v1/staff/colleagues": {"admin"},
    "/de/staff/colleagues": {"admin"},
    "/v1/staff/parked-work": {"support_lead", "admin"},
    "/v1/staff/withdrawals": {"support", "support_lead"},
}

WRITES = {
    "/v1/staff/customers/{customer}/address-views": {"support", "support_lead"},
    "/v1/staff/customers/{customer}/password-resets": {"support", "support_lead"},
    "/v1/staff/customers/{customer}/device-resets": {"support", "support_lead"},
    "/v1/staff/customers/{customer}/caller-verifications": {"support", "support_lead"},
    "/de/support/customers/{customer}/caller-verifications": {"support", "support_lead"},
    "/de/support/customers/{customer}/device-resets": {"support", "support_lead"},
    "/v1/staff/customers/{customer}/recoveries": {"support", "support_lead"},
    "/de/support/customers/{customer}/recoveries": {"support", "support_lead"},
    "/v1/staff/customers/{customer}/securings": {"support", "support_lead"},
    "/de/support/customers/{customer}/securings": {"support", "support_lead"},
    "/v1/staff/customers/{customer}/cases": {"support", "support_lead"},
    "/de/support/customers/{customer}/cases": {"support", "support_lead"},
    "/de/support/searches": {"support", "support_lead"},
    "/de/support/customers/{customer}/address-views": {"support", "support_lead"},
    "/de/support/customers/{customer}/password-resets": {"support", "support_lead"},
}


def body_for(path: str) -> dict[str, dict[str, Any]]:
    """What such a request brings."""
    case, thing = {"kind": "playback", "text": "Der Film bleibt stehen."}, path.rpartition("/")[2]
    recovery = {"kind": "email_change", "new_email": "neu@example.org", "reason": REASON}
    if path.startswith("/v1"):
        by_thing: dict[str, dict[str, Any]] = {
            "caller-verifications": {"channel": "mail"},
            "cases": case,
            "recoveries": {**recovery, "evidence": ["films", "devices"]},
        }
        return {"json": by_thing.get(thing, {"reason": REASON})}
    if thing == "recoveries":
        return {"data": {**recovery, "films": "yes", "devices": "yes"}}
    return {"data": {"reason": REASON, "find": "nobody@example.org", **case}}


@pytest.mark.parametrize("path", READS)
async def test_a_console_opens_to_its_roles_only_and_refused_looks_are_on_record(
    path: str, client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    customer = await a_person(database)
    people = {caller: await a_person(database, roles=roles) for caller, roles in ROLES.items()}
    statuses = {}
    for caller, person in people.items():
        answer = await client.get(path.format(customer=customer.account.id), headers=person.headers)
        statuses[caller] = answer.status_code
    assert statuses == {caller: 200 if caller in READS[path] else 403 for caller in ROLES}
    entries = await owner.fetch(
        "SELECT * FROM auth.audit_events WHERE outcome = 'refused' AND reason = 'not_permitted'"
    )
    strangers = {people[caller].account.id for caller in ROLES if caller not in READS[path]}
    assert {entry["actor_id"] for entry in entries} == (set() if path == "/de/staff" else strangers)


@pytest.mark.parametrize("path", [*READS, *WRITES])
async def test_nobody_enters_without_signing_in(
    path: str, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    address = path.format(customer=new_id())
    if path in WRITES:
        answer = await client.post(address, headers={"Sec-Fetch-Site": "same-origin"}, **body_for(path))
        assert answer.status_code == 401
    else:
        answer = await client.get(address)
        # A page leads to the sign-in; a program is told.
        assert answer.status_code == (401 if path.startswith("/v1") else 303)
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 0


@pytest.mark.parametrize("path", WRITES)
async def test_support_acts_and_nobody_else(
    path: str, client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    is_program = path.startswith("/v1")
    thing = path.rpartition("/")[2]
    done = (
        {"address-views": 200, "password-resets": 202, "securings": 204}.get(thing, 201)
        if is_program
        else 200
        if thing == "searches"
        else 303
    )
    statuses, resets = {}, 0
    for caller, roles in ROLES.items():
        customer, person = await a_person(database), await a_person(database, roles=roles)
        answer = await client.post(path.format(customer=customer.account.id), headers=person.headers, **body_for(path))
        statuses[caller] = answer.status_code
        trail = await owner.fetch("SELECT * FROM auth.audit_events WHERE actor_id = $1", person.account.id)
        may = caller in WRITES[path]
        assert [entry["outcome"] for entry in trail] == ["done" if may else "refused"], caller
        resets += may and thing == "password-resets"
        assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == resets
    assert statuses == {caller: done if caller in WRITES[path] else 403 for caller in ROLES}


@pytest.mark.parametrize("path", [path for path in WRITES if path.startswith("/de")])
async def test_a_form_from_another_site_does_nothing(
    path: str, client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_person(database), await a_person(database, roles=("support",))
    for headers in (
        {"Cookie": agent.cookie, "Sec-Fetch-Site": "cross-site", "X-CSRF-Token": agent.csrf_token},
        {"Cookie": agent.cookie, "Sec-Fetch-Site": "same-origin"},
    ):
        answer = await client.post(
            path.format(customer=customer.account.id), headers=headers, data={"reason": REASON, "find": "a@b.example"}
        )
        assert answer.status_code == 403
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 0
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE outcome = 'done'") == 0


async def test_the_start_page_of_staff_names_only_the_consoles_of_its_roles(
    client: httpx.AsyncClient, database: Database
) -> None:
    seen = {}
    for name in ("support", "finance", "editor", "admin"):
        person = await a_person(database, roles=(name,))
        page = (await client.get("/de/staff", headers=person.headers)).text
        main = page.partition("<main")[2].partition("</main>")[0]
        seen[name] = {path for path in ("/de/support", "/de/finance", "/de/staff/parked") if f'href="{path}"' in main}
    assert seen == {
        "support": {"/de/support"},
        "finance": {"/de/finance"},
        "editor": set(),
        "admin": {"/de/staff/parked"},
    }
