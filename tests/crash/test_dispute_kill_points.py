"""`kill -9` while a dispute is opened, won or lost: nothing half is left of it, and its events heal it."""

import asyncio
from typing import Any

import pytest

from tests.crash.machines import WEB
from tests.crash.scenes import Scene
from tests.journeys.waiting import eventually

LAST_STATEMENT = """
    CREATE TRIGGER {name} AFTER UPDATE ON store.entitlements FOR EACH ROW WHEN (NEW.order_line_id = '{line_id}')
"""
"""Where everything is written, the right at last, and nothing committed."""

COMMIT = """
    CREATE CONSTRAINT TRIGGER {name} AFTER INSERT OR UPDATE ON billing.disputes DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.order_id = '{order_id}')
"""
"""Where the COMMIT is on its way: it is done, and nobody is there any more to hear of it."""

FACTS = """
    SELECT d.state AS dispute, e.paused_at IS NOT NULL AS rests, e.revoked_at IS NOT NULL AS ended,
           (SELECT array_agg(j.kind ORDER BY j.kind) FROM billing.journals AS j
             WHERE j.order_id = o.id AND j.kind LIKE 'dispute%') AS journals,
           (SELECT sum(p.minor) FROM billing.postings AS p JOIN billing.journals AS j ON j.id = p.journal_id
             WHERE j.order_id = o.id AND p.account = 'receivable:disputes') AS held_by_bank
      FROM billing.orders AS o JOIN billing.order_lines AS l ON l.order_id = o.id
      JOIN store.entitlements AS e ON e.order_line_id = l.id LEFT JOIN billing.disputes AS d ON d.order_id = o.id
     WHERE o.id = $1
"""

NONE = {"dispute": None, "rests": False, "ended": False, "journals": None, "held_by_bank": None}
OPEN = {"dispute": "open", "rests": True, "ended": False, "journals": ["dispute_withdrawn"], "held_by_bank": 399}
WON = {
    "dispute": "won",
    "rests": False,
    "ended": False,
    "journals": ["dispute_reinstated", "dispute_withdrawn"],
    "held_by_bank": 0,
}
LOST = {
    "dispute": "lost",
    "rests": True,
    "ended": True,
    "journals": ["dispute_lost", "dispute_withdrawn"],
    "held_by_bank": 0,
}


async def facts_of(scene: Scene, order_id: str) -> dict[str, Any]:
    """What the database says of an order's dispute."""
    return dict(await scene.owner.fetchrow(FACTS, order_id))


async def become(scene: Scene, order_id: str, wanted: dict[str, Any]) -> None:
    """Have the payment service post again what did not arrive, until it is so."""

    async def look() -> bool | None:
        await scene.machines.control("deliveries", order="reversed")
        return True if await facts_of(scene, order_id) == wanted else None

    await eventually(look)


async def open_dispute(scene: Scene, order_id: str) -> None:
    # Not `fraudulent`: that would block the card which the next test pays with.
    intent_id = (await scene.stored(order_id))["intent_id"]
    await scene.machines.control("disputes", payment_intent=intent_id, reason="product_not_received")


async def end_dispute(scene: Scene, order_id: str, *, is_won: bool) -> None:
    intent_id = (await scene.stored(order_id))["intent_id"]
    listed = await scene.machines.ask_stripe("GET", f"/v1/disputes?payment_intent={intent_id}")
    [dispute] = listed["data"]
    if not is_won:
        await scene.machines.ask_stripe("POST", f"/v1/disputes/{dispute['id']}/close")
        return
    evidence = {"evidence[uncategorized_text]": "winning_evidence"}
    await scene.machines.ask_stripe("POST", f"/v1/disputes/{dispute['id']}", **evidence)
    await scene.machines.control("agenda", deed="end_dispute", subject=dispute["id"])


@pytest.mark.parametrize("place", [LAST_STATEMENT, COMMIT], ids=["last statement", "commit"])
@pytest.mark.parametrize(("before", "after"), [(NONE, OPEN), (OPEN, WON), (OPEN, LOST)], ids=["opened", "won", "lost"])
async def test_a_kill_while_a_dispute_is_taken_in_heals_with_its_events(
    scene: Scene, place: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    order_id = await scene.buyer.order(scene.offer_id)
    await scene.buyer.pay(await scene.buyer.open_payment(order_id))
    assert (await scene.buyer.check(order_id))["order_state"] == "paid"
    await open_dispute(scene, order_id)
    if before is OPEN:
        await become(scene, order_id, OPEN)
        await end_dispute(scene, order_id, is_won=after is WON)
    line_id = await scene.owner.fetchval("SELECT id FROM billing.order_lines WHERE order_id = $1", order_id)

    await scene.hold_open(place, order_id, line_id=line_id)
    async with asyncio.TaskGroup() as group:
        group.create_task(scene.machines.control("deliveries", order="as_happened"))
        taking_in = await scene.somebody_waits()
        await scene.machines.kill(WEB[0])
    await scene.let_go()
    await scene.has_ended(taking_in)
    assert await facts_of(scene, order_id) == (after if place is COMMIT else before), "all of it or nothing"

    await become(scene, order_id, after)
    await scene.machines.control("webhooks", repeat="3")
    await scene.machines.control("deliveries", order="reversed")
    assert await facts_of(scene, order_id) == after, "whatever comes again changes nothing"
    assert (await scene.stored(order_id))["order_state"] == "paid"
