"""Everything that the store holds about one customer, as one document for that customer (Art. 15 and 20 GDPR)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.data_export import parts_of_account
from auth.identity import Identity
from auth.limits import Rule
from auth.models import Account
from auth.ports import Throttle
from auth.visits import Visit
from billing.data_export import parts_of_buyer
from store.cases.models import Case, CaseEntry
from store.consents import Consent, list_consents
from store.entitlement.data_export import parts_of_viewer
from store.mail import Mail
from store.suppressions import SuppressedAddress

PER_ACCOUNT: Final = Rule("data_export.account", 3, timedelta(days=1))


class DataExport(msgspec.Struct, frozen=True):
    """All that is held about one customer. Nothing of it is kept: it is made when it is asked for."""

    exported_at: datetime
    consents: list[Consent]
    parts: dict[str, list[dict[str, Any]]]
    """Lists by what they are about: `account`, `orders`, `payments`, `rights`, … Amounts are in minor units."""


@dataclass(frozen=True, slots=True)
class DataExports:
    """Makes exports, each noted in the audit trail and counted."""

    session: AsyncSession
    throttle: Throttle

    async def make(self, *, identity: Identity, real_now: datetime, visit: Visit) -> DataExport:
        """Everything about the account that asks; raises `TooManyAttempts`."""
        await PER_ACCOUNT.admit(self.throttle, str(identity.account_id))
        account_id = identity.account_id
        account = await self.session.get_one(Account, account_id)
        await audit.record(
            self.session,
            at=real_now,
            actor=identity,
            action="data.export",
            target_kind="account",
            target_id=account_id,
            request_id=visit.request_id,
            ip=visit.ip,
        )
        mails = (
            select(
                Mail.id,
                Mail.kind,
                Mail.locale,
                Mail.status,
                Mail.sent_to,
                Mail.created_at,
                Mail.sent_at,
                Mail.returned_at,
                Mail.smtp_reply,
            )
            .where(Mail.account_id == account_id)
            .order_by(Mail.id)
        )
        cases = (
            select(Case.id, Case.case_number, Case.kind, Case.state, Case.opened_at, Case.closed_at)
            .where(Case.account_id == account_id)
            .order_by(Case.id)
        )
        entries = (
            select(CaseEntry.case_id, CaseEntry.at, CaseEntry.is_internal, CaseEntry.text)
            .add_columns(CaseEntry.agent_id.is_not(None).label("by_support"))
            .join(Case, Case.id == CaseEntry.case_id)
            .where(Case.account_id == account_id)
            .order_by(CaseEntry.id)
        )
        queries = {
            **parts_of_account(account_id),
            **parts_of_buyer(account_id, account.email_key),
            **parts_of_viewer(account_id),
            "cases": cases,
            "case_entries": entries,
            "mails": mails,
            "suppressed_addresses": select(SuppressedAddress.reason, SuppressedAddress.since).where(
                SuppressedAddress.email_key == account.email_key
            ),
        }
        parts = {
            name: [dict(row) for row in (await self.session.execute(query)).mappings()]
            for name, query in queries.items()
        }
        return DataExport(
            exported_at=real_now, consents=await list_consents(self.session, account_id=account_id), parts=parts
        )
