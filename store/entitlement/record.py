"""The record of what was granted and refused: with the grant, or in a transaction of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import Refusal
from store.database import Database
from store.entitlement.models import LicenceEvent

System = Literal["clearkey", "axinom", "drmtoday"]
"""Whose licences there are."""


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

    def granted(self, session: AsyncSession, *, kids: Sequence[UUID] = ()) -> None:
        """Record the grant (of keys with these ids) in the transaction that makes it."""
        session.add(self._event("granted", None, kids=kids))

    async def refused(self, database: Database, refusal: Refusal) -> None:
        """Record the refusal in a short transaction of its own.

        Whoever has a transaction open ends it before, so that no request holds two connections at once.
        """
        async with database.sessions.begin() as own:
            own.add(self._event("refused", refusal.code))

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
