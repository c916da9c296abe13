"""The pages of one's own data: consents, export, erasure and the link that keeps the account."""

import re

import httpx
import pytest
from litestar import Litestar

from auth.models import Account
from store.database import Database
from store.settings import Settings
from tests.auth.post_office import deliver_mails, open_post_office
from tests.auth.post_office import token_in as mailed_token
from tests.store.web.visitors import OURS, PASSWORD, token_in

PAGE = "/de/account/privacy"


async def send(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    token = token_in((await browser.get(PAGE)).text)
    return await browser.post(f"{PAGE}{path}", data={"csrf_token": token, **fields}, headers=OURS)


async def test_everything_is_shown_as_a_page(browser: httpx.AsyncClient, customer: Account) -> None:
    answer = await send(browser, "/export", password=PASSWORD, form="page")
    assert answer.status_code == 200
    assert (customer.email or "-") in answer.text
    assert "Anmeldungen" in answer.text
    assert "None" not in re.sub(r"<[^>]*>", "", answer.text)


async def test_everything_is_downloaded_as_a_file(browser: httpx.AsyncClient, customer: Account) -> None:
    answer = await send(browser, "/export", password=PASSWORD, form="file")
    assert answer.headers["content-disposition"].startswith('attachment; filename="videothek-20')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["parts"]["account"][0]["email"] == customer.email


@pytest.mark.parametrize("step", ["export", "erasure"])
async def test_a_wrong_password_is_told_beside_its_field(
    browser: httpx.AsyncClient, database: Database, step: str
) -> None:
    answer = await send(browser, f"/{step}", password="nicht das richtige Wort")
    assert answer.status_code == 400
    assert f'aria-invalid="true" aria-describedby="{step}-password-note"' in answer.text
    assert await database.reads.fetchval("SELECT count(*) FROM auth.erasures") == 0


async def test_the_erasure_is_asked_for_shown_and_taken_back(browser: httpx.AsyncClient, database: Database) -> None:
    asked = await send(browser, "/erasure", password=PASSWORD)
    assert asked.headers["location"] == f"{PAGE}?done=erasure_requested"
    page = (await browser.get(PAGE)).text
    assert "mit allen gekauften Filmen" in page
    kept = await send(browser, "/erasure/cancel")
    assert kept.headers["location"] == f"{PAGE}?done=account_kept"
    assert await database.reads.fetchval("SELECT count(*) FROM auth.erasures WHERE cancelled_at IS NOT NULL") == 1


async def test_the_mailed_link_keeps_the_account_without_signing_in(
    app: Litestar, browser: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    with open_post_office(settings.smtp_url) as office:
        await send(browser, "/erasure", password=PASSWORD)
        await deliver_mails(app)
    browser.cookies.clear()
    assert (await browser.get("/de/account/keep")).status_code == 200
    form = {"token": mailed_token(office.letters[-1])}
    assert (await browser.post("/de/account/keep", data=form, headers=OURS)).headers["location"] == (
        "/de?done=account_kept"
    )
    again = await browser.post("/de/account/keep", data=form, headers=OURS)
    assert again.status_code == 400
    assert 'id="token-note"' in again.text
    assert await database.reads.fetchval("SELECT count(*) FROM auth.erasures WHERE cancelled_at IS NOT NULL") == 1
