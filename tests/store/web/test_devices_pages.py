"""The pages of devices and of what plays on them, without JavaScript: names, removal, replacing, stopping."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from auth.models import Account
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.models import Device, Entitlement, PlaybackSession, WatchProgress
from store.settings import Settings
from tests.store.entitlement.parts import TEST_FILM, load_test_film, make_customer, make_title
from tests.store.web.visitors import OURS, token_in

NOW = datetime.now(UTC)


async def add_device(database: Database, customer: Account, *, name: str, at: datetime = NOW) -> Device:
    device = Device(
        account_id=customer.id, jkt=new_id().hex, x="x", y="y", name=name, registered_at=at, last_used_at=at
    )
    async with database.sessions.begin() as session:
        session.add(device)
    return device


async def add_stream(database: Database, settings: Settings, device: Device, title: Title) -> PlaybackSession:
    await load_test_film(database, settings)
    async with database.sessions.begin() as session:
        right = Entitlement(account_id=device.account_id, title_id=title.id, kind="buy", quality="HD", granted_at=NOW)
        session.add(right)
        await session.flush()
        playback = PlaybackSession(
            account_id=device.account_id,
            entitlement_id=right.id,
            device_id=device.id,
            title_id=title.id,
            asset_id=TEST_FILM.asset_id,
            start_confirmed=True,
            opened_at=NOW,
            beat_at=datetime.now(UTC),
        )
        session.add(playback)
    return playback


async def post(browser: httpx.AsyncClient, page: str, path: str, **form: str) -> str:
    """Send a form of a page; gives where it leads."""
    token = token_in((await browser.get(page)).text)
    answer = await browser.post(path, data={"csrf_token": token, **form}, headers=OURS)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_a_device_is_named_and_removed_on_its_page(
    browser: httpx.AsyncClient, database: Database, customer: Account
) -> None:
    device = await add_device(database, customer, name="Chrome · Linux")
    page, path = "/de/account/devices", f"/de/account/devices/{device.id}"
    assert await post(browser, page, f"{path}/name", name=" <Küche> ") == f"{page}?done=device_renamed"
    shown = (await browser.get(page)).text
    assert "&lt;Küche&gt;" in shown
    assert "1 von 5 Geräten" in shown
    assert "Verloren" not in shown, "there is room, so nothing has to be replaced"
    await post(browser, page, f"{path}/name", name="  ")
    assert "&lt;Küche&gt;" in (await browser.get(page)).text
    assert await post(browser, page, f"{path}/remove") == f"{page}?done=device_removed"
    assert "Noch kein Gerät" in (await browser.get(page)).text


async def test_a_lost_device_is_replaced_on_its_page_while_no_new_one_is_possible(
    browser: httpx.AsyncClient, database: Database, customer: Account
) -> None:
    devices = [await add_device(database, customer, name=f"Gerät {n}", at=NOW - timedelta(days=n)) for n in range(5)]
    page = "/de/account/devices"
    shown = (await browser.get(page)).text
    assert "Ein weiteres neues Gerät ist ab" in shown
    assert shown.count("Verloren: entfernen und ersetzen") == 5
    assert await post(browser, page, f"{page}/{devices[0].id}/replace") == f"{page}?done=device_replaced"
    shown = (await browser.get(page)).text
    assert "Ein weiteres neues Gerät" not in shown
    assert "4 von 5 Geräten" in shown


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_what_plays_is_listed_and_ended_from_anywhere(
    browser: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Account,
    locale: str,
) -> None:
    page = f"/{locale}/account/streams"
    empty = {"de": "Gerade läuft nichts", "en": "Nothing is playing"}[locale]
    assert empty in (await browser.get(page)).text
    device, title = await add_device(database, customer, name="Fernseher"), await make_title(database)
    playback = await add_stream(database, settings, device, title)
    shown = (await browser.get(page)).text
    assert "Fernseher" in shown
    assert title.original_title in shown
    assert await post(browser, page, f"{page}/{playback.id}/end") == f"{page}?done=stream_ended"
    assert empty in (await browser.get(page)).text
    assert await owner.fetchval("SELECT end_reason FROM store.playback_sessions") == "stopped"


async def test_nobody_ends_what_another_account_plays(
    browser: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, settings: Settings, customer: Account
) -> None:
    stranger = await make_customer(database)
    device = await add_device(database, Account(id=stranger.account_id), name="Fremd")
    playback = await add_stream(database, settings, device, await make_title(database))
    page = "/de/account/streams"
    assert "Fremd" not in (await browser.get(page)).text
    token = token_in((await browser.get("/de/account")).text)
    answer = await browser.post(f"{page}/{playback.id}/end", data={"csrf_token": token}, headers=OURS)
    assert answer.status_code == 404
    assert await owner.fetchval("SELECT ended_at FROM store.playback_sessions") is None


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_a_film_that_was_begun_stands_on_the_start_page_and_in_the_library(
    browser: httpx.AsyncClient, database: Database, settings: Settings, customer: Account, locale: str
) -> None:
    go_on, left = {"de": ("Weiterschauen", "Noch 90"), "en": ("Continue watching", "90 minutes left")}[locale]
    start = f"/{locale}"
    assert go_on not in (await browser.get(start)).text
    device, title = await add_device(database, customer, name="Fernseher"), await make_title(database)
    playback = await add_stream(database, settings, device, title)
    async with database.sessions.begin() as session:
        session.add(
            WatchProgress(
                account_id=customer.id,
                title_id=title.id,
                playback_session_id=playback.id,
                sequence=1,
                position=1800,
                seconds=7200,
                finished=False,
                seen_at=NOW,
            )
        )
    shown = (await browser.get(start)).text
    assert go_on in shown
    assert left in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert f'href="/{locale}/watch/{title.slug}"' in shown
    library = (await browser.get(f"/{locale}/library")).text.replace("\N{NO-BREAK SPACE}", " ")
    assert {"de": "noch 90 Minuten Film", "en": "90 minutes of film left"}[locale] in library
    assert {"de": "Weitersehen", "en": "Continue"}[locale] in library
