"""Answers of authenticators that do not count: each is refused alike, on record, and has used its challenge up."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar
from structlog.testing import capture_logs

from auth.limits import PASSKEY_PER_HOUR, PASSKEYS_ON_DEVICE, SIGN_IN_PER_HOUR, SIGN_INS_ON_DEVICE
from auth.passkeys import RelyingParty
from auth.tokens import DEVICE, hash_token
from store.composition import periodic_jobs
from store.settings import Settings
from tests.auth.passkey_holders import (
    a_holder,
    add,
    an_authenticator,
    asked,
    begin,
    enter,
    finish,
    offered,
    refused,
)
from tests.auth.people import (
    GOOD_PASSWORD,
    a_colleague,
    a_customer,
    parts_of,
    sign_in,
    someone_at,
    with_unused_limits,
)
from tests.auth.test_known_devices import use_up
from tests.soft_authenticator import encode


async def reasons(owner: asyncpg.Connection, action: str = "passkey.check") -> list[str]:
    """Why answers were refused, by the audit trail."""
    entries = await owner.fetch(
        "SELECT reason FROM auth.audit_events WHERE action = $1 AND outcome = 'refused' ORDER BY id", action
    )
    return [entry["reason"] for entry in entries]


LIES: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://videothek.evil.example"},
    "our name as a part of another's": {"origin": "http://{hostname}.evil.example"},
    "another scheme": {"origin": "https://{host}"},
    "another port": {"origin": "http://{hostname}:1"},
    "a frame of another site": {"crossOrigin": True},
    "a registration": {"type": "webauthn.create"},
    "another challenge": {"challenge": encode(bytes(32))},
    "no challenge": {"challenge": ""},
}


@pytest.mark.parametrize("name", LIES)
async def test_what_was_signed_for_something_else_opens_nothing(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, settings: Settings, name: str
) -> None:
    holder = await a_holder(app, client)
    host = settings.base_url.partition("//")[2]
    lies = {
        key: value.format(host=host, hostname=host.partition(":")[0]) if isinstance(value, str) else value
        for key, value in LIES[name].items()
    }
    before = await owner.fetchval("SELECT count(*) FROM auth.sessions")
    assert refused(await enter(client, holder.authenticator, **lies))
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == before
    assert await owner.fetchval("SELECT last_used_at FROM auth.passkeys") is None
    assert len(await reasons(owner)) == 1
    assert (await enter(client, holder.authenticator)).status_code == 201


@pytest.mark.parametrize(
    ("said", "reason"),
    [({"rp_id": "evil.example"}, "not_valid"), ({"verifies": False}, "not_valid")],
    ids=["for another party", "nobody was verified"],
)
async def test_an_authenticator_that_answers_another_party_or_verifies_nobody_is_refused(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, said: dict[str, Any], reason: str
) -> None:
    for is_staff in (False, True):
        holder = await a_holder(app, client, is_staff=is_staff)
        for key, value in said.items():
            setattr(holder.authenticator, key, value)
        assert refused(await enter(client, holder.authenticator))
        if is_staff:
            step = await begin(client, holder.account, GOOD_PASSWORD)
            assert refused(await finish(client, step["token"], holder.authenticator))
        challenge = await asked(client, holder.bearer, purpose="step_up")
        signed = holder.authenticator.sign(challenge["options"])
        answer = await client.post("/v1/passkey-step-ups", json={"credential": signed}, headers=holder.bearer.headers)
        assert refused(answer)
    assert set(await reasons(owner)) == {reason}


@pytest.mark.parametrize("said", [{"rp_id": "evil.example"}, {"verifies": False}, {"origin": "https://evil.example"}])
@pytest.mark.parametrize("is_staff", [False, True])
async def test_a_passkey_for_another_party_or_that_verifies_nobody_is_not_kept(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, said: dict[str, Any], is_staff: bool
) -> None:
    bearer = await sign_in(client, await (a_colleague if is_staff else a_customer)(app))
    options = await offered(client, bearer)
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    made = an_authenticator(app, **said).make(options)
    assert refused(await add(client, bearer, made))
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys") == 0
    assert await owner.fetchval("SELECT count(*) FROM store.mails WHERE kind = 'passkey_changed'") == 0
    assert await reasons(owner, "passkey.add") == ["not_valid"]


async def test_a_challenge_is_good_once(app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    holder, challenge = await a_holder(app, client), await asked(client)
    signed = holder.authenticator.sign(challenge["options"])
    body = {"credential": signed, "token": challenge["token"]}
    answers = await asyncio.gather(*(client.post("/v1/passkey-sign-ins", json=body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 9
    assert await reasons(owner) == ["challenge"] * 9


async def test_a_refused_answer_has_used_its_challenge_up(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder, challenge = await a_holder(app, client), await asked(client)
    assert refused(await enter(client, holder.authenticator, challenge, origin="https://evil.example"))
    assert await owner.fetchval("SELECT count(*) FROM auth.passkey_challenges") == 0
    assert refused(await enter(client, holder.authenticator, challenge))


async def test_a_challenge_answers_only_to_who_asked_and_for_what(app: Litestar, client: httpx.AsyncClient) -> None:
    holder = await a_holder(app, client)
    own, other = await asked(client), await asked(client)
    crossed = {"token": other["token"], "options": own["options"]}
    assert refused(await enter(client, holder.authenticator, crossed)), "another browser's"
    for token in (None, "", "vt1_passkey_" + "a" * 43):
        signed = holder.authenticator.sign((await asked(client))["options"])
        body = {"credential": signed, **({"token": token} if token else {})}
        assert refused(await client.post("/v1/passkey-sign-ins", json=body))
    proof = await asked(client, holder.bearer, purpose="step_up")
    assert refused(await enter(client, holder.authenticator, {"token": own["token"], "options": proof["options"]}))
    elsewhere = await sign_in(client, holder.account)
    proof = await asked(client, holder.bearer, purpose="step_up")
    signed = holder.authenticator.sign(proof["options"])
    answer = await client.post("/v1/passkey-step-ups", json={"credential": signed}, headers=elsewhere.headers)
    assert refused(answer), "another session's"
    offer = await offered(client, holder.bearer)
    assert refused(await add(client, elsewhere, an_authenticator(app).make(offer))), "another session's offer"


async def test_a_challenge_lives_five_minutes(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder, challenge = await a_holder(app, client), await asked(client)
    offer = await offered(client, holder.bearer)
    left = datetime.fromisoformat(challenge["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4, seconds=50) < left <= timedelta(minutes=5)
    assert challenge["options"]["timeout"] == 300_000
    await owner.execute("UPDATE auth.passkey_challenges SET expires_at = expires_at - interval '5 minutes'")
    assert refused(await enter(client, holder.authenticator, challenge))
    assert refused(await add(client, holder.bearer, an_authenticator(app).make(offer)))
    await periodic_jobs(parts_of(app))["forget_old_wishes"][1]()
    assert await owner.fetchval("SELECT count(*) FROM auth.passkey_challenges") == 0


async def test_another_one_s_passkey_proves_nothing_for_this_account(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    victim, attacker = await a_holder(app, client, is_staff=True), await a_holder(app, client, is_staff=True)
    step = await begin(client, victim.account, GOOD_PASSWORD)
    assert refused(await finish(client, step["token"], attacker.authenticator, key=attacker.authenticator.keys[0]))
    challenge = await asked(client, victim.bearer, purpose="step_up")
    signed = attacker.authenticator.sign(challenge["options"], key=attacker.authenticator.keys[0])
    answer = await client.post("/v1/passkey-step-ups", json={"credential": signed}, headers=victim.bearer.headers)
    assert refused(answer)
    assert await reasons(owner) == ["other_account"] * 2
    assert (await finish(client, step["token"], victim.authenticator)).status_code == 201, "the step is still good"


async def test_a_passkey_that_names_another_owner_than_ours_is_refused(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    holder, other = await a_holder(app, client), await a_customer(app)
    holder.authenticator.keys[0].user_handle = other.id.bytes
    assert refused(await enter(client, holder.authenticator))
    challenge = await asked(client)
    signed = holder.authenticator.sign(challenge["options"])
    del signed["response"]["userHandle"]
    nobody = {"credential": signed, "token": challenge["token"]}
    assert refused(await client.post("/v1/passkey-sign-ins", json=nobody)), "alone it has to name its owner"


async def test_a_passkey_that_nobody_knows_is_refused_like_any_other(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client)
    stranger = an_authenticator(app)
    stranger.make({"challenge": encode(bytes(32)), "user": {"id": encode(holder.account.id.bytes)}})
    known = await enter(client, holder.authenticator, origin="https://evil.example")
    unknown = await enter(client, stranger)
    assert {**known.json(), "instance": ""} == {**unknown.json(), "instance": ""}
    assert await reasons(owner) == ["not_valid", "unknown_passkey"]


async def test_a_counter_that_goes_back_is_refused_and_on_record(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client)
    assert [(await enter(client, holder.authenticator)).status_code for _ in range(3)] == [201] * 3
    (key,) = holder.authenticator.keys
    for count in (2, 1, 0):
        key.count, holder.authenticator.counts = count, 0
        assert refused(await enter(client, holder.authenticator)), count
    key.count = 3
    assert refused(await enter(client, holder.authenticator)), "the same number again"
    assert await reasons(owner) == ["counter_back"] * 4
    targets = await owner.fetch("SELECT DISTINCT target_id FROM auth.audit_events WHERE action = 'passkey.check'")
    assert [target["target_id"] for target in targets] == [str(holder.account.id)]
    assert await owner.fetchval("SELECT sign_count FROM auth.passkeys") == 3
    holder.authenticator.counts = 1
    assert (await enter(client, holder.authenticator)).status_code == 201


async def test_of_two_answers_with_one_count_at_once_one_is_taken(app: Litestar, client: httpx.AsyncClient) -> None:
    holder = await a_holder(app, client)
    (key,), challenges = holder.authenticator.keys, [await asked(client) for _ in range(6)]
    bodies = []
    for challenge in challenges:
        key.count = 4
        bodies.append({"credential": holder.authenticator.sign(challenge["options"]), "token": challenge["token"]})
    answers = await asyncio.gather(*(client.post("/v1/passkey-sign-ins", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 5


async def test_a_new_password_in_between_ends_a_begun_sign_in(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client, is_staff=True)
    step = await begin(client, holder.account, GOOD_PASSWORD)
    challenge = await asked(client, purpose="second_step", token=step["token"])
    await owner.execute("UPDATE auth.accounts SET auth_epoch = auth_epoch + 1")
    body = {"token": step["token"], "credential": holder.authenticator.sign(challenge["options"])}
    answer = await client.post("/v1/passkey-second-steps", json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "step_not_valid")


async def test_nobody_learns_from_a_challenge_who_has_passkeys(app: Litestar, client: httpx.AsyncClient) -> None:
    before = await asked(client)
    await a_holder(app, client)
    after = await asked(client)
    for challenge in (before, after):
        challenge["options"]["challenge"] = challenge["token"] = challenge["expires_at"] = ""
    assert before == after


async def test_the_party_is_the_configured_address_whatever_a_request_says(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    lies = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    body = {"purpose": "sign_in"}
    options = (await client.post("/v1/passkey-challenges", json=body, headers=lies)).json()["options"]
    assert options["rpId"] == RelyingParty(settings.base_url).id
    named = RelyingParty("https://kino.example:8443/x")
    assert (named.id, named.origin) == ("kino.example", "https://kino.example:8443")


async def test_challenges_and_tries_of_one_place_are_limited_but_not_those_of_a_known_device(app: Litestar) -> None:
    async with someone_at(app, "192.0.2.46") as client:
        holder = await a_holder(app, client)
        device = (await enter(client, holder.authenticator)).json()["device_token"]
        await use_up(app, PASSKEY_PER_HOUR, "192.0.2.46")
        await use_up(app, SIGN_IN_PER_HOUR, "192.0.2.46")
        for path, body in (("challenges", {"purpose": "sign_in"}), ("sign-ins", {"credential": NOTHING})):
            for known in ({}, {"device_token": "vt1_device_" + "a" * 43}):
                answer = await client.post(f"/v1/passkey-{path}", json={**body, **known})
                assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
        given = await client.post("/v1/passkey-challenges", json={"purpose": "sign_in", "device_token": device})
        assert given.status_code == 201
        signed = holder.authenticator.sign(given.json()["options"])
        answer = {"credential": signed, "token": given.json()["token"], "device_token": device}
        assert (await client.post("/v1/passkey-sign-ins", json=answer)).status_code == 201
        for rule in (PASSKEYS_ON_DEVICE, SIGN_INS_ON_DEVICE):
            await use_up(app, rule, (hash_token(device, kind=DEVICE) or b"").hex())
        body = {"purpose": "sign_in", "device_token": device}
        assert (await client.post("/v1/passkey-challenges", json=body)).status_code == 429
        assert (await client.post("/v1/passkey-sign-ins", json=answer)).status_code == 429


async def test_a_session_asks_for_challenges_and_proves_itself_only_so_often(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    holder = await a_holder(app, client)
    lies = {"origin": "https://evil.example"}
    statuses = []
    for _ in range(11):
        challenge = await asked(client, holder.bearer, purpose="step_up")
        signed = holder.authenticator.sign(challenge["options"], **lies)
        answer = await client.post("/v1/passkey-step-ups", json={"credential": signed}, headers=holder.bearer.headers)
        statuses.append(answer.status_code)
    assert statuses == [400] * 10 + [429]
    asks = [(await client.post("/v1/passkey-offers", headers=holder.bearer.headers)).status_code for _ in range(25)]
    assert asks[-1] == 429


async def test_wrong_answers_in_a_second_step_count_as_wrong_codes_do(app: Litestar, client: httpx.AsyncClient) -> None:
    holder = await a_holder(app, client, is_staff=True)
    step = await begin(client, holder.account, GOOD_PASSWORD)
    lies = {"origin": "https://evil.example"}
    tries = [(await finish(client, step["token"], holder.authenticator, **lies)).status_code for _ in range(6)]
    assert tries == [400] * 5 + [429]
    with_unused_limits(app)
    assert (await finish(client, step["token"], holder.authenticator)).status_code == 201


NOTHING: dict[str, Any] = {
    "id": "AA",
    "rawId": "AA",
    "type": "public-key",
    "response": {"clientDataJSON": "AA", "authenticatorData": "AA", "signature": "AA"},
}
"""An answer of the right shape that says nothing."""

NONSENSE: dict[str, dict[str, str]] = {
    "client data that is no JSON": {"clientDataJSON": encode(b"\xff\xfe")},
    "client data that is a list": {"clientDataJSON": encode(b"[]")},
    "client data nested deeply": {"clientDataJSON": encode(b"[" * 8000)},
    "client data without end": {"clientDataJSON": encode(b'{"type": "webauthn.get", "challenge": "')},
    "a challenge that is a number": {"clientDataJSON": encode(b'{"type": "x", "challenge": 1, "origin": "y"}')},
    "no data": {"authenticatorData": encode(b"x")},
    "data with extensions that are none": {"authenticatorData": encode(bytes(32) + b"\xc5" + bytes(4) + b"\xff" * 40)},
    "a signature that is none": {"signature": encode(b"\x30")},
    "base64 of an impossible length": {"signature": "AAAAA"},
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_an_answer_full_of_nonsense_is_refused_and_never_a_fault_of_ours(
    app: Litestar, client: httpx.AsyncClient, name: str
) -> None:
    holder, challenge = await a_holder(app, client), await asked(client)
    signed = holder.authenticator.sign(challenge["options"])
    signed["response"].update(NONSENSE[name])
    body = {"credential": signed, "token": challenge["token"]}
    with capture_logs() as logs:
        assert refused(await client.post("/v1/passkey-sign-ins", json=body))
    # A fault of the library's own would be found there; what came is not repeated.
    (said,) = [line for line in logs if line["event"] == "passkey refused"]
    assert set(said) == {"event", "log_level", "answer_to", "fault"}


@pytest.mark.parametrize(
    "made",
    [b"", b"\xff", b"\x9b" + b"\xff" * 8, b"\x81" * 4000, b"\x5b" + b"\x7f" * 8, b"\xa1\x63fmt\x64none"],
    ids=["nothing", "a break", "a list without end", "depth", "bytes without end", "a part"],
)
async def test_an_attestation_full_of_nonsense_is_refused_too(
    app: Litestar, client: httpx.AsyncClient, made: bytes
) -> None:
    bearer = await sign_in(client, await a_customer(app))
    credential = an_authenticator(app).make(await offered(client, bearer))
    credential["response"]["attestationObject"] = encode(made) or "A"
    assert refused(await add(client, bearer, credential))


async def test_no_challenge_and_no_key_is_in_the_audit_trail_or_a_job(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client)
    await enter(client, holder.authenticator)
    await enter(client, holder.authenticator, origin="https://evil.example")
    (key,) = holder.authenticator.keys
    written = str(await owner.fetch("SELECT * FROM auth.audit_events")) + str(
        await owner.fetch("SELECT payload FROM jobs.pgqueuer")
    )
    assert encode(key.id) not in written
    assert "evil" not in written


async def test_a_sign_in_and_a_proof_end_the_session_that_was_there(app: Litestar, client: httpx.AsyncClient) -> None:
    holder = await a_holder(app, client)
    given = await asked(client)
    body = {"credential": holder.authenticator.sign(given["options"]), "token": given["token"]}
    opened = await client.post("/v1/passkey-sign-ins", json=body, headers=holder.bearer.headers)
    assert opened.status_code == 201
    assert (await client.get("/v1/account", headers=holder.bearer.headers)).status_code == 401


@pytest.mark.parametrize(
    "lie", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
async def test_another_site_can_neither_ask_for_a_challenge_nor_send_an_answer(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, lie: dict[str, str]
) -> None:
    holder, given = await a_holder(app, client), await asked(client)
    signed = {"credential": holder.authenticator.sign(given["options"]), "token": given["token"], "client": "web"}
    for path, body in (("passkey-challenges", {"purpose": "sign_in", "client": "web"}), ("passkey-sign-ins", signed)):
        answer = await client.post(f"/v1/{path}", json=body, headers=lie)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
        assert "set-cookie" not in answer.headers
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 1
