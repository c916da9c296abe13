"""What belongs to somebody else looks like what does not exist, on every route, by every method (ASVS 5.0, 8.2.2)."""

from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from store.database import Database
from store.settings import Settings
from tests.crawling import STAFF_PATHS, Operation, operations
from tests.fakes import FakeGateway
from tests.store.consoles.people import Person, a_person
from tests.store.privacy.conftest import life, person, program
from tests.store.privacy.lives import Life

__all__ = ["life", "person", "program"]

IDS_OF_ROWS = """
    SELECT c.table_schema || '.' || c.table_name AS name
      FROM information_schema.columns c JOIN pg_tables t ON (t.schemaname, t.tablename) = (c.table_schema, c.table_name)
     WHERE c.column_name = 'id' AND c.data_type = 'uuid' AND c.table_schema IN ('auth', 'billing', 'store')
"""

FETCHED = frozenset(("url", "uri", "link", "callback", "image", "file", "avatar", "poster", "webhook"))
"""Words in the name of a field that would have the store fetch or keep something from elsewhere."""

OWNERS = ("user_id", "account_id", "customer_id", "customer", "account")
"""Names that a list might take somebody's id under."""

EXPORTS = (
    "/v1/finance/transactions.csv?from=2026-11-01&to=2026-12-01",
    "/v1/finance/payouts.csv?from=2026-11-01&to=2026-12-01",
    "/v1/orders",
    "/v1/account",
    "/v1/library",
    "/v1/staff/customers?email=anna@example.org",
)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def stranger(database: Database) -> Person:
    return await a_person(database)


async def ids_of_everything(owner: asyncpg.Connection) -> dict[str, str]:
    """One id of every table that has a row."""
    names = [row["name"] for row in await owner.fetch(IDS_OF_ROWS)]
    found = {name: await owner.fetchval(f"SELECT id FROM {name} ORDER BY id DESC LIMIT 1") for name in names}
    return {name: str(one) for name, one in found.items() if one is not None}


def of_customers(app: Litestar) -> list[Operation]:
    return [one for one in operations(app) if not one.template.startswith(STAFF_PATHS)]


def told(answer: httpx.Response, *names: str) -> tuple[int, str]:
    """Status and what is said, but for the request's number, the id that was asked for, and what every page tells."""
    text = answer.text.replace(answer.headers["x-request-id"], "")
    text = text[max(text.find("<main"), 0) :].partition("</main>")[0]
    for name in names:
        text = text.replace(name, "")
    return answer.status_code, text


async def test_nobody_reads_changes_or_removes_what_is_anothers(
    app: Litestar, client: httpx.AsyncClient, stranger: Person, life: Life, owner: asyncpg.Connection
) -> None:
    ids, nothing = await ids_of_everything(owner), str(new_id())
    assert {"billing.orders", "auth.sessions", "store.devices", "store.playback_sessions"} <= ids.keys()
    before = {name: await owner.fetch(f"SELECT * FROM {name}") for name in ids if name != "auth.audit_events"}
    differing, asked = [], 0
    for operation in of_customers(app):
        names = [name for name, kind in operation.path_types.items() if kind == "uuid"]
        if not names or (operation.template, operation.method) == ("/de/checkout/{offer_id}", "GET"):
            continue
        rest = dict.fromkeys(operation.path_types, "x")

        async def asked_for(
            one: str, operation: Operation = operation, rest: dict[str, str] = rest, names: list[str] = names
        ) -> tuple[int, str]:
            path = operation.with_values({**rest, **dict.fromkeys(names, one)})
            return told(await client.request(operation.method, path, headers=stranger.headers), one)

        expected = await asked_for(nothing)
        for table, foreign in ids.items():
            asked += 1
            answer = await asked_for(foreign)
            if answer != expected:
                differing.append((operation.method, operation.template, table, answer[0]))
    assert differing == []
    assert asked > 100
    after = {name: await owner.fetch(f"SELECT * FROM {name}") for name in before}
    assert {name for name in before if before[name] != after[name]} <= {"auth.sessions"}, "a session was seen"
    assert (await client.get(f"/v1/orders/{life.order_id}", headers=life.headers)).status_code == 200


async def test_no_list_is_widened_by_naming_somebody(
    app: Litestar, client: httpx.AsyncClient, life: Life, stranger: Person, settings: Settings
) -> None:
    widened, traces = [], (life.account.email or "", life.order_id, str(life.account.id))
    for operation in of_customers(app):
        if operation.method != "GET" or operation.path_types:
            continue
        for name in OWNERS:
            query = f"{operation.path}?{name}={life.account.id}"
            answer = await client.get(query, headers=stranger.headers)
            assert answer.status_code < 500, query
            # The choice of language repeats the page's own address, and so what was typed there.
            text = answer.text.replace(f"{name}={life.account.id}", "")
            widened += [query for trace in traces if trace in text]
    assert widened == []


@pytest.mark.parametrize("path", EXPORTS)
async def test_no_method_and_no_range_gets_round_the_sign_in(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "HEAD"):
        for headers in ({}, {"Range": "bytes=0-99"}, {"If-None-Match": "*"}, {"X-HTTP-Method-Override": "OPTIONS"}):
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, headers)
    told_of = await client.request("OPTIONS", path)
    assert (told_of.status_code, told_of.content) == (204, b"")


async def test_no_route_of_staff_takes_a_password_and_no_route_takes_an_address_of_the_web_or_a_file(
    app: Litestar,
) -> None:
    """Nobody sets a password for somebody else; nothing is fetched for anybody, and nothing is uploaded."""
    fields = {(one.template, name) for one in operations(app) for name in one.fields}
    assert fields
    for_others = {place for place in fields if place[0].startswith(STAFF_PATHS) and "password" in place[1]}
    assert for_others == set()
    fetched = {place for place in fields if FETCHED & set(place[1].split("_"))}
    assert fetched == set()
    taken = {
        kind
        for path in (app.openapi_schema.to_schema()["paths"]).values()
        for one in path.values()
        for kind in one.get("requestBody", {}).get("content", {})
    }
    assert taken <= {"application/json", "message/rfc822"}


@pytest.mark.parametrize(
    "field",
    [
        "role",
        "roles",
        "is_admin",
        "email_verified",
        "balance",
        "price",
        "user_id",
        "account_id",
        "status",
        "created_at",
    ],
)
async def test_nobody_makes_themselves_more_than_they_are(
    client: httpx.AsyncClient, stranger: Person, owner: asyncpg.Connection, field: str
) -> None:
    wish = {"email": "neu@beispiel.example", "password": "drei Esel tanzen im Regen", "residence_country": "DE"}
    consents = {"immediate_performance": True, "withdrawal_loss": True}
    bodies = {
        "/v1/registrations": wish,
        "/v1/orders": {"quote_id": str(new_id()), "consents": consents},
        "/v1/sessions": {"email": wish["email"], "password": wish["password"]},
        "/v1/quotes": {"offer_id": str(new_id())},
    }
    for path, body in bodies.items():
        headers = {**stranger.headers, "Idempotency-Key": str(new_id())}
        answer = await client.post(path, json={**body, field: "admin"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request"), path
    assert await owner.fetchval("SELECT count(*) FROM auth.registrations") == 0
    assert await owner.fetchval("SELECT count(*) FROM auth.role_assignments") == 0


async def test_a_reset_sets_the_password_of_its_own_account_only(client: httpx.AsyncClient, stranger: Person) -> None:
    for extra in ({"email": stranger.account.email}, {"account_id": str(stranger.account.id)}, {"user": "x"}):
        form = {"token": "vt1_reset_" + "a" * 43, "password": "drei Esel tanzen im Regen", **extra}
        answer = await client.post("/v1/password-reset-completions", json=form)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert datetime.now(UTC) > stranger.account.created_at
