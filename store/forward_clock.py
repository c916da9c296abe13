"""Business time in production: the machine's clock, which never goes back, whatever becomes of the machine's."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.catalogue.models import Base
from store.database import Database

SHARED_EVERY: Final = 10.0
"""Seconds after which a process tells the others the time and asks them for theirs: so much may be forgotten by a
machine that is set back while all processes are down."""

TOLERATED: Final = timedelta(seconds=5)
"""By how much the machines of an installation may differ without a word in the log."""

log = structlog.get_logger("clock")


class BusinessTime(Base):
    """The latest business time that any process has told; one row."""

    __tablename__ = "business_time"
    __table_args__ = (CheckConstraint("single", "single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
    latest: Mapped[datetime]


_SHARE: Final = """
    INSERT INTO store.business_time AS kept (latest) VALUES ($1)
    ON CONFLICT (single) DO UPDATE SET latest = greatest(kept.latest, excluded.latest)
    RETURNING latest
"""


class ForwardClock:
    """The machine's clock; where that is set back, business time stands still until it has caught up.

    So a rental that was over stays over, and a window that has closed stays closed: also after a restart, and in
    processes on other machines.
    """

    def __init__(
        self,
        database: Database,
        *,
        machine: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`machine` tells the time, `elapsed` seconds that cannot be set; tests bring their own."""
        self._database = database
        self._machine = machine
        self._elapsed = elapsed
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._share_at = -1.0

    async def now(self) -> datetime:
        """The present business time, in UTC; every few seconds by one statement, else by none."""
        if self._elapsed() >= self._share_at:
            await self._share()
        return self.recent()

    def recent(self) -> datetime:
        """The same, as far as this process knows."""
        self._latest = max(self._latest, self._machine())
        return self._latest

    async def _share(self) -> None:
        known, before = self.recent(), self._share_at
        # Set first: of many requests at this instant one asks.
        self._share_at = self._elapsed() + SHARED_EVERY
        try:
            latest: datetime = await self._database.reads.fetchval(_SHARE, known)
        except BaseException:
            self._share_at = before
            raise
        self._latest = max(self._latest, latest)
        if self._latest - self._machine() > TOLERATED:
            behind = (self._latest - self._machine()).total_seconds()
            log.warning("machine_clock_behind", seconds=round(behind), business_time=self._latest.isoformat())


async def set_back(database: Database, *, machine_time: datetime) -> timedelta:
    """Take the machine's time for right; by how much business time goes back (negative: forward).

    For the operator, while no other process runs: what ended by the wrong time runs again.
    """
    latest: datetime | None = await database.reads.fetchval("SELECT latest FROM store.business_time")
    await database.reads.execute("UPDATE store.business_time SET latest = $1", machine_time)
    return (latest or machine_time) - machine_time
