"""What was agreed to at registration: kept with version, time and language, for the customer to see, and for good."""

from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from auth.models import Account
from store.database import Database
from store.legal_texts import current_text
from store.settings import Settings
from tests.auth.people import GOOD_PASSWORD, Bearer, an_address, sign_in
from tests.auth.post_office import deliver_mails, open_post_office, token_in
from tests.store.web.visitors import OURS


async def register(app: Litestar, client: httpx.AsyncClient, settings: Settings, *, channel: str) -> Bearer:
    """Register in English as a program or on the page, and confirm."""
    email = an_address()
    with open_post_office(settings.smtp_url) as office:
        if channel == "app":
            wish = {"email": email, "password": GOOD_PASSWORD, "residence_country": "DE", "locale": "en"}
            answer = await client.post("/v1/registrations", json=wish)
            assert answer.status_code == 202
        else:
            form = {"email": email, "password": GOOD_PASSWORD, "country": "DE", "terms": "yes"}
            answer = await client.post("/en/register", data=form, headers=OURS)
            assert answer.status_code == 303
        await deliver_mails(app)
    token = token_in(office.to(email)[0])
    answer = await client.post("/v1/registration-confirmations", json={"token": token, "password": GOOD_PASSWORD})
    assert answer.status_code == 201
    return await sign_in(client, Account(id=answer.json()["id"], email=email))


@pytest.mark.parametrize("channel", ["app", "web"])
async def test_registering_is_on_record_and_shown_and_exported(
    channel: str, app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    began = datetime.now(UTC)
    bearer = await register(app, client, settings, channel=channel)
    consents = (await client.get("/v1/consents", headers=bearer.headers)).json()["consents"]
    told = {consent["name"]: consent for consent in consents}
    assert told.keys() == {"terms", "privacy"}
    for name, consent in told.items():
        text = current_text(name, "en")
        assert (consent["version"], consent["sha256"], consent["heading"]) == (text.version, text.sha256, text.heading)
        assert (consent["locale"], consent["channel"], consent["order_id"]) == ("en", channel, None)
        assert consent["is_declaration"] is (name == "terms"), "the notice is told, not agreed to"
        assert began <= datetime.fromisoformat(consent["at"]) <= datetime.now(UTC)
    page = await client.get("/en/account/privacy", headers=bearer.headers)
    assert "at registration" in page.text
    exported = await client.post("/v1/data-exports", json={"password": GOOD_PASSWORD}, headers=bearer.headers)
    assert {row["name"] for row in exported.json()["parts"]["registration_consents"]} == {"terms", "privacy"}
    assert {consent["name"] for consent in exported.json()["consents"]} == {"terms", "privacy"}


async def test_who_never_confirms_agreed_to_nothing(client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    wish = {"email": an_address(), "password": GOOD_PASSWORD, "residence_country": "DE"}
    assert (await client.post("/v1/registrations", json=wish)).status_code == 202
    assert await owner.fetchval("SELECT count(*) FROM auth.consents") == 0


@pytest.mark.parametrize(
    "statement",
    ["UPDATE auth.consents SET version = '1'", "DELETE FROM auth.consents", "TRUNCATE auth.consents"],
)
async def test_nobody_changes_what_was_agreed_to_before_claims_have_lapsed(
    statement: str,
    app: Litestar,
    client: httpx.AsyncClient,
    settings: Settings,
    database: Database,
    owner: asyncpg.Connection,
) -> None:
    bearer = await register(app, client, settings, channel="app")
    await owner.execute(
        "INSERT INTO auth.erasures (id, account_id, requested_at, due_at, erased_at) "
        "VALUES ($1, $2, now(), now(), now() - interval '3 years 11 months')",
        new_id(),
        bearer.account_id,
    )
    for connection in (database.reads, owner):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert await owner.fetchval("SELECT count(*) FROM auth.consents") == 2
    await owner.execute("UPDATE auth.erasures SET erased_at = now() - interval '4 years 1 day'")
    await database.reads.execute("DELETE FROM auth.consents")


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_the_privacy_notice_says_where_data_are_seen_taken_along_and_erased(
    locale: str, client: httpx.AsyncClient
) -> None:
    page = (await client.get(f"/{locale}/legal/privacy")).text
    words = ("Ihre Daten", "14 Tage", "Registrierung") if locale == "de" else ("Your data", "14 days", "Registration")
    assert [word for word in words if word not in page] == []
