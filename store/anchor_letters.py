"""The nightly mail with the head of the audit trail's chain, to whoever keeps it out of the database's reach."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.ports import Composer, Letter

ANCHOR_MAIL: Final = "audit_anchor"


def composers(recipient: str | None) -> dict[str, Composer]:
    """The composer of the mail."""
    return {ANCHOR_MAIL: ComposeAuditAnchor(recipient)}


@dataclass(frozen=True, slots=True)
class ComposeAuditAnchor:
    """The chain's head, as `verify-audit-trail` reads it."""

    recipient: str | None
    """None: nobody wants it (any more)."""

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail, or None while there is no entry."""
        anchor = await audit.head(session)
        if self.recipient is None or anchor is None:
            return None
        values = {"anchor": str(anchor), "sequence": anchor.sequence, "sealed_at": anchor.sealed_at}
        return Letter(recipient=self.recipient, values=values)
