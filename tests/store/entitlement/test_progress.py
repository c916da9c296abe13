"""Watch progress: one place per film that never goes back by mistake, films to go on with, languages kept."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import Customer, TestDevice, make_customer, make_right, make_title

HOUR = 3600.0


@dataclass(slots=True)
class Viewer:
    """A playback on one device, and what its player reports."""

    client: httpx.AsyncClient
    customer: Customer
    device: TestDevice
    id: str
    opened: dict[str, Any]

    @classmethod
    async def at(cls, client: httpx.AsyncClient, customer: Customer, device: TestDevice, title: Title) -> "Viewer":
        opened = await device.open(client, customer, title)
        assert opened.status_code == 201, opened.text
        return cls(client, customer, device, opened.json()["id"], opened.json())

    async def beat(self, position: float, **more: Any) -> None:
        path = f"/v1/playback-sessions/{self.id}/heartbeats"
        headers = {**self.customer.headers, "DPoP": self.device.proof("POST", path)}
        answer = await self.client.post(path, json={"position": position, **more}, headers=headers)
        assert answer.status_code == 200, answer.text

    async def report(self, *reports: dict[str, Any]) -> httpx.Response:
        path = f"/v1/playback-sessions/{self.id}/progress-reports"
        headers = {**self.customer.headers, "DPoP": self.device.proof("POST", path)}
        return await self.client.post(path, json={"reports": list(reports)}, headers=headers)


@pytest.fixture
async def film(database: Database, owner: asyncpg.Connection, customer: Customer, title: Title) -> Title:
    """A bought film of two hours."""
    await make_right(database, customer, title, kind="buy")
    await owner.execute("UPDATE store.media_assets SET seconds = 7200")
    return title


@pytest.fixture
async def sofa(client: httpx.AsyncClient, customer: Customer, device: TestDevice, film: Title) -> Viewer:
    return await Viewer.at(client, customer, device, film)


@pytest.fixture
async def train(client: httpx.AsyncClient, settings: Settings, customer: Customer, film: Title, sofa: Viewer) -> Viewer:
    """A second device, on which the same film was opened later."""
    phone = TestDevice(settings.base_url)
    assert (await phone.register(client, customer, name="Telefon")).status_code == 201
    return await Viewer.at(client, customer, phone, film)


async def kept(owner: asyncpg.Connection) -> float:
    return float(await owner.fetchval("SELECT position FROM store.watch_progress"))


async def test_the_next_playback_goes_on_where_the_last_one_stood(
    client: httpx.AsyncClient, customer: Customer, sofa: Viewer, film: Title, train: Viewer
) -> None:
    assert (sofa.opened["resume_at"], train.opened["resume_at"]) == (0.0, 0.0)
    await sofa.beat(1800)
    again = await Viewer.at(client, customer, train.device, film)
    assert again.opened["resume_at"] == 1800.0


async def test_within_a_playback_the_higher_number_wins_wherever_it_stands(
    owner: asyncpg.Connection, sofa: Viewer
) -> None:
    await sofa.beat(1800, sequence=5)
    await sofa.beat(600, sequence=6)
    assert await kept(owner) == 600, "seeking back is deliberate"
    for sequence in (4, 5, 6):
        await sofa.beat(1770, sequence=sequence)
    assert await kept(owner) == 600, "what comes late or twice changes nothing"
    await sofa.beat(630, sequence=7)
    assert await kept(owner) == 630


async def test_a_player_that_numbers_nothing_is_taken_in_the_order_in_which_it_speaks(
    owner: asyncpg.Connection, sofa: Viewer
) -> None:
    for position in (1800, 600, 630):
        await sofa.beat(position)
        assert await kept(owner) == position


async def test_another_device_that_begins_at_zero_by_itself_loses_nothing(
    owner: asyncpg.Connection, sofa: Viewer, train: Viewer
) -> None:
    await sofa.beat(1800)
    for position in (1.0, 31.0, 1799.0):
        await train.beat(position)
        assert await kept(owner) == 1800
    await train.beat(1801)
    assert await kept(owner) == 1801
    await sofa.beat(1790)
    assert await kept(owner) == 1801, "and the first one, gone on by mistake, does not take it back"


async def test_who_moves_back_on_another_device_is_followed(
    owner: asyncpg.Connection, sofa: Viewer, train: Viewer
) -> None:
    await sofa.beat(1800)
    await train.beat(300, sequence=1, sought=True)
    assert await kept(owner) == 300
    await train.beat(330, sequence=2, sought=True)
    assert await kept(owner) == 330


async def test_a_player_that_is_paused_takes_no_place_back_and_none_forth(
    owner: asyncpg.Connection, sofa: Viewer, train: Viewer
) -> None:
    """It lives on where somebody once moved it to, while another device is watched."""
    await train.beat(600, sequence=1, sought=True)
    await sofa.beat(3600, sequence=1)
    for sequence in (2, 3):
        await train.beat(600, sequence=sequence, sought=True)
        assert await kept(owner) == 3600
    await train.beat(300, sequence=4, sought=True)
    await sofa.beat(3600, sequence=2)
    assert await kept(owner) == 300, "nor does the other one, which is paused now"
    await train.beat(330, sequence=5)
    assert await kept(owner) == 330


async def test_an_offline_batch_counts_by_when_it_was_watched(
    owner: asyncpg.Connection, sofa: Viewer, train: Viewer
) -> None:
    """Watched in the train three hours ago, on the sofa since: the batch comes too late, however far it got."""
    await sofa.beat(1800)
    batch = [{"sequence": n, "position": 3000.0 + n, "seconds_ago": 3 * HOUR - n, "sought": True} for n in range(1, 9)]
    answer = await train.report(*batch)
    assert answer.json()["position"] == 1800
    await owner.execute("UPDATE store.watch_progress SET seen_at = now() - interval '4 hours'")
    answer = await train.report(*reversed(batch))
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "playback_session_id": train.id,
            "sequence": 8,
            "position": 3008.0,
            "finished": False,
            "resume_at": 3008.0,
        },
    )
    assert (await train.report(batch[2])).json()["sequence"] == 8, "sent again, it changes nothing"


async def test_a_batch_is_taken_after_its_playback_has_ended_but_of_its_own_device_only(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    sofa: Viewer,
    train: Viewer,
) -> None:
    await client.delete(f"/v1/playback-sessions/{sofa.id}", headers=customer.headers)
    assert (await sofa.report({"sequence": 1, "position": 900.0})).json()["position"] == 900
    stolen = Viewer(client, customer, train.device, sofa.id, {})
    refused = await stolen.report({"sequence": 9, "position": 1.0, "sought": True})
    assert (refused.status_code, refused.json()["code"]) == (404, "playback_not_found")
    stranger = Viewer(client, await make_customer(database), sofa.device, sofa.id, {})
    assert (await stranger.report({"sequence": 9, "position": 1.0})).status_code == 404
    for wrong in ({"position": 1.0}, {"sequence": 0, "position": 1.0}, {"sequence": 1, "position": -1.0}):
        assert (await sofa.report(wrong)).status_code == 400
    assert (await sofa.report()).status_code == 400
    assert await kept(owner) == 900


async def test_reports_of_many_players_at_once_leave_the_last_number(owner: asyncpg.Connection, sofa: Viewer) -> None:
    order = [7, 3, 12, 1, 9, 5, 11, 2, 10, 4, 8, 6]
    await asyncio.gather(*(sofa.report({"sequence": n, "position": 100.0 * n}) for n in order))
    assert await kept(owner) == 1200


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(list(range(1, 8))))
async def test_whatever_order_reports_arrive_in_the_same_place_is_kept(
    owner: asyncpg.Connection, sofa: Viewer, order: list[int]
) -> None:
    await owner.execute("DELETE FROM store.watch_progress")
    places = {1: 30.0, 2: 60.0, 3: 1800.0, 4: 40.0, 5: 70.0, 6: 3600.0, 7: 500.0}
    for number in order:
        await sofa.report({"sequence": number, "position": places[number]})
    assert await kept(owner) == 500


async def test_a_film_that_was_watched_to_the_end_begins_anew(
    client: httpx.AsyncClient, owner: asyncpg.Connection, customer: Customer, film: Title, sofa: Viewer, train: Viewer
) -> None:
    await sofa.beat(0.95 * 7200)
    assert await owner.fetchval("SELECT finished FROM store.watch_progress")
    assert (await client.get("/v1/watch-progress", headers=customer.headers)).json() == {"watch_progress": []}
    again = await Viewer.at(client, customer, train.device, film)
    assert again.opened["resume_at"] == 0.0
    await again.beat(12)
    assert await kept(owner) == 12


async def test_films_to_go_on_with_are_those_that_may_still_be_watched_the_last_first(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    film: Title,
) -> None:
    series = await make_title(database, kind="series")
    season = await make_title(database, kind="season", parent=series)
    episode = await make_title(database, kind="episode", parent=season)
    rental = await make_title(database)
    await make_right(database, customer, series, kind="buy")
    await make_right(database, customer, rental, first_played_at=datetime.now(UTC) - timedelta(hours=1))
    for title in (film, episode, rental):
        viewer = await Viewer.at(client, customer, device, title)
        await viewer.beat(600)
        await client.delete(f"/v1/playback-sessions/{viewer.id}", headers=customer.headers)

    async def begun() -> list[str]:
        answer = await client.get("/v1/watch-progress", headers=customer.headers)
        return [one["title"] for one in answer.json()["watch_progress"]]

    assert await begun() == [rental.slug, episode.slug, film.slug]
    clock.ahead = timedelta(hours=48)
    assert await begun() == [episode.slug, film.slug], "a rental that is over cannot be gone on with"
    forgotten = await client.delete(f"/v1/watch-progress/{episode.slug}", headers=customer.headers)
    assert forgotten.status_code == 204
    assert await begun() == [film.slug]
    stranger = await make_customer(database)
    assert (await client.delete(f"/v1/watch-progress/{film.slug}", headers=stranger.headers)).status_code == 204
    assert await begun() == [film.slug]


async def test_the_languages_chosen_on_one_device_are_those_of_the_next(
    client: httpx.AsyncClient, customer: Customer, sofa: Viewer, film: Title, train: Viewer
) -> None:
    nothing = await client.get("/v1/track-choice", headers=customer.headers)
    assert nothing.json() == {"audio": None, "subtitles": None}
    for choice in ({"audio": "en", "subtitles": "de"}, {"audio": "pt-BR", "subtitles": "off"}):
        answer = await client.put("/v1/track-choice", json=choice, headers=customer.headers)
        assert (answer.status_code, answer.json()) == (200, choice)
    again = await Viewer.at(client, customer, train.device, film)
    assert (again.opened["audio"], again.opened["subtitles"]) == ("pt-BR", "off")
    for wrong in ("", "deutsch bitte", "x" * 40, "d\n"):
        refused = await client.put(
            "/v1/track-choice", json={"audio": wrong, "subtitles": "off"}, headers=customer.headers
        )
        assert refused.status_code == 400, wrong
