import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.accounts import Accounts
from auth.models import Account
from auth.passwords import OneTimeCodes
from store.composition import periodic_jobs
from tests.auth.people import (
    AUTHENTICATOR,
    GOOD_PASSWORD,
    OTHER_PASSWORD,
    Bearer,
    a_colleague,
    a_customer,
    an_address,
    parts_of,
    sign_in,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in
from tests.authenticators import PERIOD, Authenticator, code_at

WRONG = ("123", "abcdef", "１２３４５６", "000000 ", "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF")


async def a_newcomer(app: Litestar) -> Account:
    """A member of staff who has not signed in yet, and so has no second factor."""
    parts = parts_of(app)
    async with parts.database.sessions.begin() as session:
        return await Accounts(session, parts.hasher).create_staff(
            email=an_address("neu"), password=GOOD_PASSWORD, roles=("support",), at=datetime.now(UTC)
        )


async def first_step(client: httpx.AsyncClient, account: Account, password: str = GOOD_PASSWORD) -> dict[str, object]:
    answer = await client.post("/v1/sessions", json={"email": account.email, "password": password})
    assert answer.status_code == 202, answer.text
    assert "set-cookie" not in answer.headers
    body: dict[str, object] = answer.json()
    return body


async def second_step(client: httpx.AsyncClient, token: object, code: str) -> httpx.Response:
    return await client.post("/v1/second-steps", json={"token": token, "code": code})


async def a_protected_customer(
    app: Litestar, client: httpx.AsyncClient
) -> tuple[Account, Bearer, Authenticator, list[str]]:
    """A customer with a second factor: signed in, with the app and the recovery codes."""
    customer = await a_customer(app)
    bearer = await sign_in(client, customer)
    offer = await client.post("/v1/second-factor-offers", json={"password": GOOD_PASSWORD}, headers=bearer.headers)
    assert offer.status_code == 201, offer.text
    own = Authenticator(offer.json()["secret"])
    confirmed = await client.post("/v1/second-factor-confirmations", json={"code": own.code()}, headers=bearer.headers)
    assert confirmed.status_code == 201, confirmed.text
    return customer, bearer, own, confirmed.json()["codes"]


async def test_staff_have_no_session_and_no_permission_before_the_second_step(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_colleague(app, roles=("admin",))
    due = await first_step(client, account)
    assert due["offer"] is None
    for path in ("/v1/account", "/v1/staff/customers?email=a@beispiel.example"):
        answer = await client.get(path, headers={"Authorization": f"Bearer {due['token']}"})
        assert answer.status_code == 401
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 0
    done = await second_step(client, due["token"], AUTHENTICATOR.now())
    assert (done.status_code, done.json()["recovery_codes"]) == (201, None)
    told = await client.get("/v1/account", headers={"Authorization": f"Bearer {done.json()['token']}"})
    assert told.json()["roles"] == ["admin"]
    assert await owner.fetchval("SELECT amr FROM auth.sessions") == ["pwd", "otp", "mfa"]


async def test_a_session_of_staff_that_a_password_alone_opened_counts_for_nothing(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    bearer = await sign_in(client, await a_colleague(app))
    await owner.execute("UPDATE auth.sessions SET amr = '{pwd}'")
    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401


async def test_a_newcomer_sets_the_factor_up_at_the_first_sign_in_and_sees_the_recovery_codes_once(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, post_office: PostOffice
) -> None:
    account = await a_newcomer(app)
    due = await first_step(client, account)
    offer = due["offer"]
    assert isinstance(offer, dict)
    address = urlsplit(offer["address"])
    assert (address.scheme, address.netloc, unquote(address.path)) == ("otpauth", "totp", f"/Videothek:{account.email}")
    assert parse_qs(address.query) == {"secret": [offer["secret"]], "issuer": ["Videothek"]}
    own = Authenticator(offer["secret"])
    assert (await second_step(client, due["token"], "000000")).status_code == 400
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 0
    done = await second_step(client, due["token"], own.code() or "")
    codes = done.json()["recovery_codes"]
    assert len(set(codes)) == 10
    rows = await owner.fetch(
        "SELECT c::text AS row FROM auth.recovery_codes c UNION ALL SELECT f::text FROM auth.second_factors f"
    )
    kept = str([row["row"] for row in rows])
    assert not [code for code in codes if code in kept or code.replace("-", "") in kept]
    assert offer["secret"] not in kept
    again = await first_step(client, account)
    assert again["offer"] is None
    assert (await second_step(client, again["token"], own.code() or "")).json()["recovery_codes"] is None
    await deliver_mails(app)
    letter, _about_the_new_device = post_office.to(account.email)
    assert letter["Subject"] == "Anmeldung in zwei Schritten eingeschaltet"


async def test_of_two_first_sign_ins_one_sets_the_factor_up_and_the_other_needs_a_code_of_it(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account = await a_newcomer(app)
    mine, other = await first_step(client, account), await first_step(client, account)
    secrets = [Authenticator(step["offer"]["secret"]) for step in (mine, other)]  # type: ignore[index]
    assert secrets[0].secret != secrets[1].secret
    answers = await asyncio.gather(
        *(second_step(client, step["token"], own.now()) for step, own in zip((mine, other), secrets, strict=True))
    )
    assert sorted(answer.status_code for answer in answers)[0] == 201
    assert sorted(answer.status_code for answer in answers)[1] in (400, 409)


async def test_a_code_counts_once_also_in_five_sign_ins_at_once(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account, code = await a_colleague(app), AUTHENTICATOR.now()
    steps = [await first_step(client, account) for _ in range(5)]
    answers = await asyncio.gather(*(second_step(client, step["token"], code) for step in steps))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400]
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 1


async def test_a_begun_sign_in_is_finished_once_also_of_many_at_once(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_colleague(app)
    due = await first_step(client, account)
    codes = [AUTHENTICATOR.now(steps=steps) for steps in (-1, 0, 1)]
    answers = await asyncio.gather(*(second_step(client, due["token"], code) for code in codes))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401]
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 1


async def test_a_used_code_and_an_older_one_are_refused_and_the_next_one_is_taken(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account, now = await a_colleague(app), int(datetime.now(UTC).timestamp()) // PERIOD
    statuses = []
    for step in (now, now, now - 1, now + 1):
        due = await first_step(client, account)
        statuses.append((await second_step(client, due["token"], AUTHENTICATOR.at_step(step))).status_code)
    assert statuses == [201, 400, 400, 201]


def test_a_code_counts_one_step_early_and_one_late_and_no_further() -> None:
    codes, at = OneTimeCodes(b"k" * 32), datetime(2026, 5, 1, 12, 0, 10, tzinfo=UTC)
    sealed, now = codes.seal(AUTHENTICATOR.secret), int(at.timestamp()) // PERIOD
    taken = [
        codes.time_step(sealed, code_at(AUTHENTICATOR.secret, at + timedelta(seconds=PERIOD * steps)), at=at)
        for steps in (-2, -1, 0, 1, 2)
    ]
    assert taken == [None, now - 1, now, now + 1, None]


def test_the_codes_are_those_of_the_standard() -> None:
    # RFC 6238, appendix B: the last six digits at 59 seconds and at 1111111109 seconds.
    sealed = OneTimeCodes(b"k" * 32).seal("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    for seconds, code in ((59, "287082"), (1_111_111_109, "081804")):
        at = datetime.fromtimestamp(seconds, UTC)
        assert OneTimeCodes(b"k" * 32).time_step(sealed, code, at=at) == seconds // PERIOD


def test_a_secret_is_opened_by_its_key_only() -> None:
    sealed = OneTimeCodes(b"k" * 32).seal(AUTHENTICATOR.secret)
    assert AUTHENTICATOR.secret not in sealed
    assert OneTimeCodes(b"k" * 32).open(sealed) == AUTHENTICATOR.secret
    with pytest.raises(KeyError):
        OneTimeCodes(b"x" * 32).open(sealed)


@pytest.mark.parametrize("code", WRONG)
async def test_what_is_no_code_is_refused_noted_and_changes_nothing(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, code: str
) -> None:
    account = await a_colleague(app)
    due = await first_step(client, account)
    answer = await second_step(client, due["token"], code)
    assert answer.status_code == 400
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 0
    assert (await second_step(client, due["token"], AUTHENTICATOR.now())).status_code == 201
    if len(code) >= 6:
        entry = await owner.fetchrow("SELECT * FROM auth.audit_events WHERE action = 'second_factor.check'")
        assert entry is not None
        assert (entry["outcome"], entry["target_id"], entry["reason"]) == ("refused", str(account.id), "wrong_code")


async def test_the_sixth_wrong_code_has_to_wait_and_right_ones_are_not_counted(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    account = await a_colleague(app)
    for _ in range(2):
        await sign_in(client, account)
    due = await first_step(client, account)
    answers = [await second_step(client, due["token"], "000000") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [400] * 5 + [429]
    right = await second_step(client, due["token"], AUTHENTICATOR.now(steps=1))
    assert (right.status_code, right.json()["code"]) == (429, "too_many_attempts")
    assert int(right.headers["retry-after"]) > 0


async def test_a_begun_sign_in_ends_in_time_by_a_new_password_and_with_the_account(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_colleague(app)
    for statement in (
        "UPDATE auth.sign_in_steps SET expires_at = now() - interval '1 second' WHERE true OR $1::uuid IS NULL",
        "UPDATE auth.accounts SET auth_epoch = auth_epoch + 1 WHERE id = $1",
        "UPDATE auth.accounts SET status = 'disabled' WHERE id = $1",
    ):
        due = await first_step(client, account)
        await owner.execute(statement, account.id)
        answer = await second_step(client, due["token"], AUTHENTICATOR.now())
        assert (answer.status_code, answer.json()["code"]) == (401, "step_not_valid")
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 0


async def test_a_recovery_code_lets_in_once_however_it_is_written(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, _, _, codes = await a_protected_customer(app, client)
    statuses = []
    for code in (codes[0].lower().replace("-", " "), codes[0], codes[1]):
        due = await first_step(client, customer)
        statuses.append((await second_step(client, due["token"], code)).status_code)
    assert statuses == [201, 400, 201]
    assert await owner.fetchval("SELECT count(*) FROM auth.recovery_codes WHERE used_at IS NULL") == 8


async def test_a_recovery_code_of_somebody_else_is_none(app: Litestar, client: httpx.AsyncClient) -> None:
    _, _, _, codes = await a_protected_customer(app, client)
    due = await first_step(client, await a_colleague(app))
    assert (await second_step(client, due["token"], codes[0])).status_code == 400


async def test_a_new_password_does_not_go_round_the_second_factor(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, _, own, _ = await a_protected_customer(app, client)
    await deliver_mails(app)
    await client.post("/v1/password-resets", json={"email": customer.email})
    await deliver_mails(app)
    token = token_in(post_office.to(customer.email)[-1])
    done = await client.post("/v1/password-reset-completions", json={"token": token, "password": OTHER_PASSWORD})
    assert done.status_code == 204
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions WHERE revoked_at IS NULL") == 0
    due = await first_step(client, customer, OTHER_PASSWORD)
    assert (await second_step(client, due["token"], "000000")).status_code == 400
    assert (await second_step(client, due["token"], own.code() or "")).status_code == 201


async def test_a_customer_switches_it_on_renews_the_codes_and_switches_it_off(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, bearer, own, codes = await a_protected_customer(app, client)
    told = (await client.get("/v1/second-factor", headers=bearer.headers)).json()
    assert (told["since"] is not None, told["recovery_codes_left"]) == (True, 10)
    renewed = await client.post("/v1/recovery-codes", json={"code": codes[0]}, headers=bearer.headers)
    assert not set(renewed.json()["codes"]) & set(codes)
    old = await client.post("/v1/second-factor-removals", json={"code": codes[1]}, headers=bearer.headers)
    assert (old.status_code, old.json()["code"]) == (400, "code_refused")
    removed = await client.post("/v1/second-factor-removals", json={"code": own.code()}, headers=bearer.headers)
    assert removed.status_code == 204
    assert (await client.get("/v1/second-factor", headers=bearer.headers)).json() == {
        "since": None,
        "recovery_codes_left": 0,
    }
    assert await owner.fetchval("SELECT count(*) FROM auth.second_factors WHERE sealed_secret IS NOT NULL") == 0
    await sign_in(client, customer)
    await deliver_mails(app)
    told_off = [text_of(letter) for letter in post_office.to(customer.email) if "ausgeschaltet" in letter["Subject"]]
    assert told_off
    trail = await owner.fetch(
        "SELECT action FROM auth.audit_events WHERE outcome = 'done' AND action <> 'session.open' ORDER BY id"
    )
    assert [entry["action"] for entry in trail] == [
        "second_factor.set_up",
        "recovery_code.use",
        "recovery_codes.renew",
        "second_factor.remove",
    ]


async def test_setting_it_up_takes_the_password_and_the_session_that_was_shown_the_secret(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    mine, thief = await sign_in(client, customer), await sign_in(client, customer)
    wrong = await client.post("/v1/second-factor-offers", json={"password": OTHER_PASSWORD}, headers=thief.headers)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "password_wrong")
    offer = await client.post("/v1/second-factor-offers", json={"password": GOOD_PASSWORD}, headers=mine.headers)
    code = Authenticator(offer.json()["secret"]).now()
    body = {"code": code}
    other = await client.post("/v1/second-factor-confirmations", json=body, headers=thief.headers)
    assert (other.status_code, other.json()["code"]) == (409, "second_factor_missing")
    assert (await client.post("/v1/second-factor-confirmations", json=body, headers=mine.headers)).status_code == 201
    again = await client.post("/v1/second-factor-offers", json={"password": GOOD_PASSWORD}, headers=mine.headers)
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_exists")
    assert await owner.fetchval("SELECT count(*) FROM auth.second_factors") == 1


async def test_staff_cannot_do_without_it(app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    bearer = await sign_in(client, await a_colleague(app))
    body = {"code": AUTHENTICATOR.now(steps=1)}
    answer = await client.post("/v1/second-factor-removals", json=body, headers=bearer.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_factor")
    assert await owner.fetchval("SELECT count(*) FROM auth.second_factors WHERE removed_at IS NULL") == 1


@pytest.mark.parametrize("token", ["", "vt1_session_" + "a" * 43, "vt1_step_" + "a" * 43, "vt1_step_ä"])
async def test_a_token_that_is_none_is_refused(client: httpx.AsyncClient, token: str) -> None:
    answer = await second_step(client, token, "123456")
    assert answer.status_code in (400, 401)


async def test_begun_sign_ins_and_offers_that_are_over_are_forgotten(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    await first_step(client, await a_newcomer(app))
    forget = periodic_jobs(parts_of(app))["forget_old_wishes"][1]
    await forget()
    assert await owner.fetchval("SELECT count(*) FROM auth.sign_in_steps") == 1
    await owner.execute("UPDATE auth.sign_in_steps SET expires_at = now() - interval '1 second'")
    await owner.execute("UPDATE auth.second_factors SET created_at = now() - interval '25 hours'")
    await forget()
    for table in ("sign_in_steps", "second_factors"):
        assert await owner.fetchval(f"SELECT count(*) FROM auth.{table}") == 0
