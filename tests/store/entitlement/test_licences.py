"""Licences: who gets which keys, when a rental's hours begin, and how every misuse is refused."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.base64url import encode
from store.entitlement.dpop import PublicKey
from store.entitlement.licence_policy import PURCHASE_LICENCE
from store.entitlement.tokens import PlaybackTokens
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import (
    ALL_KIDS,
    KEYS,
    LICENCE_PATH,
    SPELLINGS,
    Customer,
    TestDevice,
    kid_of,
    make_customer,
    make_other_film,
    make_right,
    make_title,
)


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["code"] == code
    assert "no-store" in answer.headers["cache-control"]
    whole = answer.text + str(answer.headers)
    assert not [spelling for spelling in SPELLINGS if spelling in whole]


async def clock_of(owner: asyncpg.Connection, right: UUID) -> tuple[datetime | None, datetime | None]:
    [row] = await owner.fetch("SELECT first_played_at, ends_at FROM store.entitlements WHERE id = $1", right)
    return row["first_played_at"], row["ends_at"]


async def recorded(owner: asyncpg.Connection) -> list[tuple[str, UUID]]:
    """Code and playback of the licences that were refused."""
    rows = await owner.fetch(
        "SELECT reason, playback_session_id FROM store.licence_events"
        " WHERE step = 'licence' AND outcome = 'refused' ORDER BY id"
    )
    return [(row["reason"], row["playback_session_id"]) for row in rows]


async def opened(client: httpx.AsyncClient, device: TestDevice, customer: Customer, title: Title) -> dict[str, Any]:
    answer = await device.open(client, customer, title)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_bought_film_in_hd_gets_its_three_keys(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy", quality="HD")
    playback = await opened(client, device, customer, title)
    assert playback["tracks"] == ["AUDIO", "SD", "HD"]
    answer = await device.licence(client, playback["token"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("application/json")
    expected = [{"kty": "oct", "kid": kid_of(track), "k": encode(key)} for track, key in KEYS.items()]
    told = answer.json()
    assert (told["keys"], told["type"]) == (expected, "temporary")
    lasts = datetime.fromisoformat(told["licence_ends_at"]) - datetime.fromisoformat(told["server_time"])
    assert lasts == PURCHASE_LICENCE


async def test_neither_key_nor_token_nor_proof_is_ever_in_the_log(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await make_right(database, customer, title, kind="buy")
    token = (await opened(client, device, customer, title))["token"]
    proof = device.proof("POST", LICENCE_PATH, token=token)
    assert (await device.licence(client, token, proof=proof)).status_code == 200
    assert (await device.licence(client, token, proof=proof)).status_code == 401
    await owner.execute(TAMPERED)
    assert (await device.licence(client, token)).status_code == 503
    log = "".join(capsys.readouterr())
    assert log.count(LICENCE_PATH) >= 3
    assert not [secret for secret in (*SPELLINGS, token, proof, customer.token) if secret in log]


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "text/plain", "application/json"])
async def test_the_request_may_be_declared_as_anything(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    content_type: str | None,
) -> None:
    await make_right(database, customer, title, kind="buy")
    token = (await opened(client, device, customer, title))["token"]
    headers = {"Authorization": f"DPoP {token}", "DPoP": device.proof("POST", LICENCE_PATH, token=token)}
    if content_type:
        headers["Content-Type"] = content_type
    body = f'{{"kids":["{ALL_KIDS[0]}"],"type":"temporary"}}'.encode()
    answer = await client.post(LICENCE_PATH, content=body, headers=headers)
    assert answer.status_code == 200, answer.text


async def test_an_sd_right_never_gets_the_hd_key(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy", quality="SD")
    playback = await opened(client, device, customer, title)
    assert playback["tracks"] == ["AUDIO", "SD"]
    answer = await device.licence(client, playback["token"])
    assert [key["kid"] for key in answer.json()["keys"]] == [kid_of("AUDIO"), kid_of("SD")]
    assert encode(KEYS["HD"]) not in answer.text
    assert_refused(await device.licence(client, playback["token"], kids=[kid_of("HD")]), 403, "quality_not_granted")


async def test_the_first_licence_begins_the_rental_and_later_ones_do_not_move_it(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = datetime(2026, 12, 1, 20, tzinfo=UTC)
    right = await make_right(database, customer, title, granted_at=clock.fixed)
    playback = await opened(client, device, customer, title)
    assert playback["starts_rental"] is True
    assert await clock_of(owner, right) == (None, None)
    assert (await device.licence(client, playback["token"])).status_code == 200
    began = clock.fixed
    assert await clock_of(owner, right) == (began, began + timedelta(hours=48))
    clock.fixed += timedelta(hours=5)
    again = await opened(client, device, customer, title)
    assert again["starts_rental"] is False
    assert (await device.licence(client, again["token"])).status_code == 200
    assert await clock_of(owner, right) == (began, began + timedelta(hours=48))


async def test_sixty_four_first_licences_at_once_begin_one_clock(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title)
    token = (await opened(client, device, customer, title))["token"]
    answers = await asyncio.gather(*(device.licence(client, token) for _ in range(64)))
    assert {answer.status_code for answer in answers} == {200}
    starts = await owner.fetch("SELECT at FROM store.licence_events WHERE started_clock")
    assert len(starts) == 1
    assert (await clock_of(owner, right))[0] == starts[0]["at"]


async def test_the_last_second_of_a_rental_is_granted_and_its_end_is_not(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    began = datetime(2026, 12, 1, 20, tzinfo=UTC)
    end = began + timedelta(hours=48)
    await make_right(database, customer, title, granted_at=began, first_played_at=began)
    clock.fixed = end - timedelta(seconds=5)
    playback = await opened(client, device, customer, title)
    life = datetime.fromisoformat(playback["token_expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=1) < life <= timedelta(seconds=5)
    clock.fixed = end - timedelta(seconds=1)
    assert (await device.licence(client, playback["token"])).status_code == 200
    clock.fixed = end
    assert_refused(await device.licence(client, playback["token"]), 403, "rental_over")
    assert (await device.open(client, customer, title)).json()["code"] == "rental_over"
    assert (await device.beat(client, customer, playback["id"])).json()["code"] == "rental_over"


async def test_a_rental_that_was_not_started_in_time_is_refused_from_that_instant_on(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    granted = datetime(2026, 12, 1, 20, tzinfo=UTC)
    right = await make_right(database, customer, title, granted_at=granted)
    clock.fixed = granted + timedelta(days=30, seconds=-1)
    token = (await opened(client, device, customer, title))["token"]
    clock.fixed = granted + timedelta(days=30)
    assert_refused(await device.licence(client, token), 403, "rental_not_started_in_time")
    assert await clock_of(owner, right) == (None, None)
    clock.fixed -= timedelta(seconds=1)
    assert (await device.licence(client, token)).status_code == 200
    assert (await clock_of(owner, right))[1] == clock.fixed + timedelta(hours=48)


async def test_under_the_policy_cut_a_late_start_ends_with_the_days_to_start(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    granted = datetime(2026, 12, 1, 20, tzinfo=UTC)
    right = await make_right(database, customer, title, granted_at=granted, near_end="cut")
    clock.fixed = granted + timedelta(days=29)
    question = (await device.open(client, customer, title, start_confirmed=False)).json()
    assert (question["bound_by"], question["ends_at"]) == ("start_by", "2026-12-31T20:00:00Z")
    token = (await opened(client, device, customer, title))["token"]
    assert (await device.licence(client, token)).status_code == 200
    assert (await clock_of(owner, right))[1] == granted + timedelta(days=30)


@pytest.mark.parametrize("foreign", ["another film's", "unknown"])
async def test_a_key_of_another_film_refuses_the_whole_request(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
    foreign: str,
) -> None:
    right = await make_right(database, customer, title)
    other = await make_title(database)
    await make_right(database, customer, other, kind="buy")
    kid = await make_other_film(database, settings, other) if foreign != "unknown" else encode(new_id().bytes)
    token = (await opened(client, device, customer, title))["token"]
    for kids in ([kid], [*ALL_KIDS, kid]):
        assert_refused(await device.licence(client, token, kids=kids), 403, "key_of_another_film")
    assert await clock_of(owner, right) == (None, None)


MALFORMED: dict[str, Any] = {
    "no kids": {"kids": []},
    "a thousand kids": {"kids": [encode(number.to_bytes(16)) for number in range(1000)]},
    "fifteen bytes": {"kids": [encode(b"only fifteen by")]},
    "padding": {"kids": [ALL_KIDS[0] + "=="]},
    "a kid twice": {"kids": [ALL_KIDS[0], ALL_KIDS[0]]},
    "a path": {"kids": ["../../etc/passwd"]},
    "umlauts": {"kids": ["ä" * 22]},
    "null": {"kids": [None]},
    "a licence that stays": {"kids": ALL_KIDS, "type": "persistent-license"},
    "a text": {"kids": "all"},
    "an empty object": {},
    "a list": [],
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_licence_request_is_refused(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    body: Any,
) -> None:
    right = await make_right(database, customer, title)
    playback = await opened(client, device, customer, title)
    answer = await device.licence(client, playback["token"], body=body)
    assert answer.status_code == 400, answer.text
    assert_refused(answer, 400, "licence_request_malformed")
    assert await clock_of(owner, right) == (None, None)
    assert await recorded(owner) == [("licence_request_malformed", UUID(playback["id"]))]


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"kids", b'{"kids": ["\xff"]}', b"[" * 3_000],
    ids=["nothing", "half", "a word", "no UTF-8", "a deep one"],
)
async def test_a_body_that_is_no_json_is_refused_and_recorded(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    text: bytes,
) -> None:
    await make_right(database, customer, title)
    playback = await opened(client, device, customer, title)
    token = playback["token"]
    headers = {"Authorization": f"DPoP {token}", "DPoP": device.proof("POST", LICENCE_PATH, token=token)}
    assert_refused(await client.post(LICENCE_PATH, content=text, headers=headers), 400, "licence_request_malformed")
    assert await recorded(owner) == [("licence_request_malformed", UUID(playback["id"]))]
    await client.post(LICENCE_PATH, content=text)
    await client.post(LICENCE_PATH, content=text, headers={"Authorization": f"DPoP {token}x"})
    assert len(await recorded(owner)) == 1, "what nobody signed leaves no trace"


async def test_ten_thousand_key_ids_are_too_large_a_request(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    token = (await opened(client, device, customer, title))["token"]
    kids = [encode(new_id().bytes) for _ in range(10_000)]
    assert_refused(await device.licence(client, token, kids=kids), 413, "body_too_large")


async def test_a_licence_is_only_posted_for(client: httpx.AsyncClient) -> None:
    assert (await client.get(LICENCE_PATH)).status_code == 405


# --- tokens -----------------------------------------------------------------------------------------------------


def unsigned(token: str) -> str:
    """The same token or proof under "alg": "none"."""
    _, body, _ = token.split(".")
    header = {**jwt.get_unverified_header(token), "alg": "none"}
    return f"{encode(msgspec.json.encode(header))}.{body}."


def spelt_differently(token: str) -> str:
    """The same bytes: the last character of 64 bytes in base64url has four bits that mean nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def forged_tokens(settings: Settings, playback: dict[str, Any], device: TestDevice) -> dict[str, str]:
    claims = {
        "iss": settings.base_url,
        "aud": "playback-licence",
        "sub": playback["id"],
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
        "cnf": {"jkt": "x" * 43},
    }
    ours = PlaybackTokens.from_seed(settings.licence_signing_key, issuer=settings.base_url)
    stranger = PlaybackTokens.from_seed(bytes(range(32)), issuer=settings.base_url)
    jkt = jwt.decode(playback["token"], options={"verify_signature": False})["cnf"]["jkt"]
    claims["cnf"] = {"jkt": jkt}
    now = datetime.now(UTC)
    mine = {"jkt": jkt, "ends_at": None, "at": now}
    return {
        "alg none": unsigned(playback["token"]),
        "signed with a shared secret": jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "signed with another key": stranger.sign(playback_session_id=UUID(playback["id"]), real_now=now, **mine).text,
        "expired a minute and a second ago": ours.sign(
            playback_session_id=UUID(playback["id"]), real_now=now - timedelta(seconds=121), **mine
        ).text,
        "for no playback": ours.sign(playback_session_id=new_id(), real_now=now, **mine).text,
        "for another purpose": jwt.encode({**claims, "aud": "reset"}, ours.signing_key, algorithm="EdDSA"),
        "of another shop": jwt.encode({**claims, "iss": "https://x"}, ours.signing_key, algorithm="EdDSA"),
        "without a bound key": jwt.encode({**claims, "cnf": {}}, ours.signing_key, algorithm="EdDSA"),
        "for a subject that is no id": jwt.encode({**claims, "sub": "1 OR 1=1"}, ours.signing_key, algorithm="EdDSA"),
        "of another type": jwt.encode(claims, ours.signing_key, algorithm="EdDSA"),
        "with padding": playback["token"] + "==",
        "with its signature spelt in another way": spelt_differently(playback["token"]),
        "without a signature": playback["token"].rpartition(".")[0] + ".",
        "no token at all": "x",
        "endless": "x" * 5_000,
        "bound to another key": ours.sign(
            playback_session_id=UUID(playback["id"]), real_now=now, jkt="x" * 43, ends_at=None, at=now
        ).text,
    }


async def test_no_forged_token_gets_a_key(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title)
    playback = await opened(client, device, customer, title)
    for forgery, token in forged_tokens(settings, playback, device).items():
        answer = await device.licence(client, token)
        assert answer.status_code == 401, forgery
        assert_refused(answer, 401, "invalid_token")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert (await device.licence(client, None)).json()["code"] == "invalid_token"
    assert await clock_of(owner, right) == (None, None)
    assert (await device.licence(client, playback["token"])).status_code == 200


async def test_a_token_that_is_shown_after_it_expired_is_recorded_once_a_minute(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    playback = await opened(client, device, customer, title)
    expired = forged_tokens(settings, playback, device)["expired a minute and a second ago"]
    thief = TestDevice(device.base_url)
    answers = await asyncio.gather(*(thief.licence(client, expired) for _ in range(32)))
    answers += [await device.licence(client, expired), await device.licence(client, expired, body=[])]
    for answer in answers:
        assert_refused(answer, 401, "invalid_token")
    once = ("invalid_token", UUID(playback["id"]))
    assert await recorded(owner) == [once]
    assert (
        await owner.fetchval(
            "SELECT count(*) FROM store.dpop_proofs WHERE jkt = $1", PublicKey(thief.jwk["x"], thief.jwk["y"]).jkt
        )
        == 0
    )
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute("UPDATE store.licence_events SET recorded_at = recorded_at - interval '1 minute'")
    assert_refused(await thief.licence(client, expired), 401, "invalid_token")
    assert await recorded(owner) == [once, once]
    assert (await device.licence(client, playback["token"])).status_code == 200


async def test_a_token_is_what_others_know_as_a_jwt_signed_with_ed25519(settings: Settings) -> None:
    tokens = PlaybackTokens.from_seed(settings.licence_signing_key, issuer=settings.base_url)
    now, playback_id = datetime.now(UTC), new_id()
    text = tokens.sign(playback_session_id=playback_id, jkt="x" * 43, ends_at=None, at=now, real_now=now).text
    claims = jwt.decode(
        text,
        tokens.signing_key.public_key(),
        algorithms=["EdDSA"],
        audience="playback-licence",
        issuer=settings.base_url,
    )
    assert (claims["sub"], claims["cnf"]) == (str(playback_id), {"jkt": "x" * 43})
    assert claims["exp"] - claims["iat"] == 60
    assert jwt.get_unverified_header(text) == {"alg": "EdDSA", "typ": "playback+jwt"}


async def test_a_stolen_token_is_worth_nothing_on_another_device(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    token = (await opened(client, device, customer, title))["token"]
    thief = TestDevice(device.base_url)
    assert_refused(await thief.licence(client, token), 401, "invalid_token")


# --- proofs -----------------------------------------------------------------------------------------------------


def faulty_proofs(device: TestDevice, token: str) -> dict[str, str]:
    now = int(time.time())
    stranger = ec.generate_private_key(ec.SECP256R1())
    number = device.key.private_numbers().private_value
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    nested = b'{"typ":"dpop+jwt","alg":"ES256","jwk":' + b"[" * 1400

    def proof(**changes: Any) -> str:
        method, path = changes.pop("method", "POST"), changes.pop("path", LICENCE_PATH)
        return device.proof(method, path, **{"token": token, **changes})

    return {
        "alg none": unsigned(device.proof("POST", LICENCE_PATH, token=token)),
        "a shared secret": proof(key=b"x" * 32, algorithm="HS256"),
        "RSA": proof(key=rsa_key, algorithm="RS256"),
        "typ JWT": proof(header={"typ": "JWT"}),
        "a critical extension": proof(header={"crit": ["b64"], "b64": True}),
        "no key": proof(header={"jwk": None}),
        "a private key": proof(header={"jwk": {**device.jwk, "d": encode(number.to_bytes(32))}}),
        "a symmetric key": proof(header={"jwk": {"kty": "oct", "k": "eA"}}),
        "another curve": proof(header={"jwk": {**device.jwk, "crv": "P-384"}}),
        "a point off the curve": proof(header={"jwk": {**device.jwk, "y": device.jwk["x"]}}),
        "padded coordinates": proof(header={"jwk": {**device.jwk, "x": device.jwk["x"] + "="}}),
        "signed with another key": proof(key=stranger),
        "for GET": proof(method="GET"),
        "for another path": proof(path="/v1/devices"),
        "for another host": proof(htu=f"https://example.org{LICENCE_PATH}"),
        "for no address": proof(htu=["x"]),
        "ten minutes old": proof(iat=now - 600),
        "ten minutes ahead": proof(iat=now + 600),
        "of a text's time": proof(iat=str(now)),
        "of a fraction's time": proof(iat=now + 0.5),
        "of a truth for a time": proof(iat=True),
        "of an endless time": proof(iat=10**30),
        "of a time that no clock can count": proof(iat=10**400),
        "without a time": proof(iat=None),
        "without an id": proof(jti=None),
        "with a short id": proof(jti="1"),
        "with a long id": proof(jti="1" * 65),
        "with an id of NULs": proof(jti="\0" * 16),
        "without the token's hash": proof(token=None),
        "with another token's hash": proof(token=token + "x"),
        "with a hash beyond ASCII": proof(ath="ä" * 43),
        "with its signature spelt in another way": spelt_differently(proof()),
        "with a signature too short": proof()[:-2],
        "with a key nested deeply": f"{encode(nested)}.e30.x",
        "no JWT": "x.y.z",
        "endless": "x" * 10_000,
    }


async def test_no_faulty_proof_gets_a_key(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title)
    token = (await opened(client, device, customer, title))["token"]
    proofs = faulty_proofs(device, token)
    for fault, proof in proofs.items():
        answer = await device.licence(client, token, proof=proof)
        assert answer.status_code == 401, f"{fault}: {answer.text}"
        assert_refused(answer, 401, "invalid_dpop_proof")
        assert 'error="invalid_dpop_proof"' in answer.headers["www-authenticate"]
    assert await clock_of(owner, right) == (None, None)
    refused = await owner.fetchval("SELECT count(*) FROM store.licence_events WHERE outcome = 'refused'")
    assert refused == len(proofs)


async def test_two_proofs_in_one_request_are_refused(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    playback = await opened(client, device, customer, title)
    token = playback["token"]
    headers = [("Authorization", f"DPoP {token}")]
    headers += [("DPoP", device.proof("POST", LICENCE_PATH, token=token)) for _ in range(2)]
    answer = await client.post(LICENCE_PATH, json={"kids": ALL_KIDS}, headers=headers)
    assert_refused(answer, 401, "invalid_dpop_proof")
    assert await recorded(owner) == [("invalid_dpop_proof", UUID(playback["id"]))]


async def test_of_thirty_two_copies_of_a_proof_at_once_one_is_accepted(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    token = (await opened(client, device, customer, title))["token"]
    proof = device.proof("POST", LICENCE_PATH, token=token)
    answers = await asyncio.gather(*(device.licence(client, token, proof=proof) for _ in range(32)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 31
    assert_refused(await device.licence(client, token, proof=proof), 401, "invalid_dpop_proof")


async def test_a_proof_stays_used_even_if_its_request_was_refused(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    token = (await opened(client, device, customer, title))["token"]
    proof = device.proof("POST", LICENCE_PATH, token=token)
    assert_refused(await device.licence(client, token, proof=proof, kids=[]), 400, "licence_request_malformed")
    assert_refused(await device.licence(client, token, proof=proof), 401, "invalid_dpop_proof")


async def test_a_moved_business_clock_makes_no_proof_older(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    clock.ahead = timedelta(days=400)
    token = (await opened(client, device, customer, title))["token"]
    assert (await device.licence(client, token)).status_code == 200


# --- rights that went away meanwhile ----------------------------------------------------------------------------


TAMPERED = "UPDATE store.content_keys SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20))"
SWAPPED = (
    "UPDATE store.content_keys SET track = 'UHD' WHERE track = 'HD'; "
    "UPDATE store.content_keys SET track = 'HD' WHERE track = 'SD'"
)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ("UPDATE store.entitlements SET revoked_at = now(), revoke_reason = 'refund'", 403, "right_revoked"),
        ("UPDATE store.entitlements SET paused_at = now(), pause_reason = 'dispute'", 403, "right_paused"),
        ("UPDATE store.devices SET removed_at = now()", 403, "device_not_registered"),
        ("UPDATE store.playback_sessions SET ended_at = now(), end_reason = 'stopped'", 410, "playback_ended"),
        ("UPDATE store.playback_sessions SET beat_at = now() - interval '91 seconds'", 410, "playback_ended"),
        ("UPDATE store.playback_sessions SET start_confirmed = false", 403, "start_not_confirmed"),
        ("UPDATE auth.accounts SET status = 'disabled'", 401, "invalid_token"),
        (TAMPERED, 503, "keys_unreadable"),
        (SWAPPED, 503, "keys_unreadable"),
    ],
    ids=["revoked", "paused", "device", "stopped", "silent", "unconfirmed", "disabled", "tampered", "swapped"],
)
async def test_a_token_that_is_still_good_gets_nothing_once_the_ground_is_gone(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    change: str,
    status: int,
    code: str,
) -> None:
    right = await make_right(database, customer, title, quality="HD")
    token = (await opened(client, device, customer, title))["token"]
    await owner.execute(change)
    assert_refused(await device.licence(client, token), status, code)
    assert await clock_of(owner, right) == (None, None)
    reason = await owner.fetchval("SELECT reason FROM store.licence_events WHERE step = 'licence'")
    assert reason == code


async def test_every_answer_is_recorded_for_good(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, quality="SD")
    token = (await opened(client, device, customer, title))["token"]
    await device.licence(client, token, kids=[kid_of("HD")])
    await device.licence(client, token)
    rows = await owner.fetch("SELECT step, outcome, reason, kids FROM store.licence_events ORDER BY id")
    assert [(row["step"], row["outcome"], row["reason"]) for row in rows] == [
        ("playback", "granted", None),
        ("licence", "refused", "quality_not_granted"),
        ("licence", "granted", None),
    ]
    assert len(rows[2]["kids"]) == 2
    for change in ("UPDATE store.licence_events SET reason = 'x'", "DELETE FROM store.licence_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.reads.execute(change)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(change)


async def test_no_key_lies_open_in_the_database(database: Database, owner: asyncpg.Connection, title: Title) -> None:
    rows = await owner.fetch("SELECT kid, sealed FROM store.content_keys")
    assert len(rows) == 3
    for row in rows:
        assert not [key for key in KEYS.values() if key in row["sealed"]]


async def test_another_account_cannot_use_a_device_or_playback_of_this_one(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    playback = await opened(client, device, customer, title)
    stranger = await make_customer(database)
    assert (await device.beat(client, stranger, playback["id"])).json()["code"] == "playback_not_found"
    stop = await client.delete(f"/v1/playback-sessions/{playback['id']}", headers=stranger.headers)
    assert (stop.status_code, stop.json()["code"]) == (404, "playback_not_found")
    assert (await device.open(client, stranger, title)).json()["code"] == "not_entitled"
    assert (await device.licence(client, playback["token"])).status_code == 200
