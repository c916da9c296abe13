"""The mail that tells a customer that support let new devices in again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from auth.ports import Letter
from store.entitlement.models import DeviceReset


@dataclass(frozen=True, slots=True)
class ComposeDevicesReset:
    """Tells a customer what support did, and where the devices are."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the reset `reference`, or None if its owner has no address any more."""
        reset, account = await session.get(DeviceReset, reference), await session.get(Account, account_id)
        if reset is None or account is None or account.email is None:
            return None
        values = {"changed_at": reset.done_at, "devices": f"{self.base_url}/{locale}/account/devices"}
        return Letter(recipient=account.email, values=values, locale=locale)
