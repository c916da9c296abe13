"""Support lets a customer add new devices again: within limits, for a reason, and the customer is told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from auth.errors import Refusal
from auth.ids import new_id
from auth.ports import Outbox
from store.entitlement.device_errors import DeviceResetLimitReached, DeviceResetUsed
from store.entitlement.device_places import DevicePlaces, find_limits, list_devices, lock_account
from store.entitlement.models import DeviceReset
from store.support import CustomerDesk

RESET: Final = "devices.reset"

MAIL: Final = "devices_reset"

PER_AGENT_AND_DAY: Final = 20
"""How often one member of staff may do so within a day."""


@dataclass(frozen=True, slots=True)
class DeviceDesk:
    """Resets the count of a customer's new devices; who may is checked by the route."""

    desk: CustomerDesk
    outbox: Outbox

    async def reset(self, customer_id: UUID, *, reason: str, at: datetime, real_now: datetime) -> DevicePlaces:
        """Let new devices in again as if none had been added; what is registered stays.

        Once per account within the span of its limit, and so often per agent and day. Raises `AccountNotFound`,
        `DeviceResetUsed` or `DeviceResetLimitReached`; each refused try stays in the audit trail.
        """
        customer = await self.desk.customer(customer_id, action=RESET, real_now=real_now)
        account_id, locale = customer.id, customer.locale
        try:
            reset = await self._reset(account_id, reason, at=at, real_now=real_now)
        except Refusal as refusal:
            # Ends the request's transaction with its locks first; the entry has to outlive the refusal.
            await self.desk.session.rollback()
            await self.desk.record_refusal(RESET, account_id, real_now=real_now, reason=reason, code=refusal.code)
            raise
        await self.desk.record(RESET, account_id, real_now=real_now, reason=reason)
        await self.outbox.queue(self.desk.session, kind=MAIL, account_id=account_id, reference=reset.id, locale=locale)
        return await list_devices(self.desk.session, account_id=account_id, at=at)

    async def _reset(self, account_id: UUID, reason: str, *, at: datetime, real_now: datetime) -> DeviceReset:
        session, agent_id = self.desk.session, self.desk.agent.account_id
        # Whoever counts does so alone: the customer's resets, and the agent's.
        for id_ in sorted((account_id, agent_id)):
            await lock_account(session, id_)
        span = timedelta(days=(await find_limits(session, account_id)).new_device_days)
        last = await session.scalar(select(func.max(DeviceReset.at)).where(DeviceReset.account_id == account_id))
        if last is not None and last > at - span:
            raise DeviceResetUsed(next_free_at=last + span)
        of_agent = select(func.count()).where(
            DeviceReset.agent_id == agent_id, DeviceReset.done_at > real_now - timedelta(days=1)
        )
        if (await session.scalar(of_agent) or 0) >= PER_AGENT_AND_DAY:
            raise DeviceResetLimitReached(limit=PER_AGENT_AND_DAY)
        reset = DeviceReset(
            id=new_id(), account_id=account_id, agent_id=agent_id, reason=reason, at=at, done_at=real_now
        )
        session.add(reset)
        await session.flush()
        return reset
