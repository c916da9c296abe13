"""Reading cases: one's own, and support's list with the overdue first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from store.cases.errors import CaseNotFound
from store.cases.models import Case, CaseEntry

Place = tuple[datetime, UUID]
Assigned = Literal["anyone", "me", "nobody"]
State = Literal["open", "waiting", "done"]
STATES: Final[tuple[State, ...]] = get_args(State)


async def list_cases(
    session: AsyncSession,
    *,
    state: State,
    assigned: Assigned,
    agent_id: UUID,
    after: Place | None = None,
    limit: int,
) -> Sequence[Case]:
    """Cases in a state: of the open the overdue first, of the waiting the longest, of the done the newest."""
    key = sort_key(state)
    query = select(Case).where(Case.state == state)
    match assigned:
        case "me":
            query = query.where(Case.assigned_to == agent_id)
        case "nobody":
            query = query.where(Case.assigned_to.is_(None))
    query = query.order_by(key.desc(), Case.id.desc()) if state == "done" else query.order_by(key, Case.id)
    if after is not None:
        at, case_id = after
        beyond, tie = (key < at, Case.id < case_id) if state == "done" else (key > at, Case.id > case_id)
        query = query.where(beyond | ((key == at) & tie))
    return (await session.scalars(query.limit(limit))).all()


def sort_key(state: State) -> InstrumentedAttribute[datetime | None] | InstrumentedAttribute[datetime]:
    """By what cases in a state are sorted."""
    return Case.due_at if state == "open" else Case.changed_at


async def cases_of(session: AsyncSession, *, account_id: UUID, limit: int) -> Sequence[Case]:
    """A customer's cases, the newest first."""
    newest = Case.opened_at.desc(), Case.id.desc()
    return (
        await session.scalars(select(Case).where(Case.account_id == account_id).order_by(*newest).limit(limit))
    ).all()


async def own_case(session: AsyncSession, *, case_id: UUID, account_id: UUID) -> Case:
    """A case of the account; raises `CaseNotFound`, for another account's just the same."""
    case = await session.scalar(select(Case).where(Case.id == case_id, Case.account_id == account_id))
    if case is None:
        raise CaseNotFound
    return case


async def entries_of(session: AsyncSession, case_id: UUID, *, with_notes: bool) -> Sequence[CaseEntry]:
    """What was said in a case, the oldest first, for staff with the notes among them."""
    query = select(CaseEntry).where(CaseEntry.case_id == case_id).order_by(CaseEntry.id)
    return (await session.scalars(query if with_notes else query.where(CaseEntry.is_internal.is_(False)))).all()
