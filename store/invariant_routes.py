"""Finance's look at what must always hold between money and rights."""

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency

from auth.authentication import requires
from auth.errors import NotPermitted, NotSignedIn
from auth.permissions import TRANSACTIONS_READ
from auth.schemas import problems
from store.database import Database
from store.invariants import count_invariants


class FindingOut(msgspec.Struct, frozen=True):
    """One invariant and how many cases break it."""

    name: str
    words: str
    """What is counted."""
    count: int
    """Zero while all is well."""


class FindingsOut(msgspec.Struct, frozen=True):
    """Every invariant."""

    findings: list[FindingOut]


@get(
    "/v1/finance/invariants",
    guards=[requires(TRANSACTIONS_READ)],
    responses=problems(NotSignedIn, NotPermitted),
    summary="Do money and rights agree?",
    description="Counted now, one query each; a job counts them every night too and logs what is not zero.",
)
async def show_invariants(database: NamedDependency[Database], locale: NamedDependency[str]) -> FindingsOut:
    """Paid without access, access without payment, unbalanced journals and the like."""
    return FindingsOut(
        [
            FindingOut(finding.invariant.name, finding.invariant.words[locale], finding.count)
            for finding in await count_invariants(database)
        ]
    )


router = Router("/", route_handlers=[show_invariants], tags=["Paying and books"])
