"""Settling charges when their time has come, as Stripe does some time after `charge.succeeded`."""

import asyncio
from contextlib import suppress

from billing.sandbox.charges import settle_charge
from billing.sandbox.database import transaction
from billing.sandbox.stand_in import StandIn
from billing.sandbox.webhook_delivery import WebhookDelivery


class Settlement:
    """The loop that settles, and the control that settles at once."""

    def __init__(self, stand_in: StandIn, delivery: WebhookDelivery) -> None:
        self._stand_in = stand_in
        self._delivery = delivery
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be a new charge, or the clock was moved."""
        self._woken.set()

    def settle(self, *, everything: bool = False) -> int:
        """Settle what is due (or everything that waits), each in its own transaction; returns how many."""
        stand_in = self._stand_in
        charges = stand_in.settlements.due(by=None if everything else stand_in.now())
        for charge in charges:
            with transaction(stand_in.connection):
                settle_charge(stand_in.call(), charge)
        if charges:
            self._delivery.wake()
        return len(charges)

    async def run(self) -> None:
        """Settle for as long as the process lives."""
        while True:
            self._woken.clear()
            self.settle()
            due = self._stand_in.settlements.next_due()
            pause = None if due is None else max(due - self._stand_in.now(), 0.2)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)
