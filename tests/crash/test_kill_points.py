"""`kill -9` at the very points where money and rights could come apart; each is held open until the kill has come."""

import asyncio
import os
import signal

import asyncpg
import pytest

from store.worker import LOOK_AFTER, TAKEN_AGAIN_AFTER
from tests.crash.buyers import BLOCKED_CARD
from tests.crash.machines import WEB, WORKER
from tests.crash.quiet import finish_jobs, sweep_later
from tests.crash.scenes import Scene, never_answered
from tests.journeys.waiting import PATIENCE, eventually

LAST_STATEMENT = "CREATE TRIGGER {name} AFTER INSERT ON store.mails FOR EACH ROW WHEN (NEW.reference = '{order_id}')"
"""Where settle waits with everything written and nothing committed."""

COMMIT = """
    CREATE CONSTRAINT TRIGGER {name} AFTER UPDATE ON billing.payments DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.order_id = '{order_id}')
"""
"""Where settle waits with its COMMIT on the way."""

JOB_IS_BACK = (TAKEN_AGAIN_AFTER + LOOK_AFTER).total_seconds() + PATIENCE
"""Seconds at most: whether the queue's note that the job was taken outlives a breakdown is left to chance."""

MAIL = "CREATE TRIGGER {name} AFTER UPDATE ON store.mails FOR EACH ROW WHEN (NEW.reference = '{order_id}')"
"""Where the job waits that sends a mail."""

NOTHING = {"rights": 0, "sales": 0, "invoices": 0, "confirmations": 0}
ONCE = {"rights": 1, "sales": 1, "invoices": 1, "confirmations": 1}


@pytest.mark.parametrize("found_by", ["the customer", "the sweep"])
async def test_an_intent_whose_answer_met_no_web_process_any_more_is_found_again(scene: Scene, found_by: str) -> None:
    order_id = await scene.buyer.order(scene.offer_id)
    await scene.machines.control("answers", hold="true")
    async with never_answered(scene, f"/v1/orders/{order_id}/payments"):
        await eventually(scene.held_answers)
        await scene.machines.kill(WEB[0])
    await scene.machines.control("answers", hold="false")
    before = await scene.stored(order_id)
    assert (before["payment_state"], before["intent_id"]) == ("creating", None)

    if found_by == "the customer":
        await scene.buyer.pay(await scene.buyer.open_payment(order_id))
        assert (await scene.buyer.check(order_id))["order_state"] == "paid"
    else:
        await sweep_later(scene.machines)

    after = await scene.stored(order_id)
    assert [intent["id"] for intent in await scene.intents(order_id)] == [after["intent_id"]]


async def test_a_kill_inside_settle_leaves_nothing_and_the_event_settles_once(scene: Scene) -> None:
    order_id = await scene.buyer.order(scene.offer_id)
    await scene.buyer.pay(await scene.buyer.open_payment(order_id))
    await scene.hold_open(LAST_STATEMENT, order_id)
    async with never_answered(scene, f"/v1/orders/{order_id}/payment-checks"):
        settling = await scene.somebody_waits()
        await scene.machines.kill(WEB[0])
    await scene.let_go()
    await scene.has_ended(settling)
    half = await scene.stored(order_id)
    assert half["order_state"] == "open"
    assert {name: half[name] for name in NOTHING} == NOTHING

    await scene.machines.control("webhooks", hold="false", repeat="3")

    await scene.becomes(order_id, order_state="paid", payment_state="succeeded", **ONCE)


async def test_a_database_connection_lost_inside_settle_is_a_503_that_may_be_repeated(scene: Scene) -> None:
    order_id = await scene.buyer.order(scene.offer_id)
    await scene.buyer.pay(await scene.buyer.open_payment(order_id))
    await scene.hold_open(LAST_STATEMENT, order_id)
    address = f"{scene.machines.web[0]}/v1/orders/{order_id}/payment-checks"
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(scene.client.post(address, headers=scene.buyer.headers))
        await scene.owner.execute("SELECT pg_terminate_backend($1)", await scene.somebody_waits())
    answer = asking.result()
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "2"
    half = await scene.stored(order_id)
    assert {name: half[name] for name in NOTHING} == NOTHING

    await scene.let_go()
    assert (await scene.buyer.check(order_id))["order_state"] == "paid"
    await scene.becomes(order_id, **ONCE)


async def test_a_kill_after_the_commit_and_before_the_answer_settles_nothing_twice(scene: Scene) -> None:
    order_id = await scene.buyer.order(scene.offer_id)
    await scene.buyer.pay(await scene.buyer.open_payment(order_id))
    await scene.hold_open(COMMIT, order_id)
    async with never_answered(scene, f"/v1/orders/{order_id}/payment-checks"):
        await scene.somebody_waits()
        os.kill(scene.machines.children[WEB[0]].process.pid, signal.SIGSTOP)
        await scene.let_go()
        await scene.becomes(order_id, order_state="paid")
        await scene.machines.kill(WEB[0])

    await scene.machines.control("deliveries", order="reversed")

    assert (await scene.buyer.check(order_id))["order_state"] == "paid"
    await scene.becomes(order_id, payment_state="succeeded", **ONCE)


async def test_a_refund_whose_answer_met_no_worker_any_more_goes_out_once(scene: Scene) -> None:
    order_id = await scene.buyer.order(scene.offer_id)
    await scene.buyer.pay(await scene.buyer.open_payment(order_id), BLOCKED_CARD)
    await scene.machines.end(WORKER)
    assert (await scene.buyer.check(order_id))["order_state"] == "refunded"
    await scene.machines.control("answers", hold="true")
    await scene.machines.by_hand(scene.machines.start, WORKER)
    await eventually(scene.held_answers)
    await scene.machines.kill(WORKER)
    await scene.machines.end(WORKER)
    await scene.machines.control("answers", hold="false")

    await finish_jobs(scene.machines, scene.owner)

    refund = await scene.owner.fetchrow("SELECT state, amount FROM billing.refunds WHERE order_id = $1", order_id)
    assert tuple(refund) == ("succeeded", 399)
    [intent] = await scene.intents(order_id)
    assert await scene.refunded(intent["latest_charge"]) == 399


async def test_a_job_that_loses_its_database_is_done_when_it_is_back_by_the_worker_that_lived_on(scene: Scene) -> None:
    order_id = await scene.buyer.order(scene.offer_id)
    await scene.machines.end(WORKER)
    await scene.buyer.pay(await scene.buyer.open_payment(order_id))
    await scene.buyer.check(order_id)
    await scene.hold_open(MAIL, order_id)
    await scene.machines.by_hand(scene.machines.start, WORKER)
    await scene.somebody_waits()

    await scene.machines.crash_postgresql()

    scene.owner = await asyncpg.connect(scene.machines.database_url)
    await scene.becomes(order_id, patience=JOB_IS_BACK, sent=1)
    assert await scene.owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE status = 'failed'") == 0
    assert scene.machines.ended_by_themselves[WORKER] == 0
