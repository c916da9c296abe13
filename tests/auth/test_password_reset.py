import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.errors import LinkNotValid
from auth.password_reset import PasswordReset
from auth.passwords import PasswordHasher
from auth.tokens import PASSWORD_RESET, REGISTRATION, SESSION, make_token
from auth.visits import Visit
from tests.auth.people import (
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    a_colleague,
    a_customer,
    an_address,
    parts_of,
    sign_in,
    with_unused_limits,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in


async def forgot(client: httpx.AsyncClient, email: str | None, **headers: str) -> httpx.Response:
    return await client.post("/v1/password-resets", json={"email": email}, headers=headers)


async def complete(client: httpx.AsyncClient, token: str, password: str = OTHER_PASSWORD) -> httpx.Response:
    return await client.post("/v1/password-reset-completions", json={"token": token, "password": password})


async def a_token(app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, email: str | None) -> str:
    """The token of the newest mail to an address that has just forgotten its password."""
    assert (await forgot(client, email)).status_code == 202
    await deliver_mails(app)
    return token_in(post_office.to(email)[-1])


async def test_a_forgotten_password_is_replaced_and_every_session_is_over(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    bearers = [await sign_in(client, account) for _ in range(3)]
    token = await a_token(app, client, post_office, account.email)
    answer = await complete(client, token)
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    for bearer in bearers:
        assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401
    old = await client.post("/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD})
    assert old.status_code == 401
    await sign_in(client, account, password=OTHER_PASSWORD)
    assert await owner.fetchval("SELECT auth_epoch FROM auth.accounts") == 1
    reasons = await owner.fetch("SELECT DISTINCT revoke_reason FROM auth.sessions WHERE revoked_at IS NOT NULL")
    assert [row["revoke_reason"] for row in reasons] == ["password_reset"]


async def test_the_owner_is_told_of_the_change(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app, locale="en")
    await complete(client, await a_token(app, client, post_office, account.email))
    await deliver_mails(app)
    assert post_office.to(account.email)[-1]["Subject"] == "Your password was changed"
    actions = await owner.fetch(
        "SELECT action, target_id FROM auth.audit_events WHERE action LIKE 'password%' ORDER BY id"
    )
    assert [row["action"] for row in actions] == ["password_reset.request", "password_reset.complete"]
    assert actions[1]["target_id"] == str(account.id)


async def test_every_address_gets_the_same_answer(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, colleague, disabled = await a_customer(app), await a_colleague(app), await a_customer(app)
    await owner.execute("UPDATE auth.accounts SET status = 'disabled' WHERE id = $1", disabled.id)
    answers = []
    for email in (customer.email, colleague.email, disabled.email, an_address("niemand")):
        with_unused_limits(app)
        answers.append(await forgot(client, email))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len({str({**answer.headers, "x-request-id": ""}) for answer in answers}) == 1
    await deliver_mails(app)
    assert [letter["To"] for letter in post_office.letters] == [customer.email]
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets WHERE email_key IS NOT NULL") == 0


async def test_the_sixth_request_of_a_day_waits_whether_the_address_is_known_or_not(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account = await a_customer(app)
    for email in (account.email, an_address("niemand")):
        answers = [await forgot(client, email) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [202] * 5 + [429]


async def test_of_fifty_tries_at_once_one_sets_the_password(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    token = await a_token(app, client, post_office, account.email)
    parts = parts_of(app)

    async def one(number: int) -> bool:
        async with parts.database.sessions() as session, session.begin():
            reset = PasswordReset(session, parts.database, hasher, parts.throttle, parts.outbox)
            visit = Visit(ip=f"192.0.2.{number}")
            try:
                await reset.complete(
                    token=token, password=f"Passwort der Nummer {number}", at=datetime.now(UTC), visit=visit
                )
            except LinkNotValid:
                return False
            return True

    hasher = PasswordHasher(threads=2, queue=60, memory_kibibytes=64, passes=1)
    outcomes = await asyncio.gather(*(one(number) for number in range(50)))
    hasher.close()
    winners = [number for number, has_won in enumerate(outcomes) if has_won]
    assert len(winners) == 1
    assert await owner.fetchval("SELECT auth_epoch FROM auth.accounts") == 1
    await sign_in(client, account, password=f"Passwort der Nummer {winners[0]}")


async def test_only_the_newest_link_works(app: Litestar, client: httpx.AsyncClient, post_office: PostOffice) -> None:
    account = await a_customer(app)
    older = await a_token(app, client, post_office, account.email)
    newer = await a_token(app, client, post_office, account.email)
    assert (await complete(client, older)).json()["code"] == "link_not_valid"
    assert (await complete(client, newer)).status_code == 204


async def test_links_mailed_in_the_wrong_order_leave_the_newest(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    await forgot(client, account.email)
    await forgot(client, account.email)
    older, newer = await owner.fetch("SELECT id FROM store.mails ORDER BY id")
    for mail in (newer, older):
        await parts_of(app).outbox.deliver(mail_id=mail["id"], at=datetime.now(UTC))
    assert len(post_office.letters) == 1
    assert (await complete(client, token_in(post_office.letters[0]))).status_code == 204
    assert await owner.fetchval("SELECT status FROM store.mails WHERE id = $1", older["id"]) == "dropped"


async def test_a_used_link_is_used_up(app: Litestar, client: httpx.AsyncClient, post_office: PostOffice) -> None:
    account = await a_customer(app)
    token = await a_token(app, client, post_office, account.email)
    assert (await complete(client, token)).status_code == 204
    assert (await complete(client, token, GOOD_PASSWORD)).json()["code"] == "link_not_valid"
    await sign_in(client, account, password=OTHER_PASSWORD)


async def test_an_expired_link_changes_nothing(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    token = await a_token(app, client, post_office, account.email)
    await owner.execute("UPDATE auth.password_resets SET expires_at = now()")
    assert (await complete(client, token)).json()["code"] == "link_not_valid"
    await sign_in(client, account)


async def test_a_weak_password_leaves_the_link_usable(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    token = await a_token(app, client, post_office, account.email)
    refused = await complete(client, token, "password1234")
    assert (refused.status_code, refused.json()["reasons"]) == (400, ["known_to_attackers", "guessable"])
    assert "gestohlener" in refused.json()["detail"]
    assert (await complete(client, token)).status_code == 204


@pytest.mark.parametrize("kind", [SESSION, REGISTRATION, PASSWORD_RESET])
async def test_no_other_token_resets_a_password(app: Litestar, client: httpx.AsyncClient, kind: str) -> None:
    account = await a_customer(app)
    bearer = await sign_in(client, account)
    token = bearer.token if kind == SESSION else make_token(kind)
    assert (await complete(client, token)).json()["code"] == "link_not_valid"
    await sign_in(client, account)


async def test_the_link_has_the_configured_address_whatever_the_request_says(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    forged = {"X-Forwarded-Host": "boese.example", "Forwarded": "host=boese.example"}
    assert (await forgot(client, account.email, **forged)).status_code == 202
    await deliver_mails(app)
    letter = text_of(post_office.to(account.email)[0])
    assert f"{parts_of(app).settings.base_url}/de/password/reset#t=vt1_reset_" in letter
    assert "boese" not in letter


async def test_a_mail_repeated_after_a_crash_holds_the_same_link(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    first = await a_token(app, client, post_office, account.email)
    await owner.execute("UPDATE store.mails SET status = 'queued'")
    await deliver_mails(app)
    one, other = post_office.to(account.email)
    assert token_in(other) == first
    assert one["Message-ID"] == other["Message-ID"]
    assert (await complete(client, first)).status_code == 204


async def test_a_mail_that_comes_too_late_is_not_sent(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    await forgot(client, account.email)
    mail_id = await owner.fetchval("SELECT id FROM store.mails")
    await parts_of(app).outbox.deliver(mail_id=mail_id, at=datetime.now(UTC) + timedelta(minutes=31))
    assert post_office.letters == []
    assert await owner.fetchval("SELECT status FROM store.mails") == "dropped"


async def test_no_link_and_no_address_stands_in_jobs_or_mails(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    token = await a_token(app, client, post_office, account.email)
    tables = await owner.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname IN ('auth', 'store', 'jobs')"
    )
    for table in tables:
        rows = str([row["row"] for row in await owner.fetch(f"SELECT t::text AS row FROM {table['name']} t")])
        assert token[-43:] not in rows, table["name"]
        if table["name"] != "auth.accounts":
            assert (account.email or "") not in rows, table["name"]
    assert "store.mails" in str(tables)


async def test_a_sign_in_under_way_does_not_bring_the_old_password_back(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    token = await a_token(app, client, post_office, account.email)
    body = {"email": account.email, "password": GOOD_PASSWORD}
    answers = await asyncio.gather(complete(client, token), *(client.post("/v1/sessions", json=body) for _ in range(5)))
    assert answers[0].status_code == 204
    for answer in answers[1:]:
        if answer.status_code == 201:
            bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
            assert (await client.get("/v1/account", headers=bearer)).status_code == 401
    assert (await client.post("/v1/sessions", json=body)).status_code == 401
