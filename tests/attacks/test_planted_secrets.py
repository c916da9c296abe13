"""Secrets that pass through the store are found nowhere behind it: not in tables, Redis, logs, mails or metrics."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.audit import seal
from store.app import attach
from store.settings import Settings
from tests.auth.people import an_address, parts_of, with_unused_limits
from tests.auth.post_office import PostOffice, deliver_mails, open_post_office, text_of, token_in
from tests.authenticators import Authenticator

FIRST, SECOND, WRONG = "zwölf Laternen am Kanal", "dreizehn Kraniche im Wind", "vierzehn falsche Fährten"
METRICS = os.urandom(24).hex()


@pytest.fixture
def post_office(settings: Settings) -> Iterator[PostOffice]:
    with open_post_office(settings.smtp_url) as office:
        yield office


async def everything_in_tables(owner: asyncpg.Connection) -> str:
    """Every row of every table, as a backup would have it."""
    names = await owner.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname IN ('auth', 'billing', 'store', 'jobs')"
    )
    rows = [row["row"] for name in names for row in await owner.fetch(f"SELECT t::text AS row FROM {name['name']} t")]
    assert len(rows) > 20
    return "\n".join(rows)


async def everything_in_redis(app: Litestar) -> str:
    redis = parts_of(app).throttle.redis
    assert redis is not None
    found = []
    async for key in redis.scan_iter():
        kind = await redis.type(key)
        value = await (redis.zrange(key, 0, -1) if kind == b"zset" else redis.get(key))
        found.append(f"{key!r} {value!r}")
    assert found
    return "\n".join(found)


def forms_of(secret: str) -> set[str]:
    """How a secret may be written down: as it is, as JSON, and as PostgreSQL shows bytes."""
    return {secret, json.dumps(secret)[1:-1], secret.encode().hex()}


async def test_no_secret_is_found_behind_the_store(
    app: Litestar,
    client: httpx.AsyncClient,
    settings: Settings,
    owner: asyncpg.Connection,
    post_office: PostOffice,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_unused_limits(app)
    parts = parts_of(app)
    attach(app, replace(parts, settings=replace(settings, metrics_token=METRICS)))
    email, other = an_address("planted"), an_address("planted")
    secrets = {"the first password": FIRST, "the second password": SECOND, "a wrong password": WRONG}
    mailed = []

    async def newest_token(address: str) -> str:
        await deliver_mails(app)
        mailed.append(token_in(post_office.to(address)[-1]))
        return mailed[-1]

    capsys.readouterr()
    wish = {"email": email, "password": FIRST, "residence_country": "DE"}
    assert (await client.post("/v1/registrations", json=wish)).status_code == 202
    secrets["the link of a registration"] = await newest_token(email)
    confirmed = {"token": mailed[-1], "password": FIRST}
    assert (await client.post("/v1/registration-confirmations", json=confirmed)).status_code == 201
    assert (await client.post("/v1/sessions", json={"email": email, "password": WRONG})).status_code == 401
    assert (await client.post("/v1/sessions", json={"email": email, "password": FIRST, "client": "web"})).is_success
    secrets["a cookie"] = client.cookies[settings.session_cookie]
    secrets["a device's cookie"] = client.cookies[settings.device_cookie]
    client.cookies.clear()
    opened = (await client.post("/v1/sessions", json={"email": email, "password": FIRST})).json()
    secrets["a session's token"], secrets["a device's token"] = opened["token"], opened["device_token"]
    bearer = {"Authorization": f"Bearer {opened['token']}"}
    offered = (await client.post("/v1/second-factor-offers", json={"password": FIRST}, headers=bearer)).json()
    secrets["an authenticator's seed"] = offered["secret"]
    code = Authenticator(offered["secret"]).now()
    kept = await client.post("/v1/second-factor-confirmations", json={"code": code}, headers=bearer)
    assert kept.is_success, kept.text
    for number, recovery in enumerate(kept.json()["codes"]):
        secrets[f"recovery code {number}"] = recovery
        secrets[f"recovery code {number} in one"] = re.sub(r"\W", "", recovery)
    begun = (await client.post("/v1/sessions", json={"email": email, "password": FIRST})).json()
    secrets["a begun sign-in"] = begun["token"]
    step = {"token": begun["token"], "code": secrets["recovery code 0"]}
    completed = await client.post("/v1/second-steps", json=step)
    assert completed.status_code == 201, completed.text
    secrets["the session after it"] = completed.json()["token"]
    bearer = {"Authorization": f"Bearer {secrets['the session after it']}"}
    assert (await client.post("/v1/email-changes", json={"email": other}, headers=bearer)).status_code == 202
    secrets["the link of a new address"] = await newest_token(other)
    secrets["the link that undoes it"] = await newest_token(email)
    assert (await client.post("/v1/password-resets", json={"email": email})).status_code == 202
    secrets["the link of a reset"] = await newest_token(email)
    reset = {"token": mailed[-1], "password": SECOND}
    assert (await client.post("/v1/password-reset-completions", json=reset)).status_code == 204
    await deliver_mails(app)
    async with parts.database.sessions.begin() as session:
        await seal(session, at=datetime.now(UTC))
    told = await client.get("/metrics", headers={"Authorization": f"Bearer {METRICS}"})
    assert told.status_code == 200
    written = capsys.readouterr()
    places = {
        "the tables": await everything_in_tables(owner),
        "Redis": await everything_in_redis(app),
        "the log": written.out + written.err,
        "the metrics": told.text,
    }
    secrets["the metrics' token"] = METRICS
    assert len({*secrets.values()}) > 20
    found = [
        (name, place)
        for place, content in places.items()
        for name, secret in secrets.items()
        if any(form in content for form in forms_of(secret) | forms_of(secret.split("_", 2)[-1]))
    ]
    assert found == []
    assert email not in places["Redis"] + places["the log"] + places["the metrics"]
    in_mails = "\n".join(text_of(letter) for letter in post_office.letters)
    assert {name for name, secret in secrets.items() if secret in in_mails} == {
        name for name in secrets if name.startswith("the link")
    }
    attach(app, parts)
