import json
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.accounts import Accounts, change_settings, find_customer, get_customer
from auth.authentication import find_identity
from auth.errors import EmailAddressTaken, PasswordRefused
from tests.auth.people import GOOD_PASSWORD, HOME, a_colleague, a_customer, an_address, parts_of, sign_in


async def test_support_finds_a_customer_by_the_exact_address_only(app: Litestar) -> None:
    customer, colleague = await a_customer(app), await a_colleague(app)
    email = customer.email or ""
    async with parts_of(app).database.sessions() as session:
        for wanted in (email, email.upper()):
            found = await find_customer(session, email=wanted)
            assert found is not None
            assert found.id == customer.id
        for unfit in ("%", "_", "", "a", email[:5] + "%", colleague.email or "", an_address("niemand")):
            assert await find_customer(session, email=unfit) is None
        assert await get_customer(session, account_id=colleague.id) is None


async def test_staff_are_made_with_known_roles_and_long_passwords_only(
    app: Litestar, owner: asyncpg.Connection
) -> None:
    parts, taken = parts_of(app), await a_customer(app)
    async with parts.database.sessions() as session:
        accounts = Accounts(session, parts.hasher)
        at = datetime.now(UTC)
        with pytest.raises(ValueError, match="customer"):
            await accounts.create_staff(email=an_address(), password=GOOD_PASSWORD, roles={"customer"}, at=at)
        with pytest.raises(PasswordRefused):
            await accounts.create_staff(email=an_address(), password="vierzehn Zeich", roles={"support"}, at=at)
        with pytest.raises(EmailAddressTaken):
            await accounts.create_staff(email=taken.email or "", password=GOOD_PASSWORD, roles={"support"}, at=at)
        await session.commit()
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts WHERE kind = 'staff'") == 0


async def test_moving_to_another_country_keeps_what_it_rests_on(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    parts, at = parts_of(app), datetime.now(UTC)
    bearer = await sign_in(client, await a_customer(app))
    identity = await find_identity(parts.database, bearer.token, at=at, default_market="DE")
    assert identity is not None
    for country in ("AT", "AT", "DE"):
        async with parts.database.sessions.begin() as session:
            await change_settings(session, identity=identity, locale="en", residence_country=country, at=at, visit=HOME)
    row = await owner.fetchrow("SELECT * FROM auth.accounts")
    assert row is not None
    assert (row["locale"], row["residence_country"]) == ("en", "DE")
    evidence = json.loads(row["residence_evidence"])
    assert evidence["declared"] == "DE"
    assert evidence["network"] == "192.0.2.0/24"
    assert evidence["before"]["declared"] == "AT"
    entries = await owner.fetch(
        "SELECT details FROM auth.audit_events WHERE action = 'account.change_settings' ORDER BY id"
    )
    assert [json.loads(entry["details"]) for entry in entries] == [
        {"locale": "en", "residence_country": "AT"},
        {"residence_country": "DE"},
    ]


async def test_staff_have_no_country_of_residence(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    parts, at = parts_of(app), datetime.now(UTC)
    bearer = await sign_in(client, await a_colleague(app))
    identity = await find_identity(parts.database, bearer.token, at=at, default_market="DE")
    assert identity is not None
    assert identity.market == "DE"
    async with parts.database.sessions.begin() as session:
        await change_settings(session, identity=identity, locale="de", residence_country="AT", at=at, visit=HOME)
    assert await owner.fetchval("SELECT residence_country FROM auth.accounts") is None


async def test_every_operation_of_the_api_names_its_refusals(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    for path, method in (
        ("/v1/registrations", "post"),
        ("/v1/sessions", "post"),
        ("/v1/password-resets", "post"),
        ("/v1/password-reset-completions", "post"),
        ("/v1/staff/customers/{customer_id}/password-resets", "post"),
        ("/v1/account", "get"),
    ):
        operation = document["paths"][path][method]
        assert operation["summary"]
        refusals = {status for status in operation["responses"] if status.startswith("4")}
        assert refusals
        for status in refusals - {"400"}:
            assert "application/problem+json" in operation["responses"][status]["content"]
