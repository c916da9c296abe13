"""What this package's API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from msgspec import Meta, Struct

from auth.email_addresses import mask_email
from auth.models import Account
from auth.recovery.caller_codes import MOST_TRIES, CallerVerification
from auth.recovery.records import Evidence, Kind, Recovery, State
from auth.recovery.requests import Wish
from auth.recovery.support_actions import SupportAction, kind_of
from auth.schemas import EmailText, Reason, TokenText

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
    kind: Literal["password_reset", "email_change", "second_factor_removal"]
    begun_at: datetime
    ends_at: datetime
    """Until then a reset can be used; before then, a change of address or of second factors cannot take effect."""

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


class RecoveryCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A change that support asks for on a customer's behalf, and what it rests on."""

    kind: Kind
    reason: Reason
    new_email: EmailText | None = None
    """For a change of address: the new one."""
    evidence: Annotated[list[Evidence], Meta(max_length=5)] = []
    """Kinds of what the caller could name; what was said is not kept."""
    verification_id: UUID | None = None
    """By which the caller was proved. Needed to remove second factors; else two kinds of evidence may stand in."""

    @property
    def wish(self) -> Wish:
        """For the use case."""
        return Wish(self.kind, self.new_email, self.reason, self.evidence, self.verification_id)


class AccountSecuringCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Why an account is to be secured."""

    reason: Reason


class RecoveryRejectionCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is rejected."""

    reason: Reason


class RecoveryOut(Struct, frozen=True):
    """A change that needs a second person; never a link or a token."""

    id: UUID
    customer_id: UUID
    kind: Kind
    state: State
    new_address: str | None
    """Masked."""
    reason: str
    evidence: list[str]
    is_caller_proved: bool
    requested_by: UUID
    requested_at: datetime
    held_until: datetime
    """Before then nothing happens; the owner can call it off until it is carried out."""
    approved_by: UUID | None
    ended_at: datetime | None

    @classmethod
    def of(cls, recovery: Recovery) -> Self:
        """From its row."""
        return cls(
            id=recovery.id,
            customer_id=recovery.account_id,
            kind=kind_of(recovery),
            state=recovery.state(),
            new_address=mask_email(recovery.new_email) if recovery.new_email else None,
            reason=recovery.reason,
            evidence=recovery.evidence,
            is_caller_proved=recovery.verification_id is not None,
            requested_by=recovery.requested_by,
            requested_at=recovery.requested_at,
            held_until=recovery.hold_until,
            approved_by=recovery.approved_by,
            ended_at=recovery.ended_at,
        )


class RecoveryList(Struct, frozen=True):
    """What is under way, the oldest first."""

    recoveries: list[RecoveryOut]


class RecoveryCompletionCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The code of the mail that was sent after the hold."""

    token: TokenText
