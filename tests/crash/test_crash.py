"""A small storm; `make crash` raises a big one."""

from pathlib import Path

from tests.crash.machines import WEB, WORKER
from tests.crash.storm import Size, run_storm

SMALL = Size(purchases=20, kills=6, at_once=6, database_crashes=1)


async def test_whatever_is_killed_what_was_paid_is_granted_booked_and_confirmed_once(tmp_path: Path) -> None:
    report = await run_storm(tmp_path, SMALL, seed=1)
    assert report.verdict.broken == {}
    figures = report.verdict.figures
    assert figures["captured payments"] == figures["kept"] + figures["given back"]
    assert figures["kept"] == figures["rights"] == figures["sales booked"] == figures["confirmations sent"]
    assert figures["orders"] == report.happened["purchases"] == SMALL.purchases
    assert min(report.happened[f"{name} killed"] for name in (*WEB, WORKER, "postgresql", "redis")) >= 1
    assert min(report.happened["events sent at least twice"], report.happened["events lost"]) >= 1
