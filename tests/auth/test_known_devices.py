"""Nobody keeps the owner out by guessing: known devices are counted apart, and the way to a new password stays open."""

from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.errors import TooManyAttempts
from auth.known_devices import KEPT, forget_old_devices
from auth.limits import SIGN_IN_PER_HOUR, SIGN_INS_ON_DEVICE, Rule
from auth.models import Account
from auth.tokens import DEVICE, hash_token
from store.settings import Settings
from tests.auth.people import GOOD_PASSWORD, OTHER_PASSWORD, a_customer, parts_of, someone_at, with_unused_limits
from tests.auth.post_office import PostOffice, deliver_mails, token_in

ELSEWHERE = "198.51.100.7"


async def tried(
    client: httpx.AsyncClient, account: Account, device: str | None = None, *, password: str = OTHER_PASSWORD
) -> httpx.Response:
    form = {"email": account.email, "password": password, "device_token": device}
    return await client.post("/v1/sessions", json=form)


async def a_device(client: httpx.AsyncClient, account: Account) -> str:
    """The token of an app in which the account was signed in."""
    answer = await tried(client, account, password=GOOD_PASSWORD)
    return str(answer.json()["device_token"])


async def statuses(client: httpx.AsyncClient, account: Account, device: str | None = None, *, tries: int) -> list[int]:
    return [(await tried(client, account, device)).status_code for _ in range(tries)]


async def use_up(app: Litestar, rule: Rule, key: str) -> None:
    """Count tries until one is refused."""
    with suppress(TooManyAttempts):
        for _ in range(rule.burst + 5):
            await rule.admit(parts_of(app).throttle, key)


async def test_who_guesses_elsewhere_does_not_lock_the_owners_app_out(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    device = await a_device(client, account)
    async with someone_at(app, ELSEWHERE) as attacker:
        assert await statuses(attacker, account, tries=12) == [401] * 10 + [429] * 2
    assert (await tried(client, account, password=GOOD_PASSWORD)).status_code == 429
    assert (await tried(client, account, device, password=GOOD_PASSWORD)).status_code == 201


async def test_who_guesses_elsewhere_does_not_lock_the_owners_browser_out(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    account = await a_customer(app)
    form = {"email": account.email, "password": GOOD_PASSWORD, "client": "web"}
    first = await client.post("/v1/sessions", json=form)
    assert first.json()["device_token"] is None
    assert settings.device_cookie in client.cookies
    client.cookies.delete(settings.session_cookie)
    async with someone_at(app, ELSEWHERE) as attacker:
        assert (await statuses(attacker, account, tries=11))[-1] == 429
    again = await client.post("/v1/sessions", json=form)
    assert again.status_code == 201
    assert "device=" not in again.headers["set-cookie"]


async def test_who_guesses_in_the_same_network_does_not_lock_the_owner_out(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account = await a_customer(app)
    device = await a_device(client, account)
    await use_up(app, SIGN_IN_PER_HOUR, "127.0.0.1")
    assert (await tried(client, account, password=GOOD_PASSWORD)).status_code == 429
    assert (await tried(client, account, device, password=GOOD_PASSWORD)).status_code == 201


async def test_a_known_device_has_no_more_tries_than_any_other(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    device = await a_device(client, account)
    assert await statuses(client, account, device, tries=11) == [401] * 10 + [429]
    assert (await tried(client, account, password=GOOD_PASSWORD)).status_code == 201


async def test_a_device_of_another_account_is_no_device_of_this_one(app: Litestar, client: httpx.AsyncClient) -> None:
    attackers, account = await a_device(client, await a_customer(app)), await a_customer(app)
    assert await statuses(client, account, attackers, tries=11) == [401] * 10 + [429]


async def test_two_accounts_may_share_a_device(app: Litestar, client: httpx.AsyncClient) -> None:
    one, other = await a_customer(app), await a_customer(app)
    device = await a_device(client, one)
    assert (await tried(client, other, device, password=GOOD_PASSWORD)).json()["device_token"] is None
    for account in (one, other):
        assert '"sign_in.device";r=9' in (await tried(client, account, device)).headers["ratelimit"]


@pytest.mark.parametrize("made_up", ["vt1_device_" + "a" * 43, "vt1_session_" + "a" * 43, "x"])
async def test_a_token_that_we_never_gave_becomes_no_device(
    app: Litestar, client: httpx.AsyncClient, made_up: str
) -> None:
    account = await a_customer(app)
    given = (await tried(client, account, made_up, password=GOOD_PASSWORD)).json()["device_token"]
    assert given not in (None, made_up)
    assert await statuses(client, account, made_up, tries=11) == [401] * 10 + [429]
    assert (await tried(client, account, given)).status_code == 401


async def test_no_token_of_a_device_stands_in_the_database(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    device = await a_device(client, await a_customer(app))
    rows = await owner.fetch("SELECT d::text AS row FROM auth.known_devices d")
    assert len(rows) == 1
    assert device[12:] not in rows[0]["row"]


async def test_a_device_is_forgotten_when_nobody_signs_in_on_it(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    await a_device(client, await a_customer(app))
    now, left = datetime.now(UTC), []
    for at in (now + KEPT - timedelta(minutes=1), now + KEPT + timedelta(minutes=1)):
        async with parts_of(app).database.sessions.begin() as session:
            await forget_old_devices(session, at=at)
        left.append(await owner.fetchval("SELECT count(*) FROM auth.known_devices"))
    assert left == [1, 0]


async def test_a_new_password_makes_every_device_a_stranger(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    device = await a_device(client, account)
    await client.post("/v1/password-resets", json={"email": account.email})
    await deliver_mails(app)
    token = token_in(post_office.to(account.email)[-1])
    done = await client.post("/v1/password-reset-completions", json={"token": token, "password": OTHER_PASSWORD})
    assert done.status_code == 204
    assert await owner.fetchval("SELECT count(*) FROM auth.known_devices") == 0
    assert (await tried(client, account, device)).json()["device_token"] not in (None, device)


async def test_who_asks_for_resets_elsewhere_does_not_keep_the_owner_from_one(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account = await a_customer(app)
    device = await a_device(client, account)
    form = {"email": account.email}
    for network in range(5):
        async with someone_at(app, f"198.51.{network}.7") as attacker:
            asked = [(await attacker.post("/v1/password-resets", json=form)).status_code for _ in range(6)]
        assert asked == ([202] * 5 + [429] if network < 4 else [429] * 6)
    assert (await client.post("/v1/password-resets", json=form)).status_code == 429
    known = await client.post("/v1/password-resets", json={**form, "device_token": device})
    assert known.status_code == 202


async def test_guessing_links_in_the_same_network_does_not_spoil_a_valid_one(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    await client.post("/v1/password-resets", json={"email": account.email})
    await deliver_mails(app)
    form = {"token": token_in(post_office.to(account.email)[-1]), "password": OTHER_PASSWORD}
    guesses = [
        (await client.post("/v1/password-reset-completions", json={**form, "token": "x"})).status_code
        for _ in range(31)
    ]
    assert guesses == [400] * 30 + [429]
    assert (await client.post("/v1/password-reset-completions", json=form)).status_code == 204


async def test_answers_say_what_is_left_and_nothing_of_the_address(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    answers = [await tried(client, account) for _ in range(11)]
    assert answers[0].headers["ratelimit-policy"] == (
        '"sign_in.ip.minute";q=30;w=60, "sign_in.ip.hour";q=300;w=3600, "sign_in.network.hour";q=2000;w=3600'
    )
    assert answers[0].headers["ratelimit"].startswith('"sign_in.ip.minute";r=29;t=2, "sign_in.ip.hour";r=299;t=12, ')
    assert "sign_in.account" not in "".join(answer.headers["ratelimit"] for answer in answers[:10])
    wait = answers[10].headers["retry-after"]
    assert f'"sign_in.account";r=0;t={wait}' in answers[10].headers["ratelimit"]
    assert '"sign_in.account";q=10;w=900' in answers[10].headers["ratelimit-policy"]
    assert "ratelimit" not in (await client.get("/v1/genres")).headers


async def test_a_known_device_is_told_of_its_own_count_alone(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    device = await a_device(client, account)
    with_unused_limits(app)
    answer = await tried(client, account, device)
    assert answer.headers["ratelimit"] == '"sign_in.device.minute";r=19;t=3, "sign_in.device";r=9;t=90'
    good = await tried(client, account, device, password=GOOD_PASSWORD)
    assert '"sign_in.device";' not in good.headers["ratelimit"], "what succeeds is given back"


async def test_a_known_device_gets_in_while_a_flood_of_sign_ins_is_turned_away(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account, hasher = await a_customer(app), parts_of(app).hasher
    device = await a_device(client, account)
    with ExitStack() as flood:
        for _ in range(hasher.capacity - hasher.reserved):
            flood.enter_context(hasher.place())
        unknown = await tried(client, account, password=GOOD_PASSWORD)
        assert (unknown.status_code, unknown.json()["code"], unknown.headers["retry-after"]) == (503, "overloaded", "3")
        assert "ratelimit" not in unknown.headers, "who is turned away is not counted"
        assert (await tried(client, account, device, password=GOOD_PASSWORD)).status_code == 201
    assert (await tried(client, account, password=GOOD_PASSWORD)).status_code == 201


async def test_of_very_many_at_once_most_are_turned_away_unread_but_for_browsers_that_may_be_known(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    account, hasher = await a_customer(app), parts_of(app).hasher
    form = {"email": account.email, "password": GOOD_PASSWORD, "client": "web"}
    assert (await client.post("/v1/sessions", json=form)).status_code == 201
    device = {"Cookie": f"{settings.device_cookie}={client.cookies[settings.device_cookie]}"}
    client.cookies.clear()
    with ExitStack() as flood:
        for _ in range(2 * hasher.capacity):
            flood.enter_context(hasher.entrance())
        for path in ("/v1/sessions", "/v1/registrations"):
            unread = await client.post(path, content=b"{", headers={"content-type": "application/json"})
            assert (unread.status_code, unread.json()["code"], unread.headers["retry-after"]) == (
                503,
                "overloaded",
                "3",
            )
        page = {"email": account.email, "password": GOOD_PASSWORD}
        told = await client.post("/de/sign-in", data=page, headers={"Sec-Fetch-Site": "same-origin"})
        assert (told.status_code, told.headers["retry-after"]) == (503, "3")
        assert "<h1" in told.text
        assert (await client.post("/v1/sessions", json=form, headers=device)).status_code == 201
    assert hasher.inside == 0
    client.cookies.clear()
    assert (await client.post("/v1/sessions", json=form)).status_code == 201


async def test_a_known_device_does_not_sign_in_without_end(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    device = await a_device(client, account)
    await use_up(app, SIGN_INS_ON_DEVICE, (hash_token(device, kind=DEVICE) or b"").hex())
    assert (await tried(client, account, device, password=GOOD_PASSWORD)).status_code == 429


async def test_a_valid_link_takes_sixty_passwords_that_will_not_do(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice
) -> None:
    account = await a_customer(app)
    await client.post("/v1/password-resets", json={"email": account.email})
    await deliver_mails(app)
    form = {"token": token_in(post_office.to(account.email)[-1]), "password": "zu kurz"}
    tries = [(await client.post("/v1/password-reset-completions", json=form)).status_code for _ in range(61)]
    assert tries == [400] * 60 + [429]
