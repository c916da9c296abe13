"""Nothing is promised, and no hours begin, where no picture can come: no film, no keys, nobody who gives them."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.base64url import encode
from store.entitlement.keys import KeySeal
from store.entitlement.models import MediaAsset
from store.settings import Settings
from tests.store.consoles.people import a_person
from tests.store.entitlement.parts import Customer, TestDevice, make_right, make_title


async def make_film(
    database: Database, settings: Settings, title: Title, tracks: Sequence[str], *, clear_key: bool = True
) -> dict[str, UUID]:
    """A film with a key for each of these tracks; gives their ids."""
    asset_id, seal = new_id(), KeySeal.from_secret(settings.content_key_secret)
    kids = {track: new_id() for track in tracks}
    async with database.sessions.begin() as session:
        session.add(
            MediaAsset(
                id=asset_id,
                title_id=title.id,
                version="1",
                manifest="manifest.mpd",
                seconds=60,
                published_at=datetime.now(UTC),
                clear_key=clear_key,
            )
        )
        await session.flush()
        for track, kid in kids.items():
            session.add(seal.seal(kid=kid, asset_id=asset_id, track=track, key=secrets.token_bytes(16)))
    return kids


async def refused(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> bool:
    """Whether the dry run, the playback itself and support's view all say that the film is not ready."""
    decision = await device.check(client, customer, title)
    opened = await device.open(client, customer, title)
    agent = await a_person(database, roles=("support",))
    path = f"/v1/staff/customers/{customer.account_id}/playback-decisions"
    seen = (await client.get(path, headers=agent.headers)).json()["decision"]
    told = [[reason["code"] for reason in found["reasons"]] for found in (decision, seen)]
    return [*told, opened.json()["code"]] == [["film_not_ready"], ["film_not_ready"], "film_not_ready"]


async def test_a_film_that_clear_key_may_not_give_needs_a_service(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_film(database, settings, title, ["AUDIO", "SD", "HD"], clear_key=False)
    await make_right(database, customer, title)
    assert await refused(client, database, customer, device, title)


@pytest.mark.usefixtures("contracts")
async def test_with_a_contract_it_plays(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_film(database, settings, title, ["AUDIO", "SD", "HD"], clear_key=False)
    await make_right(database, customer, title)
    assert (await device.check(client, customer, title))["allowed"]
    assert (await device.open(client, customer, title)).status_code == 201


@pytest.mark.parametrize("tracks", [[], ["AUDIO"], ["AUDIO", "HD", "UHD"]], ids=lambda tracks: "-".join(tracks) or "-")
async def test_a_right_that_opens_no_picture_of_the_film_plays_nothing(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    tracks: list[str],
) -> None:
    await make_film(database, settings, title, tracks)
    await make_right(database, customer, title, quality="SD")
    assert await refused(client, database, customer, device, title)
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions") == 0


async def test_a_licence_for_the_sound_only_begins_no_rental(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    """The film was exchanged for one without the picture that was paid, after the playback had opened."""
    kids = await make_film(database, settings, title, ["AUDIO", "SD", "HD"])
    await make_right(database, customer, title, quality="SD")
    playback = (await device.open(client, customer, title)).json()
    await owner.execute("DELETE FROM store.content_keys WHERE kid = $1", kids["SD"])
    licence = await device.licence(client, playback["token"], kids=[encode(kids["AUDIO"].bytes)])
    assert (licence.status_code, licence.json()["code"]) == (403, "quality_not_granted"), licence.text
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None


async def test_the_sound_may_be_asked_for_apart_from_the_picture(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    kids = await make_film(database, settings, title, ["AUDIO", "SD"])
    await make_right(database, customer, title, quality="SD")
    playback = (await device.open(client, customer, title)).json()
    licence = await device.licence(client, playback["token"], kids=[encode(kids["AUDIO"].bytes)])
    assert len(licence.json()["keys"]) == 1, licence.text


async def test_a_season_is_played_by_its_episodes_only(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    """Not even the film that stands in for those that have none: it would begin the season's hours."""
    series = await make_title(database, kind="series")
    season = await make_title(database, kind="season", parent=series)
    episode = await make_title(database, kind="episode", parent=season)
    await make_right(database, customer, season)
    assert await refused(client, database, customer, device, season)
    assert (await device.open(client, customer, series)).json()["code"] == "not_entitled"
    assert (await device.open(client, customer, episode)).status_code == 201
