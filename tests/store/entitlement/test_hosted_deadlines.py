"""Whichever way a hosted service is told the end of a rental, none of it lies beyond the right's."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx
import jwt
import msgspec
import pytest

from store.catalogue.models import Title
from store.database import Database
from tests.scratch import MovableTestClock
from tests.store.entitlement.downloading import keep
from tests.store.entitlement.drm_contracts import AXINOM, DRMTODAY
from tests.store.entitlement.parts import Customer, TestDevice, make_right
from tests.store.entitlement.test_hosted_drm import CALLBACK, TO_AXINOM, TO_DRMTODAY, asked, call, play, tell

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)
LEFT: Final = timedelta(hours=10)
HOURS = timedelta(hours=1)

RENTALS: Final[Mapping[str, dict[str, Any]]] = {
    "running": {"granted_at": NOW - 40 * HOURS, "first_played_at": NOW - 38 * HOURS},
    "cut by its offer": {"granted_at": NOW - timedelta(days=30) + LEFT, "near_end": "cut"},
}
"""Both end in ten hours."""


@pytest.fixture(params=RENTALS)
async def showing(
    request: pytest.FixtureRequest,
    contracts: None,
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> dict[str, Any]:
    """A playback of a rental of 48 hours that ends in ten."""
    clock.fixed = NOW
    await make_right(database, customer, title, **RENTALS[request.param])
    return await play(client, device, customer, title)


def ends_in_time(told: str, asked_at: datetime) -> bool:
    """Whether a deadline in whole seconds of real time is that of the right, which has ten hours left."""
    ends_at = datetime.fromisoformat(told)
    return asked_at + LEFT - timedelta(seconds=1) < ends_at <= datetime.now(UTC) + LEFT


async def test_axinoms_message_ends_with_the_right(
    client: httpx.AsyncClient, device: TestDevice, owner: asyncpg.Connection, showing: dict[str, Any]
) -> None:
    asked_at = datetime.now(UTC)
    told = (await tell(client, device, TO_AXINOM, showing["token"])).json()
    limits = jwt.decode(told["value"], AXINOM.communication_key, algorithms=["HS256"])["message"]["license"]
    assert ends_in_time(limits["expiration_datetime"], asked_at)
    spans = [limits["duration"], *(limits[drm]["playback_duration"] for drm in ("widevine", "playready", "fairplay"))]
    assert spans == [LEFT.total_seconds()] * 4
    assert datetime.fromisoformat(told["licence_ends_at"]) == NOW + LEFT
    assert await owner.fetchval("SELECT ends_at FROM store.entitlements") == NOW + LEFT


@pytest.mark.parametrize("way", ["token", "callback"])
async def test_what_drmtoday_is_told_ends_with_the_right(
    client: httpx.AsyncClient, device: TestDevice, owner: asyncpg.Connection, showing: dict[str, Any], way: str
) -> None:
    asked_at = datetime.now(UTC)
    if way == "token":
        told = (await tell(client, device, TO_DRMTODAY, showing["token"])).json()
        claims = jwt.decode(told["value"], DRMTODAY.secret, algorithms=["HS256"])
        rental = msgspec.json.decode(claims["crt"])["profile"]["rental"]
    else:
        rental = (await call(client, asked(showing))).json()["profile"]["rental"]
    assert ends_in_time(rental["absoluteExpiration"], asked_at)
    assert rental["playDuration"] == LEFT.total_seconds() * 1000
    assert await owner.fetchval("SELECT ends_at FROM store.entitlements") == NOW + LEFT


@pytest.mark.usefixtures("contracts")
@pytest.mark.parametrize(
    ("rental", "last_start"),
    [
        ({"granted_at": NOW}, timedelta(days=30)),
        ({"granted_at": NOW, "near_end": "cut"}, timedelta(days=30)),
        (RENTALS["running"], LEFT),
    ],
    ids=["not begun", "not begun, cut by its offer", "running"],
)
async def test_drmtoday_is_told_the_last_start_of_a_rental_that_stays_on_the_device(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    rental: dict[str, Any],
    last_start: timedelta,
) -> None:
    """By one reading the licence ends then, by the other it may be begun until then."""
    clock.fixed = NOW
    await make_right(database, customer, title, may_download=True, **rental)
    asked_at = datetime.now(UTC)
    told = (await keep(client, device, customer, title, system="drmtoday")).json()["licence"]
    claims = jwt.decode(told["value"], DRMTODAY.secret, algorithms=["HS256"])
    profile = msgspec.json.decode(claims["crt"])["profile"]["rental"]
    until = datetime.fromisoformat(profile["absoluteExpiration"])
    assert asked_at + last_start - timedelta(seconds=1) < until <= datetime.now(UTC) + last_start
    assert profile["playDuration"] == min(last_start, 48 * HOURS).total_seconds() * 1000


@pytest.mark.parametrize("path", [TO_AXINOM, TO_DRMTODAY, CALLBACK])
async def test_who_is_refused_is_told_when_it_ended_and_what_time_it_is(
    client: httpx.AsyncClient, clock: MovableTestClock, device: TestDevice, showing: dict[str, Any], path: str
) -> None:
    assert (await tell(client, device, TO_AXINOM, showing["token"])).status_code == 200
    clock.fixed = NOW + LEFT
    if path == CALLBACK:
        refusal = await call(client, asked(showing))
    else:
        refusal = await tell(client, device, path, showing["token"])
    told = refusal.json()
    assert (refusal.status_code, told["code"]) == (403, "rental_over")
    assert datetime.fromisoformat(told["ended_at"]) == datetime.fromisoformat(told["server_time"]) == NOW + LEFT
