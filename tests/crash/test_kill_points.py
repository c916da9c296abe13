"""`kill -9` at the very points where money and rights could come apart; each is held open until the kill has come."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.crash.buyers import BLOCKED_CARD, Buyer, Line
from tests.crash.machines import WEB, WORKER, Machines, running_machines
from tests.crash.quiet import block_card, finish_jobs, sweep_later
from tests.journeys.waiting import eventually
from tests.store.purchase.shops import make_offer, sign_in

WAIT = """
    CREATE FUNCTION public.wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$
"""
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
"""A server process of PostgreSQL that waits for the test."""

LAST_STATEMENT = "CREATE TRIGGER {name} AFTER INSERT ON store.mails FOR EACH ROW WHEN (NEW.reference = '{order_id}')"
"""Where settle waits with everything written and nothing committed."""

COMMIT = """
    CREATE CONSTRAINT TRIGGER {name} AFTER UPDATE ON billing.payments DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.order_id = '{order_id}')
"""
"""Where settle waits with its COMMIT on the way."""

MAIL = "CREATE TRIGGER {name} AFTER UPDATE ON store.mails FOR EACH ROW WHEN (NEW.reference = '{order_id}')"
"""Where the job waits that sends a mail."""


@dataclass(slots=True)
class Scene:
    """A running store, one customer in it, and a look behind."""

    machines: Machines
    owner: asyncpg.Connection
    client: httpx.AsyncClient
    buyer: Buyer
    offer_id: str

    async def lose_connection(self, path: str) -> None:
        """Post once to the first web process, which will not live to answer."""
        with suppress(httpx.TransportError):
            answer = await self.client.post(self.machines.web[0] + path, headers=self.buyer.headers)
            pytest.fail(f"answered {answer.status_code}: {answer.text}")

    async def intents(self, order_id: str) -> list[dict[str, Any]]:
        """Every intent of the order at the payment service."""
        listed = await self.machines.ask_stripe("GET", "/v1/payment_intents?limit=100")
        return [intent for intent in listed["data"] if intent["metadata"].get("order_id") == order_id]

    async def refunded(self, charge_id: str) -> int:
        """What went back of a charge, as the payment service says."""
        charge = await self.machines.ask_stripe("GET", f"/v1/charges/{charge_id}")
        return int(charge["amount_refunded"])

    async def held_answers(self) -> int | None:
        """How many answers the payment service holds back; None: not one yet."""
        state = await self.machines.ask_stripe("GET", "/_sandbox")
        return int(state["answers"]["held"]) or None

    async def stored(self, order_id: str) -> dict[str, object]:
        """What is in the database of an order: its states and intent, and how often everything is there."""
        row = await self.owner.fetchrow(STORED, order_id)
        return dict(row)

    async def becomes(self, order_id: str, **wanted: object) -> None:
        """Wait until it is so."""

        async def look() -> bool | None:
            now = await self.stored(order_id)
            return True if {name: now[name] for name in wanted} == wanted else None

        await eventually(look)

    async def hold_open(self, place: str, order_id: str) -> None:
        """Have whoever comes to this place of an order's way wait until `let_go`."""
        name = f"wait_{order_id.replace('-', '')}"
        trigger = place.format(name=name, order_id=order_id)
        await self.owner.execute(f"{trigger} EXECUTE FUNCTION public.wait_for_the_test()")
        await self.owner.execute("SELECT pg_advisory_lock(1)")

    async def somebody_waits(self) -> int:
        """Wait until a server process of PostgreSQL has come there; gives its id."""

        async def look() -> int | None:
            waiting: int | None = await self.owner.fetchval(WAITING)
            return waiting

        return await eventually(look)

    async def let_go(self) -> None:
        """Let it pass, and everybody after it."""
        await self.owner.execute("SELECT pg_advisory_unlock(1)")

    async def has_ended(self, process_id: int) -> None:
        """Wait until a server process of PostgreSQL has noticed that its client is gone."""

        async def look() -> bool | None:
            there = await self.owner.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", process_id)
            return None if there else True

        await eventually(look)


STORED = """
    SELECT o.state AS order_state, p.state AS payment_state, p.intent_id,
           (SELECT count(*) FROM store.entitlements e JOIN billing.order_lines l ON l.id = e.order_line_id
             WHERE l.order_id = o.id) AS rights,
           (SELECT count(*) FROM billing.journals j WHERE j.order_id = o.id AND j.kind = 'sale') AS sales,
           (SELECT count(*) FROM billing.documents d WHERE d.order_id = o.id) AS invoices,
           (SELECT count(*) FROM store.mails m WHERE m.reference = o.id) AS confirmations,
           (SELECT count(*) FROM store.mails m WHERE m.reference = o.id AND m.status = 'sent') AS sent
      FROM billing.orders o JOIN billing.payments p ON p.order_id = o.id WHERE o.id = $1
"""

NOTHING = {"rights": 0, "sales": 0, "invoices": 0, "confirmations": 0}
ONCE = {"rights": 1, "sales": 1, "invoices": 1, "confirmations": 1}


@pytest.fixture(scope="module")
async def machines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machines]:
    async with running_machines(tmp_path_factory.mktemp("machines")) as machines:
        await block_card(machines, BLOCKED_CARD)
        owner = await asyncpg.connect(machines.database_url)
        await owner.execute(WAIT)
        await owner.close()
        yield machines


@pytest.fixture
async def scene(machines: Machines) -> AsyncIterator[Scene]:
    """A customer, a film that nobody has bought yet, and events that wait until they are let go."""
    await machines.by_hand(machines.wait_until_up)
    await machines.control("webhooks", hold="true")
    database = await Database.connect(machines.database_url, pool_size=2)
    offer_id, headers = str(await make_offer(database)), await sign_in(database)
    await database.close()
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        line = Line(client, machines.web, machines.stripe, random.Random(1), answered=lambda: None)
        owner = await asyncpg.connect(machines.database_url)
        yield Scene(machines, owner, client, Buyer(line, headers), offer_id)
        await owner.close()
    await machines.control("calm")


@asynccontextmanager
async def never_answered(scene: Scene, path: str) -> AsyncIterator[None]:
    """A request that the block's kill leaves without an answer."""
    async with asyncio.TaskGroup() as group:
        group.create_task(scene.lose_connection(path))
        yield


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
    await scene.becomes(order_id, sent=1)
    assert await scene.owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE status = 'failed'") == 0
    assert scene.machines.ended_by_themselves[WORKER] == 0
