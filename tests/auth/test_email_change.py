"""An address is changed by who proves it, confirmed at the new one, and given back from the old one."""

import asyncio
from datetime import timedelta
from email.message import EmailMessage

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.models import Account
from auth.tokens import EMAIL_CHANGE, EMAIL_UNDO, PASSWORD_RESET, make_token
from tests.auth.people import (
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    Bearer,
    a_colleague,
    a_customer,
    an_address,
    sign_in,
    with_unused_limits,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in


async def ask(client: httpx.AsyncClient, bearer: Bearer, email: str) -> httpx.Response:
    return await client.post("/v1/email-changes", json={"email": email}, headers=bearer.headers)


async def confirm(client: httpx.AsyncClient, bearer: Bearer, token: str) -> httpx.Response:
    return await client.post("/v1/email-change-confirmations", json={"token": token}, headers=bearer.headers)


async def undo(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/email-change-undos", json={"token": token})


async def mailed(app: Litestar, post_office: PostOffice, address: str | None) -> EmailMessage:
    """The newest mail to an address, once all are delivered."""
    await deliver_mails(app)
    return post_office.to(address)[-1]


async def a_change(app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, bearer: Bearer) -> str:
    """Change the address for good; answers the new one."""
    new = an_address("neu")
    assert (await ask(client, bearer, new)).status_code == 202
    assert (await confirm(client, bearer, token_in(await mailed(app, post_office, new)))).status_code == 204
    return new


async def address_of(owner: asyncpg.Connection, account: Account) -> str | None:
    address: str | None = await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", account.id)
    return address


async def is_alive(client: httpx.AsyncClient, bearer: Bearer) -> bool:
    return (await client.get("/v1/account", headers=bearer.headers)).status_code == 200


async def test_a_new_address_holds_once_it_is_confirmed_and_other_sessions_end(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    bearer, other = await sign_in(client, account), await sign_in(client, account)
    new = an_address("neu")
    assert (await ask(client, bearer, new.upper())).status_code == 202
    letter = await mailed(app, post_office, new.upper().replace("BEISPIEL.EXAMPLE", "beispiel.example"))
    assert letter["Subject"] == "Bestätigen Sie Ihre neue Adresse"
    assert await address_of(owner, account) == account.email
    assert (await confirm(client, bearer, token_in(letter))).status_code == 204
    assert (await client.get("/v1/account", headers=bearer.headers)).json()["email"].lower() == new
    assert not await is_alive(client, other)
    old = await client.post("/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD})
    assert old.status_code == 401
    signed_in = await client.post("/v1/sessions", json={"email": new, "password": GOOD_PASSWORD})
    assert signed_in.status_code == 201
    actions = await owner.fetch("SELECT action FROM auth.audit_events WHERE action LIKE 'email%' ORDER BY id")
    assert [row["action"] for row in actions] == ["email_change.request", "email_change.confirm"]


async def test_the_old_address_is_told_before_and_after_with_the_new_one_masked(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    bearer = await sign_in(client, account)
    new = await a_change(app, client, post_office, bearer)
    await deliver_mails(app)
    told = [text_of(letter) for letter in post_office.to(account.email)]
    assert ["wurde eine andere Adresse angegeben" in text for text in told] == [True, False]
    assert "gilt jetzt eine andere Adresse" in told[1]
    assert not any(new in text for text in told)


async def test_an_address_that_has_an_account_gets_the_same_answer_and_changes_nothing(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    victim, colleague = await a_customer(app), await a_colleague(app)
    attacker = await a_customer(app)
    bearer = await sign_in(client, attacker)
    answers = []
    for email in (victim.email or "", colleague.email or "", an_address("frei")):
        with_unused_limits(app)
        answers.append(await ask(client, bearer, email))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len({str({**answer.headers, "x-request-id": ""}) for answer in answers}) == 1
    with_unused_limits(app)
    await ask(client, bearer, victim.email or "")
    letter = await mailed(app, post_office, victim.email)
    assert letter["Subject"] == "Ihre Adresse gehört schon zu einem Konto"
    assert "#t=" not in text_of(letter)
    assert await address_of(owner, victim) == victim.email
    assert await address_of(owner, attacker) == attacker.email
    await sign_in(client, victim)


async def test_only_who_asked_can_confirm(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    attacker, new = await a_customer(app), an_address("opfer")
    await ask(client, await sign_in(client, attacker), new)
    token = token_in(await mailed(app, post_office, new))
    stranger = await sign_in(client, await a_customer(app))
    assert (await confirm(client, stranger, token)).json()["code"] == "link_not_valid"
    assert (await client.post("/v1/email-change-confirmations", json={"token": token})).status_code == 401
    assert await address_of(owner, attacker) == attacker.email


async def test_asking_needs_a_fresh_proof_and_a_customer(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    bearer, colleague = await sign_in(client, await a_customer(app)), await sign_in(client, await a_colleague(app))
    assert (await ask(client, colleague, an_address())).json()["code"] == "customers_only"
    await owner.execute("UPDATE auth.sessions SET auth_at = now() - interval '16 minutes'")
    assert (await ask(client, bearer, an_address())).json()["code"] == "step_up_required"
    assert await owner.fetchval("SELECT count(*) FROM auth.email_changes") == 0


@pytest.mark.parametrize("twist", [str, str.upper, str.title])
async def test_the_own_address_in_another_case_is_no_new_one(
    app: Litestar, client: httpx.AsyncClient, twist: type[str]
) -> None:
    account = await a_customer(app)
    answer = await ask(client, await sign_in(client, account), twist(account.email or ""))
    assert (answer.status_code, answer.json()["code"]) == (400, "email_address_unchanged")


@pytest.mark.parametrize(
    "trick", ["аnna@beispiel.example", "ⓐnna@beispiel.example", "anna@beispiel.example\nBcc: x@x.example", "a@x,b@y"]
)
async def test_an_address_with_tricks_in_it_is_refused(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, trick: str
) -> None:
    answer = await ask(client, await sign_in(client, await a_customer(app)), trick)
    assert answer.status_code == 400
    assert await owner.fetchval("SELECT count(*) FROM auth.email_changes") == 0


async def test_an_address_in_the_letters_of_another_case_belongs_to_the_account_that_has_it(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    victim = await a_customer(app)
    await ask(client, await sign_in(client, await a_customer(app)), (victim.email or "").upper())
    assert (await mailed(app, post_office, victim.email))["Subject"] == "Ihre Adresse gehört schon zu einem Konto"


async def test_only_the_newest_link_confirms_and_only_once(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    bearer, first, second = await sign_in(client, await a_customer(app)), an_address("eins"), an_address("zwei")
    await ask(client, bearer, first)
    older = token_in(await mailed(app, post_office, first))
    await ask(client, bearer, second)
    newer = token_in(await mailed(app, post_office, second))
    assert (await confirm(client, bearer, older)).json()["code"] == "link_not_valid"
    answers = await asyncio.gather(*(confirm(client, bearer, newer) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 4


async def test_a_link_confirms_for_a_day(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    bearer, new = await sign_in(client, await a_customer(app)), an_address("neu")
    await ask(client, bearer, new)
    token = token_in(await mailed(app, post_office, new))
    lives = await owner.fetchval("SELECT expires_at - requested_at FROM auth.email_changes")
    assert lives == timedelta(hours=24)
    await owner.execute("UPDATE auth.email_changes SET expires_at = now()")
    assert (await confirm(client, bearer, token)).json()["code"] == "link_not_valid"


@pytest.mark.parametrize("kind", [EMAIL_CHANGE, EMAIL_UNDO, PASSWORD_RESET])
async def test_a_made_up_token_does_nothing(app: Litestar, client: httpx.AsyncClient, kind: str) -> None:
    bearer, token = await sign_in(client, await a_customer(app)), make_token(kind)
    assert (await confirm(client, bearer, token)).json()["code"] == "link_not_valid"
    assert (await undo(client, token)).json()["code"] == "link_not_valid"


async def test_of_two_accounts_that_want_an_address_one_gets_it(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    wanted, tokens = an_address("begehrt"), []
    bearers = [await sign_in(client, await a_customer(app)) for _ in range(2)]
    for bearer in bearers:
        await ask(client, bearer, wanted)
        tokens.append(token_in(await mailed(app, post_office, wanted)))
    answers = await asyncio.gather(*(confirm(client, *pair) for pair in zip(bearers, tokens, strict=True)))
    assert sorted(answer.status_code for answer in answers) == [204, 400]
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts WHERE email_key = $1", wanted) == 1


async def test_undoing_before_the_change_keeps_the_address_and_shuts_everyone_out(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account, new = await a_customer(app), an_address("dieb")
    thief = await sign_in(client, account)
    await ask(client, thief, new)
    link = token_in(await mailed(app, post_office, new))
    assert (await undo(client, token_in(post_office.to(account.email)[-1]))).status_code == 204
    assert not await is_alive(client, thief)
    assert await address_of(owner, account) == account.email
    known = await client.post("/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD})
    assert known.status_code == 401, "whoever asked knew the password"
    reset = token_in(await mailed(app, post_office, account.email))
    form = {"token": reset, "password": OTHER_PASSWORD}
    assert (await client.post("/v1/password-reset-completions", json=form)).status_code == 204
    back = await sign_in(client, account, password=OTHER_PASSWORD)
    assert (await confirm(client, back, link)).json()["code"] == "link_not_valid"


async def test_undoing_after_the_change_gives_the_address_back_for_72_hours(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    thief = await sign_in(client, account)
    await a_change(app, client, post_office, thief)
    link = token_in(post_office.to(account.email)[0])
    row = await owner.fetchrow("SELECT undo_until, confirmed_at FROM auth.email_changes")
    assert row is not None
    assert row["undo_until"] - row["confirmed_at"] == timedelta(hours=72)
    await deliver_mails(app)
    assert token_in(post_office.to(account.email)[-1]) == link, "both mails hold the same one"

    await owner.execute("UPDATE auth.email_changes SET undo_until = now()")
    assert (await undo(client, link)).json()["code"] == "link_not_valid"
    await owner.execute("UPDATE auth.email_changes SET undo_until = now() + interval '1 minute'")
    answers = await asyncio.gather(*(undo(client, link) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 4
    assert await address_of(owner, account) == account.email
    assert not await is_alive(client, thief)
    assert (await mailed(app, post_office, account.email))["Subject"] == "Ihr Link für ein neues Passwort"


async def test_the_first_old_address_undoes_all_that_came_after_and_no_later_one_can_prevent_it(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    thief = await sign_in(client, account)
    second = await a_change(app, client, post_office, thief)
    await a_change(app, client, post_office, thief)
    await deliver_mails(app)
    assert (await undo(client, token_in(post_office.to(second)[-1]))).status_code == 204
    assert await address_of(owner, account) == second
    assert (await undo(client, token_in(post_office.to(account.email)[-1]))).status_code == 204
    assert await address_of(owner, account) == account.email


async def test_a_new_password_stops_a_change_that_waits_and_a_change_stops_links_for_a_password(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account, new = await a_customer(app), an_address("neu")
    bearer = await sign_in(client, account)
    await ask(client, bearer, new)
    waiting = token_in(await mailed(app, post_office, new))
    changed = await client.post("/v1/password-changes", json={"password": OTHER_PASSWORD}, headers=bearer.headers)
    bearer = Bearer(account.id, bearer.session_id, changed.json()["token"])
    assert (await confirm(client, bearer, waiting)).json()["code"] == "link_not_valid"

    await client.post("/v1/password-resets", json={"email": account.email})
    reset = token_in(await mailed(app, post_office, account.email))
    await a_change(app, client, post_office, bearer)
    late = await client.post("/v1/password-reset-completions", json={"token": reset, "password": GOOD_PASSWORD})
    assert late.json()["code"] == "link_not_valid"


async def test_support_mails_no_link_to_an_address_that_may_still_be_taken_back(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    await a_change(app, client, post_office, await sign_in(client, account))
    path = f"/v1/staff/customers/{account.id}/password-resets"
    reason = {"reason": "Anruf der Kundin, Vorgang 4711"}
    refused = await client.post(path, json=reason, headers=agent.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "address_changed_lately")
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 0
    await owner.execute("UPDATE auth.email_changes SET undo_until = now()")
    assert (await client.post(path, json=reason, headers=agent.headers)).status_code == 202


async def test_asking_is_limited_by_account_and_by_mailbox(app: Litestar, client: httpx.AsyncClient) -> None:
    bearer, wanted = await sign_in(client, await a_customer(app)), an_address("briefkasten")
    asked = [(await ask(client, bearer, wanted)).status_code for _ in range(6)]
    assert asked == [202] * 5 + [429]
    other = await sign_in(client, await a_customer(app))
    assert (await ask(client, other, wanted)).status_code == 429
    assert (await ask(client, other, an_address("andere"))).status_code == 202


async def test_no_token_stands_in_the_database(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    new = await a_change(app, client, post_office, await sign_in(client, account))
    await deliver_mails(app)
    tokens = [token_in(post_office.to(address)[-1]) for address in (new, account.email)]
    rows = await owner.fetch(
        "SELECT c::text AS row FROM auth.email_changes c UNION ALL SELECT a::text FROM auth.audit_events a "
        "UNION ALL SELECT convert_from(payload, 'UTF8') FROM jobs.pgqueuer UNION ALL SELECT m::text FROM store.mails m"
    )
    assert not any(token[12:] in row["row"] for token in tokens for row in rows)
