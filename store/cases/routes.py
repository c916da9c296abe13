"""The API of one's own cases: report something, see how it stands, add to it."""

from datetime import datetime
from typing import Final
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.errors import CrossSiteRequest, CustomersOnly, NotSignedIn, TooManyAttempts
from auth.schemas import problems
from auth.visits import Visit
from store.cases.cases import CustomerCases
from store.cases.errors import CaseDone, CaseNotFound, CaseSubjectNotFound
from store.cases.lists import cases_of, own_case
from store.cases.schemas import CaseCreate, CaseFile, CaseList, WordsCreate, case_file, cases_out

NEWEST: Final = 100

_CUSTOMER: Final = (NotSignedIn, CustomersOnly)


@get(
    "/cases",
    summary="The own cases",
    guards=[customer_only],
    responses=problems(*_CUSTOMER),
)
async def list_own_cases(
    identity: NamedDependency[Identity], session: NamedDependency[AsyncSession], locale: NamedDependency[str]
) -> CaseList:
    """What was reported and how it stands, the newest first."""
    cases = await cases_of(session, account_id=identity.account_id, limit=NEWEST)
    return CaseList(await cases_out(session, cases, locale=locale))


@post(
    "/cases",
    summary="Report something",
    guards=[customer_only],
    responses=problems(*_CUSTOMER, CrossSiteRequest, CaseSubjectNotFound, TooManyAttempts),
)
async def open_case(
    data: JSONBody[CaseCreate],
    identity: NamedDependency[Identity],
    customer_cases: NamedDependency[CustomerCases],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> CaseFile:
    """Open a case; it says by when somebody answers, which is told by mail."""
    case = await customer_cases.open(
        identity=identity, kind=data.kind, text=data.text, about=data.about, at=at, real_now=real_now, visit=visit
    )
    return await case_file(customer_cases.session, case, locale=locale)


@get(
    "/cases/{case_id:uuid}",
    summary="One of the own cases",
    guards=[customer_only],
    responses=problems(*_CUSTOMER, CaseNotFound),
)
async def show_case(
    case_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    locale: NamedDependency[str],
) -> CaseFile:
    """How it stands and what was said."""
    return await case_file(
        session, await own_case(session, case_id=case_id, account_id=identity.account_id), locale=locale
    )


@post(
    "/cases/{case_id:uuid}/messages",
    summary="Add to one of the own cases",
    guards=[customer_only],
    responses=problems(*_CUSTOMER, CrossSiteRequest, CaseNotFound, CaseDone, TooManyAttempts),
)
async def write_message(
    case_id: FromPath[UUID],
    data: JSONBody[WordsCreate],
    identity: NamedDependency[Identity],
    customer_cases: NamedDependency[CustomerCases],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> CaseFile:
    """Add something; it is support's turn again, also if the case was done less than thirty days ago."""
    case = await customer_cases.write(
        identity=identity, case_id=case_id, text=data.text, at=at, real_now=real_now, visit=visit
    )
    return await case_file(customer_cases.session, case, locale=locale)


router = Router("/v1", route_handlers=[list_own_cases, open_case, show_case, write_message], tags=["Cases"])
