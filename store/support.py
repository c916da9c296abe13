"""One customer for support: found by a whole key only, opened as one page, and every look in the audit trail."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.audit_records import AuditEvent
from auth.authentication import Identity
from auth.email_addresses import mask_email, parse_email
from auth.errors import AccountNotFound, EmailAddressInvalid
from auth.models import Account
from auth.visits import Visit
from billing.books import Document
from billing.models import Order
from store.cases.models import Case
from store.database import Database
from store.mail_delivery import MailDeliveries
from store.support_file import (
    audit_entries,
    callers_of,
    cases_of_customer,
    devices_of,
    recoveries_of_customer,
    rights_of,
    sessions_of,
)
from store.support_mails import mails_of, password_resets_of
from store.support_money import NEWEST, orders_of, payments_of
from store.support_schemas import CustomerFile, CustomerFound, CustomerOut

Key = Literal["email", "order_number", "invoice_number", "case_number"]

ADDRESS_OPEN: Final = timedelta(minutes=15)
"""How long an address stays open on the console after its reason was given, in the same session."""

_ADDRESS_VIEWED: Final = "customer.address_viewed"


_BY_BEGINNING: Final[dict[str, Key]] = {"V-": "order_number", "A-": "case_number"}


def key_of(text: str) -> Key:
    """Which key someone typed: an address has an @, the number of an order begins with V-, that of a case with A-."""
    if "@" in text:
        return "email"
    beginning = text.strip().upper()[:2]
    return _BY_BEGINNING.get(beginning, "invoice_number")


@dataclass(frozen=True, slots=True)
class CustomerDesk:
    """Finds and opens customers for a member of staff whose permission the route has checked.

    `at` is business time and says how rights stand; `real_now` is the time of the audit entries.
    """

    session: AsyncSession
    database: Database
    agent: Identity
    visit: Visit
    mail_deliveries: MailDeliveries

    async def find(self, key: Key, value: str, *, real_now: datetime) -> CustomerFound | None:
        """The customer whose key is exactly `value`; staff, prefixes and patterns find nobody.

        The audit entry says by which kind of key was searched, never the key itself.
        """
        account = await self._account_of(key, value.strip())
        await self.record(
            "customer.searched",
            account.id if account else "unknown",
            real_now=real_now,
            details={"by": key, "found": account is not None},
        )
        if account is None:
            return None
        return CustomerFound(
            id=account.id,
            email_masked=masked(account),
            country=account.residence_country,
            status="active" if account.status == "active" else "disabled",
            created_at=account.created_at,
        )

    async def open(self, customer_id: UUID, *, at: datetime, real_now: datetime, locale: str) -> CustomerFile:
        """Everything about one customer, titles in `locale`; raises `AccountNotFound`, for staff just the same."""
        account = await self.customer(customer_id, action="customer.viewed", real_now=real_now)
        await self.record("customer.viewed", account.id, real_now=real_now)
        session, account_id = self.session, account.id
        return CustomerFile(
            customer=CustomerOut(
                id=account.id,
                pseudonym=account.pseudonym,
                email_masked=masked(account),
                email_verified_at=account.email_verified_at,
                country=account.residence_country,
                locale=account.locale,
                status="active" if account.status == "active" else "disabled",
                created_at=account.created_at,
            ),
            mail_delivery=await self.mail_deliveries.of(account_id),
            cases=await cases_of_customer(session, account_id),
            orders=await orders_of(session, account_id, locale),
            payments=await payments_of(session, account_id),
            rights=await rights_of(session, account_id, at=at, locale=locale),
            devices=await devices_of(session, account_id),
            sessions=await sessions_of(session, account_id, real_now=real_now),
            mails=await mails_of(session, account_id, limit=NEWEST),
            callers=await callers_of(session, account_id, reader=self.agent),
            password_resets=await password_resets_of(session, account_id, real_now=real_now, limit=NEWEST),
            recoveries=await recoveries_of_customer(session, account_id),
            audit=await audit_entries(session, account_id, reader=self.agent),
        )

    async def show_address(self, customer_id: UUID, *, reason: str, real_now: datetime) -> str:
        """The whole address, for a reason that stays in the audit trail; raises `AccountNotFound`."""
        account = await self.customer(customer_id, action=_ADDRESS_VIEWED, real_now=real_now)
        await self.record(_ADDRESS_VIEWED, account.id, real_now=real_now, reason=reason)
        return account.email or ""

    async def open_address(self, customer_id: UUID, *, real_now: datetime) -> str | None:
        """The whole address, if this very session gave a reason within the last minutes; otherwise None."""
        was_opened = exists().where(
            AuditEvent.target_kind == "account",
            AuditEvent.target_id == str(customer_id),
            AuditEvent.action == _ADDRESS_VIEWED,
            AuditEvent.outcome == "done",
            AuditEvent.session_id == self.agent.session_id,
            AuditEvent.at > real_now - ADDRESS_OPEN,
        )
        return await self.session.scalar(select(Account.email).where(Account.id == customer_id, was_opened))

    async def _account_of(self, key: Key, value: str) -> Account | None:
        customers = select(Account).where(Account.kind == "customer")
        match key:
            case "email":
                try:
                    address = parse_email(value)
                except EmailAddressInvalid:
                    return None
                query = customers.where(Account.email_key == address.key)
            case "order_number":
                query = customers.join(Order, Order.account_id == Account.id).where(Order.order_number == value.upper())
            case "case_number":
                query = customers.join(Case, Case.account_id == Account.id).where(Case.case_number == value.upper())
            case "invoice_number":
                query = (
                    customers.join(Order, Order.account_id == Account.id)
                    .join(Document, Document.order_id == Order.id)
                    .where(Document.document_number == value.upper())
                )
        return await self.session.scalar(query)

    async def customer(self, customer_id: UUID, *, action: str, real_now: datetime) -> Account:
        """The customer of this id; raises `AccountNotFound`, for staff just the same, and leaves an entry of it."""
        account = await self.session.get(Account, customer_id)
        if account is not None and account.kind == "customer":
            return account
        await self.record_refusal(
            action, customer_id, real_now=real_now, code="not_a_customer" if account else "unknown"
        )
        raise AccountNotFound

    async def record_refusal(
        self, action: str, target_id: UUID, *, real_now: datetime, code: str, reason: str | None = None
    ) -> None:
        """Leave an audit entry of a refusal, in a transaction of its own, as the refusal ends the request's."""
        async with self.database.sessions.begin() as own:
            await audit.record(
                own,
                at=real_now,
                actor=self.agent,
                action=action,
                target_kind="account",
                target_id=target_id,
                outcome="refused",
                reason=code,
                request_id=self.visit.request_id,
                ip=self.visit.ip,
                details={"given_reason": reason} if reason else None,
            )

    async def record(
        self,
        action: str,
        target_id: UUID | str,
        *,
        real_now: datetime,
        reason: str | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        """Leave an audit entry in the request's transaction."""
        await audit.record(
            self.session,
            at=real_now,
            actor=self.agent,
            action=action,
            target_kind="account",
            target_id=target_id,
            reason=reason,
            request_id=self.visit.request_id,
            ip=self.visit.ip,
            details=details,
        )


def masked(account: Account) -> str:
    """The account's address as support sees it without a reason; empty for an erased account."""
    return mask_email(account.email) if account.email else ""
