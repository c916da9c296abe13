"""The audit trail: who did what, written in the transaction of the deed and chained by a job."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit_records import AuditAddress, AuditEvent, AuditSeal
from auth.identity import Identity
from auth.ids import new_id

GENESIS = bytes(32)
"""What stands before the first link of the chain."""

_ANCHOR = re.compile(r"audit-anchor (\d{1,18}) ([0-9a-f]{64}) (\d{4}-\d\d-\d\dT[\d:.]+\+00:00)")

_SEAL_LOCK = 0x5EA1
"""Key of the advisory lock that lets one sealing run at a time."""


async def record(
    session: AsyncSession,
    *,
    at: datetime,
    actor: Identity | None,
    action: str,
    target_kind: str,
    target_id: str | UUID,
    outcome: str = "done",
    reason: str | None = None,
    request_id: str | None = None,
    ip: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry to the caller's transaction. `details` hold no secret and no e-mail address.

    The address stands beside the entry and not in it: it is forgotten long before the trail is.
    """
    event_id = new_id()
    session.add(
        AuditEvent(
            id=event_id,
            at=at,
            actor_id=actor.account_id if actor else None,
            actor_roles=sorted(actor.roles) if actor else [],
            session_id=actor.session_id if actor else None,
            action=action,
            target_kind=target_kind,
            target_id=str(target_id),
            outcome=outcome,
            reason=reason,
            request_id=request_id,
            details=dict(details or {}),
        )
    )
    await session.flush()
    if ip is not None:
        await session.execute(insert(AuditAddress).values(audit_event_id=event_id, ip=ip, at=at))


async def list_events_about(
    session: AsyncSession, *, target_kind: str, target_id: str | UUID, limit: int = 50
) -> Sequence[AuditEvent]:
    """The newest entries about one thing, newest first."""
    statement = (
        select(AuditEvent)
        .where(AuditEvent.target_kind == target_kind, AuditEvent.target_id == str(target_id))
        .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def seal(session: AsyncSession, *, at: datetime, batch: int = 1000) -> int:
    """Chain up to `batch` entries that no seal covers yet, oldest first; returns how many."""
    await session.execute(select(func.pg_advisory_xact_lock(_SEAL_LOCK)))
    last = await session.scalar(select(AuditSeal).order_by(AuditSeal.sequence.desc()).limit(1))
    sequence, previous = (last.sequence, last.hash) if last else (0, GENESIS)
    is_sealed = exists().where(AuditSeal.audit_event_id == AuditEvent.id)
    events = await session.scalars(select(AuditEvent).where(~is_sealed).order_by(AuditEvent.id).limit(batch))
    count = 0
    for count, event in enumerate(events.all(), start=1):
        link = _link(previous, event)
        session.add(
            AuditSeal(
                sequence=sequence + count,
                audit_event_id=event.id,
                previous_hash=previous,
                hash=link,
                sealed_at=at,
            )
        )
        previous = link
    await session.flush()
    return count


@dataclass(frozen=True, slots=True)
class BrokenSeal:
    """Where the chain stops holding."""

    sequence: int
    event_id: UUID | None
    """The entry that was changed or removed; None where the link itself is gone."""


async def find_broken_seal(session: AsyncSession) -> BrokenSeal | None:
    """The first place at which the chain or its entry was tampered with; None: all is whole."""
    expected, previous = 1, GENESIS
    rows = await session.stream(
        select(AuditSeal, AuditEvent)
        .join(AuditEvent, AuditEvent.id == AuditSeal.audit_event_id, isouter=True)
        .order_by(AuditSeal.sequence)
    )
    async for link, event in rows:
        is_whole = (
            link.sequence == expected
            and link.previous_hash == previous
            and event is not None
            and link.hash == _link(previous, event)
        )
        if not is_whole:
            return BrokenSeal(expected, link.audit_event_id if link.sequence == expected else None)
        expected, previous = expected + 1, link.hash
    return None


@dataclass(frozen=True, slots=True)
class Anchor:
    """The chain's head at an instant: kept out of the database's reach, it shows whether the chain is still that one.

    Who can change the database can also make the whole chain anew; what was written down elsewhere is out of reach.
    """

    sequence: int
    hash: bytes
    sealed_at: datetime

    def __str__(self) -> str:
        return f"audit-anchor {self.sequence} {self.hash.hex()} {self.sealed_at.astimezone(UTC).isoformat()}"


def anchors_in(text: str) -> list[Anchor]:
    """Every anchor that a text holds, be it a file of them or a mail."""
    return [
        Anchor(int(found[1]), bytes.fromhex(found[2]), datetime.fromisoformat(found[3]))
        for found in _ANCHOR.finditer(text)
    ]


async def head(session: AsyncSession) -> Anchor | None:
    """The newest link of the chain; None: nothing was sealed yet."""
    last = await session.scalar(select(AuditSeal).order_by(AuditSeal.sequence.desc()).limit(1))
    return Anchor(last.sequence, last.hash, last.sealed_at) if last else None


async def find_broken_anchor(session: AsyncSession, anchors: Sequence[Anchor]) -> Anchor | None:
    """The first anchor whose link the chain does not have any more; None: it has all of them."""
    for anchor in sorted(anchors, key=lambda one: one.sequence):
        kept = await session.scalar(select(AuditSeal.hash).where(AuditSeal.sequence == anchor.sequence))
        if kept != anchor.hash:
            return anchor
    return None


def _link(previous: bytes, event: AuditEvent) -> bytes:
    """SHA-256 over the previous link and the entry as JSON with sorted keys and times in UTC."""
    facts = {column.key: _plain(getattr(event, column.key)) for column in AuditEvent.__table__.columns}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).digest()


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case UUID():
            return str(value)
    return value
