"""Finance's table of what must always hold between money and rights, with what was found last and when."""

from datetime import datetime
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.permissions import TRANSACTIONS_READ
from auth.visits import Visit
from store.database import Database
from store.invariants import INVARIANTS, check_invariants, last_findings
from store.web.pages import Frame


@get("/finance/invariants", guards=[requires(TRANSACTIONS_READ)])
async def show_invariants(frame: NamedDependency[Frame], database: NamedDependency[Database]) -> Response[str]:
    """Every invariant in words; what was never counted says so."""
    found = {finding.invariant.name: finding for finding in await last_findings(database)}
    return frame.page(
        "finance/invariants.html",
        rows=[(invariant.words[frame.locale], found.get(invariant.name)) for invariant in INVARIANTS],
        broken=sum(1 for finding in found.values() if finding.count),
        checked_at=min((finding.checked_at for finding in found.values()), default=None),
    )


@post("/finance/invariants/checks", guards=[requires(TRANSACTIONS_READ)])
async def check_now(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[Database],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Count now, as the job does every night."""
    await check_invariants(database)
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
    return frame.go("/finance/invariants", done="invariants_checked")


handlers = [show_invariants, check_now]
