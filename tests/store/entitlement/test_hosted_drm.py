"""What hosted DRM services are told, and what they are answered: the same decision as for Clear Key."""

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.hosted_drm import Axinom, is_strong
from store.entitlement.licence_policy import streaming_policy
from store.entitlement.licences import Licence, LicensedKey
from store.entitlement.models import MediaAsset
from store.entitlement.rights import RightRow
from store.entitlement.tokens import PlaybackTokens
from store.settings import Settings
from tests.store.entitlement.drm_contracts import AXINOM, DRMTODAY, TODAY
from tests.store.entitlement.parts import (
    ALL_KIDS,
    KEYS,
    KIDS,
    LICENCE_PATH,
    SPELLINGS,
    TEST_FILM,
    Customer,
    TestDevice,
    kid_of,
    make_right,
    make_title,
)

TO_AXINOM, TO_DRMTODAY = "/v1/playback-licences/axinom", "/v1/playback-licences/drmtoday"
CALLBACK = "/v1/callbacks/drmtoday"


async def play(
    client: httpx.AsyncClient, device: TestDevice, customer: Customer, title: Title, *, start_confirmed: bool = True
) -> dict[str, Any]:
    answer = await device.open(client, customer, title, start_confirmed=start_confirmed)
    assert answer.status_code == 201, answer.text
    showing: dict[str, Any] = answer.json()
    return showing


async def tell(client: httpx.AsyncClient, device: TestDevice, path: str, token: str) -> httpx.Response:
    headers = {"Authorization": f"DPoP {token}", "DPoP": device.proof("POST", path, token=token)}
    return await client.post(path, headers=headers)


async def call(client: httpx.AsyncClient, body: dict[str, Any], *, secret: str = TODAY) -> httpx.Response:
    credentials = base64.b64encode(f"drmtoday:{secret}".encode()).decode()
    return await client.post(CALLBACK, json=body, headers={"Authorization": f"Basic {credentials}"})


def asked(showing: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "asset": str(TEST_FILM.asset_id),
        "user": showing["id"],
        "session": showing["token"],
        "drmScheme": "WIDEVINE_MODULAR",
        "variant": "HD",
        "client": "0815",
        "clientInfo": {"manufacturer": "Beispiel", "secLevel": 1},
        "requestMetadata": {"remoteAddr": "192.0.2.1", "userAgent": "TV"},
        **changes,
    }


@pytest.mark.usefixtures("contracts")
async def test_axinom_is_told_the_paid_keys_and_the_end_of_the_rental(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    right_id = await make_right(database, customer, title, quality="SD")
    showing = await play(client, device, customer, title)
    assert showing["licence_services"] == ["axinom", "drmtoday"]
    answer = await tell(client, device, TO_AXINOM, showing["token"])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["header"], told["tracks"]) == ("X-AxDRM-Message", ["AUDIO", "SD"])
    assert told["licence_servers"] == dict(AXINOM.licence_servers)
    span = datetime.fromisoformat(told["licence_ends_at"]) - datetime.fromisoformat(told["server_time"])
    assert span == timedelta(hours=48)
    assert answer.headers["Cache-Control"] == "no-store"

    envelope = jwt.decode(told["value"], AXINOM.communication_key, algorithms=["HS256"])
    assert (envelope["version"], envelope["com_key_id"]) == (1, str(AXINOM.key_id))
    assert datetime.fromisoformat(envelope["expiration_date"]) < datetime.now(UTC) + timedelta(minutes=3)
    message = envelope["message"]
    assert (message["type"], message["version"]) == ("entitlement_message", 2)
    assert message["license_server"]["access_control"]["prevent_drm_message_reuse"] is True
    sent = {key["usage_policy"]: key for key in message["content_keys_source"]["inline"]}
    assert sent.keys() == {"AUDIO", "SD"}
    assert {name: key["id"] for name, key in sent.items()} == {name: str(KIDS[name]) for name in sent}
    assert KEYS["SD"].hex() not in told["value"]
    for name, key in sent.items():
        decryptor = Cipher(algorithms.AES(AXINOM.communication_key), modes.CBC(UUID(key["id"]).bytes)).decryptor()
        assert decryptor.update(base64.b64decode(key["encrypted_key"])) + decryptor.finalize() == KEYS[name]
    right = await owner.fetchrow("SELECT * FROM store.entitlements WHERE id = $1", right_id)
    assert right["first_played_at"] is not None, "to give the message is to give the licence"
    limits = message["license"]
    assert datetime.fromisoformat(limits["expiration_datetime"]) <= right["ends_at"]
    assert limits["duration"] <= 48 * 3600
    assert (limits["allow_persistence"], limits["widevine"]["real_time_duration_expiration"]) == (False, True)
    event = await owner.fetchrow("SELECT * FROM store.licence_events WHERE step = 'licence'")
    assert (event["system"], event["outcome"], event["started_clock"]) == ("axinom", "granted", True)
    assert set(event["kids"]) == {KIDS["AUDIO"], KIDS["SD"]}


def test_a_key_is_encrypted_for_axinom_as_its_documentation_has_it() -> None:
    key = LicensedKey(UUID("b0000000-0000-4000-8000-00000000000a"), "UHD", bytes(range(16)))
    right = RightRow("buy", "UHD", None, None, "full", None, None, None, None, None)
    now = datetime.now(UTC)
    licence = Licence(UUID(int=1), UUID(int=3), [key], streaming_policy(right, at=now))
    access = replace(AXINOM, communication_key=base64.b64decode("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))
    message = jwt.decode(Axinom(access).message(licence, real_now=now), access.communication_key, algorithms=["HS256"])[
        "message"
    ]
    assert message["content_keys_source"]["inline"][0]["encrypted_key"] == "f5WEFol96kpQaXxtjaLRJg=="
    assert "playback_duration" not in message["license"]["widevine"]


HDCP = {"uncompressed_digital_video_opl": 300, "compressed_digital_video_opl": 500}
TYPE_1 = [{"id": "ABB2C6F1-E663-4625-A945-972D17B231E7", "config_data": "AAAAAQ=="}]
SOFTWARE: dict[str, Any] = {
    "widevine": {"device_security_level": "SW_SECURE_CRYPTO"},
    "playready": {"min_device_security_level": 2000},
    "fairplay": {},
}


@pytest.mark.parametrize(
    ("track", "asked"),
    [
        ("AUDIO", SOFTWARE),
        ("SD", SOFTWARE),
        (
            "HD",
            {
                "widevine": {"device_security_level": "HW_SECURE_ALL", "hdcp": "1.0"},
                "playready": {"min_device_security_level": 3000, **HDCP},
                "fairplay": {"hdcp": "TYPE0"},
            },
        ),
        (
            "UHD",
            {
                "widevine": {"device_security_level": "HW_SECURE_ALL", "hdcp": "2.2"},
                "playready": {
                    "min_device_security_level": 3000,
                    **HDCP,
                    "digital_video_output_protections": TYPE_1,
                },
                "fairplay": {"hdcp": "TYPE1"},
            },
        ),
    ],
)
def test_axinom_is_asked_for_the_same_protection_by_every_drm(track: str, asked: dict[str, Any]) -> None:
    right = RightRow("buy", "UHD", None, None, "full", None, None, None, None, None)
    now = datetime.now(UTC)
    key = LicensedKey(UUID(int=2), track, bytes(16))
    licence = Licence(UUID(int=1), UUID(int=3), [key], streaming_policy(right, at=now))
    envelope = jwt.decode(Axinom(AXINOM).message(licence, real_now=now), AXINOM.communication_key, algorithms=["HS256"])
    [told] = envelope["message"]["content_key_usage_policies"]
    assert told == {"name": track, **asked}


@pytest.mark.usefixtures("contracts")
@pytest.mark.parametrize("quality", ["SD", "HD"])
async def test_clear_key_gives_no_key_of_a_film_that_is_not_marked_for_it(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
    quality: str,
) -> None:
    await owner.execute("UPDATE store.media_assets SET clear_key = false")
    await make_right(database, customer, title, quality=quality)
    showing = await play(client, device, customer, title)
    assert (showing["licence_url"], showing["licence_services"]) == (None, ["axinom", "drmtoday"])
    for kids in (ALL_KIDS, [kid_of("AUDIO")], [kid_of("SD")], [kid_of("HD")]):
        answer = await device.licence(client, showing["token"], kids=kids)
        assert (answer.status_code, answer.json()["code"]) == (403, "clear_key_not_allowed")
        assert "besonders geschützt" in answer.json()["detail"]
        assert not [spelling for spelling in SPELLINGS if spelling in answer.text]
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None
    events = await owner.fetch("SELECT outcome, reason, kids, system FROM store.licence_events WHERE step = 'licence'")
    assert [tuple(event) for event in events] == [("refused", "clear_key_not_allowed", [], "clearkey")] * 4
    assert (await tell(client, device, TO_AXINOM, showing["token"])).status_code == 200, "a service may give them"


async def test_a_film_is_closed_to_clear_key_unless_somebody_opens_it(
    client: httpx.AsyncClient, customer: Customer, device: TestDevice, title: Title, database: Database
) -> None:
    await make_right(database, customer, title)
    assert (await play(client, device, customer, title))["licence_url"] == LICENCE_PATH, "the test film is open"
    async with database.sessions.begin() as session:
        film = MediaAsset(
            id=new_id(), title_id=title.id, version="1", manifest="m", seconds=1, published_at=datetime.now(UTC)
        )
        session.add(film)
    assert (await device.open(client, customer, title)).json()["code"] == "film_not_ready", "and no service gives any"


@pytest.mark.usefixtures("contracts")
@pytest.mark.parametrize("path", [TO_AXINOM, TO_DRMTODAY])
async def test_a_stolen_token_gets_nothing_for_a_service_either(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title, path: str
) -> None:
    await make_right(database, customer, title)
    token = (await play(client, device, customer, title))["token"]
    thief = TestDevice(device.base_url)
    assert (await tell(client, thief, path, token)).json()["code"] == "invalid_token"
    assert (await client.post(path, headers={"Authorization": f"DPoP {token}"})).json()["code"] == "invalid_dpop_proof"
    headers = {"Authorization": f"DPoP {token}", "DPoP": device.proof("POST", path, token=token)}
    assert (await client.post(path, headers=headers)).status_code == 200
    assert (await client.post(path, headers=headers)).json()["code"] == "invalid_dpop_proof"


@pytest.mark.usefixtures("contracts")
async def test_drmtoday_is_told_upfront_no_more_than_every_device_may_have(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title, quality="HD")
    token = (await play(client, device, customer, title))["token"]
    told = (await tell(client, device, TO_DRMTODAY, token)).json()
    assert (told["header"], told["tracks"]) == ("x-dt-auth-token", ["AUDIO", "SD"])
    assert jwt.get_unverified_header(told["value"]) == {"alg": "HS256", "typ": "JWT", "kid": "key-1"}
    claims = jwt.decode(told["value"], DRMTODAY.secret, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 120
    assert len(claims["jti"]) == 36
    assert msgspec.json.decode(claims["optData"])["merchant"] == "kino"
    rights = msgspec.json.decode(claims["crt"])
    assert (rights["assetId"], rights["variantId"]) == (str(TEST_FILM.asset_id), "SD")
    assert rights["storeLicense"] is False
    assert rights["profile"]["rental"]["playDuration"] <= 48 * 3600 * 1000
    assert "outputProtection" not in rights


@pytest.mark.usefixtures("contracts")
async def test_a_callback_is_answered_by_what_the_device_is_and_the_right_allows(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    right_id = await make_right(database, customer, title, quality="HD")
    showing = await play(client, device, customer, title)
    answer = await call(client, asked(showing))
    assert answer.status_code == 200, answer.text
    rights = answer.json()
    assert rights["variantId"] == "HD"
    assert rights["outputProtection"]["requireHDCP"] == "HDCP_V1"
    ends_at = await owner.fetchval("SELECT ends_at FROM store.entitlements WHERE id = $1", right_id)
    assert datetime.fromisoformat(rights["profile"]["rental"]["absoluteExpiration"]) <= ends_at

    weak = asked(showing, clientInfo={"secLevel": 3})
    assert (await call(client, weak)).json()["code"] == "quality_not_granted"
    sd = await call(client, {**weak, "variant": "SD"})
    assert (sd.status_code, sd.json()["variantId"]) == (200, "SD")
    uhd = asked(showing, variant="UHD")
    assert (await call(client, uhd)).json()["code"] == "quality_not_granted", "no more than was paid"
    again = await call(client, asked(showing), secret="the one before it")
    assert again.status_code == 200, "asked again it is answered again"
    events = await owner.fetch("SELECT outcome FROM store.licence_events WHERE system = 'drmtoday' ORDER BY id")
    assert [event["outcome"] for event in events] == ["granted", "refused", "granted", "refused", "granted"]
    starts = await owner.fetchval("SELECT count(*) FROM store.licence_events WHERE started_clock")
    assert starts == 1


@pytest.mark.usefixtures("contracts")
async def test_a_callback_of_somebody_else_or_for_something_else_gets_nothing(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    await make_right(database, customer, title)
    showing = await play(client, device, customer, title)
    body = asked(showing)
    forged = await call(client, body, secret="guessed and guessed")
    assert (forged.status_code, forged.json()["code"]) == (401, "callback_not_verified")
    assert (await client.post(CALLBACK, json=body)).status_code == 401
    for changes in ({"session": "x" * 40}, {"user": str(UUID(int=1))}, {"asset": str(UUID(int=1))}):
        answer = await call(client, {**body, **changes})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), changes
    for changes in ({"clientInfo": {"secLevel": "high"}}, {"client": ""}, {"client": None}):
        assert (await call(client, {**body, **changes})).status_code == 400, changes
    assert (await call(client, {name: value for name, value in body.items() if name != "client"})).status_code == 400
    await owner.execute("UPDATE store.entitlements SET revoked_at = now(), revoke_reason = 'refund'")
    assert (await call(client, body)).json()["code"] == "right_revoked"
    assert await owner.fetchval("SELECT count(*) FROM store.entitlements WHERE first_played_at IS NOT NULL") == 0


@pytest.mark.usefixtures("contracts")
async def test_a_token_that_is_passed_on_is_good_for_the_first_device_of_the_playback_only(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    await make_right(database, customer, title, quality="HD")
    showing = await play(client, device, customer, title)
    weak = asked(showing, client="weak", clientInfo={"secLevel": 3})
    assert (await call(client, weak)).json()["code"] == "quality_not_granted", "who is refused binds nothing"
    assert (await call(client, asked(showing))).status_code == 200
    other = await call(client, asked(showing, client="4711"))
    assert (other.status_code, other.json()["code"]) == (401, "invalid_token")
    assert (await call(client, asked(showing))).status_code == 200, "the same device is answered again"
    events = await owner.fetch("SELECT outcome, reason FROM store.licence_events WHERE system = 'drmtoday' ORDER BY id")
    assert [event["reason"] for event in events] == ["quality_not_granted", None, "invalid_token", None]
    assert b"0815" not in await owner.fetchval("SELECT hosted_client FROM store.playback_sessions")
    again = await play(client, device, customer, title)
    assert (await call(client, asked(again, client="4711"))).status_code == 200, "another playback is another's"


@pytest.mark.usefixtures("contracts")
@pytest.mark.parametrize("kind", ["rent", "buy"])
async def test_of_two_devices_that_ask_with_one_token_at_once_one_gets_it(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
    kind: str,
) -> None:
    await make_right(database, customer, title, kind=kind)
    showing = await play(client, device, customer, title)
    clients = ["0815", "4711"] * 8
    answers = await asyncio.gather(*(call(client, asked(showing, client=one)) for one in clients))
    served = {one for one, answer in zip(clients, answers, strict=True) if answer.status_code == 200}
    assert len(served) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 8 + [401] * 8
    granted = await owner.fetchval(
        "SELECT count(*) FROM store.licence_events WHERE system IS NOT NULL AND reason IS NULL"
    )
    assert granted == 8


@pytest.mark.usefixtures("contracts")
async def test_whoever_shows_a_service_an_expired_token_or_two_proofs_leaves_a_trace(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    await make_right(database, customer, title)
    showing = await play(client, device, customer, title)
    then = datetime.now(UTC) - timedelta(minutes=2)
    jkt = await owner.fetchval("SELECT jkt FROM store.devices")
    expired = PlaybackTokens.from_seed(settings.licence_signing_key, issuer=settings.base_url).sign(
        playback_session_id=UUID(showing["id"]), jkt=jkt, ends_at=None, at=then, real_now=then
    )
    late = await call(client, asked(showing, session=expired.text))
    assert (late.status_code, late.json()["code"]) == (401, "invalid_token")
    headers = [("Authorization", f"DPoP {showing['token']}")]
    headers += [("DPoP", device.proof("POST", TO_AXINOM, token=showing["token"])) for _ in range(2)]
    assert (await client.post(TO_AXINOM, headers=headers)).json()["code"] == "invalid_dpop_proof"
    rows = await owner.fetch("SELECT * FROM store.licence_events WHERE step = 'licence' ORDER BY id")
    assert [(row["system"], row["reason"]) for row in rows] == [
        ("drmtoday", "invalid_token"),
        ("axinom", "invalid_dpop_proof"),
    ]
    assert {row["playback_session_id"] for row in rows} == {UUID(showing["id"])}


@pytest.mark.usefixtures("contracts")
async def test_no_rental_begins_by_a_callback_that_the_customer_did_not_agree_to(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    owner: asyncpg.Connection,
    title: Title,
) -> None:
    other = await make_title(database)
    await make_right(database, customer, other, kind="buy")
    showing = await play(client, device, customer, other)
    await owner.execute(
        "UPDATE store.entitlements SET kind = 'rent', start_by = now() + interval '1 day', watch_hours = 48"
    )
    await owner.execute("UPDATE store.playback_sessions SET start_confirmed = false")
    assert (await call(client, asked(showing))).json()["code"] == "start_not_confirmed"


async def test_without_a_contract_there_is_nothing_here(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    showing = await play(client, device, customer, title)
    assert showing["licence_services"] == []
    for path in (TO_AXINOM, TO_DRMTODAY):
        assert (await tell(client, device, path, showing["token"])).status_code == 404
    body = {"asset": "x", "user": "x", "session": "x", "client": "x", "drmScheme": "FAIRPLAY"}
    assert (await client.post(CALLBACK, json=body)).status_code == 404


@pytest.mark.parametrize(
    ("drm", "level", "strong"),
    [
        ("WIDEVINE_MODULAR", 1, True),
        ("WIDEVINE_MODULAR", 2, False),
        ("WIDEVINE_MODULAR", 3, False),
        ("WIDEVINE_MODULAR", None, False),
        ("PLAYREADY", 3000, True),
        ("PLAYREADY", 2000, False),
        ("PLAYREADY", 150, False),
        ("FAIRPLAY", None, True),
        ("OMADRM", 3000, False),
    ],
)
def test_only_a_device_whose_drm_vouches_for_hardware_counts_as_strong(
    drm: str, level: int | None, strong: bool
) -> None:
    assert is_strong(drm, level) is strong
