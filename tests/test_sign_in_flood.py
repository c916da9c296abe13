"""Three hundred people who sign in at once, at a web process of its own with the real hashing.

The figures that count are those of `python -m benchmarks.accounts` on a machine that does nothing else; the limits
here are wide, so that they hold beside other tests too.
"""

import asyncpg
import psutil

from benchmarks.accounts import PASSWORD, make_members
from benchmarks.processes import serving
from benchmarks.sign_in_flood import AT_ONCE, LIMIT_MIB, measure_flood
from store.database import Database

PATIENCE_MS = 3000.0


async def test_three_hundred_sign_ins_at_once_leave_the_store_standing(
    environment: dict[str, str], database: Database, owner: asyncpg.Connection
) -> None:
    members = await make_members(database, number=AT_ONCE)
    with serving("store.app:create_app", {**environment, "TRUSTED_PROXIES": "127.0.0.1"}) as (address, process):
        assert isinstance(process, psutil.Process)
        flood = await measure_flood(address, process, [one.email for one in members], PASSWORD, rounds=1)
    assert flood.statuses.keys() <= {201, 503}
    assert flood.statuses.total() == AT_ONCE
    assert flood.statuses[201] >= 10, "those who have a place are served"
    assert flood.statuses[503] >= 100, "the others are told at once to come back"
    assert flood.growth_mib < LIMIT_MIB
    assert len(flood.health_ms) >= 4
    assert flood.p99 < PATIENCE_MS
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions WHERE ua_short = ''") >= flood.statuses[201]
