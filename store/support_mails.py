"""What support sees of a customer's mails and requests for a new password: how far each has come, never a text."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import PasswordReset
from store.mail import Mail, list_mails
from store.mail_reports import clean
from store.support_schemas import MailOut, PasswordResetOut, ResetState

RESET_MAIL: Final = "password_reset"
"""Kind of the mail that holds the link."""


async def mails_of(session: AsyncSession, account_id: UUID, *, limit: int) -> list[MailOut]:
    """The newest mails to an account."""
    return [_mail(row) for row in await list_mails(session, account_id=account_id, limit=limit)]


async def password_resets_of(
    session: AsyncSession, account_id: UUID, *, real_now: datetime, limit: int
) -> list[PasswordResetOut]:
    """The newest requests for a new password, each with the delivery of its mail."""
    rows: Sequence[PasswordReset] = (
        await session.scalars(
            select(PasswordReset)
            .where(PasswordReset.account_id == account_id)
            .order_by(PasswordReset.requested_at.desc())
            .limit(limit)
        )
    ).all()
    found = await session.scalars(
        select(Mail).where(Mail.kind == RESET_MAIL, Mail.reference.in_([row.id for row in rows]))
    )
    mails = {mail.reference: _mail(mail) for mail in found}
    return [
        PasswordResetOut(
            channel="support" if row.channel == "support" else "self_service",
            state=_reset_state(row, real_now),
            requested_at=row.requested_at,
            expires_at=row.expires_at,
            is_caller_proved=row.verification_id is not None,
            mail=mails.get(row.id),
        )
        for row in rows
    ]


def _mail(row: Mail) -> MailOut:
    return MailOut(
        kind=row.kind,
        status=row.status,
        sent_to=row.sent_to,
        created_at=row.created_at,
        sent_at=row.sent_at,
        returned_at=row.returned_at,
        attempts=row.attempts,
        # Servers like to repeat the address that they refuse.
        reply=clean(row.smtp_reply) if row.smtp_reply else None,
    )


def _reset_state(reset: PasswordReset, real_now: datetime) -> ResetState:
    if reset.used_at is not None:
        return "used"
    if reset.cancelled_at is not None:
        return "cancelled"
    if reset.superseded_at is not None:
        return "superseded"
    return "expired" if reset.expires_at <= real_now else "pending"
