"""A running store, one customer in it, and places at which whoever comes there waits until the test lets go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from tests.crash.buyers import Buyer
from tests.crash.machines import Machines
from tests.journeys.waiting import PATIENCE, eventually

WAIT = """
    CREATE FUNCTION public.wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$
"""
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
"""A server process of PostgreSQL that waits for the test."""


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

    async def becomes(self, order_id: str, *, patience: float = PATIENCE, **wanted: object) -> None:
        """Wait until it is so; `patience` in seconds."""

        async def look() -> bool | None:
            now = await self.stored(order_id)
            return True if {name: now[name] for name in wanted} == wanted else None

        await eventually(look, patience=patience)

    async def hold_open(self, place: str, order_id: str, **more: object) -> None:
        """Have whoever comes to this place of an order's way wait until `let_go`."""
        name = f"wait_{order_id.replace('-', '')}"
        trigger = place.format(name=name, order_id=order_id, **more)
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


@asynccontextmanager
async def never_answered(scene: Scene, path: str) -> AsyncIterator[None]:
    """A request that the block's kill leaves without an answer."""
    async with asyncio.TaskGroup() as group:
        group.create_task(scene.lose_connection(path))
        yield
