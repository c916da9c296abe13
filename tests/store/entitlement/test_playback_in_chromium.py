"""A real browser really plays the encrypted film, or really refuses: frames are counted, not promises."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.entitlement.keys import KeySeal
from store.settings import Settings
from tests.cinema import UNTIL_PICTURE, UNTIL_READ, UNTIL_WIDTH, WAIT, Cinema
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import KIDS, TEST_FILM, Customer, TestDevice, make_right, make_title

pytestmark = pytest.mark.browser


async def test_a_rented_film_asks_first_and_then_its_frames_advance(
    cinema: Cinema,
    live_server: str,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
) -> None:
    await make_right(database, customer, title, quality="HD")
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    start = cinema.page.get_by_role("button", name="Film starten")
    await start.wait_for(timeout=WAIT)
    assert "48 Stunden" in await cinema.page.inner_text('[data-part="question-sentence"]')
    assert await owner.fetchval("SELECT count(*) FROM store.devices WHERE removed_at IS NULL") == 1
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None
    await start.click()
    picture = await cinema.frames_advance()
    assert picture["width"] in (640, 1280)
    assert await owner.fetchval("SELECT first_played_at IS NOT NULL FROM store.entitlements")
    assert await cinema.page.is_visible('[data-part="stands-in"]')
    await cinema.page.evaluate(UNTIL_PICTURE, [0, 2, WAIT])
    assert await owner.fetchval("SELECT max(position) FROM store.playback_sessions") > 0.5
    refusals = [text for text in cinema.complaints if "409" not in text and "403" not in text]
    assert refusals == [], "the console names nothing but the two answers that the player expects"


async def test_the_film_goes_on_after_a_reload_without_asking_again(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    began = datetime.now(UTC) - timedelta(hours=1)
    await make_right(database, customer, title, granted_at=began, first_played_at=began)
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    await cinema.page.reload()
    await cinema.frames_advance()
    assert await owner.fetchval("SELECT count(*) FROM store.devices") == 1, "the key survived in the browser"
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions WHERE ended_at IS NULL") == 1


async def test_a_right_in_sd_never_shows_hd(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy", quality="SD")
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    tracks = await cinema.page.evaluate("videothek.player.getVariantTracks().map((track) => track.width)")
    assert set(tracks) == {640}
    assert (await cinema.picture())["width"] == 640


async def test_the_picture_is_chosen_among_those_that_were_paid_and_the_choice_is_kept(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy", quality="HD")
    await cinema.page.set_viewport_size({"width": 360, "height": 640})
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    picture = cinema.page.get_by_role("combobox", name="Bild")
    assert await picture.locator("option").all_inner_texts() == ["Auto", "720p", "360p"]
    for height, width in (("360", 640), ("720", 1280)):
        await picture.select_option(height)
        await cinema.page.evaluate(UNTIL_WIDTH, [width, WAIT])
    await picture.focus()
    await cinema.page.keyboard.press("ArrowDown")
    assert await picture.input_value() == "360", "the list has the keys for itself"
    await cinema.page.reload()
    await cinema.frames_advance()
    assert await picture.input_value() == "360"
    assert (await cinema.picture())["width"] == 640
    assert await cinema.page.evaluate("document.documentElement.scrollWidth > 360") is False


async def test_without_a_right_there_is_a_sentence_and_no_picture(
    cinema: Cinema, live_server: str, owner: asyncpg.Connection, title: Title
) -> None:
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    assert await cinema.refused() == "Diesen Film haben Sie nicht geliehen oder gekauft."
    assert await cinema.page.get_by_role("link", name="Zur Seite des Films").is_visible()
    reasons = await owner.fetch("SELECT step, outcome, reason FROM store.licence_events")
    assert [tuple(row) for row in reasons] == [("playback", "refused", "not_entitled")]
    assert await owner.fetchval("SELECT count(*) FROM store.devices") == 0, "no device place was spent on it"


async def test_a_licence_that_is_refused_shows_its_reason_and_no_picture(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")

    async def refund_first(route: Any) -> None:
        await owner.execute("UPDATE store.entitlements SET revoked_at = now(), revoke_reason = 'refund'")
        await route.continue_()

    await cinema.page.route("**/media/**/manifest.mpd", refund_first)
    await cinema.page.goto(f"{live_server}/en/watch/{title.slug}")
    assert (await cinema.refused()).startswith("The right to this film was taken back")
    assert await cinema.page.get_attribute("#player", "data-fault") == "6007"
    reasons = await owner.fetch("SELECT step, outcome, reason FROM store.licence_events ORDER BY id")
    assert tuple(reasons[-1]) == ("licence", "refused", "right_revoked")


@pytest.mark.usefixtures("contracts")
async def test_a_film_that_only_services_give_keys_of_is_refused_without_asking_for_them(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    await owner.execute("UPDATE store.media_assets SET clear_key = false")
    async with cinema.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    assert (await cinema.refused()).startswith("Dieser Film ist besonders geschützt")
    assert await owner.fetchval("SELECT count(*) FROM store.licence_events WHERE step = 'licence'") == 0
    assert await owner.fetchval("SELECT end_reason FROM store.playback_sessions") == "stopped", "its place is free"


async def test_keys_that_do_not_fit_show_no_picture_and_give_the_rental_back(
    cinema: Cinema,
    live_server: str,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    seal = KeySeal.from_secret(settings.content_key_secret)
    for track, kid in KIDS.items():
        row = seal.seal(kid=kid, asset_id=TEST_FILM.asset_id, track=track, key=bytes(16))
        await owner.execute("UPDATE store.content_keys SET sealed = $1 WHERE kid = $2", row.sealed, kid)
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.page.get_by_role("button", name="Film starten").click(timeout=WAIT)
    sentence = "Der Film ließ sich nicht abspielen. Ihre Leihzeit gilt deshalb als nicht begonnen."
    assert await cinema.refused() == sentence
    assert await cinema.page.get_attribute("#player", "data-fault") == "3016"
    [right] = await owner.fetch("SELECT first_played_at, start_taken_back_at FROM store.entitlements")
    assert right["first_played_at"] is None
    assert right["start_taken_back_at"] is not None
    await cinema.page.get_by_role("button", name="Noch einmal versuchen").click()
    await cinema.page.get_by_role("button", name="Film starten").wait_for(timeout=WAIT)
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None, "it is asked again"


async def test_a_rental_that_ends_stops_the_film(
    cinema: Cinema,
    live_server: str,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    title: Title,
) -> None:
    began = datetime.now(UTC) - timedelta(hours=47)
    await make_right(database, customer, title, granted_at=began, first_played_at=began)
    await cinema.page.clock.install()
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    clock.ahead = timedelta(hours=1)
    async with cinema.page.expect_response("**/heartbeats"):
        await cinema.page.clock.fast_forward(31_000)
    sentence = cinema.page.get_by_role("alert")
    await sentence.wait_for(timeout=WAIT)
    assert (await sentence.inner_text()).startswith("Ihre Leihe ist vorbei.")
    assert await cinema.page.evaluate("document.querySelector('video').paused") is True


async def test_the_player_obeys_the_keyboard_and_fits_a_phone(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    await cinema.page.set_viewport_size({"width": 360, "height": 640})
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    await cinema.page.keyboard.press(" ")
    assert await cinema.page.evaluate("document.querySelector('video').paused") is True
    before = (await cinema.picture())["time"]
    await cinema.page.keyboard.press("ArrowRight")
    assert (await cinema.picture())["time"] == pytest.approx(before + 10, abs=0.5)
    await cinema.page.keyboard.press("m")
    assert await cinema.page.evaluate("document.querySelector('video').muted") is True
    overflow = "document.documentElement.scrollWidth > 360 || document.documentElement.scrollHeight > 640"
    assert await cinema.page.evaluate(overflow) is False
    seek = await cinema.page.get_by_role("slider").bounding_box()
    assert seek is not None
    assert seek["width"] >= 300
    controls = cinema.page.locator(".below button:visible")
    for box in await asyncio.gather(*(control.bounding_box() for control in await controls.all())):
        assert box is not None
        assert box["width"] >= 44
        assert box["x"] + box["width"] <= 360


async def test_a_place_that_another_device_takes_is_freed_from_here_and_no_other_one(
    cinema: Cinema,
    live_server: str,
    database: Database,
    client: httpx.AsyncClient,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    for name in ("Fernseher", "Tablet"):
        other, film = TestDevice(settings.base_url), await make_title(database)
        await make_right(database, customer, film, kind="buy")
        await other.register(client, customer, name=name)
        assert (await other.open(client, customer, film)).status_code == 201
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    assert (await cinema.refused()).startswith("Es laufen schon 2 Wiedergaben")
    await cinema.page.get_by_role("button", name="„Tablet“ beenden und hier schauen").click()
    await cinema.frames_advance()
    streams = (await client.get("/v1/playback-sessions", headers=customer.headers)).json()["playback_sessions"]
    assert "Fernseher" in [stream["device"] for stream in streams]
    assert "Tablet" not in [stream["device"] for stream in streams]


async def test_after_the_session_ended_the_way_out_is_to_sign_in(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title)
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    start = cinema.page.get_by_role("button", name="Film starten")
    await start.wait_for(timeout=WAIT)
    await owner.execute("UPDATE auth.sessions SET revoked_at = now() WHERE account_id = $1", customer.account_id)
    await start.click()
    assert await cinema.refused() == "Bitte melden Sie sich an."
    await cinema.page.get_by_role("link", name="Neu laden und anmelden").click()
    await cinema.page.wait_for_url("**/de/sign-in?next=**")


async def test_an_unknown_film_is_a_page_that_says_so(cinema: Cinema, live_server: str, database: Database) -> None:
    other = await make_title(database)
    answer = await cinema.page.goto(f"{live_server}/de/watch/{other.slug}-gibt-es-nicht")
    assert answer is not None
    assert answer.status == 404


async def test_a_film_goes_on_where_it_was_left_and_begins_anew_on_request(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    async with cinema.page.expect_response("**/heartbeats"):
        await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
        await cinema.frames_advance()
    # Paused it has told where it stands: it says nothing more when the page is left.
    async with cinema.page.expect_response("**/heartbeats"):
        await cinema.page.keyboard.press("k")
    await owner.execute("UPDATE store.watch_progress SET position = 14, seen_at = now() + interval '1 minute'")
    await cinema.page.reload()
    picture = await cinema.frames_advance()
    assert picture["time"] > 14
    begin = cinema.page.get_by_role("button", name="Von vorn")
    await begin.click()
    await cinema.page.evaluate(UNTIL_PICTURE, [picture["frames"] + 20, 0.5, WAIT])
    assert (await cinema.picture())["time"] < 14
    assert not await begin.is_visible()


async def test_a_removed_device_asks_before_it_registers_again(
    cinema: Cinema,
    client: httpx.AsyncClient,
    live_server: str,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="buy")
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    device_id = await owner.fetchval("SELECT id FROM store.devices")
    assert (await client.delete(f"/v1/devices/{device_id}", headers=customer.headers)).status_code == 204
    await cinema.page.reload()
    assert "aus Ihrem Konto entfernt worden" in await cinema.refused()
    assert await owner.fetchval("SELECT removed_at IS NOT NULL FROM store.devices")
    await cinema.page.get_by_role("button", name="Dieses Gerät wieder anmelden").click()
    await cinema.frames_advance()
    assert await owner.fetchval("SELECT count(*) FROM store.devices WHERE removed_at IS NULL") == 1


async def test_a_refusal_says_everything_that_stands_in_the_way(
    cinema: Cinema,
    client: httpx.AsyncClient,
    live_server: str,
    database: Database,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    """The sixth device, while two films play: the page names both, with the way out of the first."""
    await make_right(database, customer, title, kind="buy")
    for number in range(5):
        device = TestDevice(settings.base_url)
        await device.register(client, customer, name=f"Gerät {number}")
        if number < 2:
            other = await make_title(database)
            await make_right(database, customer, other, kind="buy")
            assert (await device.open(client, customer, other)).status_code == 201
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    assert "In den letzten 30 Tagen sind 5 neue Geräte dazugekommen" in await cinema.refused()
    more = await cinema.page.locator('[data-part="refusal-more"] li').all_inner_texts()
    assert [line.split(".")[0] for line in more] == ["Es laufen schon 2 Wiedergaben auf anderen Geräten"]
    assert await cinema.page.get_by_role("link", name="Zu meinen Geräten").is_visible()


async def test_subtitles_and_sound_are_chosen_by_keyboard_and_kept_for_the_next_time(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title
) -> None:
    page = cinema.page
    await make_right(database, customer, title, kind="buy")
    await page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    assert await page.locator('[data-part="subtitles"] option').all_inner_texts() == [
        "Aus",
        "Deutsch",
        "Englisch",
    ]
    await page.locator('[data-part="subtitles"]').focus()
    async with page.expect_response("**/v1/track-choice"):
        await page.keyboard.press("ArrowDown")
    assert "Sekunden" in await page.evaluate(UNTIL_READ, WAIT)
    await page.locator('[data-part="audio"]').focus()
    async with page.expect_response("**/v1/track-choice"):
        await page.keyboard.press("ArrowDown")
    heard = await page.locator('[data-part="audio"]').input_value()
    await page.reload()
    await cinema.frames_advance()
    assert "Sekunden" in await page.evaluate(UNTIL_READ, WAIT)
    assert await page.locator('[data-part="subtitles"]').input_value() == "de"
    assert await page.locator('[data-part="audio"]').input_value() == heard == "en"
    active = "window.videothek.player.getAudioTracks().find((track) => track.active).language"
    assert await page.evaluate(active) == "en"
