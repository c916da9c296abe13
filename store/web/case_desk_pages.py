"""Support's pages of cases: the list with the overdue first, and one case with all that can be done about it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, requires
from auth.permissions import CASE_HANDLE
from auth.visits import Visit
from store.case_desk_routes import page_of_cases
from store.cases.cases import CaseDesk
from store.cases.lists import STATES, Assigned
from store.cases.schemas import LONGEST_TEXT, staff_case_file
from store.support import CustomerDesk
from store.web.case_pages import CaseForm, WordsForm, kind_of, subject_of, wrong_with
from store.web.forms import prose
from store.web.pages import Frame
from store.web.support_pages import back_to_customer

PAGE = "/staff/cases"
ASSIGNED: tuple[Assigned, ...] = ("anyone", "me", "nobody")


@get(PAGE, guards=[requires(CASE_HANDLE)])
async def show_cases(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    of: FromQuery[str] = "open",
    assigned: FromQuery[str] = "anyone",
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """What is to be answered, the overdue first; `of` is the state, and what there is not is the first choice."""
    chosen_state = next((one for one in STATES if one == of), STATES[0])
    chosen = next((one for one in ASSIGNED if one == assigned), ASSIGNED[0])
    found = await page_of_cases(
        session,
        state=chosen_state,
        assigned=chosen,
        cursor=cursor,
        agent=identity,
        locale=frame.locale,
        at=frame.at,
        real_now=real_now,
        visit=visit,
    )
    onward = frame.url(PAGE, of=chosen_state, assigned=chosen, cursor=found.next_cursor) if found.next_cursor else ""
    return frame.page(
        "staff/cases.html",
        cases=found.cases,
        states=STATES,
        assignments=ASSIGNED,
        of=chosen_state,
        assigned=chosen,
        next=onward,
        own_id=identity.account_id,
    )


@get(f"{PAGE}/{{case_id:uuid}}", guards=[requires(CASE_HANDLE)])
async def show_case(
    case_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    case_desk: NamedDependency[CaseDesk],
    real_now: NamedDependency[datetime],
) -> Response[str]:
    """Everything that was said and noted."""
    return await _page(frame, case_desk, case_id, real_now=real_now)


@post(f"{PAGE}/{{case_id:uuid}}/answers", guards=[requires(CASE_HANDLE)])
async def answer_case(
    case_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[WordsForm],
    case_desk: NamedDependency[CaseDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Write to the customer."""
    return await _answer(frame, case_desk, case_id, data.text, closes=False, real_now=real_now)


@post(f"{PAGE}/{{case_id:uuid}}/closures", guards=[requires(CASE_HANDLE)])
async def close_case(
    case_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[WordsForm],
    case_desk: NamedDependency[CaseDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Write to the customer and be done."""
    return await _answer(frame, case_desk, case_id, data.text, closes=True, real_now=real_now)


@post(f"{PAGE}/{{case_id:uuid}}/notes", guards=[requires(CASE_HANDLE)])
async def note_case(
    case_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[WordsForm],
    case_desk: NamedDependency[CaseDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Leave a note among staff."""
    text = prose(data.text)
    errors = wrong_with(frame, text)
    if errors:
        return await _page(frame, case_desk, case_id, note=data.text, note_errors=errors, real_now=real_now)
    await case_desk.note(case_id, text=text, at=frame.at, real_now=real_now)
    return frame.go(f"{PAGE}/{case_id}", done="case_noted")


@post(f"{PAGE}/{{case_id:uuid}}/takings", guards=[requires(CASE_HANDLE)])
async def take_case(
    case_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    case_desk: NamedDependency[CaseDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Deal with it oneself."""
    await case_desk.assign(case_id, agent_id=identity.account_id, at=frame.at, real_now=real_now)
    return frame.go(f"{PAGE}/{case_id}", done="case_taken")


@post(f"{PAGE}/{{case_id:uuid}}/releases", guards=[requires(CASE_HANDLE)])
async def release_case(
    case_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    case_desk: NamedDependency[CaseDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Leave it to the others."""
    await case_desk.assign(case_id, agent_id=None, at=frame.at, real_now=real_now)
    return frame.go(f"{PAGE}/{case_id}", done="case_released")


@post("/support/customers/{customer_id:uuid}/cases", guards=[requires(CASE_HANDLE)])
async def open_case(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CaseForm],
    customer_desk: NamedDependency[CustomerDesk],
    case_desk: NamedDependency[CaseDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Take up what a customer reported by telephone or letter."""
    customer = await customer_desk.customer(customer_id, action="case.open", real_now=real_now)
    kind, text = kind_of(data.kind), prose(data.text)
    if kind is None or wrong_with(frame, text):
        return back_to_customer(frame, customer_id, form="case", refused="no_words")
    case = await case_desk.open(
        customer=customer, kind=kind, text=text, about=subject_of(data.about), at=frame.at, real_now=real_now
    )
    return frame.go(f"{PAGE}/{case.id}", done="case_opened_for_customer")


async def _answer(
    frame: Frame, desk: CaseDesk, case_id: UUID, words: str, *, closes: bool, real_now: datetime
) -> Response[Any]:
    text = prose(words)
    errors = wrong_with(frame, text)
    if errors:
        return await _page(frame, desk, case_id, text=words, errors=errors, real_now=real_now)
    await desk.answer(case_id, text=text, closes=closes, at=frame.at, real_now=real_now)
    return frame.go(f"{PAGE}/{case_id}", done="case_closed" if closes else "case_answered")


async def _page(
    frame: Frame,
    desk: CaseDesk,
    case_id: UUID,
    *,
    text: str = "",
    errors: dict[str, str] | None = None,
    note: str = "",
    note_errors: dict[str, str] | None = None,
    real_now: datetime,
) -> Response[str]:
    case = await desk.view(case_id, real_now=real_now)
    return frame.page(
        "staff/case.html",
        status=400 if errors or note_errors else 200,
        file=await staff_case_file(desk.session, case, locale=frame.locale, at=frame.at),
        own_id=desk.agent.account_id,
        text=text,
        errors=errors or {},
        note=note,
        note_errors={"note": note_errors["text"]} if note_errors else {},
        longest=LONGEST_TEXT,
    )


handlers = [
    show_cases,
    show_case,
    answer_case,
    close_case,
    note_case,
    take_case,
    release_case,
    open_case,
]
