"""The mails about a film that support gave: that it is there, and that it may not be shown any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import Composer, Letter
from billing.models import Order, OrderLine
from store.catalogue.models import Title
from store.entitlement.library import watch_path
from store.entitlement.models import Entitlement
from store.support_gifts import GIVEN_MAIL
from store.takedowns import GIFT_ENDED_MAIL


def composers(base_url: str) -> Mapping[str, Composer]:
    """The composers of the two mails."""
    return {GIVEN_MAIL: ComposeGiven(base_url), GIFT_ENDED_MAIL: compose_ended}


async def compose_ended(
    session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
) -> Letter | None:
    """Tells a customer that what was given by the order `reference` is taken down; None without an address."""
    found = await session.execute(
        select(Account.email, OrderLine.description)
        .select_from(Order)
        .join(Account, Account.id == Order.account_id)
        .join(OrderLine, OrderLine.order_id == Order.id)
        .where(Order.id == reference, Account.status == "active")
    )
    row = found.one_or_none()
    if row is None or row.email is None:
        return None
    return Letter(recipient=row.email, values={"film": row.description[locale]}, locale=locale)


@dataclass(frozen=True, slots=True)
class ComposeGiven:
    """Tells a customer what was given, on which terms, and that it costs nothing."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the order `reference`; None if its owner has no address any more, or it was taken back."""
        found = await session.execute(
            select(Account.email, OrderLine.description, OrderLine.terms, Title.kind, Title.slug)
            .select_from(Order)
            .join(Account, Account.id == Order.account_id)
            .join(OrderLine, OrderLine.order_id == Order.id)
            .join(Entitlement, Entitlement.order_line_id == OrderLine.id)
            .join(Title, Title.id == Entitlement.title_id)
            .where(Order.id == reference, Account.status == "active", Entitlement.revoked_at.is_(None))
        )
        row = found.one_or_none()
        if row is None or row.email is None:
            return None
        values = {
            "film": row.description[locale],
            "terms": row.terms["words"][locale],
            "watch": f"{self.base_url}/{locale}{watch_path(row.kind, row.slug)}",
        }
        return Letter(recipient=row.email, values=values, locale=locale)
