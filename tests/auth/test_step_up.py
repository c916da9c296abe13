"""What is sensitive needs a fresh proof; a new password ends every other session; a new device is told of."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.models import Account
from auth.visits import browser_of
from store.settings import Settings
from tests.auth.people import (
    AUTHENTICATOR,
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    Bearer,
    a_colleague,
    a_customer,
    parts_of,
    sign_in,
    with_unused_limits,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in

REASON = {"reason": "Anruf der Kundin, Vorgang 4711"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def grow_old(owner: asyncpg.Connection, session_id: UUID, *, minutes: float = 16) -> None:
    """Let the last proof of a session have been given some minutes ago."""
    await owner.execute(
        "UPDATE auth.sessions SET auth_at = $2, step_up_at = NULL WHERE id = $1",
        session_id,
        datetime.now(UTC) - timedelta(minutes=minutes),
    )


async def prove(
    client: httpx.AsyncClient, bearer: Bearer, password: str = GOOD_PASSWORD, code: str | None = None
) -> httpx.Response:
    proof = {"password": password, "code": code} if code else {"password": password}
    return await client.post("/v1/step-ups", json=proof, headers=bearer.headers)


async def change(
    client: httpx.AsyncClient, headers: dict[str, str], password: str = OTHER_PASSWORD, current: str | None = None
) -> httpx.Response:
    form = {"password": password, "current_password": current}
    return await client.post("/v1/password-changes", json=form, headers=headers)


async def status_of(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    return (await client.get("/v1/account", headers=headers)).status_code


async def test_what_is_sensitive_opens_for_a_fresh_proof_and_closes_after_a_quarter_of_an_hour(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    agent = await sign_in(client, await a_colleague(app))
    path = f"/v1/staff/customers/{(await a_customer(app)).id}/password-resets"
    await grow_old(owner, agent.session_id, minutes=14.5)
    assert (await client.post(path, json=REASON, headers=agent.headers)).status_code == 202
    await grow_old(owner, agent.session_id)
    refused = await client.post(path, json=REASON, headers=agent.headers)
    assert (refused.status_code, refused.json()["code"], refused.json()["max_age"]) == (403, "step_up_required", 900)
    assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_user_authentication", max_age="900"'
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 1

    alone = await prove(client, agent)
    assert (alone.status_code, alone.json()["code"]) == (403, "second_factor_required")
    assert (await client.post(path, json=REASON, headers=agent.headers)).status_code == 403
    proved = await prove(client, agent, code=AUTHENTICATOR.code(str(agent.account_id)))
    assert proved.status_code == 201
    renewed = {"Authorization": f"Bearer {proved.json()['token']}"}
    assert (await client.post(path, json=REASON, headers=renewed)).status_code == 202


@pytest.mark.parametrize("name", ["transactions.csv", "payouts.csv"])
async def test_an_export_of_finance_needs_a_fresh_proof(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, name: str
) -> None:
    bearer = await sign_in(client, await a_colleague(app, roles=("finance",)))
    path = f"/v1/finance/{name}?from=2026-11-01&to=2026-12-01"
    assert (await client.get(path, headers=bearer.headers)).status_code == 200
    await grow_old(owner, bearer.session_id)
    assert (await client.get(path, headers=bearer.headers)).json()["code"] == "step_up_required"


async def test_a_proof_gives_the_session_a_new_token_and_ends_the_old_one(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account = await a_customer(app)
    bearer, other = await sign_in(client, account), await sign_in(client, account)
    token = (await prove(client, bearer)).json()["token"]
    assert token != bearer.token
    assert await status_of(client, bearer.headers) == 401
    assert await status_of(client, {"Authorization": f"Bearer {token}"}) == 200
    assert await status_of(client, other.headers) == 200


async def test_a_browser_gets_a_new_cookie_and_its_open_forms_stay_good(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    account = await a_customer(app)
    opened = await client.post(
        "/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD, "client": "web"}
    )
    before = client.cookies[settings.session_cookie]
    ours = {"Origin": settings.base_url, "X-CSRF-Token": opened.json()["csrf_token"]}
    proved = await client.post("/v1/step-ups", json={"password": GOOD_PASSWORD}, headers=ours)
    assert proved.json()["token"] is None
    assert client.cookies[settings.session_cookie] != before
    assert (await client.delete("/v1/sessions/current", headers=ours)).status_code == 204


async def test_a_wrong_password_proves_nothing_and_stays_in_the_audit_trail(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    bearer = await sign_in(client, await a_customer(app))
    await grow_old(owner, bearer.session_id)
    answer = await prove(client, bearer, OTHER_PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (400, "password_wrong")
    assert await status_of(client, bearer.headers) == 200
    assert (await change(client, bearer.headers)).json()["code"] == "step_up_required"
    entries = await owner.fetch("SELECT outcome FROM auth.audit_events WHERE action = 'session.step_up'")
    assert [entry["outcome"] for entry in entries] == ["refused"]


async def test_a_second_factor_belongs_to_the_proof_and_is_asked_for_only_after_the_right_password(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    bearer = await sign_in(client, await a_colleague(app))
    code = AUTHENTICATOR.code(str(bearer.account_id))
    assert (await prove(client, bearer, OTHER_PASSWORD)).json()["code"] == "password_wrong"
    assert (await prove(client, bearer, OTHER_PASSWORD, code=code)).json()["code"] == "password_wrong"
    assert (await prove(client, bearer, code="000000")).json()["code"] == "code_refused"
    assert (await prove(client, bearer)).json()["code"] == "second_factor_required"
    assert await owner.fetchval("SELECT step_up_at FROM auth.sessions WHERE id = $1", bearer.session_id) is None
    assert (await prove(client, bearer, code=code)).status_code == 201


async def test_with_a_second_factor_the_old_password_alone_changes_nothing(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    bearer = await sign_in(client, await a_colleague(app))
    await grow_old(owner, bearer.session_id)
    refused = await change(client, bearer.headers, current=GOOD_PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    proved = await prove(client, bearer, code=AUTHENTICATOR.code(str(bearer.account_id)))
    renewed = {"Authorization": f"Bearer {proved.json()['token']}"}
    assert (await change(client, renewed, current=GOOD_PASSWORD)).status_code == 201


async def test_a_proof_that_fails_through_our_own_fault_is_no_try(app: Litestar, client: httpx.AsyncClient) -> None:
    bearer, hasher = await sign_in(client, await a_customer(app)), parts_of(app).hasher
    hasher.waiting += hasher.capacity
    assert [(await prove(client, bearer)).status_code for _ in range(12)] == [503] * 12
    hasher.waiting -= hasher.capacity
    assert (await prove(client, bearer)).status_code == 201


async def test_who_stole_a_session_cannot_guess_on_and_does_not_lock_the_owner_out(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account = await a_customer(app)
    stolen, own = await sign_in(client, account), await sign_in(client, account)
    guesses = [(await prove(client, stolen, OTHER_PASSWORD)).status_code for _ in range(11)]
    assert guesses == [400] * 10 + [429]
    assert (await prove(client, stolen)).status_code == 429
    assert (await prove(client, own)).status_code == 201


async def test_a_session_that_ends_meanwhile_is_not_renewed(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    bearer, other = await sign_in(client, account), await sign_in(client, account)
    for _ in range(5):
        answers = await asyncio.gather(prove(client, bearer), client.delete("/v1/sessions", headers=other.headers))
        proved = answers[0]
        if proved.status_code == 201:
            token = {"Authorization": f"Bearer {proved.json()['token']}"}
            assert await status_of(client, token) == 401
        bearer, other = await sign_in(client, account), await sign_in(client, account)
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions WHERE revoked_at IS NULL") == 2


async def test_the_old_password_changes_it_and_every_other_session_ends(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    bearer, others = await sign_in(client, account), [await sign_in(client, account) for _ in range(2)]
    await grow_old(owner, bearer.session_id)
    done = await change(client, bearer.headers, current=GOOD_PASSWORD)
    assert done.status_code == 201
    assert await status_of(client, {"Authorization": f"Bearer {done.json()['token']}"}) == 200
    assert [await status_of(client, one.headers) for one in (bearer, *others)] == [401] * 3
    with_unused_limits(app)
    old = await client.post("/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD})
    assert old.status_code == 401
    await sign_in(client, account, password=OTHER_PASSWORD)
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action = 'password.change'") == 1


async def test_a_fresh_proof_changes_the_password_without_the_old_one(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    bearer = await sign_in(client, await a_colleague(app))
    assert (await change(client, bearer.headers)).status_code == 201


@pytest.mark.parametrize(
    ("password", "current", "code"),
    [
        (OTHER_PASSWORD, None, "step_up_required"),
        (OTHER_PASSWORD, "etwas ganz anderes", "password_wrong"),
        ("zu kurz", GOOD_PASSWORD, "password_refused"),
    ],
)
async def test_a_refused_change_changes_nothing(
    app: Litestar,
    client: httpx.AsyncClient,
    owner: asyncpg.Connection,
    password: str,
    current: str | None,
    code: str,
) -> None:
    account = await a_customer(app)
    bearer, other = await sign_in(client, account), await sign_in(client, account)
    await grow_old(owner, bearer.session_id)
    assert (await change(client, bearer.headers, password, current)).json()["code"] == code
    assert [await status_of(client, one.headers) for one in (bearer, other)] == [200, 200]
    await sign_in(client, account)


async def test_a_password_is_not_changed_without_end(app: Litestar, client: httpx.AsyncClient) -> None:
    bearer = await sign_in(client, await a_customer(app))
    tries = [(await change(client, bearer.headers, "zu kurz")).status_code for _ in range(11)]
    assert tries == [400] * 10 + [429]


async def test_of_many_changes_at_once_one_session_is_left(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    bearers = [await sign_in(client, account) for _ in range(4)]
    answers = await asyncio.gather(
        *(change(client, one.headers, f"Passwort der Nummer {number}") for number, one in enumerate(bearers))
    )
    assert 201 in {answer.status_code for answer in answers}
    assert {answer.status_code for answer in answers} <= {201, 401, 409}
    tokens = [answer.json()["token"] for answer in answers if answer.status_code == 201]
    alive = [await status_of(client, {"Authorization": f"Bearer {token}"}) for token in tokens]
    assert alive.count(200) == 1


async def test_the_owner_is_told_of_a_change_with_the_way_back_and_no_open_link_works_any_more(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    bearer = await sign_in(client, account)
    await client.post("/v1/password-resets", json={"email": account.email})
    await deliver_mails(app)
    link = token_in(post_office.to(account.email)[-1])
    await change(client, bearer.headers)
    await deliver_mails(app)
    letter = post_office.to(account.email)[-1]
    assert letter["Subject"] == "Ihr Passwort wurde geändert"
    assert "Alle anderen Geräte wurden abgemeldet" in text_of(letter)
    assert "/de/password/forgot" in text_of(letter)
    late = await client.post("/v1/password-reset-completions", json={"token": link, "password": GOOD_PASSWORD})
    assert late.json()["code"] == "link_not_valid"


async def open_session(
    client: httpx.AsyncClient, account: Account, device: str | None = None, agent: str = FIREFOX
) -> str | None:
    form = {"email": account.email, "password": GOOD_PASSWORD, "device_token": device}
    answer = await client.post("/v1/sessions", json=form, headers={"User-Agent": agent})
    assert answer.status_code == 201
    token: str | None = answer.json()["device_token"]
    return token


async def test_a_sign_in_on_a_new_device_is_told_of_once(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    first = await open_session(client, account)
    await deliver_mails(app)
    assert post_office.letters == [], "the first sign-in is no news to its owner"
    second = await open_session(client, account)
    for device in (first, second, first, second):
        assert await open_session(client, account, device) is None
    await deliver_mails(app)
    (letter,) = post_office.to(account.email)
    assert letter["Subject"] == "Neue Anmeldung in Ihrem Konto"
    for fact in ("Firefox, Linux", "127.0.0.0/24", "/de/password/forgot", "/de/account"):
        assert fact in text_of(letter)


async def test_a_mail_about_a_sign_in_repeats_nothing_that_a_stranger_wrote(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    await open_session(client, account)
    await open_session(client, account, agent="https://boese.example/ jetzt anrufen")
    await deliver_mails(app)
    (letter,) = post_office.to(account.email)
    assert "boese" not in letter.as_string()


async def test_a_wrong_password_on_a_new_device_is_no_news(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    await open_session(client, account)
    await client.post("/v1/sessions", json={"email": account.email, "password": OTHER_PASSWORD})
    assert await owner.fetchval("SELECT count(*) FROM store.mails") == 0


async def test_staff_are_told_to_write_as_they_have_no_link_of_their_own(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, settings: Settings
) -> None:
    colleague = await a_colleague(app)
    for _ in range(2):
        await sign_in(client, colleague)
    await deliver_mails(app)
    (letter,) = post_office.to(colleague.email)
    assert settings.seller.email in text_of(letter)
    assert "/password/forgot" not in text_of(letter)


def test_only_well_known_browsers_are_named() -> None:
    assert browser_of(FIREFOX) == "Firefox, Linux"
    assert browser_of("VideothekTV/2.1") is None
