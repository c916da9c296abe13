"""Mails about a rental's deadlines: reminders, and what support did. They belong to the contract: no opting out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import Composer, Letter
from store.catalogue.models import Title, TitleText
from store.entitlement.library import watch_path
from store.entitlement.models import Entitlement
from store.entitlement.remedies import REMEDIED_MAIL, RentalRemedy
from store.entitlement.reminders import MAILS, is_wanted


def composers(base_url: str) -> Mapping[str, Composer]:
    """The composers of the two reminders, and of what support did for a rental."""
    reminders = {kind: ComposeReminder(base_url, deadline) for deadline, kind in MAILS.items()}
    return {**reminders, REMEDIED_MAIL: ComposeRemedied(base_url)}


@dataclass(frozen=True, slots=True)
class ComposeReminder:
    """Tells a customer how long a rental can still be started, or watched."""

    base_url: str
    deadline: str
    """`start` or `end`."""

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the right `reference`; None if it was started, watched or taken back while it waited."""
        found = await session.execute(
            select(Account.email, Entitlement, Title, func.coalesce(TitleText.title, Title.original_title))
            .join(Account, Account.id == Entitlement.account_id)
            .join(Title, Title.id == Entitlement.title_id)
            .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
            .where(Entitlement.id == reference, Account.status == "active", is_wanted())
        )
        row = found.one_or_none()
        if row is None:
            return None
        email, right, title, name = row
        until = right.start_by if self.deadline == "start" else right.ends_at
        if email is None or until is None or (self.deadline == "start" and right.ends_at is not None):
            return None
        values = {
            "film": name,
            "until": until,
            "hours": right.watch_hours,
            "is_cut": right.near_end == "cut",
            "watch": f"{self.base_url}/{locale}{watch_path(title.kind, title.slug)}",
        }
        return Letter(recipient=email, values=values, locale=locale)


@dataclass(frozen=True, slots=True)
class ComposeRemedied:
    """Tells a customer what support did for a rental, and until when it holds now."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the remedy `reference`, or None if its owner has no address any more."""
        found = await session.execute(
            select(RentalRemedy, Account.email, Title, func.coalesce(TitleText.title, Title.original_title))
            .join(Account, Account.id == RentalRemedy.account_id)
            .join(Entitlement, Entitlement.id == RentalRemedy.entitlement_id)
            .join(Title, Title.id == Entitlement.title_id)
            .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
            .where(RentalRemedy.id == reference, Account.status == "active")
        )
        row = found.one_or_none()
        if row is None or row[1] is None:
            return None
        remedy, _, title, name = row
        values = {
            "film": name,
            "is_freed": remedy.kind == "written_off",
            "is_begun": remedy.ends_at_after is not None,
            "until": remedy.ends_at_after or remedy.start_by_after,
            "watch": f"{self.base_url}/{locale}{watch_path(title.kind, title.slug)}",
        }
        return Letter(recipient=row[1], values=values, locale=locale)
