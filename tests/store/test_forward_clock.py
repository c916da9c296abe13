"""Business time goes forward only, also where the machine's clock is set back, and after a restart."""

import asyncio
from argparse import Namespace
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.app import attach
from store.cli import accept_machine_clock
from store.composition import Parts
from store.database import Database
from store.forward_clock import SHARED_EVERY, ForwardClock
from store.settings import Settings
from tests.store.entitlement.parts import TestDevice, load_test_film, make_customer, make_right, make_title

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@dataclass(slots=True)
class Machine:
    """A machine whose clock can be set, and whose seconds go by all the same."""

    time: datetime = NOON
    elapsed: float = 0.0

    def clock(self, database: Database) -> ForwardClock:
        """Business time in a process that was just started on it."""
        return ForwardClock(database, machine=lambda: self.time, elapsed=lambda: self.elapsed)

    def go_on(self, seconds: float) -> None:
        self.elapsed += seconds
        self.time += timedelta(seconds=seconds)


async def test_time_goes_on_with_the_machine_and_stands_still_while_that_is_behind(database: Database) -> None:
    machine = Machine()
    clock = machine.clock(database)
    assert await clock.now() == NOON
    machine.go_on(1)
    assert await clock.now() == clock.recent() == NOON + timedelta(seconds=1)
    machine.time -= timedelta(hours=1)
    for _ in range(3):
        machine.go_on(SHARED_EVERY)
        assert await clock.now() == NOON + timedelta(seconds=1)
    machine.go_on(3600)
    assert await clock.now() == machine.time == NOON + timedelta(seconds=31)


async def test_a_restart_forgets_nothing_but_the_last_seconds(database: Database) -> None:
    machine = Machine()
    clock = machine.clock(database)
    await clock.now()
    machine.go_on(SHARED_EVERY)
    assert await clock.now() == NOON + timedelta(seconds=SHARED_EVERY)
    machine.go_on(SHARED_EVERY - 1)
    await clock.now()
    machine.time -= timedelta(hours=1)
    assert await machine.clock(database).now() == NOON + timedelta(seconds=SHARED_EVERY)


async def test_processes_on_two_machines_agree(database: Database) -> None:
    ahead, behind = Machine(), Machine(time=NOON - timedelta(minutes=3))
    slow, fast = behind.clock(database), ahead.clock(database)
    assert await slow.now() == NOON - timedelta(minutes=3)
    assert await fast.now() == NOON
    behind.go_on(SHARED_EVERY - 1)
    assert await slow.now() < NOON
    behind.go_on(1)
    assert await slow.now() == NOON


async def test_many_processes_that_start_at_once_keep_the_latest_time(
    database: Database, owner: asyncpg.Connection
) -> None:
    clocks = [Machine(time=NOON + timedelta(seconds=number)).clock(database) for number in range(20)]
    await asyncio.gather(*(clock.now() for clock in clocks))
    assert await owner.fetchval("SELECT latest FROM store.business_time") == NOON + timedelta(seconds=19)
    assert await owner.fetchval("SELECT count(*) FROM store.business_time") == 1


async def test_a_machine_that_was_set_back_is_told_of_in_the_log(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine()
    await machine.clock(database).now()
    machine.time -= timedelta(hours=1)
    capsys.readouterr()
    await machine.clock(database).now()
    [line] = [line for line in capsys.readouterr().out.splitlines() if "machine_clock_behind" in line]
    assert "3600" in line


async def test_the_operator_takes_the_machines_clock_for_right(
    database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(time=datetime.now(UTC) + timedelta(days=365))
    await machine.clock(database).now()
    assert await accept_machine_clock(settings, Namespace()) == 0
    assert "365 days" in capsys.readouterr().out
    now = await ForwardClock(database).now()
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


async def test_a_rental_that_was_over_stays_over_when_the_servers_clock_steps_back_an_hour(
    client: httpx.AsyncClient, app: Litestar, database: Database, settings: Settings
) -> None:
    """In the process that saw the end, and in one that was started afterwards."""
    machine = Machine()
    await load_test_film(database, settings)
    title, customer = await make_title(database), await make_customer(database)
    await make_right(
        database, customer, title, granted_at=NOON - timedelta(days=3), first_played_at=NOON - timedelta(hours=47)
    )
    device = TestDevice(settings.base_url)
    parts: Parts = app.state.parts

    async def refusals(playback: dict[str, str]) -> list[str]:
        """What a licence, a heartbeat and a new start are refused for."""
        answers = [
            await device.licence(client, playback["token"]),
            await device.beat(client, customer, playback["id"]),
            await device.open(client, customer, title),
        ]
        return [answer.json().get("code", "granted") for answer in answers]

    attach(app, replace(parts, clock=machine.clock(database)))
    assert (await device.register(client, customer)).status_code == 201
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    machine.go_on(3600)
    assert await refusals(playback) == ["rental_over"] * 3
    machine.time -= timedelta(hours=1)
    assert await refusals(playback) == ["rental_over"] * 3
    attach(app, replace(parts, clock=machine.clock(database)))
    assert await refusals(playback) == ["rental_over"] * 3
