"""What auth's API takes and gives: requests, answers and the shape of a refusal."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta, Struct

from auth.email_addresses import LONGEST
from auth.errors import Refusal
from auth.identity import csrf_token_of
from auth.models import Account, Profile, Session
from auth.password_reset import StartedReset
from auth.passwords import LONGEST_SENT
from auth.sessions import SignedIn

NO_CONTROLS: Final = r"^(?![\s\S]*[\u0000-\u001f\u007f])"
"""Pattern of a text without NUL (PostgreSQL cannot store it) and control characters (logs suffer from them)."""

EmailText = Annotated[
    str, Meta(min_length=3, max_length=LONGEST, pattern=NO_CONTROLS, examples=["anna@beispiel.example"])
]
PasswordText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_SENT,
        description="At most 128 characters after Unicode normalisation (NFC).",
        examples=["drei Esel tanzen im Regen"],
    ),
]
TokenText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=NO_CONTROLS,
        description="The code of the mail, which is also in the fragment of its link.",
        examples=["vt1_reset_8l1mB5kQyZr0c3J9u2hXwF7dTn4sVaEoGpRiLxKjYqA"],
    ),
]
DeviceTokenText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=NO_CONTROLS,
        examples=["vt1_device_8l1mB5kQyZr0c3J9u2hXwF7dTn4sVaEoGpRiLxKjYqA"],
    ),
]
CodeText = Annotated[
    str,
    Meta(
        min_length=6,
        max_length=64,
        pattern=NO_CONTROLS,
        description="Six digits from the app, or a recovery code.",
        examples=["492039"],
    ),
]
Country = Annotated[str, Meta(pattern="^[A-Z][A-Z]$", max_length=2, description="ISO 3166-1 alpha-2.", examples=["DE"])]
ProfileName = Annotated[str, Meta(min_length=1, max_length=40, pattern=NO_CONTROLS, examples=["Anna"])]
Reason = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=500,
        pattern=NO_CONTROLS + r"\s*\S[\s\S]{8,}\S",
        description="Why; it stays in the audit trail. At least ten characters between the spaces around it.",
        examples=["Anruf der Kundin, hat ihr Passwort vergessen (Vorgang 4711)."],
    ),
]


class RegistrationCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A wish for a customer account."""

    email: EmailText
    password: PasswordText
    residence_country: Country
    locale: Literal["de", "en"] | None = None
    """Language of mails and pages; by default that of the request."""
    profile_name: ProfileName | None = None


class RegistrationConfirmationCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The mailed code and, once more, the password that was chosen."""

    token: TokenText
    password: PasswordText


class SessionCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Signing in."""

    email: EmailText
    password: PasswordText
    client: Literal["web", "app"] = "app"
    """`app` gets a bearer token in the answer, `web` a cookie."""
    device_token: DeviceTokenText | None = None
    """What an earlier sign-in of this app gave: its tries are then counted apart. Browsers have a cookie for it."""


class PasswordResetCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Asking for a link that sets a new password."""

    email: EmailText
    device_token: DeviceTokenText | None = None
    """What an earlier sign-in of this app gave: its requests are then counted apart."""


class PasswordResetCompletionCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The mailed code and the new password."""

    token: TokenText
    password: PasswordText


class StaffPasswordResetCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Support has a link mailed to a customer."""

    reason: Reason
    verification_id: UUID | None = None
    """By which the caller was proved to be the customer; kept with the reset."""


class StepUpCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Proving anew who is there."""

    password: PasswordText
    code: CodeText | None = None
    """Of the second factor, where the account has one."""


class PasswordChangeCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new password."""

    password: PasswordText
    current_password: PasswordText | None = None
    """Not needed in the fifteen minutes after signing in or a step-up."""


class EmailChangeCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Another address for the own account."""

    email: EmailText


class EmailChangeConfirmationCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The code that was mailed to the new address."""

    token: TokenText


class EmailChangeUndoCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The code that was mailed to the old address."""

    token: TokenText


class SessionRenewed(Struct, frozen=True):
    """The session goes on under a new token; the old one has ended."""

    token: str | None
    """The bearer token, shown here only; null where the cookie was renewed."""
    fresh_until: datetime
    """Until then what is sensitive needs no other proof."""


class Accepted(Struct, frozen=True):
    """The request was noted; what comes of it is told by mail only."""

    status: Literal["accepted"] = "accepted"


class SessionOpened(Struct, frozen=True):
    """A fresh session."""

    id: UUID
    account_id: UUID
    kind: str
    """`web`, `app` or `staff`."""
    token: str | None
    """The bearer token, shown here only; null where a cookie was set."""
    csrf_token: str | None
    """For a cookie session: to be sent as `X-CSRF-Token` with every change."""
    device_token: str | None
    """To be kept, also after signing out, and sent at the next sign-in; null where there is one already."""
    expires_at: datetime
    recovery_codes: list[str] | None = None
    """For a second factor that was just set up: its recovery codes, shown here only."""

    @classmethod
    def of(cls, opened: SignedIn, *, by_cookie: bool, recovery_codes: Sequence[str] = ()) -> Self:
        """From the use case's answer; where a cookie carries the token, the answer does not."""
        return cls(
            id=opened.session_id,
            account_id=opened.account_id,
            kind=opened.kind,
            token=None if by_cookie else opened.token,
            csrf_token=csrf_token_of(opened.csrf_secret) if by_cookie else None,
            device_token=None if by_cookie else opened.device_token,
            expires_at=opened.expires_at,
            recovery_codes=list(recovery_codes) or None,
        )


class SessionOut(Struct, frozen=True):
    """One browser or app that is signed in."""

    id: UUID
    kind: str
    device: str
    """The browser or app in its own words."""
    network: str
    """Network of the address it signed in from."""
    country: str | None
    """Country that it signed in from (ISO 3166-1 alpha-2); null: nobody can tell."""
    created_at: datetime
    last_seen_at: datetime
    """Exact to a minute."""
    expires_at: datetime
    is_current: bool
    """Whether this is the session that asks."""

    @classmethod
    def of(cls, session: Session, *, current: UUID) -> Self:
        """From its row."""
        return cls(
            id=session.id,
            kind=session.kind,
            device=session.ua_short,
            network=session.ip_trunc,
            country=session.country,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=min(session.idle_expires_at, session.expires_at),
            is_current=session.id == current,
        )


class SessionList(Struct, frozen=True):
    """All that is signed in, the last used first."""

    sessions: list[SessionOut]


class ProfileOut(Struct, frozen=True):
    """A viewer within the account."""

    id: UUID
    name: str
    age_limit: int
    """Years up to which a title's age label may go; 18: everything."""

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """From its row."""
        return cls(id=profile.id, name=profile.name, age_limit=profile.age_limit)


class AccountOut(Struct, frozen=True):
    """The own account."""

    id: UUID
    kind: str
    email: str | None
    locale: str
    residence_country: str | None
    roles: list[str]
    permissions: list[str]
    profiles: list[ProfileOut]
    created_at: datetime

    @classmethod
    def of(
        cls,
        account: Account,
        profiles: list[Profile],
        *,
        roles: frozenset[str] = frozenset({"customer"}),
        permissions: frozenset[str] = frozenset(),
    ) -> Self:
        """From its rows."""
        return cls(
            id=account.id,
            kind=account.kind,
            email=account.email,
            locale=account.locale,
            residence_country=account.residence_country,
            roles=sorted(roles),
            permissions=sorted(permissions),
            profiles=[ProfileOut.of(profile) for profile in profiles],
            created_at=account.created_at,
        )


class PasswordResetStarted(Struct, frozen=True):
    """What support learns; the link goes to the customer alone."""

    id: UUID
    sent_to: str
    """The masked address."""
    expires_at: datetime

    @classmethod
    def of(cls, started: StartedReset) -> Self:
        """From the use case's answer."""
        return cls(id=started.id, sent_to=started.sent_to, expires_at=started.expires_at)


class Problem(Struct, frozen=True):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    """Stable; programs decide by it."""
    detail: str
    """For people, in the language asked for."""
    instance: str | None = None
    """Id of the request."""


def problems(*refusals: type[Refusal]) -> dict[int, ResponseSpec]:
    """The possible refusals of an operation, for its OpenAPI description."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for refusal in refusals:
        summary = (refusal.__doc__ or "").strip().partition("\n")[0]
        by_status[refusal.status].append(f"`{refusal.code}`: {summary}")
    return {
        status: ResponseSpec(
            data_container=Problem,
            description="  \n".join(lines),
            media_type="application/problem+json",
            generate_examples=False,
        )
        for status, lines in by_status.items()
    }
