"""Tables of what one signs in with besides the password: second factors, recovery codes, sign-ins that wait for one."""

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
