"""A case from its first words to its end: opened, answered, waiting, taken up again, done."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.identity import Identity
from auth.ids import new_id
from auth.limits import Rule
from auth.models import Account, RoleAssignment
from auth.ports import Outbox, Throttle
from auth.visits import Visit
from billing.models import Order
from billing.tax import accounting_day
from store.cases.errors import AgentNotFound, CaseDone, CaseNotFound, CaseSubjectNotFound
from store.cases.models import Case, CaseEntry, CaseKind
from store.entitlement.models import Device, Entitlement

ANSWERED: Final = "case_answered"
"""Kind of the mail that tells a customer what support wrote."""
TAKEN_UP_WITHIN: Final = timedelta(days=30)
"""For so long after its end the customer's words open a case again."""
NEW_PER_ACCOUNT: Final = Rule("case.account", 10, timedelta(days=1))
WORDS_PER_ACCOUNT: Final = Rule("case_message.account", 30, timedelta(days=1))

Kind = Literal["playback", "account", "payment", "device", "defect", "other"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_HANDLERS: Final = ("support", "support_lead")
"""Roles whose people a case can be given to."""
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, no I and no O, as in order numbers."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a case is about, as far as the customer named it."""

    order_id: UUID | None = None
    entitlement_id: UUID | None = None
    device_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CustomerCases:
    """What customers do with their own cases. `at` is business time, `real_now` the time of the audit entries."""

    session: AsyncSession
    throttle: Throttle

    async def open(
        self,
        *,
        identity: Identity,
        kind: Kind,
        text: str,
        about: Subject,
        at: datetime,
        real_now: datetime,
        visit: Visit,
    ) -> Case:
        """Report something; raises `CaseSubjectNotFound` or `TooManyAttempts`."""
        await NEW_PER_ACCOUNT.admit(self.throttle, str(identity.account_id))
        case = await _open(self.session, identity.account_id, kind, about, at=at)
        _write(self.session, case, text, at=at)
        await _note(self.session, identity, "case.open", case, real_now=real_now, visit=visit)
        return case

    async def write(
        self, *, identity: Identity, case_id: UUID, text: str, at: datetime, real_now: datetime, visit: Visit
    ) -> Case:
        """Add something; it is support's turn again. Raises `CaseNotFound`, `CaseDone` or `TooManyAttempts`."""
        await WORDS_PER_ACCOUNT.admit(self.throttle, str(identity.account_id))
        case = await _lock(self.session, Case.id == case_id, Case.account_id == identity.account_id)
        if case.closed_at is not None and case.closed_at <= at - TAKEN_UP_WITHIN:
            raise CaseDone
        if case.state != "open":
            # Somebody who waits already does not wait longer for having written once more.
            due_at = at + await _answer_within(self.session, case.kind)
            case.state, case.closed_at, case.due_at = "open", None, due_at
        _write(self.session, case, text, at=at)
        await _note(self.session, identity, "case.write", case, real_now=real_now, visit=visit)
        return case


@dataclass(frozen=True, slots=True)
class CaseDesk:
    """What support does with cases; the route has checked the permission. Times as in `CustomerCases`."""

    session: AsyncSession
    outbox: Outbox
    agent: Identity
    visit: Visit

    async def open(
        self, *, customer: Account, kind: Kind, text: str, about: Subject, at: datetime, real_now: datetime
    ) -> Case:
        """Take up what a customer reported by telephone or letter, and tell them by mail; the opener deals with it."""
        case = await _open(self.session, customer.id, kind, about, at=at)
        case.assigned_to = self.agent.account_id
        await self._tell(case, customer.locale, _write(self.session, case, text, agent=self.agent, at=at))
        await self._note("case.open", case, real_now=real_now)
        return case

    async def view(self, case_id: UUID, *, real_now: datetime) -> Case:
        """A case with all that was noted about it; the look is in the audit trail. Raises `CaseNotFound`."""
        case = await self.session.get(Case, case_id)
        if case is None:
            raise CaseNotFound
        await self._note("case.view", case, real_now=real_now)
        return case

    async def answer(self, case_id: UUID, *, text: str, closes: bool = False, at: datetime, real_now: datetime) -> Case:
        """Write to the customer; the case waits for them, or is done. Raises `CaseNotFound` or `CaseDone`."""
        case = await _lock(self.session, Case.id == case_id)
        if case.state == "done":
            raise CaseDone
        case.state, case.due_at = ("done", None) if closes else ("waiting", None)
        case.closed_at = at if closes else None
        case.assigned_to = case.assigned_to or self.agent.account_id
        locale = await self.session.scalar(select(Account.locale).where(Account.id == case.account_id))
        await self._tell(case, locale or "de", _write(self.session, case, text, agent=self.agent, at=at))
        await self._note("case.close" if closes else "case.answer", case, real_now=real_now)
        return case

    async def note(self, case_id: UUID, *, text: str, at: datetime, real_now: datetime) -> Case:
        """Leave a note among staff: nobody is told, and the day by which somebody answers stays."""
        case = await _lock(self.session, Case.id == case_id)
        _write(self.session, case, text, agent=self.agent, is_internal=True, at=at)
        await self._note("case.note", case, real_now=real_now)
        return case

    async def assign(self, case_id: UUID, *, agent_id: UUID | None, at: datetime, real_now: datetime) -> Case:
        """Give a case to somebody of support, or to nobody; raises `CaseNotFound` or `AgentNotFound`."""
        case = await _lock(self.session, Case.id == case_id)
        if agent_id is not None and not await self.session.scalar(select(_handles_cases(agent_id))):
            raise AgentNotFound
        case.assigned_to, case.changed_at = agent_id, at
        await self._note("case.assign", case, real_now=real_now)
        return case

    async def _tell(self, case: Case, locale: str, entry: CaseEntry) -> None:
        await self.session.flush()
        await self.outbox.queue(
            self.session, kind=ANSWERED, account_id=case.account_id, reference=entry.id, locale=locale
        )

    async def _note(self, action: str, case: Case, *, real_now: datetime) -> None:
        await _note(self.session, self.agent, action, case, real_now=real_now, visit=self.visit)


async def _open(session: AsyncSession, account_id: UUID, kind: Kind, about: Subject, *, at: datetime) -> Case:
    subjects: tuple[tuple[type[Order | Entitlement | Device], UUID | None], ...] = (
        (Order, about.order_id),
        (Entitlement, about.entitlement_id),
        (Device, about.device_id),
    )
    for table, subject_id in subjects:
        theirs = exists().where(table.id == subject_id, table.account_id == account_id)
        if subject_id is not None and not await session.scalar(select(theirs)):
            raise CaseSubjectNotFound
    case = Case(
        id=new_id(),
        case_number=await _new_number(session, at),
        account_id=account_id,
        kind=kind,
        state="open",
        order_id=about.order_id,
        entitlement_id=about.entitlement_id,
        device_id=about.device_id,
        opened_at=at,
        changed_at=at,
        due_at=at + await _answer_within(session, kind),
    )
    session.add(case)
    await session.flush()
    return case


def _write(
    session: AsyncSession,
    case: Case,
    text: str,
    *,
    agent: Identity | None = None,
    is_internal: bool = False,
    at: datetime,
) -> CaseEntry:
    entry = CaseEntry(
        id=new_id(),
        case_id=case.id,
        agent_id=agent.account_id if agent else None,
        is_internal=is_internal,
        text=text.strip(),
        at=at,
    )
    session.add(entry)
    case.changed_at = at
    return entry


async def _lock(session: AsyncSession, *which: ColumnElement[bool]) -> Case:
    """The case, locked: of two who write at once the second finds what the first one made of it."""
    case = await session.scalar(select(Case).where(*which).with_for_update())
    if case is None:
        raise CaseNotFound
    return case


async def _answer_within(session: AsyncSession, kind: str) -> timedelta:
    return (await session.scalars(select(CaseKind.answer_within).where(CaseKind.kind == kind))).one()


async def _new_number(session: AsyncSession, at: datetime) -> str:
    while True:
        letters = "".join(secrets.choice(_LETTERS) for _ in range(4))
        number = f"A-{accounting_day(at).year}-{letters}-{secrets.randbelow(10_000):04d}"
        if not await session.scalar(select(exists().where(Case.case_number == number))):
            return number


def _handles_cases(agent_id: UUID) -> ColumnElement[bool]:
    return exists().where(
        RoleAssignment.account_id == agent_id,
        RoleAssignment.role.in_(_HANDLERS),
        Account.id == RoleAssignment.account_id,
        Account.status == "active",
    )


async def _note(
    session: AsyncSession, actor: Identity, action: str, case: Case, *, real_now: datetime, visit: Visit
) -> None:
    await audit.record(
        session,
        at=real_now,
        actor=actor,
        action=action,
        target_kind="account",
        target_id=case.account_id,
        request_id=visit.request_id,
        ip=visit.ip,
        details={"case_number": case.case_number},
    )
