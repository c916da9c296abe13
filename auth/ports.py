"""What auth asks for from outside: jobs, mail, limits, the process's database and a few settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker


class Jobs(Protocol):
    """Background work that begins only if the caller's transaction commits; implemented by `store/jobs.py`."""

    async def enqueue(
        self,
        session: AsyncSession,
        job: str,
        *,
        dedupe_key: str | None = None,
        after: timedelta | None = None,
        **payload: str | int,
    ) -> None:
        """Enqueue a job in the caller's transaction; a waiting one of the same `dedupe_key` is kept instead.

        The payload holds ids, never a secret.
        """
        ...


class Outbox(Protocol):
    """Mails to be sent once the caller's transaction commits; implemented by `store/mail.py`."""

    async def queue(
        self, session: AsyncSession, *, kind: str, account_id: UUID | None, reference: UUID | None, locale: str
    ) -> UUID:
        """Note that a mail of `kind` about `reference` is due, and return the mail's id.

        Recipient and text are made by the kind's `Composer` when the mail leaves, so that no row and no job ever
        holds a link.
        """
        ...


class Throttle(Protocol):
    """Limits over time; implemented by `store/throttling.py`."""

    async def admit(
        self, *, rule: str, key: str, burst: int, per: timedelta, cost: int = 1, announced: bool = True
    ) -> None:
        """Count `cost` against `key` under `rule`: at most `burst` at once, refilled evenly over `per`.

        Raises `TooManyAttempts`, and then counts nothing. Counted exactly, across processes. What is left is said on
        the answer (`RateLimit`) if it is `announced`, and always once nothing is left.
        """
        ...

    async def give_back(self, *, rule: str, key: str, burst: int, per: timedelta, cost: int = 1) -> None:
        """Take back what a success had counted, where only failures are limited."""
        ...

    async def admit_member(self, *, rule: str, key: str, member: str, most: int, per: timedelta) -> None:
        """Count `member` against `key` under `rule`: at most `most` different ones within `per`.

        One that counts already is admitted, and counts anew from now on. Raises `TooManyAttempts` for one too many,
        and then counts nothing. Said on the answer only when it refuses.
        """
        ...

    async def give_member_back(self, *, rule: str, key: str, member: str) -> None:
        """Take back what a success had counted of a member."""
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail about to leave: made, rendered, sent and forgotten."""

    recipient: str
    """The stored address, never one that was typed in."""
    values: Mapping[str, object] = field(repr=False)
    """Variables of the templates; may hold a link."""
    account_id: UUID | None = None
    """Whose mail it is, where the request did not know."""
    template: str | None = None
    """Folder of the templates, where it is not the kind's own."""
    locale: str | None = None
    """The recipient's language, where the request did not know it."""


class Composer(Protocol):
    """Makes the mails of one kind."""

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail, or None where none is due any more. Safe to repeat: a second call makes the same mail."""
        ...


class RegistrationTexts(Protocol):
    """The texts that are shown to whoever registers; implemented by `store/legal_texts.py`."""

    def __call__(self, locale: str) -> Mapping[str, Mapping[str, object]]:
        """By name: `version`, `sha256` (of the text in this language) and `is_declaration` (agreed to, not told)."""
        ...


class Countries(Protocol):
    """From which country a request comes; implemented in `store/countries.py`."""

    def country_of(self, ip: str, *, told: Mapping[str, str]) -> str | None:
        """The country (ISO 3166-1 alpha-2) of a client's address; None if nobody can tell.

        `told` are the request's headers, if a trusted proxy sent it; else nothing.
        """
        ...


class OpenDatabase(Protocol):
    """The process's doors to the database, for short transactions of one's own and single reads."""

    @property
    def sessions(self) -> async_sessionmaker[AsyncSession]:
        """Opens sessions; `.begin()` is one transaction."""
        ...

    @property
    def reads(self) -> asyncpg.Pool:
        """Raw connections for single statements."""
        ...


class AuthSettings(Protocol):
    """The settings that auth needs."""

    @property
    def base_url(self) -> str:
        """Public address without a trailing slash; every link begins with it."""
        ...

    @property
    def session_cookie(self) -> str:
        """Name of the session cookie."""
        ...

    @property
    def device_cookie(self) -> str:
        """Name of the cookie by which a browser is known again."""
        ...

    @property
    def step_cookie(self) -> str:
        """Name of the cookie that carries a begun sign-in."""
        ...

    @property
    def passkey_cookie(self) -> str:
        """Name of the cookie of a browser that asked for something that a passkey is to sign."""
        ...

    @property
    def secure(self) -> bool:
        """Whether customers reach us by https."""
        ...

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """Addresses or networks whose X-Forwarded-For is believed."""
        ...

    @property
    def default_market(self) -> str:
        """Market of those without a country of residence."""
        ...

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose."""
        ...
