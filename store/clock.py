"""Business time: what windows, rentals, quotes and deadlines are measured by.

Security time (sessions, proofs, throttles, signatures) is always `datetime.now(UTC)`.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the business time; only the sandbox has one that can be moved."""

    async def now(self) -> datetime:
        """The present business time, in UTC."""
        ...

    def recent(self) -> datetime:
        """The present business time as far as it is known without asking anybody: for pages about a fault."""
        ...
