"""Tables of what one signs in with besides the password: second factors, passkeys, sign-ins that wait for one."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account, Base


class SecondFactor(Base):
    """An authenticator (RFC 6238) of an account: offered, confirmed by its first code, perhaps removed."""

    __tablename__ = "second_factors"
    __table_args__ = (
        Index(
            "ux_second_factors_in_force",
            "account_id",
            unique=True,
            postgresql_where=text("confirmed_at IS NOT NULL AND removed_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    offered_to: Mapped[UUID | None] = mapped_column(unique=True)
    """The session or the begun sign-in that was shown the secret, and alone may confirm it."""
    sealed_secret: Mapped[str | None]
    """Encrypted; None once it is removed."""
    last_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Time step of the last code that was accepted: no code counts twice, and none that is older."""
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """One of ten codes that stand in for a lost authenticator, each once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (CheckConstraint("octet_length(code_hash) = 32", name="code_hash"),)

    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256; at 120 random bits it needs neither salt nor key (ASVS 5.0, 6.5.2)."""
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInStep(Base):
    """A begun sign-in: the password was right, the second factor is still due. It is no session and opens nothing."""

    __tablename__ = "sign_in_steps"
    __table_args__ = (
        CheckConstraint("session_kind IN ('web', 'app', 'staff')", name="session_kind"),
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    session_kind: Mapped[str]
    """Kind of the session that it is to become."""
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    epoch: Mapped[int]
    """The account's `auth_epoch` when its password was read."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class Passkey(Base):
    """A key pair of an authenticator (WebAuthn), of which we have the public half."""

    __tablename__ = "passkeys"
    __table_args__ = (
        CheckConstraint("(public_key IS NULL) = (removed_at IS NOT NULL)", name="key_while_in_force"),
        Index("ux_passkeys_credential_id", "credential_id", unique=True, postgresql_where=text("removed_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes]
    """What the authenticator calls it."""
    public_key: Mapped[bytes | None]
    """COSE (RFC 9052); None once it is removed."""
    sign_count: Mapped[int] = mapped_column(BigInteger)
    """How often it has signed, by its own count; 0 for those that do not count."""
    can_be_backed_up: Mapped[bool]
    """Whether it may leave its device, for an account of its maker."""
    is_backed_up: Mapped[bool]
    transports: Mapped[list[str]]
    """How browsers reach the authenticator, e.g. `internal`, `usb`."""
    name: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class PasskeyChallenge(Base):
    """Random bytes for a passkey to sign: once, within minutes, and only for who asked for them."""

    __tablename__ = "passkey_challenges"
    __table_args__ = (
        CheckConstraint("octet_length(challenge) = 32", name="challenge"),
        CheckConstraint("purpose IN ('registration', 'sign_in', 'second_step', 'step_up')", name="purpose"),
        CheckConstraint("octet_length(holder) IN (16, 32)", name="holder"),
    )

    challenge: Mapped[bytes] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    holder: Mapped[bytes]
    """Who asked: the id of a session or of a begun sign-in (16 bytes), or SHA-256 of the token that somebody who is not
    signed in was given (32 bytes)."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
