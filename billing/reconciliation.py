"""Reconciliation: the provider's list of movements against our books, and every payout against its contents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import ARRAY, String, any_, func, literal, select, update

from auth.ports import OpenDatabase
from billing.errors import BillingError
from billing.movements import CONTENTS_MISSING, PAYOUT, explain, record_movements
from billing.ports import Movement, PaymentGateway
from billing.provider_lists import note_read, read_from
from billing.provider_records import ProviderTransaction

log = structlog.get_logger("reconciliation")

CURSOR: Final = "movements"
_AT_ONCE: Final = 500
"""Movements that are recorded by one statement."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Used by the worker, in short transactions of its own.

    Safe to run twice and to be killed at any point: a movement is recorded once, matched under its row's lock, and
    the cursor moves only behind what is recorded.
    """

    database: OpenDatabase
    gateway: PaymentGateway

    async def run(self, *, at: datetime) -> int:
        """Take in what moved, explain what is not explained yet, close payouts; answers how much stays unmatched.

        Raises `PaymentOutcomeUnknown` when the provider does not answer: the job is tried again.
        """
        await self._read_list()
        for movement_id in await self._unexplained():
            try:
                async with self.database.sessions.begin() as session:
                    await explain(session, movement_id, at=at)
            except Exception:
                # One movement that we cannot book must not keep the others waiting.
                log.exception("not explained", movement_id=movement_id)
        for payout in await self._open_payouts():
            await self._close(payout, at)
        async with self.database.sessions() as session:
            unmatched = await session.scalar(
                select(func.count()).select_from(ProviderTransaction).where(ProviderTransaction.matched_at.is_(None))
            )
        log.info("reconciled", unmatched=unmatched)
        return int(unmatched or 0)

    async def _read_list(self) -> None:
        async with self.database.sessions() as session:
            since = await read_from(session, CURSOR)
        movements = [movement async for movement in self.gateway.list_movements(since=since)]
        found = await self._record(movements)
        newest = max((movement.created_at for movement in movements), default=None)
        async with self.database.sessions.begin() as session:
            await note_read(session, CURSOR, until=newest, found=found)

    async def _record(self, movements: Sequence[Movement]) -> int:
        found = 0
        for first in range(0, len(movements), _AT_ONCE):
            async with self.database.sessions.begin() as session:
                found += await record_movements(session, movements[first : first + _AT_ONCE])
        return found

    async def _unexplained(self) -> Sequence[str]:
        async with self.database.sessions() as session:
            return (
                await session.scalars(
                    select(ProviderTransaction.id)
                    .where(ProviderTransaction.matched_at.is_(None), ProviderTransaction.journal_id.is_(None))
                    .order_by(ProviderTransaction.created_at, ProviderTransaction.id)
                )
            ).all()

    async def _open_payouts(self) -> Sequence[ProviderTransaction]:
        async with self.database.sessions() as session:
            return (
                await session.scalars(
                    select(ProviderTransaction)
                    .where(ProviderTransaction.kind == PAYOUT, ProviderTransaction.matched_at.is_(None))
                    .where(ProviderTransaction.journal_id.is_not(None))
                    .order_by(ProviderTransaction.created_at, ProviderTransaction.id)
                )
            ).all()

    async def _close(self, payout: ProviderTransaction, at: datetime) -> None:
        """Note what a payout consists of, once that adds up to it to the cent."""
        if payout.source_id is None:
            return
        try:
            contents = [movement async for movement in self.gateway.list_movements(payout_id=payout.source_id)]
        except BillingError as refusal:
            # Of a payout that was made by hand the provider does not know what is in it.
            log.warning("contents not listed", payout_id=payout.source_id, code=refusal.code)
            return
        await self._record(contents)
        ids = {payout.id, *(movement.id for movement in contents)}
        belonging = ProviderTransaction.id == any_(literal(sorted(ids), ARRAY(String)))
        async with self.database.sessions.begin() as session:
            left = await session.scalar(
                select(func.sum(ProviderTransaction.amount - ProviderTransaction.fee)).where(belonging)
            )
            if left != 0:
                log.warning(CONTENTS_MISSING, payout_id=payout.source_id, left=int(left or 0))
                return
            await session.execute(
                update(ProviderTransaction)
                .where(belonging, ProviderTransaction.payout_id.is_(None))
                .values(payout_id=payout.source_id)
            )
            await session.execute(
                update(ProviderTransaction).where(ProviderTransaction.id == payout.id).values(matched_at=at, note=None)
            )
