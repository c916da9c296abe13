"""The mails of this package, made at the moment they leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import AuthSettings, Composer, Letter
from auth.recovery.caller_codes import CODES, MAIL, CallerCodes, CallerVerification


def composers(settings: AuthSettings) -> Mapping[str, Composer]:
    """Composers of all kinds of mail that this package queues."""
    return {MAIL: ComposeCallerCode(CallerCodes(settings.derive(CODES)))}


@dataclass(frozen=True, slots=True)
class ComposeCallerCode:
    """The code that a customer reads to the agent on the telephone."""

    codes: CallerCodes = field(repr=False)

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the stored address, or None if the code holds no more."""
        asked, account = await session.get(CallerVerification, reference), await session.get(Account, account_id)
        if asked is None or account is None or account.email is None or not asked.is_open(at=at):
            return None
        values = {"code": self.codes.code(asked.id), "valid_until": asked.expires_at}
        return Letter(recipient=account.email, values=values, locale=account.locale)
