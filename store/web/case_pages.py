"""One's own cases: the list, reporting something, and what was said about it."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.errors import Refusal
from auth.visits import Visit
from billing.orders import list_orders
from store.cases.cases import KINDS, CustomerCases, Kind, Subject
from store.cases.errors import CaseSubjectNotFound
from store.cases.lists import cases_of, own_case
from store.cases.schemas import LONGEST_TEXT, case_file, cases_out
from store.entitlement.device_places import list_devices
from store.web.forms import Prose, Text, prose, refused
from store.web.pages import Frame

NEWEST: Final = 100
SUBJECTS: Final = 50
"""Orders to choose from."""


class CaseForm(msgspec.Struct, frozen=True):
    """What is reported."""

    kind: Text = ""
    about: Text = ""
    """`order:<id>` or `device:<id>`; empty: nothing in particular."""
    text: Prose = ""


class WordsForm(msgspec.Struct, frozen=True):
    """What is added."""

    text: Prose = ""


@get("/account/cases", guards=[customer_only])
async def show_cases(
    frame: NamedDependency[Frame], identity: NamedDependency[Identity], session: NamedDependency[AsyncSession]
) -> Response[str]:
    """What was reported and how it stands."""
    cases = await cases_of(session, account_id=identity.account_id, limit=NEWEST)
    return frame.page("account/cases.html", cases=await cases_out(session, cases, locale=frame.locale))


@get("/account/cases/new", guards=[customer_only])
async def show_new_case(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    about: FromQuery[str] = "",
) -> Response[str]:
    """The form; `about` may name what it is about already."""
    return frame.page(
        "account/case_new.html", errors={}, **await _form(frame, identity, session, CaseForm(about=about))
    )


@post("/account/cases", guards=[customer_only])
async def open_case(
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CaseForm],
    identity: NamedDependency[Identity],
    customer_cases: NamedDependency[CustomerCases],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[Any]:
    """Report something."""
    kind, text = kind_of(data.kind), prose(data.text)
    session = customer_cases.session
    errors = wrong_with(frame, text) | ({} if kind else {"kind": frame.w.text("form.missing")})
    # Read before: after a rollback the request's transaction answers nothing more.
    values = await _form(frame, identity, session, data)
    if kind is None or errors:
        return frame.page("account/case_new.html", status=400, errors=errors, **values)
    try:
        case = await customer_cases.open(
            identity=identity,
            kind=kind,
            text=text,
            about=subject_of(data.about),
            at=frame.at,
            real_now=real_now,
            visit=visit,
        )
    except Refusal as refusal:
        await session.rollback()
        errors = {"form": refusal.sentence(frame.locale)}
        return refused(frame, "account/case_new.html", refusal, errors=errors, **values)
    return frame.go(f"/account/cases/{case.id}", done="case_opened")


@get("/account/cases/{case_id:uuid}", guards=[customer_only])
async def show_case(
    case_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """One case, with the field to add to it."""
    return frame.page("account/case.html", text="", errors={}, **await _case(frame, identity, session, case_id))


@post("/account/cases/{case_id:uuid}/messages", guards=[customer_only])
async def write_message(
    case_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[WordsForm],
    identity: NamedDependency[Identity],
    customer_cases: NamedDependency[CustomerCases],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[Any]:
    """Add to a case; what was refused is said beside the field."""
    session, text = customer_cases.session, prose(data.text)
    errors, values = wrong_with(frame, text), await _case(frame, identity, session, case_id)
    if errors:
        return frame.page("account/case.html", status=400, text=data.text, errors=errors, **values)
    try:
        await customer_cases.write(
            identity=identity, case_id=case_id, text=text, at=frame.at, real_now=real_now, visit=visit
        )
    except Refusal as refusal:
        await session.rollback()
        errors = {"text": refusal.sentence(frame.locale)}
        return refused(frame, "account/case.html", refusal, text=data.text, errors=errors, **values)
    return frame.go(f"/account/cases/{case_id}", done="case_written")


def kind_of(text: str) -> Kind | None:
    """The kind of that name, if there is one."""
    return next((kind for kind in KINDS if kind == text), None)


def subject_of(text: str) -> Subject:
    """What a form's choice names; raises `CaseSubjectNotFound` for what no form of ours offers."""
    if not text:
        return Subject()
    name, _, id_ = text.partition(":")
    try:
        found = UUID(id_)
    except ValueError as fault:
        raise CaseSubjectNotFound from fault
    match name:
        case "order":
            return Subject(order_id=found)
        case "device":
            return Subject(device_id=found)
    raise CaseSubjectNotFound


def wrong_with(frame: Frame, text: str) -> dict[str, str]:
    """What is wrong with somebody's words, beside their field."""
    if not text:
        return {"text": frame.w.text("form.missing")}
    return {"text": frame.w.text("case.too_long", count=LONGEST_TEXT)} if len(text) > LONGEST_TEXT else {}


def kinds_of(frame: Frame) -> list[tuple[str, str]]:
    """The kinds with their words."""
    return [(kind, frame.w.text(f"case.kind.{kind}")) for kind in KINDS]


async def _form(frame: Frame, identity: Identity, session: AsyncSession, data: CaseForm) -> dict[str, Any]:
    orders = await list_orders(session, account_id=identity.account_id, limit=SUBJECTS)
    places = await list_devices(session, account_id=identity.account_id, at=frame.at)
    return {
        "kinds": [("", frame.w.text("case.choose")), *kinds_of(frame)],
        "subjects": [
            ("", frame.w.text("case.about_nothing")),
            *(
                (f"order:{order.id}", f"{order.lines[0].description[frame.locale]} · {order.order_number}")
                for order in orders
            ),
            *((f"device:{device.id}", device.name or frame.w.text("devices.unnamed")) for device in places.devices),
        ],
        "form": data,
    }


async def _case(frame: Frame, identity: Identity, session: AsyncSession, case_id: UUID) -> dict[str, Any]:
    case = await own_case(session, case_id=case_id, account_id=identity.account_id)
    return {"file": await case_file(session, case, locale=frame.locale), "longest": LONGEST_TEXT}


handlers = [show_cases, show_new_case, open_case, show_case, write_message]
