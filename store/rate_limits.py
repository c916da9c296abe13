"""What the limits that a request was counted against have left, said on its answer.

The fields `RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers (10 and later).
"""

from contextvars import ContextVar
from dataclasses import dataclass
from math import ceil

_standings: ContextVar["list[Standing] | None"] = ContextVar("standings", default=None)
"""Those of the request that is being answered; None outside of one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit after a request was counted."""

    rule: str
    burst: int
    per: float
    """Seconds."""
    left: int
    """How many more are admitted at once."""
    reset: float
    """Seconds until all are admitted again; where none is left, until one is."""


class collected_in:  # noqa: N801 - used as a word in a `with`; a class, as every request pays for it
    """Collect what is noted while one request is answered."""

    __slots__ = ("_standings", "_token")

    def __init__(self, standings: list[Standing]) -> None:
        self._standings = standings

    def __enter__(self) -> None:
        self._token = _standings.set(self._standings)

    def __exit__(self, *_fault: object) -> None:
        _standings.reset(self._token)


def note(standing: Standing) -> None:
    """Have the answer tell of a limit."""
    standings = _standings.get()
    if standings is not None:
        standings.append(standing)


def forget(rule: str) -> None:
    """Tell nothing of a limit whose count was taken back."""
    standings = _standings.get()
    if standings is not None:
        standings[:] = [standing for standing in standings if standing.rule != rule]


def headers_of(standings: list[Standing]) -> tuple[tuple[bytes, bytes], ...]:
    """The two fields (lists of RFC 9651), or none."""
    if not standings:
        return ()
    policies = ", ".join(f'"{one.rule}";q={one.burst};w={ceil(one.per)}' for one in standings)
    limits = ", ".join(f'"{one.rule}";r={one.left};t={max(0, ceil(one.reset))}' for one in standings)
    return (b"ratelimit-policy", policies.encode()), (b"ratelimit", limits.encode())
