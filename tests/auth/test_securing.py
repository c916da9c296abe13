"""Support locks a stranger out of an account: at once and everywhere; the owner comes back by the mailbox alone."""

from uuid import UUID

import asyncpg
import httpx
from litestar import Litestar

from auth.ids import new_id
from tests.auth.people import GOOD_PASSWORD, OTHER_PASSWORD, Bearer, a_colleague, a_customer, an_address, sign_in
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in
from tests.auth.test_recoveries import file

REASON = "Anruf: fremde Käufe, Vorgang 4712"


async def secure(client: httpx.AsyncClient, agent: Bearer, customer_id: UUID) -> httpx.Response:
    return await client.post(
        f"/v1/staff/customers/{customer_id}/securings", json={"reason": REASON}, headers=agent.headers
    )


async def test_every_session_ends_the_password_is_void_and_the_owner_comes_back_by_mail(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    bearers = [await sign_in(client, customer) for _ in range(2)]
    assert (await secure(client, agent, customer.id)).status_code == 204
    for bearer in bearers:
        assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401
    signing_in = {"email": customer.email, "password": GOOD_PASSWORD}
    assert (await client.post("/v1/sessions", json=signing_in)).status_code == 401
    await deliver_mails(app)
    letter = post_office.to(customer.email)[-1]
    assert letter["Subject"] == "Wir haben Ihr Konto gesichert"
    assert "/de/password/forgot" in text_of(letter)
    await client.post("/v1/password-resets", json={"email": customer.email})
    await deliver_mails(app)
    body = {"token": token_in(post_office.to(customer.email)[-1]), "password": OTHER_PASSWORD}
    assert (await client.post("/v1/password-reset-completions", json=body)).status_code == 204
    await sign_in(client, customer, password=OTHER_PASSWORD)
    entry = await owner.fetchrow("SELECT * FROM auth.audit_events WHERE action = 'account.secure'")
    assert (entry["actor_id"], entry["target_id"], entry["reason"]) == (agent.account_id, str(customer.id), REASON)


async def test_links_and_requests_that_are_on_their_way_are_void(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    await file(client, agent, customer.id, new_email=an_address("neu"))
    await client.post("/v1/password-resets", json={"email": customer.email})
    await deliver_mails(app)
    letter = next(one for one in post_office.letters if "vt1_reset_" in text_of(one))
    assert (await secure(client, agent, customer.id)).status_code == 204
    body = {"token": token_in(letter), "password": OTHER_PASSWORD}
    assert (await client.post("/v1/password-reset-completions", json=body)).status_code == 400
    assert await owner.fetchval("SELECT outcome FROM auth.recoveries") == "cancelled"


async def test_colleagues_are_out_of_reach_and_ten_a_day_are_the_most(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    oneself = await a_colleague(app)
    agent = await sign_in(client, oneself)
    targets = [oneself.id, (await a_colleague(app, roles=("admin",))).id, new_id()]
    assert [(await secure(client, agent, target)).status_code for target in targets] == [403, 403, 404]
    statuses = [(await secure(client, agent, (await a_customer(app)).id)).status_code for _ in range(11)]
    assert statuses == [204] * 10 + [429]
    rows = await owner.fetch("SELECT outcome FROM auth.audit_events WHERE action = 'account.secure' ORDER BY id")
    assert [row["outcome"] for row in rows] == ["refused"] * 3 + ["done"] * 10 + ["refused"]
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts WHERE password_hash IS NULL") == 10
