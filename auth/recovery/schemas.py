"""What this package's API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from msgspec import Meta, Struct

from auth.email_addresses import mask_email
from auth.models import Account
from auth.recovery.caller_codes import MOST_TRIES, CallerVerification
from auth.recovery.support_actions import SupportAction
from auth.schemas import TokenText

CallerCodeText = Annotated[
    str, Meta(pattern="^[0-9]{6}$", max_length=6, description="Six digits.", examples=["492039"])
]


class CallerVerificationCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the customer is to be shown the code."""

    channel: Literal["mail", "session"]
    """`mail`: at the stored address; `session`: where the customer is signed in."""


class CallerVerificationConfirm(Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller read out."""

    code: CallerCodeText


class CallerVerificationOut(Struct, frozen=True):
    """A code that a customer was given, never the code itself."""

    id: UUID
    channel: Literal["mail", "session"]
    sent_to: str | None
    """The masked address; null where the code is shown to who is signed in."""
    tries_left: int
    expires_at: datetime
    confirmed_at: datetime | None
    """When the caller was proved to be the customer."""

    @classmethod
    def of(cls, verification: CallerVerification, account: Account) -> Self:
        """From its row."""
        is_mail = verification.channel == "mail"
        return cls(
            id=verification.id,
            channel="mail" if is_mail else "session",
            sent_to=mask_email(account.email) if is_mail and account.email else None,
            tries_left=MOST_TRIES - verification.tries,
            expires_at=verification.expires_at,
            confirmed_at=verification.confirmed_at,
        )


class CallerCodeOut(Struct, frozen=True):
    """The code to read to our support, whom one has called oneself."""

    code: CallerCodeText
    expires_at: datetime


class SupportActionOut(Struct, frozen=True):
    """Something that support began on the own account."""

    id: UUID
    kind: Literal["password_reset"]
    begun_at: datetime
    ends_at: datetime
    """Until then it can take effect, and be cancelled."""

    @classmethod
    def of(cls, action: SupportAction) -> Self:
        """From the use case's answer."""
        return cls(id=action.id, kind=action.kind, begun_at=action.begun_at, ends_at=action.ends_at)


class SupportActionList(Struct, frozen=True):
    """What is under way, the newest first."""

    actions: list[SupportActionOut]


class SupportCancellationCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The code of the mail that told of it."""

    token: TokenText
