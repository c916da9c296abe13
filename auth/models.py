"""Tables of accounts, sessions, mailed tokens and limits (PostgreSQL schema `auth`)."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from auth.ids import NAMING, new_id


class Base(DeclarativeBase):
    """Declarative base of the schema `auth`."""

    metadata = MetaData(schema="auth", naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(String),
        bytes: LargeBinary,
    }


class Account(Base):
    """Someone who can sign in: a customer or a member of staff, never both."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("id", "kind"),
        CheckConstraint("kind IN ('customer', 'staff')", name="kind"),
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
        CheckConstraint("locale IN ('de', 'en')", name="locale"),
        CheckConstraint("residence_country ~ '^[A-Z]{2}$'", name="residence_country"),
        CheckConstraint("kind = 'staff' OR residence_country IS NOT NULL", name="customers_reside"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    email: Mapped[str | None]
    """The address as shown and written to; None once the account was erased."""
    email_key: Mapped[str | None] = mapped_column(unique=True)
    """The address as compared (`auth.email_addresses`); freed when the account is erased."""
    email_verified_at: Mapped[datetime | None]
    password_hash: Mapped[str | None]
    """None: no password, so no one can sign in with one."""
    password_changed_at: Mapped[datetime | None]
    """None: still the first one, or changed before this was kept."""
    locale: Mapped[str]
    residence_country: Mapped[str | None]
    """ISO 3166-1 alpha-2; decides the market."""
    residence_evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What the country of residence rests on: what was declared, when and from where."""
    auth_epoch: Mapped[int] = mapped_column(default=0, server_default="0")
    """Sessions of an older epoch are over."""
    pseudonym: Mapped[UUID] = mapped_column(unique=True, default=new_id)
    """The only customer key in the books."""
    status: Mapped[str] = mapped_column(default="active", server_default="active")
    created_at: Mapped[datetime]


class Profile(Base):
    """A viewer within an account; the first is made with the account."""

    __tablename__ = "profiles"
    __table_args__ = (CheckConstraint("age_limit IN (0, 6, 12, 16, 18)", name="age_limit"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    name: Mapped[str]
    age_limit: Mapped[int] = mapped_column(SmallInteger, default=18, server_default="18")
    """Years up to which a title's age label may go; 18: everything. The first profile, the holder's own, has 18."""
    created_at: Mapped[datetime | None] = mapped_column(server_default=text("now()"))


class ParentalPin(Base):
    """The number by which an account's holder opens what a profile's age limit shuts."""

    __tablename__ = "parental_pins"

    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), primary_key=True)
    pin_hash: Mapped[str]
    set_at: Mapped[datetime]


class RoleAssignment(Base):
    """A role of a member of staff; the foreign key over the kind keeps customers out."""

    __tablename__ = "role_assignments"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "account_kind"], [Account.id, Account.kind], ondelete="CASCADE"),
        CheckConstraint("account_kind = 'staff'", name="staff_only"),
        CheckConstraint("role IN ('support', 'support_lead', 'finance', 'editor', 'admin')", name="role"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    account_kind: Mapped[str] = mapped_column(default="staff", server_default="staff")
    granted_at: Mapped[datetime]
    granted_by: Mapped[UUID | None]
    """Account of who gave it; None: the command line."""


class Session(Base):
    """One signed-in browser or app; the same table for cookie and bearer."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("kind IN ('web', 'app', 'staff')", name="kind"),
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        Index(None, "account_id", postgresql_where=text("revoked_at IS NULL")),
        Index(None, "profile_id", postgresql_where=text("profile_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    """SHA-256 of the whole token text."""
    device_id: Mapped[UUID | None]
    """A device of whoever knows devices; opaque here."""
    epoch: Mapped[int]
    """The account's `auth_epoch` when its password was read."""
    amr: Mapped[list[str]]
    """How the person proved who they are (RFC 8176), e.g. `pwd`."""
    auth_at: Mapped[datetime]
    step_up_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    """Exact to a minute."""
    idle_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None]
    ip_trunc: Mapped[str]
    """Network of the address: /24 or /48."""
    country: Mapped[str | None]
    """From which country it was opened (ISO 3166-1 alpha-2), where somebody could tell."""
    ua_short: Mapped[str]
    """The browser or app in a few words."""
    csrf_secret: Mapped[bytes]
    profile_id: Mapped[UUID | None] = mapped_column(ForeignKey(Profile.id))
    """Who watches here; None: the holder."""
    unlocked_until: Mapped[datetime | None]
    """Until when the PIN lifts the profile's age limit (exclusive); once that is past, since when the limit holds."""
    dpop_jkt: Mapped[str | None]
    """Thumbprint of a key that the session is bound to (RFC 9449); not used yet."""
    family_id: Mapped[UUID | None]
    parent_id: Mapped[UUID | None]
    used_at: Mapped[datetime | None]
    """For a rotation of tokens; not used yet."""


class KnownDevice(Base):
    """A browser or app on which an account was signed in: known again by a token of its own, signed in or not."""

    __tablename__ = "known_devices"
    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        Index(None, "token_hash"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256 of the whole token text; the same for all accounts that share a browser."""
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    """When it signed in last."""


class Registration(Base):
    """A wish for an account: no account until its mailed link and its password meet (pre-hijacking)."""

    __tablename__ = "registrations"
    __table_args__ = (CheckConstraint("tries BETWEEN 0 AND 5", name="tries"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    email_key: Mapped[str] = mapped_column(index=True)
    password_hash: Mapped[str | None]
    """Cleared when the registration is over."""
    locale: Mapped[str]
    residence_country: Mapped[str]
    residence_evidence: Mapped[dict[str, Any]]
    profile_name: Mapped[str]
    texts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    """Version and hash of each text that was shown and agreed to."""
    channel: Mapped[str | None]
    """`web` or `app`: where they were shown."""
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the mailed token; None until it is mailed."""
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    """Passwords tried against it; five end it."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    """Over without an account: the address had one, or another registration was confirmed."""


class Invitation(Base):
    """An admin's invitation to join the staff: no account until its mailed link is used."""

    __tablename__ = "invitations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    email_key: Mapped[str] = mapped_column(index=True)
    roles: Mapped[list[str]]
    locale: Mapped[str]
    invited_by: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the mailed token; None until it is mailed."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    """Taken back, replaced by a newer one, or its sender left."""


class PasswordReset(Base):
    """A request for a new password: by its owner, or started by support."""

    __tablename__ = "password_resets"
    __table_args__ = (
        CheckConstraint("channel IN ('self_service', 'support')", name="channel"),
        CheckConstraint("(channel = 'support') = (requested_by IS NOT NULL)", name="support_is_named"),
        Index(None, "account_id", "requested_at"),
        Index(None, "requested_by", "requested_at", postgresql_where=text("requested_by IS NOT NULL")),
        Index(None, "verification_id", postgresql_where=text("verification_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"))
    """Found by the worker; the request itself asks for no account."""
    email_key: Mapped[str | None]
    """The address asked for; cleared as soon as the worker has looked it up."""
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the mailed token; None until it is mailed."""
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """The member of staff who started it; None: the owner."""
    channel: Mapped[str]
    reason: Mapped[str | None]
    """Why support started it."""
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]
    """Replaced by a newer one, cancelled, or without an account."""
    verification_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("auth.caller_verifications.id", ondelete="SET NULL")
    )
    """By which support knew the caller; None: the link goes to the stored address all the same."""
    cancel_token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the token with which the owner calls it off; only for those that support started."""
    cancelled_at: Mapped[datetime | None]
    """The owner did not want what support started."""
    request_ip: Mapped[str]
    """Network of the address: /24 or /48."""


class EmailChange(Base):
    """A wish for another address: it takes effect once confirmed there, and can be undone from the old one."""

    __tablename__ = "email_changes"
    __table_args__ = (Index(None, "account_id", "requested_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"))
    old_email: Mapped[str]
    old_email_key: Mapped[str]
    new_email: Mapped[str]
    new_email_key: Mapped[str]
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the token mailed to the new address; None until it is mailed."""
    undo_token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the token mailed to the old address; None until it is mailed."""
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """Until then it can be confirmed."""
    undo_until: Mapped[datetime]
    """72 hours from the request, and anew from the moment at which it takes effect."""
    confirmed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    """Never to be confirmed: replaced by a newer one, undone, or the password was changed."""
    undone_at: Mapped[datetime | None]


class ThrottleBucket(Base):
    """A limit's state where there is no Redis: the theoretical arrival time of GCRA."""

    __tablename__ = "throttle_buckets"

    key: Mapped[str] = mapped_column(primary_key=True)
    """Rule and HMAC of what it counts; never an address in clear."""
    theoretical_arrival: Mapped[datetime]
