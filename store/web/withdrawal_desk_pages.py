"""Support's list of withdrawals that could not be carried out by themselves, and the note that closes one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.permissions import CUSTOMER_READ
from auth.visits import Visit
from billing.withdrawals import close_withdrawal, list_open_withdrawals
from store.web.pages import Frame
from store.web.support_pages import LONGEST_REASON, SHORTEST_REASON, ReasonForm

OLDEST = 100
"""Rows of the list."""


@get("/staff/withdrawals", guards=[requires(CUSTOMER_READ)])
async def show_withdrawals(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    short: FromQuery[str] = "",
) -> Response[str]:
    """Who declared what, and why a person has to look; `short` names the one whose note was too short."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="withdrawals.viewed",
        target_kind="console",
        target_id="withdrawals",
        request_id=visit.request_id,
        ip=visit.ip,
    )
    return frame.page(
        "staff/withdrawals.html",
        withdrawals=await list_open_withdrawals(session, limit=OLDEST),
        short=short,
        longest=LONGEST_REASON,
    )


@post("/staff/withdrawals/{declaration_id:uuid}/closures", guards=[requires(CUSTOMER_READ)])
async def close(
    frame: NamedDependency[Frame],
    declaration_id: FromPath[UUID],
    data: URLEncodedBody[ReasonForm],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Note what was done about it."""
    note = data.reason.strip()
    if len(note) < SHORTEST_REASON:
        return frame.go(frame.url("/staff/withdrawals", short=declaration_id))
    await close_withdrawal(session, declaration_id=declaration_id, agent_id=identity.account_id, note=note, at=frame.at)
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="withdrawal.closed",
        target_kind="withdrawal",
        target_id=declaration_id,
        reason=note,
        request_id=visit.request_id,
        ip=visit.ip,
    )
    return frame.go("/staff/withdrawals", done="withdrawal_closed")


handlers = [show_withdrawals, close]
