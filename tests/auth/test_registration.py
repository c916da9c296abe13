import asyncio

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.composition import periodic_jobs
from tests.auth.people import (
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    a_customer,
    an_address,
    parts_of,
    sign_in,
    with_unused_limits,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in


async def register(client: httpx.AsyncClient, email: str, **other: str) -> httpx.Response:
    body = {"email": email, "password": GOOD_PASSWORD, "residence_country": "AT", "locale": "de", **other}
    return await client.post("/v1/registrations", json=body)


async def confirm(client: httpx.AsyncClient, token: str, password: str = GOOD_PASSWORD) -> httpx.Response:
    return await client.post("/v1/registration-confirmations", json={"token": token, "password": password})


async def test_a_link_and_the_password_together_make_an_account(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    email = an_address()
    assert (await register(client, email, profile_name="Anna")).status_code == 202
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 0
    await deliver_mails(app)
    answer = await confirm(client, token_in(post_office.to(email)[0]))
    assert answer.status_code == 201
    assert answer.json()["email"] == email
    assert answer.json()["residence_country"] == "AT"
    assert [profile["name"] for profile in answer.json()["profiles"]] == ["Anna"]
    account = await owner.fetchrow("SELECT * FROM auth.accounts")
    assert account["email_verified_at"] is not None
    assert '"declared": "AT"' in account["residence_evidence"]
    signed_in = await client.post("/v1/sessions", json={"email": email, "password": GOOD_PASSWORD})
    assert signed_in.status_code == 201


async def test_whether_the_address_has_an_account_is_told_by_mail_alone(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account, unknown = await a_customer(app), an_address()
    answers = []
    for email in (account.email or "", unknown):
        with_unused_limits(app)
        answers.append(await register(client, email, password=OTHER_PASSWORD))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert {**answers[0].headers, "x-request-id": ""} == {**answers[1].headers, "x-request-id": ""}
    await deliver_mails(app)
    owners, strangers = post_office.to(account.email), post_office.to(unknown)
    assert owners[0]["Subject"] == "Sie haben schon ein Konto"
    assert "vt1_" not in text_of(owners[0])
    assert strangers[0]["Subject"] == "Bestätigen Sie Ihre Adresse"
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 1
    await sign_in(client, account)


async def test_who_registers_a_strangers_address_prepares_nothing(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    victim = an_address("opfer")
    await register(client, victim, password=OTHER_PASSWORD)
    await deliver_mails(app)
    refused = await confirm(client, token_in(post_office.to(victim)[0]), GOOD_PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (400, "confirmation_refused")
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 0


async def test_the_owners_own_registration_works_beside_the_attackers(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    victim = an_address("opfer")
    await register(client, victim, password=OTHER_PASSWORD)
    await register(client, victim)
    await deliver_mails(app)
    attackers, own = (token_in(letter) for letter in post_office.to(victim))
    assert (await confirm(client, own)).status_code == 201
    late = await confirm(client, attackers, OTHER_PASSWORD)
    assert late.json()["code"] == "link_not_valid"
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 1
    assert await owner.fetchval("SELECT count(*) FROM auth.registrations WHERE password_hash IS NOT NULL") == 0


async def test_five_wrong_passwords_end_a_link(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    email = an_address()
    await register(client, email)
    await deliver_mails(app)
    token = token_in(post_office.to(email)[0])
    answers = await asyncio.gather(*(confirm(client, token, f"falsches Passwort {number}") for number in range(8)))
    codes = sorted(answer.json()["code"] for answer in answers)
    assert codes == ["confirmation_refused"] * 5 + ["link_not_valid"] * 3
    assert (await confirm(client, token)).json()["code"] == "link_not_valid"
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 0


async def test_a_link_confirmed_many_times_at_once_makes_one_account(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    email = an_address()
    await register(client, email)
    await deliver_mails(app)
    token = token_in(post_office.to(email)[0])
    answers = await asyncio.gather(*(confirm(client, token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400]
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 1
    assert await owner.fetchval("SELECT count(*) FROM auth.profiles") == 1


async def test_an_expired_link_makes_no_account(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    email = an_address()
    await register(client, email)
    await deliver_mails(app)
    await owner.execute("UPDATE auth.registrations SET expires_at = now()")
    answer = await confirm(client, token_in(post_office.to(email)[0]))
    assert answer.json()["code"] == "link_not_valid"
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"email": "keine Adresse"}, "email_address_invalid"),
        ({"password": "zu kurz"}, "password_refused"),
        ({"password": "password1234"}, "password_refused"),
        ({"residence_country": "deutsch"}, "malformed_request"),
        ({"role": "admin"}, "malformed_request"),
        ({"email_verified_at": "2026-01-01"}, "malformed_request"),
        ({"profile_name": "An\x00na"}, "malformed_request"),
    ],
)
async def test_a_faulty_registration_is_refused_with_nothing_kept(
    client: httpx.AsyncClient, owner: asyncpg.Connection, fault: dict[str, str], code: str
) -> None:
    answer = await register(client, **{"email": an_address(), **fault})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert "zu kurz" not in answer.text
    assert await owner.fetchval("SELECT count(*) FROM auth.registrations") == 0
    assert await owner.fetchval("SELECT count(*) FROM store.mails") == 0


async def test_one_address_cannot_be_flooded_with_mails(client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    email = an_address()
    answers = [await register(client, email) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert await owner.fetchval("SELECT count(*) FROM store.mails") == 5


async def test_what_came_to_nothing_is_forgotten_with_its_address(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    email = an_address()
    await client.post("/v1/password-resets", json={"email": email})
    await register(client, email)
    _, sweep = periodic_jobs(parts_of(app))["forget_old_wishes"]
    await sweep()
    assert await owner.fetchval("SELECT count(*) FROM auth.registrations") == 1
    assert await owner.fetchval("SELECT email_key FROM auth.password_resets") == email
    for table in ("registrations", "password_resets"):
        await owner.execute(f"UPDATE auth.{table} SET expires_at = now() - interval '1 minute'")
    await sweep()
    assert await owner.fetchval("SELECT count(*) FROM auth.registrations") == 0
    assert await owner.fetchval("SELECT email_key FROM auth.password_resets") is None
