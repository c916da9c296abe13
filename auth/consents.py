"""What was agreed to at registration: which version of which text, when, where and in which language. Never changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account, Base


class Consent(Base):
    """One text in one version, as it was agreed to or shown."""

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint("channel IN ('web', 'app')", name="channel"),
        CheckConstraint("locale IN ('de', 'en')", name="locale"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    name: Mapped[str]
    """Which text: `terms`, `privacy`."""
    version: Mapped[str]
    sha256: Mapped[str]
    """Of the text in the language in which it was shown."""
    is_declaration: Mapped[bool]
    """Agreed to; otherwise it was shown for information."""
    locale: Mapped[str]
    channel: Mapped[str]
    """`web` or `app`: where it was shown."""
    at: Mapped[datetime]
    """When whoever registered sent the form: real time."""


DDL: tuple[str, ...] = (
    # As long as there is the account, and until claims from it have lapsed (BGB 195, 199).
    """
    CREATE OR REPLACE FUNCTION auth.keep_consent() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND EXISTS (
            SELECT FROM auth.erasures WHERE account_id = OLD.account_id AND erased_at < now() - interval '4 years'
        ) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    "CREATE OR REPLACE TRIGGER consents_are_kept BEFORE UPDATE OR DELETE ON auth.consents "
    "FOR EACH ROW EXECUTE FUNCTION auth.keep_consent()",
    "CREATE OR REPLACE TRIGGER consents_are_not_emptied BEFORE TRUNCATE ON auth.consents "
    "FOR EACH STATEMENT EXECUTE FUNCTION auth.keep_consent()",
    "REVOKE UPDATE, TRUNCATE ON auth.consents FROM videothek_app",
)
"""What metadata cannot say: nobody changes what was agreed to."""


def note_consents(
    session: AsyncSession, *, account_id: UUID, texts: Mapping[str, Any], locale: str, channel: str, at: datetime
) -> None:
    """Note in the caller's transaction what the owner of a new account agreed to when registering."""
    session.add_all(
        Consent(
            account_id=account_id,
            name=name,
            version=text["version"],
            sha256=text["sha256"],
            is_declaration=text["is_declaration"],
            locale=locale,
            channel=channel,
            at=at,
        )
        for name, text in texts.items()
    )


async def list_registration_consents(session: AsyncSession, *, account_id: UUID) -> list[Consent]:
    """What an account agreed to when it was registered."""
    statement = select(Consent).where(Consent.account_id == account_id).order_by(Consent.name)
    return list(await session.scalars(statement))
