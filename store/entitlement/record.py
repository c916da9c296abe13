"""The record of what was granted and refused: with the grant, or in a transaction of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import Refusal
from store.database import Database
from store.entitlement.models import LicenceEvent

System = Literal["clearkey", "axinom", "drmtoday"]
"""Whose licences there are."""

_A_MINUTE: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Question:
    """What is being asked, filled in as far as it is known; becomes one `LicenceEvent`.

    A licence that is granted is recorded by the statement that grants it (`licences`).
    """

    step: str
    """`playback` or `licence`."""
    at: datetime
    real_now: datetime
    account_id: UUID
    title_id: UUID | None = None
    entitlement_id: UUID | None = None
    device_id: UUID | None = None
    playback_session_id: UUID | None = None
    jkt: str | None = None
    start_confirmed: bool | None = None
    system: System | None = None
    """Licences: whose."""
    age_limit: int | None = None
    """Playbacks: that of whoever watched."""
    once_a_minute: bool = False
    """Licences: whether a refusal is not recorded again within a minute. Who holds a token that has expired can show it
    as often as they like, for ever."""

    def granted(self, session: AsyncSession, *, kids: Sequence[UUID] = ()) -> None:
        """Record the grant (of keys with these ids) in the transaction that makes it."""
        session.add(self._event("granted", None, kids=kids))

    async def refused(self, database: Database, refusal: Refusal) -> None:
        """Record the refusal in a short transaction of its own.

        Whoever has a transaction open ends it before, so that no request holds two connections at once.
        """
        async with database.sessions.begin() as own:
            if not self.once_a_minute or await self._is_news(own, refusal.code):
                own.add(self._event("refused", refusal.code))

    async def _is_news(self, session: AsyncSession, code: str) -> bool:
        """Whether nobody recorded this refusal of the playback within a minute, or is about to at this moment."""
        key = f"licence-refused {self.playback_session_id} {code}"
        if not await session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(key, 0)))):
            return False
        # By title and business time there is an index.
        same = (
            LicenceEvent.outcome == "refused",
            LicenceEvent.title_id == self.title_id,
            LicenceEvent.at > self.at - _A_MINUTE,
            LicenceEvent.recorded_at > self.real_now - _A_MINUTE,
            LicenceEvent.playback_session_id == self.playback_session_id,
            LicenceEvent.reason == code,
        )
        return not await session.scalar(select(exists().where(*same)))

    def _event(self, outcome: str, reason: str | None, *, kids: Sequence[UUID] = ()) -> LicenceEvent:
        return LicenceEvent(
            at=self.at,
            recorded_at=self.real_now,
            step=self.step,
            outcome=outcome,
            reason=reason,
            account_id=self.account_id,
            title_id=self.title_id,
            entitlement_id=self.entitlement_id,
            device_id=self.device_id,
            playback_session_id=self.playback_session_id,
            jkt=self.jkt,
            start_confirmed=self.start_confirmed,
            kids=list(kids),
            system=self.system,
            age_limit=self.age_limit,
        )
