"""Shapes of what is sent and answered when an unresolved movement is cleared up."""

from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec

from auth.schemas import Reason
from billing.money import MoneyOut
from billing.resolutions import Finding, Resolution, Unresolved


class ResolutionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a movement turned out to be."""

    finding: Finding
    reason: Reason


class ResolutionOut(msgspec.Struct, frozen=True):
    """What somebody said that a movement was, and whether it is booked."""

    id: UUID
    movement_id: str
    finding: Finding
    amount: MoneyOut
    """What came, or negative what went, and was unresolved."""
    state: str
    """`awaiting_approval`, `rejected` or `booked`."""
    reason: str
    journal_id: UUID | None
    """The booking, as in the transactions."""
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, resolution: Resolution) -> Self:
        """The answer's form of a resolution."""
        return cls(
            id=resolution.id,
            movement_id=resolution.movement_id,
            finding=resolution.finding,
            amount=MoneyOut.of(resolution.money),
            state=resolution.state.value,
            reason=resolution.reason,
            journal_id=resolution.journal_id,
            created_at=resolution.created_at,
            updated_at=resolution.updated_at,
        )


class UnresolvedMovementOut(msgspec.Struct, frozen=True):
    """A movement that is booked as unresolved."""

    movement_id: str
    kind: str
    """The provider's word."""
    source_id: str | None
    moved_at: datetime
    amount: MoneyOut
    resolution: ResolutionOut | None
    """What waits for a second person."""

    @classmethod
    def of(cls, unresolved: Unresolved) -> Self:
        """The answer's form of an unresolved movement."""
        return cls(
            movement_id=unresolved.movement_id,
            kind=unresolved.kind,
            source_id=unresolved.source_id,
            moved_at=unresolved.moved_at,
            amount=MoneyOut.of(unresolved.amount),
            resolution=ResolutionOut.of(unresolved.proposal) if unresolved.proposal else None,
        )


class UnresolvedMovementsOut(msgspec.Struct, frozen=True):
    """Unresolved movements, the oldest first."""

    movements: list[UnresolvedMovementOut]
