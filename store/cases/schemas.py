"""What the API of cases takes and gives."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Self
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.models import Order
from store.cases.cases import Kind, Subject
from store.cases.lists import State, entries_of
from store.cases.models import Case, CaseEntry
from store.catalogue.models import Title, TitleText
from store.entitlement.models import Device, Entitlement

LONGEST_TEXT: Final = 4000
"""Characters."""

Words = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=LONGEST_TEXT,
        pattern=r"^(?![\s\S]*[\u0000-\u0008\u000b-\u001f\u007f])[\s\S]*\S",
        description="In one's own words; lines may be broken.",
        examples=["Der Film bleibt nach zehn Minuten stehen."],
    ),
]


class CaseCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to report, and what it is about."""

    kind: Kind
    text: Words
    order_id: UUID | None = None
    entitlement_id: UUID | None = None
    device_id: UUID | None = None

    @property
    def about(self) -> Subject:
        """What was named."""
        return Subject(self.order_id, self.entitlement_id, self.device_id)


class WordsCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to add to a case."""

    text: Words


class AssignmentIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to deal with a case."""

    agent_id: UUID | None
    """Null: nobody."""


class CaseOut(msgspec.Struct, frozen=True):
    """A case and how it stands."""

    id: UUID
    case_number: str
    kind: Kind
    state: State
    """`open`: support is to answer; `waiting`: for the customer; `done`."""
    opened_at: datetime
    changed_at: datetime
    answer_by: datetime | None
    """By when support is to answer; null while it is not its turn."""
    order_number: str | None
    title: str | None
    """The film whose right it is about."""
    device: str | None


class CaseEntryOut(msgspec.Struct, frozen=True):
    """What was said in a case."""

    at: datetime
    by_support: bool
    text: str

    @classmethod
    def of(cls, entry: CaseEntry) -> Self:
        """From its row."""
        return cls(at=entry.at, by_support=entry.agent_id is not None, text=entry.text)


class CaseList(msgspec.Struct, frozen=True):
    """The own cases, the newest hundred."""

    cases: list[CaseOut]


class CaseFile(msgspec.Struct, frozen=True):
    """A case with what was said, the oldest first."""

    case: CaseOut
    entries: list[CaseEntryOut]


class StaffCaseOut(msgspec.Struct, frozen=True):
    """A case as support sees it."""

    case: CaseOut
    customer_id: UUID
    assigned_to: UUID | None
    is_overdue: bool


class StaffCaseEntryOut(msgspec.Struct, frozen=True):
    """What was said in a case or noted about it."""

    at: datetime
    agent_id: UUID | None
    """Null: the customer wrote it."""
    is_internal: bool
    """Whether it is a note among staff."""
    text: str

    @classmethod
    def of(cls, entry: CaseEntry) -> Self:
        """From its row."""
        return cls(at=entry.at, agent_id=entry.agent_id, is_internal=entry.is_internal, text=entry.text)


class StaffCaseList(msgspec.Struct, frozen=True):
    """A page of the list."""

    cases: list[StaffCaseOut]
    next_cursor: str | None


class StaffCaseFile(msgspec.Struct, frozen=True):
    """A case with everything that was said and noted, the oldest first."""

    case: StaffCaseOut
    entries: list[StaffCaseEntryOut]


async def cases_out(session: AsyncSession, cases: Sequence[Case], *, locale: str) -> list[CaseOut]:
    """Cases with the names of what they are about, in their order."""
    named = await session.execute(
        select(
            Case.id,
            Order.order_number,
            func.coalesce(TitleText.title, Title.original_title),
            Device.name,
        )
        .outerjoin(Order, Order.id == Case.order_id)
        .outerjoin(Entitlement, Entitlement.id == Case.entitlement_id)
        .outerjoin(Title, Title.id == Entitlement.title_id)
        .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
        .outerjoin(Device, Device.id == Case.device_id)
        .where(Case.id.in_([case.id for case in cases]))
    )
    names = {case_id: (number, title, device) for case_id, number, title, device in named}
    return [_case_out(case, *names[case.id]) for case in cases]


def _case_out(case: Case, order_number: str | None, title: str | None, device: str | None) -> CaseOut:
    facts = {
        "id": case.id,
        "case_number": case.case_number,
        "kind": case.kind,
        "state": case.state,
        "opened_at": case.opened_at,
        "changed_at": case.changed_at,
        "answer_by": case.due_at,
        "order_number": order_number,
        "title": title,
        "device": device,
    }
    return msgspec.convert(facts, CaseOut)


async def case_file(session: AsyncSession, case: Case, *, locale: str) -> CaseFile:
    """A case for its customer."""
    await session.flush()
    entries = await entries_of(session, case.id, with_notes=False)
    [out] = await cases_out(session, [case], locale=locale)
    return CaseFile(out, [CaseEntryOut.of(entry) for entry in entries])


async def staff_cases(session: AsyncSession, cases: Sequence[Case], *, locale: str, at: datetime) -> list[StaffCaseOut]:
    """Cases for support, in their order."""
    return [
        StaffCaseOut(
            case=out,
            customer_id=case.account_id,
            assigned_to=case.assigned_to,
            is_overdue=case.due_at is not None and case.due_at <= at,
        )
        for case, out in zip(cases, await cases_out(session, cases, locale=locale), strict=True)
    ]


async def staff_case_file(session: AsyncSession, case: Case, *, locale: str, at: datetime) -> StaffCaseFile:
    """A case for support."""
    await session.flush()
    entries = await entries_of(session, case.id, with_notes=True)
    [out] = await staff_cases(session, [case], locale=locale, at=at)
    return StaffCaseFile(out, [StaffCaseEntryOut.of(entry) for entry in entries])
