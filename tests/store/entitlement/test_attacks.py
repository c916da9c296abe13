"""Attacks on rights, devices, streams and keys: which tests hold each of them, and those that fit nowhere else.

Not in the table is what this store does not have: keys handed out to packagers. A copied device's key is held to one
place among the streams, and nobody is alerted: phones change their networks, too. Levels of devices are told by hosted
services only; Clear Key knows none and protects nothing, so it gives only the keys of films that are marked for it.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.named_tests import missing
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import (
    ALL_KIDS,
    LICENCE_PATH,
    Customer,
    TestDevice,
    make_customer,
    make_right,
    make_title,
)

HERE: Final = "store/entitlement/"

ATTACKS: Final[Mapping[str, tuple[str, ...]]] = {
    "no token, an unsigned, foreign, expired or borrowed one": (
        "test_licences.py::test_no_forged_token_gets_a_key",
        "test_licences.py::test_a_key_of_another_film_refuses_the_whole_request",
    ),
    "a token that is shown after its minute, again and again": (
        "test_licences.py::test_a_token_that_is_shown_after_it_expired_is_recorded_once_a_minute",
        "test_hosted_drm.py::test_whoever_shows_a_service_an_expired_token_or_two_proofs_leaves_a_trace",
    ),
    "a stolen token and another device's key": (
        "test_licences.py::test_a_stolen_token_is_worth_nothing_on_another_device",
        "test_hosted_drm.py::test_a_stolen_token_gets_nothing_for_a_service_either",
        "test_hosted_drm.py::test_a_token_that_is_passed_on_is_good_for_the_first_device_of_the_playback_only",
        "test_hosted_drm.py::test_of_two_devices_that_ask_with_one_token_at_once_one_gets_it",
        "test_licences.py::test_another_account_cannot_use_a_device_or_playback_of_this_one",
    ),
    "a proof of another address, method, token or time, or a second time": (
        "test_licences.py::test_no_faulty_proof_gets_a_key",
        "test_licences.py::test_two_proofs_in_one_request_are_refused",
        "test_licences.py::test_of_thirty_two_copies_of_a_proof_at_once_one_is_accepted",
        "test_licences.py::test_a_proof_stays_used_even_if_its_request_was_refused",
        "test_attacks.py::test_no_proof_for_one_operation_is_one_for_another",
    ),
    "key ids of other films, none, thousands, malformed or twice": (
        "test_licences.py::test_a_key_of_another_film_refuses_the_whole_request",
        "test_licences.py::test_a_malformed_licence_request_is_refused",
        "test_licences.py::test_ten_thousand_key_ids_are_too_large_a_request",
    ),
    "a better quality than was paid": (
        "test_licences.py::test_an_sd_right_never_gets_the_hd_key",
        "test_playback_in_chromium.py::test_a_right_in_sd_never_shows_hd",
    ),
    "a better quality than the device's protection": (
        "test_hosted_drm.py::test_a_callback_is_answered_by_what_the_device_is_and_the_right_allows",
        "test_hosted_drm.py::test_drmtoday_is_told_upfront_no_more_than_every_device_may_have",
        "test_downloads.py::test_drmtoday_keeps_what_needs_no_hardware",
        "test_hosted_drm.py::test_clear_key_gives_no_key_of_a_film_that_is_not_marked_for_it",
        "test_playback_in_chromium.py::test_a_film_that_only_services_give_keys_of_is_refused_without_asking_for_them",
    ),
    "codes of TVs: guessing, polling, another key": (
        "../web/test_tv_sign_in.py::test_guesses_are_limited_for_the_account_and_right_codes_are_not_counted",
        "../web/test_tv_sign_in.py::test_who_polls_too_fast_waits_longer_for_the_rest_of_it",
        "../web/test_tv_sign_in.py::test_a_device_code_is_worthless_to_another_key",
    ),
    "many first plays at once": (
        "test_licences.py::test_sixty_four_first_licences_at_once_begin_one_clock",
        "test_attacks.py::test_sixty_four_first_licences_at_once_on_two_devices_begin_one_clock",
        "test_licences.py::test_the_last_second_of_a_rental_is_granted_and_its_end_is_not",
    ),
    "setting a rental's clock back by devices, qualities, refunds and renting again": (
        "test_attacks.py::test_nothing_that_a_customer_does_sets_a_rentals_clock_back",
        "test_playback.py::test_a_failure_before_the_first_picture_takes_the_start_back_once",
        "test_playback.py::test_of_many_reports_of_one_failure_at_once_one_takes_the_start_back",
        "test_playback.py::test_a_picture_that_another_device_showed_keeps_the_start",
    ),
    "clocks: the client's, and the business clock moved back": (
        "test_attacks.py::test_what_a_client_says_of_the_time_is_ignored",
        "test_progress.py::test_an_offline_batch_counts_by_when_it_was_watched",
        "test_attacks.py::test_a_clock_that_is_far_off_is_told_the_servers_time",
        "test_licences.py::test_a_moved_business_clock_makes_no_proof_older",
        "../sandbox/test_clock.py::test_the_clock_does_not_go_back",
        "../test_forward_clock.py::test_a_rental_that_was_over_stays_over_when_the_servers_clock_steps_back_an_hour",
    ),
    "many devices at once, and removing and adding them in turns": (
        "test_devices.py::test_a_limit_of_two_asked_by_twenty_four_devices_at_once_gives_two",
        "test_devices.py::test_the_sixth_new_device_in_thirty_days_is_told_the_instant_of_the_next_place",
        "test_device_removal.py::test_a_lost_device_is_replaced_beyond_the_limit_once_in_its_span",
        "test_device_removal.py::test_five_lost_devices_reported_at_once_replace_one",
    ),
    "many streams at once, places that leak, heartbeats for others and of removed devices": (
        "test_streams.py::test_a_hundred_starts_at_once_on_ten_devices_get_two_places",
        "test_streams.py::test_a_rental_that_a_hundred_players_open_at_once_plays_once",
        "test_streams.py::test_places_are_kept_taken_over_and_freed_whatever_redis_does",
        "test_playback.py::test_a_rental_plays_on_one_device_at_a_time",
        "test_playback.py::test_a_heartbeat_keeps_the_place_and_brings_a_fresh_token",
        "test_devices.py::test_a_removed_device_gets_no_further_heartbeat_licence_or_playback",
    ),
    "a device's key copied to another machine": (
        "test_attacks.py::test_a_copied_device_key_plays_once_and_the_copy_replaces_the_original",
    ),
    "going on after a refund, a dispute or a takedown": (
        "test_licences.py::test_a_token_that_is_still_good_gets_nothing_once_the_ground_is_gone",
        "test_attacks.py::test_what_plays_stops_at_the_next_heartbeat_once_its_ground_is_gone",
        "test_takedowns.py::test_what_plays_stops_at_the_next_sign_of_life_and_gets_no_further_licence",
        "test_takedowns.py::test_a_playback_that_is_about_to_begin_is_waited_for_and_ended",
        "test_takedowns.py::test_an_episode_stops_also_for_who_has_the_season_and_the_others_play_on",
        "test_licences_at_the_same_instant.py::test_a_licence_that_waits_for_a_withdrawal_gets_no_key",
        "test_licences_at_the_same_instant.py::test_after_a_licence_the_right_of_withdrawal_is_lost_if_the_contract_was_confirmed_before",
    ),
    "ids of another account's devices and playbacks": (
        "test_devices.py::test_a_device_of_another_account_cannot_be_seen_or_removed",
        "test_device_removal.py::test_nobody_names_or_replaces_the_device_of_another",
        "test_licences.py::test_another_account_cannot_use_a_device_or_playback_of_this_one",
        "test_attacks.py::test_a_foreign_playback_and_one_that_never_was_are_refused_alike",
    ),
    "a rental on several devices offline, kept and streamed, or begun anew by returning it": (
        "test_downloads.py::test_of_many_devices_at_once_as_many_get_it_as_may",
        "test_downloads.py::test_a_rental_is_streamed_or_kept_and_never_both_at_once",
        "test_downloads.py::test_a_lost_answer_is_given_once_more_and_a_second_beginning_is_not",
        "test_downloads.py::test_what_a_device_says_is_believed_three_times",
        "test_downloads.py::test_only_the_device_itself_returns_a_film",
    ),
    "an offline start in the future or long ago": (
        "test_downloads.py::test_a_returned_rental_began_when_the_device_says_within_the_time_that_it_was_out",
    ),
    "a download and the money back": (
        "test_downloads.py::test_after_a_download_there_is_no_withdrawal",
        "test_downloads.py::test_a_withdrawal_and_a_download_at_once_come_one_after_the_other",
        "test_downloads.py::test_a_right_that_was_taken_back_is_on_the_list_of_what_to_delete",
    ),
    "films above a profile's age by lists, search, links, images, the player, or a guessed PIN": (
        "../age_gate/test_crawl.py::test_no_address_shows_a_restricted_profile_what_is_shut",
        "../age_gate/test_gate.py::test_whatever_is_not_for_every_age_is_shut",
        "../age_gate/test_gate.py::test_the_player_is_told_of_the_age_limit_among_all_reasons",
        "../age_gate/test_pin.py::test_wrong_pins_are_limited_for_the_household_and_the_password_is_the_way_out",
    ),
    "a licence kept by a cache on the way": (
        "test_licences.py::test_a_bought_film_in_hd_gets_its_three_keys",
        "test_licences.py::test_a_licence_is_only_posted_for",
    ),
    "keys in logs, errors, examples, exports and backups": (
        "test_licences.py::test_neither_key_nor_token_nor_proof_is_ever_in_the_log",
        "test_licences.py::test_no_key_lies_open_in_the_database",
        "test_key_leaks.py::test_no_key_is_in_a_backup_of_the_database",
        "test_key_leaks.py::test_no_key_is_in_the_contract_an_export_or_what_staff_see",
    ),
}
"""What is tried, and the tests (of this folder, unless said otherwise) that hold it."""


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_held_by_tests_that_there_are(attack: str) -> None:
    assert ATTACKS[attack]
    assert missing(HERE + place for place in ATTACKS[attack]) == []


async def clocks(owner: asyncpg.Connection, right: UUID) -> tuple[datetime | None, datetime | None]:
    [row] = await owner.fetch("SELECT first_played_at, ends_at FROM store.entitlements WHERE id = $1", right)
    return row["first_played_at"], row["ends_at"]


async def test_sixty_four_first_licences_at_once_on_two_devices_begin_one_clock(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    """Both devices have an open playback of the rental, which this customer's limits allow."""
    await owner.execute(
        "INSERT INTO store.device_limits"
        " (account_id, devices, new_devices, new_device_days, streams, streams_per_rental)"
        " VALUES ($1, 5, 5, 30, 2, 2)",
        customer.account_id,
    )
    right = await make_right(database, customer, title)
    other = TestDevice(device.base_url)
    await other.register(client, customer, name="Fernseher")
    players = [(one, (await one.open(client, customer, title)).json()["token"]) for one in (device, other)]
    answers = await asyncio.gather(*(one.licence(client, token) for one, token in players * 32))
    await owner.execute("DELETE FROM store.device_limits WHERE account_id = $1", customer.account_id)
    assert {answer.status_code for answer in answers} == {200}
    starts = await owner.fetch("SELECT at FROM store.licence_events WHERE started_clock")
    assert len(starts) == 1
    began = starts[0]["at"]
    assert await clocks(owner, right) == (began, began + timedelta(hours=48))


async def test_nothing_that_a_customer_does_sets_a_rentals_clock_back(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    began = datetime(2026, 12, 1, 20, tzinfo=UTC)
    expected = (began, began + timedelta(hours=48))
    clock.fixed = began
    rental = await make_right(database, customer, title, quality="SD", granted_at=began)

    async def play(one: TestDevice) -> None:
        assert clock.fixed is not None
        clock.fixed += timedelta(hours=1)
        opened = (await one.open(client, customer, title)).json()
        assert (await one.licence(client, opened["token"], kids=ALL_KIDS[:1])).status_code == 200
        await client.delete(f"/v1/playback-sessions/{opened['id']}", headers=customer.headers)

    clock.fixed -= timedelta(hours=1)
    await play(device)
    assert await clocks(owner, rental) == expected

    [registered] = (await client.get("/v1/devices", headers=customer.headers)).json()["devices"]
    assert (await client.delete(f"/v1/devices/{registered['id']}", headers=customer.headers)).status_code == 204
    assert (await device.register(client, customer, again=True)).status_code == 201
    await play(device)
    other = TestDevice(device.base_url)
    await other.register(client, customer, name="Telefon")
    await play(other)
    assert await clocks(owner, rental) == expected, "devices have no clocks"

    better = await make_right(database, customer, title, quality="HD", granted_at=began)
    await play(device)
    assert await clocks(owner, rental) == expected, "another quality has a clock of its own"
    for right in (rental, better):
        await owner.execute("UPDATE store.entitlements SET revoked_at = now() WHERE id = $1", right)
    await make_right(database, customer, title, quality="SD", granted_at=clock.fixed)
    await play(device)
    assert await clocks(owner, rental) == expected, "rented again, the first rental stays what it was"
    assert await owner.fetchval("SELECT count(*) FROM store.entitlements WHERE first_played_at IS NOT NULL") == 3


async def test_what_a_client_says_of_the_time_is_ignored(
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
    token = (await device.open(client, customer, title)).json()["token"]
    for year in (1970, 2099):
        said = f"Tue, 01 Jan {year} 00:00:00 GMT"
        answer = await client.post(
            LICENCE_PATH,
            json={"kids": ALL_KIDS, "type": "temporary"},
            headers={
                "Authorization": f"DPoP {token}",
                "DPoP": device.proof("POST", LICENCE_PATH, token=token, exp=0, nbf=4_000_000_000),
                "Date": said,
                "X-Date": said,
                "If-Unmodified-Since": said,
            },
        )
        assert answer.status_code == 200, answer.text
    assert await clocks(owner, right) == (clock.fixed, clock.fixed + timedelta(hours=48))
    clock.fixed += timedelta(hours=48)
    answer = await device.licence(client, token)
    assert (answer.status_code, answer.json()["code"]) == (403, "rental_over")


async def test_a_clock_that_is_far_off_is_told_the_servers_time(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    proof = device.proof("POST", "/v1/playback-sessions", iat=0)
    wanted = {"title": title.slug, "start_confirmed": True}
    answer = await client.post("/v1/playback-sessions", json=wanted, headers={**customer.headers, "DPoP": proof})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_dpop_proof")
    told = datetime.fromisoformat(answer.json()["server_time"])
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


async def test_no_proof_for_one_operation_is_one_for_another(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    """Also between playbacks: a heartbeat that was listened to keeps no other place."""
    await make_right(database, customer, title, kind="buy")
    other = await make_title(database)
    await make_right(database, customer, other, kind="buy")
    first, second = [(await device.open(client, customer, film)).json() for film in (title, other)]
    paths = {
        "/v1/devices": {"name": "x"},
        "/v1/playback-sessions": {"title": title.slug, "start_confirmed": True},
        f"/v1/playback-sessions/{second['id']}/heartbeats": {"position": 1.0},
        f"/v1/playback-sessions/{second['id']}/failures": None,
    }
    for path, body in paths.items():
        proof = device.proof("POST", f"/v1/playback-sessions/{first['id']}/heartbeats")
        answer = await client.post(path, json=body, headers={**customer.headers, "DPoP": proof})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_dpop_proof"), path


async def test_a_copied_device_key_plays_once_and_the_copy_replaces_the_original(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    clone = TestDevice(settings.base_url, key=device.key)
    original = (await device.open(client, customer, title)).json()
    copied = (await clone.open(client, customer, title)).json()
    assert (await clone.licence(client, copied["token"])).status_code == 200
    beat = await device.beat(client, customer, original["id"])
    assert (beat.status_code, beat.json()["end_reason"]) == (410, "replaced")
    assert (await device.licence(client, original["token"])).json()["code"] == "playback_ended"
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions WHERE ended_at IS NULL") == 1
    stranger = await make_customer(database)
    assert (await clone.open(client, stranger, title)).json()["code"] == "not_entitled"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("revoked_at = now(), revoke_reason = 'refund'", "right_revoked"),
        ("revoked_at = now(), revoke_reason = 'takedown'", "right_revoked"),
        ("paused_at = now(), pause_reason = 'dispute'", "right_paused"),
    ],
)
async def test_what_plays_stops_at_the_next_heartbeat_once_its_ground_is_gone(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    change: str,
    code: str,
) -> None:
    await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    await owner.execute(f"UPDATE store.entitlements SET {change}")
    beat = await device.beat(client, customer, playback["id"])
    assert (beat.status_code, beat.json()["code"]) == (403, code)
    assert "token" not in beat.json()
    licence = await device.licence(client, playback["token"])
    assert (licence.status_code, licence.json()["code"]) == (403, code)


async def test_a_foreign_playback_and_one_that_never_was_are_refused_alike(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    foreign = (await device.open(client, customer, title)).json()["id"]
    stranger = await make_customer(database)
    never = foreign[:-4] + "ffff"
    answers = [await device.beat(client, stranger, playback_id) for playback_id in (foreign, never)]
    told = [{name: value for name, value in answer.json().items() if name != "instance"} for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert told[0] == told[1]
