"""An authenticator app in a test: it shows codes of a secret, and never one that was used already."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from store.sandbox.authenticator import PERIOD, code_at


@dataclass(slots=True)
class Authenticator:
    """The codes of one secret, as several accounts may share it: each knows what it used."""

    secret: str
    _last: dict[str, int] = field(default_factory=dict)

    def code(self, account: str = "") -> str | None:
        """An unused code that is taken now (of the step before, this one or the next); None while there is none."""
        now = int(datetime.now(UTC).timestamp()) // PERIOD
        step = max(self._last.get(account, 0) + 1, now - 1)
        if step > now + 1:
            return None
        self._last[account] = step
        return self.at_step(step)

    def at_step(self, step: int) -> str:
        """The code of a time step."""
        return code_at(self.secret, datetime.fromtimestamp(step * PERIOD, UTC))

    def now(self, *, steps: int = 0) -> str:
        """The code that stands now, or `steps` later."""
        return code_at(self.secret, datetime.now(UTC) + timedelta(seconds=PERIOD * steps))
