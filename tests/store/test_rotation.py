"""Replacing the root secret: whatever the one before signed or sealed counts until it is taken away."""

import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.passwords import FIRST_KEY, OneTimeCodes
from auth.resealing import reseal_factors
from store.app import attach
from store.composition import SECOND_FACTORS, assemble
from store.database import Database
from store.mail_reports import Report
from store.settings import Settings, UnsafeSettings
from tests.auth.people import AUTHENTICATOR, OTHER_PASSWORD, a_colleague, a_customer, parts_of, sign_in
from tests.auth.post_office import deliver_mails, open_post_office, token_in
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import Buyer, make_offer
from tests.test_settings import production_environment


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


Rotate = Callable[..., Awaitable[Settings]]


@pytest.fixture
async def rotate(app: Litestar, gateway: FakeGateway) -> AsyncIterator[Rotate]:
    """Restarts the application with another root secret; `keep=False`: the one before does not count any more."""
    before, made = parts_of(app), []

    async def restart(*, keep: bool = True) -> Settings:
        was = before.settings.root_secret
        renewed = replace(before.settings, root_secret=os.urandom(32), root_secret_before=was if keep else None)
        parts = await assemble(
            renewed, database=before.database, clock=MovableTestClock(), gateway=gateway, hasher=before.hasher
        )
        made.append(parts)
        attach(app, parts)
        return renewed

    yield restart
    for parts in made:
        await parts.close()


async def test_sign_ins_mailed_links_and_reports_about_mails_live_through_it(
    app: Litestar, client: httpx.AsyncClient, settings: Settings, rotate: Rotate, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    bearer = await sign_in(client, account)
    with open_post_office(settings.smtp_url) as office:
        await client.post("/v1/password-resets", json={"email": account.email})
        await deliver_mails(app)
    mail_id = await owner.fetchval("SELECT id FROM store.mails WHERE kind = 'password_reset'")

    await rotate()

    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 200
    body = {"token": token_in(office.letters[0]), "password": OTHER_PASSWORD}
    assert (await client.post("/v1/password-reset-completions", json=body)).status_code == 204
    async with parts_of(app).database.sessions.begin() as session:
        report = Report("bounced", mail_id, is_permanent=True)
        await parts_of(app).returned_mail(session).take_in(report, source="provider", at=datetime.now(UTC))
    assert await owner.fetchval("SELECT email_key FROM store.suppressed_addresses") == account.email_key


@pytest.mark.parametrize("keep", [True, False])
async def test_a_quote_of_before_can_be_ordered_as_long_as_the_secret_of_before_counts(
    keep: bool, app: Litestar, client: httpx.AsyncClient, database: Database, rotate: Rotate
) -> None:
    bearer = await sign_in(client, await a_customer(app))
    buyer = Buyer(client, {**bearer.headers, "Accept-Language": "de"})
    quote = (await buyer.quote(await make_offer(database, kind="buy"))).json()
    await rotate(keep=keep)
    answer = await buyer.order_quote(quote["id"])
    assert answer.status_code == (201 if keep else 400)


async def test_second_factors_of_before_let_in_and_fit_the_new_secret_alone_once_they_are_sealed_anew(
    app: Litestar, client: httpx.AsyncClient, rotate: Rotate, owner: asyncpg.Connection, database: Database
) -> None:
    colleague = await a_colleague(app)
    renewed = await rotate()
    await sign_in(client, colleague)
    sealed = await owner.fetchval("SELECT sealed_secret FROM auth.second_factors")
    codes = parts_of(app).one_time_codes
    assert [await reseal_factors(database, codes), await reseal_factors(database, codes)] == [1, 0]
    resealed = await owner.fetchval("SELECT sealed_secret FROM auth.second_factors")
    assert resealed != sealed
    alone = OneTimeCodes(renewed.derive(SECOND_FACTORS))
    assert alone.open(resealed) == AUTHENTICATOR.secret
    with pytest.raises(KeyError):
        alone.open(sealed)


def test_a_secret_that_was_sealed_before_keys_had_names_is_opened_by_the_key_of_that_time() -> None:
    old, new = os.urandom(32), os.urandom(32)
    secret = OneTimeCodes(old).new_secret()
    name = OneTimeCodes(old).seal(secret).partition('"t":"')[2].partition('"')[0]
    first = OneTimeCodes(old).seal(secret).replace(f'"t":"{name}"', f'"t":"{FIRST_KEY}"')
    assert OneTimeCodes(old).open(first) == secret
    rotated = OneTimeCodes(new, before=old)
    assert rotated.open(first) == secret
    resealed = rotated.reseal(first)
    assert resealed is not None
    assert OneTimeCodes(new).open(resealed) == secret
    assert OneTimeCodes(new).reseal(resealed) is None


def test_the_secret_that_is_being_replaced_is_another_one_and_no_sandbox_secret() -> None:
    old = base64.b64encode(os.urandom(32)).decode()
    settings = Settings.from_env(production_environment(ROOT_SECRET_BEFORE=old))
    assert settings.derive_all("quotes") == (settings.derive("quotes"), settings.derive_before("quotes"))
    assert settings.derive("quotes") != settings.derive_before("quotes")
    alone = Settings.from_env(production_environment(ROOT_SECRET=old))
    assert settings.derive_before("quotes") == alone.derive("quotes")
    assert alone.derive_all("quotes") == (alone.derive("quotes"),)
    with pytest.raises(UnsafeSettings, match="the same secret is used for two purposes"):
        Settings.from_env(production_environment(ROOT_SECRET=old, ROOT_SECRET_BEFORE=old))
