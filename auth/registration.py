"""Registration: a wish with a password, a mailed link, and an account once both meet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit, models
from auth.accounts import FIRST_PROFILE, insert_account
from auth.consents import note_consents
from auth.email_addresses import EmailAddress, parse_email
from auth.errors import ConfirmationRefused, LinkNotValid
from auth.ids import new_id
from auth.limits import COMPLETE_PER_IP, admit_registration
from auth.models import Account
from auth.passwords import PasswordHasher, normalise
from auth.ports import OpenDatabase, Outbox, RegistrationTexts, Throttle
from auth.tokens import REGISTRATION, hash_token
from auth.visits import Visit

LINK_LIVES: Final = timedelta(hours=24)
"""Between registering and confirming."""
MOST_TRIES: Final = 5
"""Passwords that may be tried against one link."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Opens customer accounts. Nobody learns whether an address has one: only its owner does, by mail."""

    session: AsyncSession
    database: OpenDatabase
    hasher: PasswordHasher
    throttle: Throttle
    outbox: Outbox
    texts: RegistrationTexts

    async def begin(
        self,
        *,
        email: str,
        password: str,
        residence_country: str,
        locale: str,
        at: datetime,
        visit: Visit,
        channel: Literal["web", "app"],
        profile_name: str | None = None,
    ) -> None:
        """Note the wish and have a mail sent; the same work and answer for every address.

        No account comes of it yet, so that whoever registers a stranger's address prepares nothing. Raises
        `EmailAddressInvalid`, `PasswordRefused`, `TooManyAttempts`, `Overloaded`.
        """
        address = parse_email(email)
        with self.hasher.place() as place:
            await admit_registration(self.throttle, address=address, visit=visit)
            hashed = await self.hasher.accept(password, kind="customer", words=address.words, place=place)
        wish = models.Registration(
            id=new_id(),
            email=address.text,
            email_key=address.key,
            password_hash=hashed,
            locale=locale,
            residence_country=residence_country,
            residence_evidence={
                "declared": residence_country,
                "declared_at": at.isoformat(),
                "network": visit.network,
            },
            profile_name=profile_name or FIRST_PROFILE[locale],
            texts={name: dict(text) for name, text in self.texts(locale).items()},
            channel=channel,
            created_at=at,
            expires_at=at + LINK_LIVES,
        )
        self.session.add(wish)
        await self.session.flush()
        await self.outbox.queue(self.session, kind="registration", account_id=None, reference=wish.id, locale=locale)

    async def confirm(self, *, token: str, password: str, at: datetime, visit: Visit) -> Account:
        """Make the account: for the link's owner who also knows the password that was chosen.

        A stranger who registered this address knows the password but gets no link; its owner gets the link but does
        not know the password, and is told to register anew. Raises `LinkNotValid` or `ConfirmationRefused`.
        """
        await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
        digest = hash_token(token, kind=REGISTRATION)
        if digest is None:
            raise LinkNotValid
        normal = normalise(password)
        stored = await self._count_try(digest, at=at)
        matches, _ = await self.hasher.verify(normal, stored)
        if not matches:
            raise ConfirmationRefused
        wish = await self.session.scalar(
            update(models.Registration)
            .where(
                models.Registration.token_hash == digest,
                models.Registration.confirmed_at.is_(None),
                models.Registration.closed_at.is_(None),
                models.Registration.expires_at > at,
            )
            .values(confirmed_at=at, password_hash=None)
            .returning(models.Registration)
        )
        if wish is None:
            raise LinkNotValid
        account = await insert_account(
            self.session,
            kind="customer",
            address=EmailAddress(text=wish.email, key=wish.email_key),
            password_hash=stored,
            locale=wish.locale,
            residence_country=wish.residence_country,
            residence_evidence={**wish.residence_evidence, "confirmed_network": visit.network},
            profile_name=wish.profile_name,
            at=at,
        )
        if account is None:
            raise LinkNotValid
        note_consents(
            self.session,
            account_id=account.id,
            texts=wish.texts,
            locale=wish.locale,
            channel=wish.channel or "web",
            at=wish.created_at,
        )
        await self.session.execute(
            update(models.Registration)
            .where(models.Registration.email_key == wish.email_key, models.Registration.confirmed_at.is_(None))
            .values(closed_at=at, password_hash=None)
        )
        await audit.record(
            self.session,
            at=at,
            actor=None,
            action="account.open",
            target_kind="account",
            target_id=account.id,
            request_id=visit.request_id,
            ip=visit.ip,
        )
        return account

    async def _count_try(self, digest: bytes, *, at: datetime) -> str | None:
        """Count a try in a transaction of its own (it must outlive a refusal) and return the hash to compare."""
        async with self.database.sessions.begin() as own:
            stored = (
                await own.execute(
                    update(models.Registration)
                    .where(
                        models.Registration.token_hash == digest,
                        models.Registration.confirmed_at.is_(None),
                        models.Registration.closed_at.is_(None),
                        models.Registration.expires_at > at,
                        models.Registration.tries < MOST_TRIES,
                    )
                    .values(tries=models.Registration.tries + 1)
                    .returning(models.Registration.password_hash)
                )
            ).first()
        if stored is None:
            raise LinkNotValid
        hashed: str | None = stored[0]
        return hashed


async def forget_expired(session: AsyncSession, *, at: datetime) -> None:
    """Remove registrations that are over, with the addresses and passwords in them: a periodic sweep."""
    await session.execute(delete(models.Registration).where(models.Registration.expires_at < at))
