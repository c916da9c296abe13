"""What support sees of a customer beside mails and money: cases, rights, devices, sessions, callers, the trail."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.audit_records import AuditEvent
from auth.identity import Identity
from auth.recovery.caller_codes import CallerVerification
from auth.recovery.requests import recoveries_of
from auth.recovery.schemas import RecoveryOut
from auth.sessions import list_sessions
from billing.models import Order, OrderLine
from store.cases.lists import cases_of
from store.catalogue.models import Title, TitleText
from store.entitlement.models import Device, Entitlement
from store.entitlement.rights import standing
from store.support_money import NEWEST
from store.support_schemas import (
    AuditEntryOut,
    CallerOut,
    CustomerCaseOut,
    CustomerDeviceOut,
    CustomerSessionOut,
    RightOut,
)


async def cases_of_customer(session: AsyncSession, account_id: UUID) -> list[CustomerCaseOut]:
    """What the customer reported, the newest first."""
    return [
        msgspec.convert(case, CustomerCaseOut, from_attributes=True)
        for case in await cases_of(session, account_id=account_id, limit=NEWEST)
    ]


async def rights_of(session: AsyncSession, account_id: UUID, *, at: datetime, locale: str) -> list[RightOut]:
    """Rights and how they stand at `at`."""
    rows = await session.execute(
        select(Entitlement, func.coalesce(TitleText.title, Title.original_title), Order.order_number)
        .join(Title, Title.id == Entitlement.title_id)
        .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
        .outerjoin(OrderLine, OrderLine.id == Entitlement.order_line_id)
        .outerjoin(Order, Order.id == OrderLine.order_id)
        .where(Entitlement.account_id == account_id)
        .order_by(Entitlement.granted_at.desc(), Entitlement.id.desc())
        .limit(NEWEST)
    )
    return [_right(right, title, order_number, at=at) for right, title, order_number in rows]


def _right(right: Entitlement, title: str, order_number: str | None, *, at: datetime) -> RightOut:
    facts = {
        "id": right.id,
        "title": title,
        "kind": right.kind,
        "quality": right.quality,
        "source": right.source,
        "state": standing(right, at=at),
        "order_number": order_number,
        "granted_at": right.granted_at,
        "start_by": right.start_by,
        "ends_at": right.ends_at,
        "stopped_because": right.revoke_reason or right.pause_reason,
    }
    return msgspec.convert(facts, RightOut)


async def devices_of(session: AsyncSession, account_id: UUID) -> list[CustomerDeviceOut]:
    """Registered devices first, then removed ones; the last used first."""
    rows = await session.scalars(
        select(Device)
        .where(Device.account_id == account_id)
        .order_by(Device.removed_at.is_not(None), Device.last_used_at.desc())
        .limit(NEWEST)
    )
    return [CustomerDeviceOut(row.name, row.registered_at, row.last_used_at, row.removed_at) for row in rows]


async def sessions_of(session: AsyncSession, account_id: UUID, *, real_now: datetime) -> list[CustomerSessionOut]:
    """Where the customer is signed in."""
    rows = await list_sessions(session, account_id=account_id, at=real_now)
    return [CustomerSessionOut(row.kind, row.ua_short, row.country, row.created_at, row.last_seen_at) for row in rows]


async def audit_entries(session: AsyncSession, account_id: UUID, *, reader: Identity) -> list[AuditEntryOut]:
    """The newest entries of the audit trail about an account."""
    events = await audit.list_events_about(session, target_kind="account", target_id=account_id, limit=NEWEST)
    return [_entry(event, reader) for event in events]


async def recoveries_of_customer(session: AsyncSession, account_id: UUID) -> list[RecoveryOut]:
    """Changes that needed a second person, the newest first."""
    return [RecoveryOut.of(row) for row in await recoveries_of(session, account_id=account_id, limit=NEWEST)]


async def callers_of(session: AsyncSession, account_id: UUID, *, reader: Identity) -> list[CallerOut]:
    """The codes that callers were asked for."""
    rows = await session.scalars(
        select(CallerVerification)
        .where(CallerVerification.account_id == account_id)
        .order_by(CallerVerification.requested_at.desc())
        .limit(NEWEST)
    )
    return [
        CallerOut(
            channel="mail" if row.channel == "mail" else "session",
            requested_at=row.requested_at,
            tries=row.tries,
            confirmed_at=row.confirmed_at,
            own=row.agent_id == reader.account_id,
        )
        for row in rows
    ]


def _entry(event: AuditEvent, reader: Identity) -> AuditEntryOut:
    return AuditEntryOut(
        at=event.at,
        action=event.action,
        outcome="done" if event.outcome == "done" else "refused",
        by=event.actor_roles,
        own=event.actor_id == reader.account_id,
        reason=event.reason,
    )
