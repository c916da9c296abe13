"""Finance's look at what must always hold between money and rights."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import CrossSiteRequest, NotPermitted, NotSignedIn
from auth.permissions import TRANSACTIONS_READ
from auth.schemas import problems
from auth.visits import Visit
from store.database import Database
from store.invariants import Finding, check_invariants, count_invariants


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
    return _findings(await count_invariants(database), locale)


@post(
    "/v1/finance/invariant-checks",
    guards=[requires(TRANSACTIONS_READ)],
    responses=problems(NotSignedIn, NotPermitted, CrossSiteRequest),
    summary="Count every invariant and keep what was found",
    description="As the job does every night: the page and the metrics show it from then on.",
)
async def check_now(
    database: NamedDependency[Database],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> FindingsOut:
    """Count now; who asked for it is in the audit trail."""
    findings = await check_invariants(database)
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="invariants.checked",
        target_kind="console",
        target_id="invariants",
        request_id=visit.request_id,
        ip=visit.ip,
    )
    return _findings(findings, locale)


def _findings(findings: Sequence[Finding], locale: str) -> FindingsOut:
    return FindingsOut(
        [FindingOut(finding.invariant.name, finding.invariant.words[locale], finding.count) for finding in findings]
    )


router = Router("/", route_handlers=[show_invariants, check_now], tags=["Paying and books"])
