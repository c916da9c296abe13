"""A caller is known by a code that only the customer is shown: bounded, counted, used once, unseen by support."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from auth.recovery.caller_codes import CODES, CallerCodes
from tests.auth.people import Bearer, a_colleague, a_customer, parts_of, sign_in
from tests.auth.post_office import PostOffice, deliver_mails, text_of

REASON = "Anruf der Kundin, Passwort vergessen"


async def ask(client: httpx.AsyncClient, agent: Bearer, customer_id: UUID, channel: str = "mail") -> httpx.Response:
    return await client.post(
        f"/v1/staff/customers/{customer_id}/caller-verifications", json={"channel": channel}, headers=agent.headers
    )


async def enter(client: httpx.AsyncClient, agent: Bearer, verification_id: str, code: str) -> httpx.Response:
    return await client.post(
        f"/v1/staff/caller-verifications/{verification_id}/confirmations", json={"code": code}, headers=agent.headers
    )


async def reset(
    client: httpx.AsyncClient, agent: Bearer, customer_id: UUID, verification_id: str | None
) -> httpx.Response:
    return await client.post(
        f"/v1/staff/customers/{customer_id}/password-resets",
        json={"reason": REASON, "verification_id": verification_id},
        headers=agent.headers,
    )


def code_of(app: Litestar, verification_id: str) -> str:
    return CallerCodes(parts_of(app).settings.derive(CODES)).code(UUID(verification_id))


def another(code: str) -> str:
    """Six digits that are not the code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def trail(owner: asyncpg.Connection, action: str) -> list[tuple[str, str | None]]:
    rows = await owner.fetch(
        "SELECT outcome, coalesce(reason, details->>'refused_as') AS why FROM auth.audit_events "
        "WHERE action = $1 ORDER BY id",
        action,
    )
    return [(row["outcome"], row["why"]) for row in rows]


async def test_the_code_goes_to_the_customer_alone_and_proves_the_caller(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    asked = await ask(client, agent, customer.id)
    assert asked.status_code == 201, asked.text
    body: dict[str, Any] = asked.json()
    assert (body["sent_to"], body["tries_left"], body["confirmed_at"]) == ("a•••@b•••.example", 5, None)
    await deliver_mails(app)
    (letter,) = post_office.to(customer.email)
    code = code_of(app, body["id"])
    assert f"{code[:3]} {code[3:]}" in text_of(letter)
    assert "Wir rufen Sie nie an" in text_of(letter)
    assert code not in asked.text + str(asked.headers)
    told = await enter(client, agent, body["id"], code)
    assert told.status_code == 200
    assert told.json()["confirmed_at"] is not None

    started = await reset(client, agent, customer.id, body["id"])
    assert started.status_code == 202
    assert str(await owner.fetchval("SELECT verification_id FROM auth.password_resets")) == body["id"]
    assert await trail(owner, "caller_code.request") == [("done", None)]
    assert await trail(owner, "caller_code.confirm") == [("done", None)]


async def test_the_code_is_in_no_table_and_no_job(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    verification_id = (await ask(client, agent, customer.id)).json()["id"]
    await deliver_mails(app)
    code = code_of(app, verification_id)
    await enter(client, agent, verification_id, another(code))
    await enter(client, agent, verification_id, code)
    for table in await owner.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname IN ('auth', 'store', 'jobs')"
    ):
        # As a word: six digits in a row also occur in instants and ids.
        found = await owner.fetchval(
            f"SELECT count(*) FROM {table['name']} AS t "
            r"WHERE t::text ~ ('(^|[^0-9a-f.])' || $1::text || '($|[^0-9a-f+])')",
            code,
        )
        assert found == 0, table["name"]


async def test_it_is_shown_where_the_customer_is_signed_in_if_support_says_so(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    bearer, stranger = await sign_in(client, customer), await sign_in(client, await a_customer(app))
    await ask(client, agent, customer.id, "mail")
    assert (await client.get("/v1/caller-codes/current", headers=bearer.headers)).status_code == 404
    asked = await ask(client, agent, customer.id, "session")
    assert asked.json()["sent_to"] is None
    shown = await client.get("/v1/caller-codes/current", headers=bearer.headers)
    assert shown.json()["code"] == code_of(app, asked.json()["id"])
    assert "no-store" in shown.headers["cache-control"]
    assert (await client.get("/v1/caller-codes/current", headers=stranger.headers)).status_code == 404
    assert (await client.get("/v1/caller-codes/current", headers=agent.headers)).status_code == 403
    assert (await enter(client, agent, asked.json()["id"], shown.json()["code"])).status_code == 200
    assert (await client.get("/v1/caller-codes/current", headers=bearer.headers)).status_code == 404
    await deliver_mails(app)
    assert post_office.letters == [], "the first code was void before its mail left"


async def test_five_wrong_codes_end_it_and_each_is_counted_although_it_is_refused(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    verification_id = (await ask(client, agent, customer.id)).json()["id"]
    code = code_of(app, verification_id)
    answers = [await enter(client, agent, verification_id, another(code)) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [400] * 5
    assert [answer.json()["tries_left"] for answer in answers] == [4, 3, 2, 1, 0]
    assert (await enter(client, agent, verification_id, code)).status_code == 404
    assert await trail(owner, "caller_code.confirm") == [("refused", "wrong_code")] * 5
    assert await owner.fetchval("SELECT confirmed_at FROM auth.caller_verifications") is None


async def test_of_fifty_guesses_at_once_five_are_compared(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    verification_id = (await ask(client, agent, customer.id)).json()["id"]
    wrong = another(code_of(app, verification_id))
    answers = await asyncio.gather(*(enter(client, agent, verification_id, wrong) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [400] * 5 + [404] * 45
    assert await owner.fetchval("SELECT tries FROM auth.caller_verifications") == 5


async def test_a_right_code_counts_once_also_at_the_same_instant(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    verification_id = (await ask(client, agent, customer.id)).json()["id"]
    code = code_of(app, verification_id)
    answers = await asyncio.gather(*(enter(client, agent, verification_id, code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert await trail(owner, "caller_code.confirm") == [("done", None)]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "１２３４５６", "12345a", "123 456", "12345\u0000"])
async def test_what_is_no_code_costs_no_try(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, code: str
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    verification_id = (await ask(client, agent, customer.id)).json()["id"]
    assert (await enter(client, agent, verification_id, code)).status_code == 400
    assert await owner.fetchval("SELECT tries FROM auth.caller_verifications") == 0


async def test_an_expired_replaced_or_foreign_code_proves_nothing(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    agent, colleague = await sign_in(client, await a_colleague(app)), await sign_in(client, await a_colleague(app))
    first = (await ask(client, agent, customer.id)).json()["id"]
    second = (await ask(client, agent, customer.id)).json()["id"]
    assert (await enter(client, agent, first, code_of(app, first))).status_code == 404
    assert (await enter(client, colleague, second, code_of(app, second))).status_code == 404
    assert (await enter(client, agent, str(new_id()), "123456")).status_code == 404
    await owner.execute("UPDATE auth.caller_verifications SET expires_at = $1", datetime.now(UTC))
    assert (await enter(client, agent, second, code_of(app, second))).status_code == 404
    assert await owner.fetchval("SELECT max(tries) FROM auth.caller_verifications") == 0


async def test_a_proof_is_the_agents_own_for_that_customer_and_for_half_an_hour(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, other = await a_customer(app), await a_customer(app)
    agent, colleague = await sign_in(client, await a_colleague(app)), await sign_in(client, await a_colleague(app))
    verification_id = (await ask(client, agent, customer.id)).json()["id"]
    unproved = await reset(client, agent, customer.id, verification_id)
    assert (unproved.status_code, unproved.json()["code"]) == (409, "caller_not_proved")
    assert (await enter(client, agent, verification_id, code_of(app, verification_id))).status_code == 200
    assert (await reset(client, colleague, customer.id, verification_id)).status_code == 409
    assert (await reset(client, agent, other.id, verification_id)).status_code == 409
    await owner.execute(
        "UPDATE auth.caller_verifications SET confirmed_at = $1", datetime.now(UTC) - timedelta(minutes=30)
    )
    assert (await reset(client, agent, customer.id, verification_id)).status_code == 409
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 0
    assert await trail(owner, "password_reset.start") == [("refused", REASON)] * 4
    assert (await reset(client, agent, customer.id, None)).status_code == 202


async def test_staff_oneself_and_the_disabled_are_out_of_reach(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    oneself, disabled = await a_colleague(app), await a_customer(app)
    agent = await sign_in(client, oneself)
    await owner.execute("UPDATE auth.accounts SET status = 'disabled' WHERE id = $1", disabled.id)
    answers = [
        await ask(client, agent, target)
        for target in (oneself.id, (await a_colleague(app, roles=("admin",))).id, disabled.id, new_id())
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 409, 404]
    assert await owner.fetchval("SELECT count(*) FROM auth.caller_verifications") == 0
    assert {outcome for outcome, _ in await trail(owner, "caller_code.request")} == {"refused"}


async def test_no_code_is_mailed_to_an_address_that_can_still_be_taken_back(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    now = datetime.now(UTC)
    await owner.execute(
        "INSERT INTO auth.email_changes (id, account_id, old_email, old_email_key, new_email, new_email_key, "
        "requested_at, expires_at, undo_until, confirmed_at) "
        "VALUES ($1, $2, 'a@b.example', 'a@b.example', 'c@d.example', 'c@d.example', $3, $3, $4, $3)",
        new_id(),
        customer.id,
        now,
        now + timedelta(hours=72),
    )
    refused = await ask(client, agent, customer.id, "mail")
    assert (refused.status_code, refused.json()["code"]) == (409, "address_changed_lately")
    assert (await ask(client, agent, customer.id, "session")).status_code == 201


async def test_a_customer_gets_ten_codes_a_day_and_an_agent_gives_thirty_an_hour(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    agent, customers = await sign_in(client, await a_colleague(app)), [await a_customer(app) for _ in range(4)]
    at_once = await asyncio.gather(*(ask(client, agent, customers[0].id) for _ in range(12)))
    assert sorted(answer.status_code for answer in at_once) == [201] * 10 + [429] * 2
    refused = next(answer for answer in at_once if answer.status_code == 429)
    assert refused.json()["limit"] == "per_customer_and_day"
    assert 86_000 < int(refused.headers["retry-after"]) <= 86_400
    for customer in customers[1:3]:
        for _ in range(10):
            assert (await ask(client, agent, customer.id)).status_code == 201
    over = await ask(client, agent, customers[3].id)
    assert (over.status_code, over.json()["limit"]) == (429, "per_hour")
    colleague = await sign_in(client, await a_colleague(app))
    assert (await ask(client, colleague, customers[3].id)).status_code == 201
    await owner.execute(
        "UPDATE auth.caller_verifications SET requested_at = $1", datetime.now(UTC) - timedelta(hours=2)
    )
    assert (await ask(client, agent, customers[3].id)).status_code == 201
