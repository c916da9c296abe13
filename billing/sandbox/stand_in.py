"""The stand-in at rest: its configuration, its stores on one SQLite connection, its clock."""

import asyncio
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any, Self

from billing.sandbox.agenda import Agenda
from billing.sandbox.calls import Call
from billing.sandbox.configuration import Configuration
from billing.sandbox.database import open_database
from billing.sandbox.delivery_queue import DeliveryQueue
from billing.sandbox.idempotency import KeptAnswers
from billing.sandbox.object_store import ObjectStore
from billing.sandbox.payout_items import PayoutItems
from billing.sandbox.switches import Switches


@dataclass(slots=True)
class StandIn:
    """Everything that outlives a call. Used from one event loop only: calls never overlap inside SQLite."""

    configuration: Configuration
    connection: sqlite3.Connection
    objects: ObjectStore
    deliveries: DeliveryQueue
    agenda: Agenda
    payout_items: PayoutItems
    kept_answers: KeptAnswers
    switches: Switches
    answers_flow: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared by a control to hold back all answers after their work is committed."""
    held_answers: int = 0
    """How many answers wait for that."""
    keys_in_use: set[str] = field(default_factory=set)
    """Idempotency keys of calls that have not been answered; a new process has none."""

    @classmethod
    def open(cls, configuration: Configuration) -> Self:
        """Open the store named in the configuration."""
        connection = open_database(configuration.store)
        switches = Switches(connection)
        stand_in = cls(
            configuration=configuration,
            connection=connection,
            objects=ObjectStore(connection),
            deliveries=DeliveryQueue(
                connection,
                switches,
                has_configured=bool(configuration.webhook_url),
                configured_events=configuration.webhook_events,
            ),
            agenda=Agenda(
                connection,
                settle_seconds=configuration.settle_seconds,
                debit_seconds=configuration.debit_seconds,
            ),
            payout_items=PayoutItems(connection),
            kept_answers=KeptAnswers(connection),
            switches=switches,
        )
        stand_in.answers_flow.set()
        stand_in.kept_answers.prune(at=stand_in.now())
        return stand_in

    def now(self) -> int:
        """Unix seconds, by a clock that the controls can move forward."""
        return int(time.time()) + self.switches.read("clock_offset")

    def call(self, **asked: Any) -> Call:
        """A call on these stores, now; without `asked`, one of the stand-in's own."""
        return Call(
            objects=self.objects,
            deliveries=self.deliveries,
            agenda=self.agenda,
            payout_items=self.payout_items,
            now=self.now(),
            **asked,
        )
