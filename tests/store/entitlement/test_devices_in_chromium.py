"""A browser as a device: its key never leaves it, nobody else uses its requests, and removed it stops playing."""

from datetime import timedelta

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser, expect

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.cinema import WAIT, Cinema
from tests.store.entitlement.parts import ALL_KIDS, LICENCE_PATH, Customer, make_right

pytestmark = pytest.mark.browser

PRIVATE_KEY = """async () => {
    const settled = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const database = await settled(indexedDB.open("videothek", 1));
    const { privateKey } = await settled(database.transaction("device").objectStore("device").get("keys"));
    const tries = ["jwk", "pkcs8", "raw"].map((format) => crypto.subtle.exportKey(format, privateKey)
        .then(() => "exported", (fault) => fault.name));
    return [privateKey.type, privateKey.extractable, ...await Promise.all(tries)];
}"""

ASK = """async ([path, kids, headers]) => {
    const body = JSON.stringify({ kids, type: "temporary" });
    const answer = await fetch(path, { method: "POST", headers, body });
    return [answer.status, (await answer.json()).code];
}"""

ASK_WITH_OWN_PROOF = """async ([path, kids, token]) => {
    const device = await window.videothek.openDevice({ csrf: "", locale: "de" });
    const headers = { Authorization: `DPoP ${token}`, DPoP: await device.proof("POST", path, token) };
    const body = JSON.stringify({ kids, type: "temporary" });
    const answer = await fetch(path, { method: "POST", headers, body });
    return [answer.status, (await answer.json()).code];
}"""


async def test_a_film_plays_to_its_end(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    began = await cinema.frames_advance()
    for place in (12, 22, 28):
        await cinema.page.evaluate(f"document.querySelector('video').currentTime = {place}")
        picture = await cinema.frames_advance()
        assert picture["time"] > place
    await expect(cinema.page.get_by_role("button", name="Abspielen")).to_be_visible(timeout=WAIT)
    ended = await cinema.picture()
    assert await cinema.page.evaluate("document.querySelector('video').ended") is True
    assert ended["frames"] > began["frames"] + 60
    assert ended["error"] is None


async def test_a_film_stops_within_a_heartbeat_after_its_device_was_removed(
    cinema: Cinema,
    client: httpx.AsyncClient,
    live_server: str,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
) -> None:
    page = cinema.page
    await make_right(database, customer, title, kind="buy")
    await page.clock.install()
    await page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    device = await owner.fetchval("SELECT id FROM store.devices")
    assert (await client.delete(f"/v1/devices/{device}", headers=customer.headers)).status_code == 204
    async with page.expect_response("**/heartbeats"):
        await page.clock.fast_forward(31_000)
    await expect(page.get_by_role("alert")).to_contain_text("aus Ihrem Konto entfernt worden", timeout=WAIT)
    assert await page.evaluate("document.querySelector('video').paused") is True
    await expect(page.get_by_role("button", name="Dieses Gerät wieder anmelden")).to_be_visible()
    await expect(page.get_by_role("link", name="Zur Seite des Films")).to_be_visible()


async def test_a_licence_request_serves_no_other_browser(
    cinema: Cinema,
    chromium: Browser,
    live_server: str,
    database: Database,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    async with cinema.page.expect_request(f"**{LICENCE_PATH}") as asked:
        await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    headers = {name: (await (await asked.value).all_headers())[name] for name in ("authorization", "dpop")}
    token = headers["authorization"].removeprefix("DPoP ")
    thief = await chromium.new_context()
    await thief.add_cookies([{"name": settings.session_cookie, "value": customer.token, "url": live_server}])
    page = await thief.new_page()
    await page.goto(f"{live_server}/de/library")
    status, code = await page.evaluate(ASK, [LICENCE_PATH, ALL_KIDS, headers])
    assert (status, code) == (401, "invalid_dpop_proof"), "a proof serves once"
    await page.add_script_tag(url="/static/device.js")
    status, code = await page.evaluate(ASK_WITH_OWN_PROOF, [LICENCE_PATH, ALL_KIDS, token])
    assert (status, code) == (401, "invalid_token"), "the token is that device's"
    await thief.close()


async def test_the_key_of_a_browser_cannot_be_read(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    kind, is_extractable, *tries = await cinema.page.evaluate(PRIVATE_KEY)
    assert (kind, is_extractable) == ("private", False)
    assert "exported" not in tries
    assert len(tries) == 3


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_a_film_plays_on_a_device_whose_clock_is_wrong(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title, minutes: int
) -> None:
    off = timedelta(minutes=minutes) / timedelta(milliseconds=1)
    await cinema.page.add_init_script(f"const now = Date.now; Date.now = () => now() + ({off});")
    await make_right(database, customer, title, kind="buy")
    refused = []
    cinema.page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    assert len(refused) == 1, "from the first refusal on it goes by the server's clock"
