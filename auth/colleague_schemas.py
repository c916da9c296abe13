"""What the API of the staff takes and gives: colleagues, their roles, invitations."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from msgspec import Meta, Struct

from auth.colleagues import Colleague
from auth.models import Invitation
from auth.schemas import EmailText, PasswordText, Reason, TokenText

StaffRole = Literal["support", "support_lead", "finance", "editor", "admin"]
Roles = Annotated[list[StaffRole], Meta(min_length=1, max_length=5, examples=[["support"]])]


class InvitationCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Inviting a colleague."""

    email: EmailText
    roles: Roles
    locale: Literal["de", "en"] = "de"
    """Language of the mail, and of the account."""


class InvitationAcceptanceCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The mailed code and a password of one's own, of at least fifteen characters."""

    token: TokenText
    password: PasswordText


class RolesChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly the roles that somebody is to have."""

    roles: Roles
    reason: Reason


class DepartureCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Letting somebody go."""

    reason: Reason


class InvitationOut(Struct, frozen=True):
    """An open invitation; the link goes to the invited alone."""

    id: UUID
    email: str
    roles: list[str]
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, invitation: Invitation) -> Self:
        """From its row."""
        return cls(
            id=invitation.id,
            email=invitation.email,
            roles=list(invitation.roles),
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
        )


class ColleagueOut(Struct, frozen=True):
    """A member of staff."""

    id: UUID
    email: str
    roles: list[str]
    has_second_factor: bool
    """False until the first sign-in."""
    since: datetime

    @classmethod
    def of(cls, colleague: Colleague) -> Self:
        """From the reading."""
        return cls(
            id=colleague.id,
            email=colleague.email,
            roles=list(colleague.roles),
            has_second_factor=colleague.has_second_factor,
            since=colleague.since,
        )


class StaffOut(Struct, frozen=True):
    """All who work here, and who is invited."""

    colleagues: list[ColleagueOut]
    invitations: list[InvitationOut]
