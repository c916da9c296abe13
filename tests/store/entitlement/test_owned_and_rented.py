"""A rental that was not begun, and a purchase after it: the better picture was paid, and can be had."""

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from tests.store.entitlement.parts import Customer, TestDevice, make_right


async def test_a_better_rental_begins_if_its_owner_says_so_and_else_the_purchase_plays(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title, kind="rent", quality="HD")
    await make_right(database, customer, title, kind="buy", quality="SD")
    started = "SELECT first_played_at IS NOT NULL FROM store.entitlements WHERE kind = 'rent'"

    owned = (await device.open(client, customer, title, start_confirmed=False)).json()
    assert (owned["kind"], owned["quality"], owned["starts_rental"]) == ("buy", "SD", False)
    assert (await device.licence(client, owned["token"])).status_code == 200
    assert await owner.fetchval(started) is False

    assert (await device.check(client, customer, title))["starts_rental"] is True
    rented = (await device.open(client, customer, title)).json()
    assert (rented["kind"], rented["quality"], rented["starts_rental"]) == ("rent", "HD", True)
    assert (await device.licence(client, rented["token"])).status_code == 200
    assert await owner.fetchval(started) is True
    running = (await device.open(client, customer, title, start_confirmed=False)).json()
    assert (running["kind"], running["quality"]) == ("rent", "HD")


@pytest.mark.parametrize("quality", ["SD", "HD"])
async def test_a_rental_that_is_no_better_never_begins_beside_a_purchase(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title, quality: str
) -> None:
    await make_right(database, customer, title, kind="rent", quality=quality)
    await make_right(database, customer, title, kind="buy", quality="HD")
    opened = (await device.open(client, customer, title)).json()
    assert (opened["kind"], opened["quality"], opened["starts_rental"]) == ("buy", "HD", False)
