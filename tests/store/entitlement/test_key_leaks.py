"""No content key leaves the store but in a licence: not by a backup, an export, the contract or a console."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import httpx

from store.catalogue.models import Title
from store.database import Database
from store.sandbox.postgresql import find_binaries
from tests.store.consoles.people import a_person
from tests.store.entitlement.parts import KEYS, SPELLINGS, Customer, TestDevice, make_right


def spelt_out(text: str) -> list[str]:
    """Spellings of the test film's keys that stand in a text."""
    return [spelling for spelling in SPELLINGS if spelling in text]


async def test_no_key_is_in_a_backup_of_the_database(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    owner_url: str,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    """After a film was played and refused, so that whatever keeps a trace has kept one."""
    await make_right(database, customer, title, quality="SD")
    token = (await device.open(client, customer, title)).json()["token"]
    assert spelt_out((await device.licence(client, token)).text), "a licence spells its keys out"
    await device.licence(client, token, kids=[])
    dumping = await asyncio.create_subprocess_exec(
        str(find_binaries() / "pg_dump"), "--dbname", owner_url, stdout=asyncio.subprocess.PIPE
    )
    dump, _ = await dumping.communicate()
    assert dumping.returncode == 0
    for row in await owner.fetch("SELECT sealed FROM store.content_keys"):
        assert row["sealed"].hex() in dump.decode(), "the sealed keys are in it"
    assert spelt_out(dump.decode()) == []
    assert not [key for key in KEYS.values() if key in dump]


async def test_no_key_is_in_the_contract_an_export_or_what_staff_see(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    token = (await device.open(client, customer, title)).json()["token"]
    assert (await device.licence(client, token)).status_code == 200
    admin = await a_person(database, roles=("admin", "finance", "support"))
    today = datetime.now(UTC).date().isoformat()
    person = f"customers/{customer.account_id}"
    for path in (
        "/schema/openapi.json",
        f"/v1/finance/transactions.csv?from={today[:8]}01&to={today[:4]}-12-31",
        f"/v1/staff/{person}",
        f"/v1/staff/{person}/playback-decisions?title={title.slug}",
        f"/de/support/{person}",
        f"/de/support/{person}/playback?title={title.slug}",
        "/de/staff/parked",
    ):
        answer = await client.get(path, headers=admin.headers)
        assert answer.status_code == 200, path
        assert spelt_out(answer.text) == [], path
