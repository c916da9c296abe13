"""What support sees of a customer, in the API and on the console: no password, no token, no watch history."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from auth.recovery.schemas import RecoveryOut
from auth.schemas import NO_CONTROLS, Reason
from billing.money import MoneyOut
from store.mail_delivery import MailDelivery


class CustomerFound(msgspec.Struct, frozen=True):
    """A customer as found: enough to tell whether it is the right one."""

    id: UUID
    email_masked: str
    """Such as `b•••@g•••.de`."""
    country: str | None
    """Country of residence, ISO 3166-1 alpha-2."""
    status: Literal["active", "disabled"]
    created_at: datetime


class CustomersFound(msgspec.Struct, frozen=True):
    """None or one: a search finds by the whole key only."""

    customers: list[CustomerFound]


class CustomerOut(msgspec.Struct, frozen=True):
    """The account itself."""

    id: UUID
    pseudonym: UUID
    """The customer's key in the books, to speak about with finance."""
    email_masked: str
    email_verified_at: datetime | None
    country: str | None
    locale: str
    status: Literal["active", "disabled"]
    created_at: datetime


class DocumentOut(msgspec.Struct, frozen=True):
    """An invoice or a credit note."""

    number: str
    kind: Literal["invoice", "credit_note"]
    issued_at: datetime


class CustomerOrderOut(msgspec.Struct, frozen=True):
    """An order of the customer."""

    id: UUID
    order_number: str
    state: str
    """`open`, `paid`, `cancelled` or `refunded`."""
    money: str
    """Where its money is: `unpaid`, `paid`, `partly_refunded`, `refunding`, `refund_delayed`, `refunded`, `disputed` or
    `lost_by_dispute`."""
    ordered_at: datetime
    paid_at: datetime | None
    total: MoneyOut
    """VAT included."""
    lines: list[str]
    """What was bought, in words."""
    documents: list[DocumentOut]


class CustomerPaymentOut(msgspec.Struct, frozen=True):
    """An attempt to pay, a try of it that was declined (`kind` try), money on its way back (refund), or money that a
    bank took back (dispute)."""

    order_number: str
    kind: Literal["payment", "try", "refund", "dispute"]
    state: str
    """What the provider last said."""
    problem: str | None
    """Code of a decline, or why the money goes back."""
    provider_reason: str | None
    """Why a try was declined, in the provider's word: to help, never to be told."""
    note: str | None
    """Why, in the words of the member of staff who asked for a refund."""
    amount: MoneyOut
    created_at: datetime
    updated_at: datetime


class RightOut(msgspec.Struct, frozen=True):
    """The right to watch a title; what was watched of it is not for support to see."""

    id: UUID
    title: str
    kind: Literal["rent", "buy"]
    quality: Literal["SD", "HD", "UHD"]
    source: Literal["sale", "upgrade", "goodwill"]
    state: Literal["ready", "running", "missed", "over", "paused", "revoked"]
    order_number: str | None
    granted_at: datetime
    start_by: datetime | None
    """Rentals: the first play must lie before this instant."""
    ends_at: datetime | None
    """Exclusive end; null: none, or the rental was not started."""
    stopped_because: str | None
    """Why it is paused or revoked."""


class CustomerDeviceOut(msgspec.Struct, frozen=True):
    """A device that the customer registered."""

    name: str
    registered_at: datetime
    last_used_at: datetime
    removed_at: datetime | None


class CustomerSessionOut(msgspec.Struct, frozen=True):
    """A browser or app in which the customer is signed in."""

    kind: str
    client: str
    """As the browser or app calls itself."""
    country: str | None
    """Country that it signed in from (ISO 3166-1 alpha-2); null: nobody can tell."""
    created_at: datetime
    last_seen_at: datetime


class MailOut(msgspec.Struct, frozen=True):
    """A mail to the customer and how its delivery stands; never its text."""

    kind: str
    status: str
    """`queued`, `sent` (a mail server took it), `refused` (the server will never take it) or `dropped` (no longer due).

    `suppressed`: its address takes no mails, and this one could be left out. `bounced`: it was taken and came back.
    `complained`: it arrived, and its owner called it unwanted.
    """
    sent_to: str | None
    """The masked address."""
    created_at: datetime
    sent_at: datetime | None
    returned_at: datetime | None
    """When we learned that it bounced or was complained about."""
    attempts: int
    reply: str | None
    """What the mail server said last, without addresses."""


ResetState = Literal["pending", "used", "superseded", "cancelled", "expired"]
"""`cancelled`: its owner called off what support had started."""


class CallerOut(msgspec.Struct, frozen=True):
    """A code that somebody on the telephone was asked for."""

    channel: Literal["mail", "session"]
    requested_at: datetime
    tries: int
    confirmed_at: datetime | None
    """When the caller was proved to be the customer; null: not."""
    own: bool
    """Whether the reader asked for it."""


class PasswordResetOut(msgspec.Struct, frozen=True):
    """A request for a new password and what became of it."""

    channel: Literal["self_service", "support"]
    state: ResetState
    requested_at: datetime
    expires_at: datetime
    mail: MailOut | None
    """How far the mail with the link has come."""
    is_caller_proved: bool
    """Whether the caller had been proved to be the customer when support started it."""


class CustomerCaseOut(msgspec.Struct, frozen=True):
    """Something that the customer reported."""

    id: UUID
    case_number: str
    kind: str
    state: Literal["open", "waiting", "done"]
    opened_at: datetime
    changed_at: datetime
    due_at: datetime | None
    """By when somebody is to answer."""


class AuditEntryOut(msgspec.Struct, frozen=True):
    """Something that was done to or seen of this account."""

    at: datetime
    action: str
    outcome: Literal["done", "refused"]
    by: list[str]
    """Roles of who did it; empty: nobody who was signed in."""
    own: bool
    """Whether the reader did it."""
    reason: str | None


class CustomerFile(msgspec.Struct, frozen=True):
    """Everything that support may know of one customer; of every list the newest hundred."""

    customer: CustomerOut
    mail_delivery: MailDelivery
    """Whether mails reach the customer."""
    cases: list[CustomerCaseOut]
    orders: list[CustomerOrderOut]
    payments: list[CustomerPaymentOut]
    rights: list[RightOut]
    devices: list[CustomerDeviceOut]
    sessions: list[CustomerSessionOut]
    mails: list[MailOut]
    callers: list[CallerOut]
    password_resets: list[PasswordResetOut]
    recoveries: list[RecoveryOut]
    audit: list[AuditEntryOut]


class AddressViewCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wish to see a customer's whole address."""

    reason: Reason


class AddressOut(msgspec.Struct, frozen=True):
    """A customer's address in full."""

    email: str


class RentalRemedyCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """More time for a rental, a new beginning, or the end of a lost download."""

    entitlement_id: UUID
    kind: Literal["extended", "rearmed", "written_off"]
    """`extended`: more hours; `rearmed`: it waits for its first play again.

    `written_off`: its download on a device that was removed from the account counts no longer.
    """
    reason: Reason
    hours: Annotated[int, msgspec.Meta(ge=1, le=10_000, examples=[24])] | None = None
    """Extensions: how many."""


class GiftCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A film for a customer, without a price."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=NO_CONTROLS, examples=["her-2013"])]
    """The title's slug."""
    kind: Literal["rent", "buy"]
    quality: Literal["SD", "HD", "UHD"]
    reason: Reason


class DeviceResetCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wish to let a customer add new devices again."""

    reason: Reason
