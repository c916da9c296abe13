"""The mail that tells a customer what support wrote in a case."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import Letter
from store.cases.models import Case, CaseEntry


@dataclass(frozen=True, slots=True)
class ComposeCaseAnswer:
    """Tells what support wrote, and where to answer."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the entry `reference`; None if it is gone or its customer has no address any more."""
        entry, account = await session.get(CaseEntry, reference), await session.get(Account, account_id)
        if entry is None or entry.is_internal or account is None or account.email is None:
            return None
        case = await session.get_one(Case, entry.case_id)
        values = {
            "case_number": case.case_number,
            "text": entry.text,
            "is_done": case.state == "done",
            "case_page": f"{self.base_url}/{locale}/account/cases/{case.id}",
        }
        return Letter(recipient=account.email, values=values, locale=locale)
