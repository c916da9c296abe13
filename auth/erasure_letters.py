"""The mail about an erasure that was asked for: made at the moment it leaves, with the link that keeps the account."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.erasure import ERASURE_MAIL, Erasure
from auth.letters import MailedLinks
from auth.models import Account
from auth.ports import AuthSettings, Composer, Letter
from auth.tokens import KEEP_ACCOUNT, MailedTokens


def composers(settings: AuthSettings) -> Mapping[str, Composer]:
    """The composer of the mail."""
    return {ERASURE_MAIL: ComposeErasure(MailedLinks(settings.base_url, MailedTokens(settings.derive("mailed-links"))))}


@dataclass(frozen=True, slots=True)
class ComposeErasure:
    """When the account will be erased, and the link that keeps it."""

    links: MailedLinks

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the owner; None once the account is kept or erased."""
        wish = await session.get(Erasure, reference, with_for_update=True)
        if wish is None or wish.cancelled_at or wish.erased_at:
            return None
        owner = await session.get_one(Account, wish.account_id)
        if owner.email is None:
            return None
        wish.token_hash = self.links.digest(KEEP_ACCOUNT, wish.id)
        values = self.links.values(KEEP_ACCOUNT, wish.id, path="/account/keep", locale=owner.locale)
        return Letter(recipient=owner.email, values={**values, "erased_on": wish.due_at}, locale=owner.locale)
