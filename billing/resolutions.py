"""What an acknowledged movement turned out to be: booked out of the unresolved account, a large one by two people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from auth.ids import new_id
from auth.models import Account
from billing.acknowledgements import KIND as ACKNOWLEDGED
from billing.acknowledgements import find_movement
from billing.books import Journal
from billing.errors import (
    DecidedByRequester,
    MovementNotUnresolved,
    ResolutionNotAwaitingApproval,
    ResolutionNotFound,
)
from billing.ledger import BANK, FEES, OTHERS, UNRESOLVED, WRITTEN_OFF, book
from billing.models import Base, words_of
from billing.money import Money
from billing.provider_records import ProviderTransaction
from billing.refund_allowance import needs_second_person

JOURNAL: Final = "resolved"
"""Kind of the journal."""


class Finding(StrEnum):
    """What a movement turned out to be; the words are the API's."""

    OWN_ACCOUNT = "own_account"
    """It came from our own bank, or went there: a top-up."""
    PROVIDER_FEE = "provider_fee"
    """The provider charged or returned it."""
    OTHER_BUSINESS = "other_business"
    """Another program on the same account: settled with whoever it belongs to."""
    WRITTEN_OFF = "written_off"
    """Nobody knows: a loss, or what nobody asks back."""


_ACCOUNTS: Final = {
    Finding.OWN_ACCOUNT: BANK,
    Finding.PROVIDER_FEE: FEES,
    Finding.OTHER_BUSINESS: OTHERS,
    Finding.WRITTEN_OFF: WRITTEN_OFF,
}


class ResolutionState(StrEnum):
    """How far a resolution is."""

    AWAITING_APPROVAL = "awaiting_approval"
    """Above the limit: a second person decides; nothing is booked yet."""
    REJECTED = "rejected"
    BOOKED = "booked"


class Resolution(Base):
    """What a member of staff says that an acknowledged movement was; one that is booked stays for good."""

    __tablename__ = "resolutions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    movement_id: Mapped[str] = mapped_column(ForeignKey(ProviderTransaction.id))
    finding: Mapped[Finding] = mapped_column(words_of(Finding, "finding"))
    amount: Mapped[int]
    """Minor units that came (or went, negative) and were unresolved."""
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(500))
    """Why, in the words of who asked for it."""
    state: Mapped[ResolutionState] = mapped_column(words_of(ResolutionState, "state"))
    requested_by: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """The second person."""
    journal_id: Mapped[UUID | None] = mapped_column(ForeignKey(Journal.id), unique=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint("decided_by <> requested_by", name="four_eyes"),
        CheckConstraint("(state = 'booked') = (journal_id IS NOT NULL)", name="booked"),
        Index("uq_resolutions_movement_id", "movement_id", unique=True, postgresql_where=text("state <> 'rejected'")),
    )

    @property
    def money(self) -> Money:
        """What is booked out."""
        return Money(self.amount, self.currency)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A movement that is booked as unresolved, and what somebody says of it."""

    movement_id: str
    kind: str
    source_id: str | None
    moved_at: datetime
    amount: Money
    proposal: Resolution | None
    """Waits for a second person."""


async def list_unresolved(session: AsyncSession, *, limit: int) -> Sequence[Unresolved]:
    """What is acknowledged and not known yet, the oldest first."""
    waiting, booked = aliased(Resolution), aliased(Resolution)
    is_booked = exists().where(booked.movement_id == ProviderTransaction.id, booked.state == ResolutionState.BOOKED)
    rows = await session.execute(
        select(ProviderTransaction, waiting)
        .join(Journal, Journal.id == ProviderTransaction.journal_id)
        .outerjoin(
            waiting,
            (waiting.movement_id == ProviderTransaction.id) & (waiting.state == ResolutionState.AWAITING_APPROVAL),
        )
        .where(Journal.kind == ACKNOWLEDGED, ProviderTransaction.amount != 0, ~is_booked)
        .order_by(ProviderTransaction.created_at, ProviderTransaction.id)
        .limit(limit)
    )
    return [
        Unresolved(row.id, row.kind, row.source_id, row.created_at, Money(row.amount, row.currency), proposal)
        for row, proposal in rows
    ]


async def resolve(
    session: AsyncSession, *, movement_id: str, finding: Finding, reason: str, agent_id: UUID, at: datetime
) -> Resolution:
    """Say what an acknowledged movement was: booked at once, or above the limit of refunds by a second person.

    Raises `MovementNotFound`, or `MovementNotUnresolved` if it was never acknowledged, or somebody was faster.
    """
    movement = await find_movement(session, movement_id)
    journal = await session.get(Journal, movement.journal_id) if movement.journal_id is not None else None
    if journal is None or journal.kind != ACKNOWLEDGED or not movement.amount:
        raise MovementNotUnresolved()
    resolution = Resolution(
        id=new_id(),
        movement_id=movement.id,
        finding=finding,
        amount=movement.amount,
        currency=movement.currency,
        reason=reason,
        state=ResolutionState.AWAITING_APPROVAL,
        requested_by=agent_id,
        created_at=at,
        updated_at=at,
    )
    # The movement is locked, so whoever else resolves it comes before or behind this.
    is_taken = exists().where(Resolution.movement_id == movement.id, Resolution.state != ResolutionState.REJECTED)
    if await session.scalar(select(is_taken)):
        raise MovementNotUnresolved()
    session.add(resolution)
    await session.flush()
    if not await needs_second_person(session, resolution.money):
        await _book(session, resolution, movement, at)
    return resolution


async def approve(session: AsyncSession, *, resolution_id: UUID, agent_id: UUID, at: datetime) -> Resolution:
    """A second person agrees: now it is booked.

    Raises `ResolutionNotFound`, `ResolutionNotAwaitingApproval` or `DecidedByRequester`.
    """
    resolution = await _awaiting(session, resolution_id, agent_id)
    resolution.decided_by = agent_id
    await _book(session, resolution, await find_movement(session, resolution.movement_id), at)
    return resolution


async def reject(session: AsyncSession, *, resolution_id: UUID, agent_id: UUID, at: datetime) -> Resolution:
    """A second person says no: the movement waits for another finding. Raises what `approve` raises."""
    resolution = await _awaiting(session, resolution_id, agent_id)
    resolution.decided_by, resolution.state, resolution.updated_at = agent_id, ResolutionState.REJECTED, at
    await session.flush()
    return resolution


async def _awaiting(session: AsyncSession, resolution_id: UUID, agent_id: UUID) -> Resolution:
    resolution = await session.get(Resolution, resolution_id, with_for_update=True)
    if resolution is None:
        raise ResolutionNotFound()
    if resolution.state is not ResolutionState.AWAITING_APPROVAL:
        raise ResolutionNotAwaitingApproval()
    if resolution.requested_by == agent_id:
        raise DecidedByRequester()
    return resolution


async def _book(session: AsyncSession, resolution: Resolution, movement: ProviderTransaction, at: datetime) -> None:
    """Move it from the unresolved account to the one that the finding names; the clearing account is as it was."""
    journal = await book(
        session,
        kind=JOURNAL,
        source=("resolution", resolution.id),
        order=None,
        payment_id=None,
        document_number=None,
        description=f"Geklärte Bewegung {movement.source_id or movement.id}",
        currency=resolution.currency,
        sides={UNRESOLVED: resolution.amount, _ACCOUNTS[resolution.finding]: -resolution.amount},
        at=at,
    )
    resolution.journal_id, resolution.state, resolution.updated_at = journal.id, ResolutionState.BOOKED, at
    await session.flush()
