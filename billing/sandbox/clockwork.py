"""Doing what is on the agenda when its time has come, as Stripe and the banks do it some time after a call."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from billing.sandbox.agenda import Errand
from billing.sandbox.database import transaction
from billing.sandbox.deeds import DEEDS
from billing.sandbox.stand_in import StandIn
from billing.sandbox.webhook_delivery import WebhookDelivery


class Clockwork:
    """The loop that does what is due, and the control that does it at once."""

    def __init__(self, stand_in: StandIn, delivery: WebhookDelivery) -> None:
        self._stand_in = stand_in
        self._delivery = delivery
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something new on the agenda, or the clock was moved."""
        self._woken.set()

    def do_now(self, deed: str | None = None, subject: str | None = None) -> int:
        """Do all that waits (of one deed, for one subject) whether it is due or not; returns how much that was."""
        errands = self._stand_in.agenda.waiting(deed, subject)
        self._do(errands)
        return len(errands)

    def do_due(self) -> None:
        """Do what is due by now, and what comes of it at once."""
        while errands := self._stand_in.agenda.due(by=self._stand_in.now()):
            self._do(errands)

    async def run(self) -> None:
        """Do what is due for as long as the process lives."""
        agenda = self._stand_in.agenda
        while True:
            self._woken.clear()
            self.do_due()
            due = agenda.next_due()
            pause = None if due is None else max(due - self._stand_in.now(), 0.2)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)

    def _do(self, errands: Sequence[Errand]) -> None:
        """Each in a transaction of its own: an event, what it tells of, and the agenda without it."""
        stand_in = self._stand_in
        for errand in errands:
            with transaction(stand_in.connection):
                stand_in.agenda.remove(errand)
                DEEDS[errand.deed](stand_in.call(), errand.subject)
        if errands:
            self._delivery.wake()
