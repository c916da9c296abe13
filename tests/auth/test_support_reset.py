import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from tests.auth.people import (
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    Bearer,
    a_colleague,
    a_customer,
    sign_in,
    with_unused_limits,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in

REASON = "Anruf der Kundin, Passwort vergessen"


async def start(client: httpx.AsyncClient, agent: Bearer, customer_id: UUID, reason: str = REASON) -> httpx.Response:
    return await client.post(
        f"/v1/staff/customers/{customer_id}/password-resets", json={"reason": reason}, headers=agent.headers
    )


async def entries(owner: asyncpg.Connection) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await owner.fetch(
        "SELECT * FROM auth.audit_events WHERE action = 'password_reset.start' ORDER BY id"
    )
    return rows


async def test_support_has_a_link_mailed_and_never_sees_it(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    agent, session = await sign_in(client, await a_colleague(app)), await sign_in(client, customer)
    answer = await start(client, agent, customer.id)
    assert answer.status_code == 202
    assert answer.json()["sent_to"] == "a•••@b•••.example"
    assert set(answer.json()) == {"id", "sent_to", "expires_at"}
    assert "vt1_" not in answer.text + str(answer.headers)
    assert (await client.get("/v1/account", headers=session.headers)).status_code == 200
    await deliver_mails(app)
    letter = post_office.to(customer.email)[0]
    assert "unser Kundendienst schickt Ihnen diesen Link" in text_of(letter)
    completed = await client.post(
        "/v1/password-reset-completions", json={"token": token_in(letter), "password": OTHER_PASSWORD}
    )
    assert completed.status_code == 204
    assert (await client.get("/v1/account", headers=session.headers)).status_code == 401
    (entry,) = await entries(owner)
    assert entry["actor_id"] == agent.account_id
    assert entry["session_id"] == agent.session_id
    assert entry["actor_roles"] == ["support"]
    assert (entry["target_id"], entry["reason"], entry["outcome"]) == (str(customer.id), REASON, "done")
    assert entry["ip"] is None
    address = await owner.fetchval("SELECT ip FROM auth.audit_addresses WHERE audit_event_id = $1", entry["id"])
    assert address == "127.0.0.1"
    assert entry["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("roles", [("finance",), ("editor",), ("admin",), ()])
async def test_without_the_permission_the_try_is_refused_and_noted(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, roles: tuple[str, ...]
) -> None:
    customer = await a_customer(app)
    agent = await sign_in(client, await a_colleague(app, roles=roles))
    answer = await start(client, agent, customer.id)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    await nothing_was_sent(owner)
    (entry,) = await entries(owner)
    assert (entry["outcome"], entry["actor_id"], entry["target_id"]) == ("refused", agent.account_id, str(customer.id))


async def test_a_customer_resets_nobody(app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    customer, other = await a_customer(app), await a_customer(app)
    answer = await start(client, await sign_in(client, customer), other.id)
    assert answer.status_code == 403
    await nothing_was_sent(owner)


async def test_support_resets_neither_colleagues_nor_oneself(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    oneself = await a_colleague(app)
    agent = await sign_in(client, oneself)
    targets = [await a_colleague(app), await a_colleague(app, roles=("admin",)), oneself]
    for target in targets:
        answer = await start(client, agent, target.id)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_customer")
    await nothing_was_sent(owner)
    noted = await entries(owner)
    assert [entry["target_id"] for entry in noted] == [str(target.id) for target in targets]
    assert {entry["outcome"] for entry in noted} == {"refused"}
    assert all('"not_a_customer"' in entry["details"] for entry in noted)


async def test_an_unknown_or_disabled_customer_is_refused_and_noted(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    agent, disabled = await sign_in(client, await a_colleague(app)), await a_customer(app)
    await owner.execute("UPDATE auth.accounts SET status = 'disabled' WHERE id = $1", disabled.id)
    assert (await start(client, agent, new_id())).status_code == 404
    assert (await start(client, agent, disabled.id)).status_code == 409
    await nothing_was_sent(owner)
    assert [entry["outcome"] for entry in await entries(owner)] == ["refused", "refused"]


@pytest.mark.parametrize("reason", ["", "kurz", "mit\x00NUL und mehr"])
async def test_a_reason_must_be_given(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, reason: str
) -> None:
    agent, customer = await sign_in(client, await a_colleague(app)), await a_customer(app)
    assert (await start(client, agent, customer.id, reason)).status_code == 400
    await nothing_was_sent(owner)


async def test_twelve_resets_at_once_are_ten(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    agent = await sign_in(client, await a_colleague(app))
    customers = [await a_customer(app) for _ in range(12)]
    answers = await asyncio.gather(*(start(client, agent, customer.id) for customer in customers))
    assert sorted(answer.status_code for answer in answers) == [202] * 10 + [429] * 2
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["limit"] == "per_hour"
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    assert await owner.fetchval("SELECT count(*) FROM store.mails") == 10
    assert sorted(entry["outcome"] for entry in await entries(owner)) == ["done"] * 10 + ["refused"] * 2


async def test_the_limit_is_the_agents_own_and_passes(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    agent, colleague = await sign_in(client, await a_colleague(app)), await sign_in(client, await a_colleague(app))
    for _ in range(10):
        await start(client, agent, (await a_customer(app)).id)
    assert (await start(client, agent, (await a_customer(app)).id)).status_code == 429
    assert (await start(client, colleague, (await a_customer(app)).id)).status_code == 202
    await owner.execute("UPDATE auth.password_resets SET requested_at = $1", datetime.now(UTC) - timedelta(minutes=61))
    assert (await start(client, agent, (await a_customer(app)).id)).status_code == 202


async def test_an_agent_starts_thirty_a_day_however_they_are_spread(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    agent, statuses = await sign_in(client, await a_colleague(app)), []
    for _ in range(4):
        statuses += [(await start(client, agent, (await a_customer(app)).id)).status_code for _ in range(8)]
        await owner.execute("UPDATE auth.password_resets SET requested_at = requested_at - interval '2 hours'")
    assert statuses == [202] * 30 + [429] * 2
    over = await start(client, agent, (await a_customer(app)).id)
    assert over.json()["limit"] == "per_day"
    assert 55_000 < int(over.headers["retry-after"]) < 60_000


async def test_one_customer_gets_no_fourth_reset_a_day_whoever_asks(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    customer = await a_customer(app)
    await client.post("/v1/password-resets", json={"email": customer.email})
    await deliver_mails(app)
    agents = [await sign_in(client, await a_colleague(app)) for _ in range(3)]
    codes = [(await start(client, agent, customer.id)).status_code for agent in agents]
    assert codes == [202, 202, 429]


async def test_forgetting_what_redis_counted_lifts_no_limit_of_support(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    agent = await sign_in(client, await a_colleague(app))
    for _ in range(10):
        await start(client, agent, (await a_customer(app)).id)
    with_unused_limits(app)
    assert (await start(client, agent, (await a_customer(app)).id)).status_code == 429


async def test_staff_do_not_reset_by_themselves(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    colleague = await a_colleague(app)
    assert (await client.post("/v1/password-resets", json={"email": colleague.email})).status_code == 202
    await deliver_mails(app)
    assert post_office.letters == []
    await sign_in(client, colleague, password=GOOD_PASSWORD)


async def nothing_was_sent(owner: asyncpg.Connection) -> None:
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 0
    assert await owner.fetchval("SELECT count(*) FROM store.mails") == 0
