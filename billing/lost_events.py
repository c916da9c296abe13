"""The search for lost events: what the provider has on its list and no webhook brought is taken in just the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import ARRAY, String, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ports import OpenDatabase
from billing.errors import BillingError, PaymentOutcomeUnknown
from billing.ports import Notice, PaymentGateway
from billing.provider_lists import note_read, read_from
from billing.provider_records import WebhookEvent
from billing.webhooks import DUPLICATE, SOURCE, SUBSCRIBED, Webhooks

log = structlog.get_logger("lost_events")

CURSOR: Final = "events"

UNDER_WAY: Final = timedelta(minutes=2)
"""An event younger than this may still be on its way to us, so it is not lost yet."""


Dated = tuple[datetime, Notice]
"""An event with its time."""


@dataclass(frozen=True, slots=True)
class LostEvents:
    """Reads the provider's list of events; used by the worker, each event in a transaction of its own.

    Safe to run twice and to be killed at any point: an event is recorded once with its effect, and the cursor moves
    only behind what is recorded.
    """

    database: OpenDatabase
    gateway: PaymentGateway
    webhooks: Callable[[AsyncSession], Webhooks]
    """Makes a receiver over a session."""

    async def search(self, *, at: datetime) -> int:
        """Take in every event that never arrived; answers how many there were."""
        async with self.database.sessions() as session:
            since = await read_from(session, CURSOR)
        try:
            listed = [notice async for notice in self.gateway.list_notices(since=since)]
        except BillingError as refusal:
            log.warning("not listed", code=refusal.code)
            return 0
        dated = [(notice.happened_at, notice) for notice in listed if notice.happened_at is not None]
        arrived = [(when, notice) for when, notice in dated if when <= at - UNDER_WAY]
        found, stuck = 0, None
        for when, notice in await self._missing(arrived):
            try:
                found += await self._take_in(notice, at)
            except PaymentOutcomeUnknown:
                log.warning("the provider does not answer", event_id=notice.event_id)
                stuck = stuck or when
                break
            except Exception:
                # One event that we cannot take must not keep the others waiting; the cursor stays before it.
                log.exception("not taken in", event_id=notice.event_id, type=notice.type)
                stuck = stuck or when
        newest = max((when for when, _ in arrived), default=None)
        async with self.database.sessions.begin() as session:
            await note_read(session, CURSOR, until=stuck or newest, found=found)
        if found:
            log.warning("lost events found", found=found)
        return found

    async def _missing(self, arrived: Sequence[Dated]) -> Sequence[Dated]:
        """Those that an endpoint is subscribed to and are not recorded, the oldest first."""
        wanted = [dated for dated in arrived if dated[1].type in SUBSCRIBED]
        keys = literal([notice.event_id for _, notice in wanted], ARRAY(String))
        async with self.database.sessions() as session:
            known = set(
                await session.scalars(
                    select(WebhookEvent.event_id).where(
                        WebhookEvent.source == SOURCE, WebhookEvent.event_id == any_(keys)
                    )
                )
            )
        return [(when, notice) for when, notice in reversed(wanted) if notice.event_id not in known]

    async def _take_in(self, notice: Notice, at: datetime) -> bool:
        """Whether an event had to be taken in; False if a webhook brought it meanwhile."""
        async with self.database.sessions.begin() as session:
            return await self.webhooks(session).take_in(notice, at=at) != DUPLICATE
