"""Owners see what support began on their account and call it off, signed in or by the mailed link."""

import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from tests.auth.people import OTHER_PASSWORD, Bearer, a_colleague, a_customer, sign_in
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in
from tests.auth.test_support_reset import start


def way_out_in(letter: EmailMessage) -> str:
    """The second link of the mail, which calls it off."""
    found = re.search(r"/de/account/support/cancel#t=(vt1_cancel_[\w-]{43})", text_of(letter))
    assert found, text_of(letter)
    return found[1]


async def complete(client: httpx.AsyncClient, letter: EmailMessage) -> int:
    body = {"token": token_in(letter), "password": OTHER_PASSWORD}
    return (await client.post("/v1/password-reset-completions", json=body)).status_code


async def cancel(client: httpx.AsyncClient, token: str) -> int:
    return (await client.post("/v1/support-action-cancellations", json={"token": token})).status_code


async def flags(owner: asyncpg.Connection) -> list[tuple[UUID | None, str]]:
    rows = await owner.fetch(
        "SELECT actor_id, details->>'started_by' AS agent FROM auth.audit_events WHERE action = 'password_reset.cancel'"
    )
    return [(row["actor_id"], row["agent"]) for row in rows]


async def listed(client: httpx.AsyncClient, bearer: Bearer) -> list[dict[str, str]]:
    answer = await client.get("/v1/support-actions", headers=bearer.headers)
    found: list[dict[str, str]] = answer.json()["actions"]
    return found


async def test_the_mail_calls_it_off_without_signing_in_and_the_agent_is_noted(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    await start(client, agent, customer.id)
    await deliver_mails(app)
    (letter,) = post_office.to(customer.email)
    token = way_out_in(letter)
    assert await cancel(client, token) == 204
    assert await complete(client, letter) == 400
    assert await flags(owner) == [(None, str(agent.account_id))]
    assert await cancel(client, token) == 400
    file = await client.get(f"/v1/staff/customers/{customer.id}", headers=agent.headers)
    assert [one["state"] for one in file.json()["password_resets"]] == ["cancelled"]
    await sign_in(client, customer)


async def test_the_owner_calls_it_off_from_any_session_before_the_mail_leaves(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    bearer, stranger = await sign_in(client, customer), await sign_in(client, await a_customer(app))
    await start(client, agent, customer.id)
    (action,) = await listed(client, bearer)
    assert action["kind"] == "password_reset"
    path = f"/v1/support-actions/{action['id']}"
    assert (await client.delete(path, headers=stranger.headers)).status_code == 404
    assert (await client.delete(path, headers=agent.headers)).status_code == 403
    assert (await client.delete(path, headers=bearer.headers)).status_code == 204
    assert (await client.delete(path, headers=bearer.headers)).status_code == 404
    assert await listed(client, bearer) == []
    await deliver_mails(app)
    assert post_office.letters == []
    assert await flags(owner) == [(customer.id, str(agent.account_id))]


async def test_what_the_owner_asked_for_is_no_action_of_support(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    bearer = await sign_in(client, customer)
    await client.post("/v1/password-resets", json={"email": customer.email})
    await deliver_mails(app)
    assert await listed(client, bearer) == []
    reset_id = await owner.fetchval("SELECT id FROM auth.password_resets")
    assert (await client.delete(f"/v1/support-actions/{reset_id}", headers=bearer.headers)).status_code == 404
    (letter,) = post_office.to(customer.email)
    assert "/support/cancel" not in text_of(letter)
    assert await complete(client, letter) == 204


async def test_a_used_reset_cannot_be_called_off_any_more(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    await start(client, agent, customer.id)
    await deliver_mails(app)
    (letter,) = post_office.to(customer.email)
    assert await complete(client, letter) == 204
    assert await cancel(client, way_out_in(letter)) == 400
    assert await flags(owner) == []


async def test_for_three_days_the_owner_can_say_that_it_was_not_wanted_although_its_link_expired(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    agent = await sign_in(client, await a_colleague(app))
    answers = []
    for hours in (71, 73):
        customer = await a_customer(app)
        await start(client, agent, customer.id)
        await deliver_mails(app)
        await owner.execute(
            "UPDATE auth.password_resets SET requested_at = $1, expires_at = $1 WHERE account_id = $2",
            datetime.now(UTC) - timedelta(hours=hours),
            customer.id,
        )
        answers.append(await cancel(client, way_out_in(post_office.to(customer.email)[0])))
    assert answers == [204, 400]
    assert len(await flags(owner)) == 1


@pytest.mark.parametrize("kind", ["reset", "confirm", "keep", "undo"])
async def test_a_token_of_another_kind_calls_nothing_off(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection, kind: str
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    await start(client, agent, customer.id)
    await deliver_mails(app)
    (letter,) = post_office.to(customer.email)
    assert await cancel(client, f"vt1_{kind}_{'a' * 43}") == 400
    assert await cancel(client, token_in(letter)) == 400
    assert await cancel(client, way_out_in(letter).replace("_cancel_", f"_{kind}_")) == 400
    # And the way out opens nothing.
    body = {"token": way_out_in(letter), "password": OTHER_PASSWORD}
    assert (await client.post("/v1/password-reset-completions", json=body)).status_code == 400
    assert await owner.fetchval("SELECT cancelled_at FROM auth.password_resets") is None


async def test_guessing_at_ways_out_is_limited(app: Litestar, client: httpx.AsyncClient) -> None:
    statuses = {await cancel(client, f"vt1_cancel_{new_id().hex:0<43}"[:54]) for _ in range(31)}
    assert statuses == {400, 429}
