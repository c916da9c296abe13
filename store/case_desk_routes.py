"""Support's API of cases: the list with the overdue first, one case, answers, notes, whose it is, its end."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import AccountNotFound, CrossSiteRequest, NotPermitted, NotSignedIn
from auth.permissions import CASE_HANDLE
from auth.schemas import problems
from auth.visits import Visit
from billing.cursors import cursor_of, place_of
from billing.errors import CursorInvalid
from store.cases.cases import CaseDesk
from store.cases.errors import AgentNotFound, CaseDone, CaseNotFound, CaseSubjectNotFound
from store.cases.lists import Assigned, State, list_cases, sort_key
from store.cases.schemas import (
    AssignmentIn,
    CaseCreate,
    StaffCaseFile,
    StaffCaseList,
    WordsCreate,
    staff_case_file,
    staff_cases,
)
from store.support import CustomerDesk

PAGE: Final = 50

_STAFF: Final = (NotSignedIn, NotPermitted)


async def page_of_cases(
    session: AsyncSession,
    *,
    state: State,
    assigned: Assigned,
    cursor: str | None,
    agent: Identity,
    locale: str,
    at: datetime,
    real_now: datetime,
    visit: Visit,
) -> StaffCaseList:
    """A page of the list; the look is in the audit trail."""
    await audit.record(
        session,
        at=real_now,
        actor=agent,
        action="cases.viewed",
        target_kind="console",
        target_id="cases",
        request_id=visit.request_id,
        ip=visit.ip,
    )
    found = await list_cases(
        session, state=state, assigned=assigned, agent_id=agent.account_id, after=place_of(cursor), limit=PAGE + 1
    )
    page = found[:PAGE]
    last = getattr(page[-1], sort_key(state).key) if len(found) > PAGE else None
    return StaffCaseList(
        await staff_cases(session, page, locale=locale, at=at), cursor_of((last, page[-1].id)) if last else None
    )


@get(
    "/staff/cases",
    summary="Cases, those whose answer is overdue first",
    guards=[requires(CASE_HANDLE)],
    responses=problems(*_STAFF, CursorInvalid),
)
async def show_cases(
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
    case_state: Annotated[
        Literal["open", "waiting", "done"], QueryParameter(name="state", description="Only cases in this state.")
    ] = "open",
    assigned: Annotated[
        Literal["anyone", "me", "nobody"], QueryParameter(name="assigned", description="By who deals with them.")
    ] = "anyone",
    cursor: FromQuery[str | None] = None,
) -> StaffCaseList:
    """Open ones by the day on which an answer is due. Every look leaves an audit entry."""
    return await page_of_cases(
        session,
        state=case_state,
        assigned=assigned,
        cursor=cursor,
        agent=identity,
        locale=locale,
        at=at,
        real_now=real_now,
        visit=visit,
    )


@post(
    "/staff/customers/{customer_id:uuid}/cases",
    summary="Take up what a customer reported",
    guards=[requires(CASE_HANDLE)],
    responses=problems(*_STAFF, CrossSiteRequest, AccountNotFound, CaseSubjectNotFound),
)
async def open_case(
    customer_id: FromPath[UUID],
    data: JSONBody[CaseCreate],
    customer_desk: NamedDependency[CustomerDesk],
    case_desk: NamedDependency[CaseDesk],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> StaffCaseFile:
    """Open a case for a customer, who is told by mail what was written down."""
    customer = await customer_desk.customer(customer_id, action="case.open", real_now=real_now)
    case = await case_desk.open(
        customer=customer, kind=data.kind, text=data.text, about=data.about, at=at, real_now=real_now
    )
    return await staff_case_file(case_desk.session, case, locale=locale, at=at)


@get(
    "/staff/cases/{case_id:uuid}",
    summary="Open a case",
    guards=[requires(CASE_HANDLE)],
    responses=problems(*_STAFF, CaseNotFound),
)
async def show_case(
    case_id: FromPath[UUID],
    case_desk: NamedDependency[CaseDesk],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> StaffCaseFile:
    """Everything that was said and noted; the look is in the audit trail."""
    case = await case_desk.view(case_id, real_now=real_now)
    return await staff_case_file(case_desk.session, case, locale=locale, at=at)


@post(
    "/staff/cases/{case_id:uuid}/answers",
    summary="Answer a customer",
    guards=[requires(CASE_HANDLE)],
    responses=problems(*_STAFF, CrossSiteRequest, CaseNotFound, CaseDone),
)
async def answer_case(
    case_id: FromPath[UUID],
    data: JSONBody[WordsCreate],
    case_desk: NamedDependency[CaseDesk],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> StaffCaseFile:
    """Write to the customer, who gets it by mail; the case then waits for them."""
    case = await case_desk.answer(case_id, text=data.text, at=at, real_now=real_now)
    return await staff_case_file(case_desk.session, case, locale=locale, at=at)


@post(
    "/staff/cases/{case_id:uuid}/closures",
    summary="Close a case",
    guards=[requires(CASE_HANDLE)],
    responses=problems(*_STAFF, CrossSiteRequest, CaseNotFound, CaseDone),
)
async def close_case(
    case_id: FromPath[UUID],
    data: JSONBody[WordsCreate],
    case_desk: NamedDependency[CaseDesk],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> StaffCaseFile:
    """Write to the customer what came of it, and be done; their next words open it again for thirty days."""
    case = await case_desk.answer(case_id, text=data.text, closes=True, at=at, real_now=real_now)
    return await staff_case_file(case_desk.session, case, locale=locale, at=at)


@post(
    "/staff/cases/{case_id:uuid}/notes",
    summary="Leave a note among staff",
    guards=[requires(CASE_HANDLE)],
    responses=problems(*_STAFF, CrossSiteRequest, CaseNotFound),
)
async def note_case(
    case_id: FromPath[UUID],
    data: JSONBody[WordsCreate],
    case_desk: NamedDependency[CaseDesk],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> StaffCaseFile:
    """The customer is not told, but finds it in an export of their own data."""
    case = await case_desk.note(case_id, text=data.text, at=at, real_now=real_now)
    return await staff_case_file(case_desk.session, case, locale=locale, at=at)


@put(
    "/staff/cases/{case_id:uuid}/assignment",
    summary="Say who deals with a case",
    guards=[requires(CASE_HANDLE)],
    responses=problems(*_STAFF, CrossSiteRequest, CaseNotFound, AgentNotFound),
)
async def assign_case(
    case_id: FromPath[UUID],
    data: JSONBody[AssignmentIn],
    case_desk: NamedDependency[CaseDesk],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> StaffCaseFile:
    """Oneself, a colleague of support, or nobody."""
    case = await case_desk.assign(case_id, agent_id=data.agent_id, at=at, real_now=real_now)
    return await staff_case_file(case_desk.session, case, locale=locale, at=at)


router = Router(
    "/v1",
    route_handlers=[show_cases, open_case, show_case, answer_case, close_case, note_case, assign_case],
    tags=["Cases"],
)
