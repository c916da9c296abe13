"""A fresh proof of who is there (step-up), before what a stolen session must not do: its guard and its use case."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import identity_of
from auth.errors import NotSignedIn, PasswordRefused, PasswordWrong, StepUpRequired
from auth.identity import Identity
from auth.limits import STEP_UP_PER_SESSION
from auth.passwords import PasswordHasher, normalise
from auth.ports import OpenDatabase, Throttle
from auth.sessions import renew_token
from auth.visits import Visit

FRESH: Final = timedelta(minutes=15)
"""For how long a proof opens what is sensitive."""


async def recently_authenticated(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Guard: whoever is signed in proved who they are in the last 15 minutes (ASVS 5.0, 7.5.1 and 7.5.3)."""
    identity = identity_of(connection)
    if identity is None:
        raise NotSignedIn
    require_fresh(identity, at=datetime.now(UTC))


def require_fresh(identity: Identity, *, at: datetime) -> None:
    """Raise `StepUpRequired` unless the last proof is fresh."""
    if at - identity.authenticated_at > FRESH:
        raise StepUpRequired(max_age=int(FRESH.total_seconds()))


@dataclass(frozen=True, slots=True)
class StepUp:
    """Lets whoever is signed in prove anew who they are. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    hasher: PasswordHasher
    throttle: Throttle

    async def confirm(self, *, identity: Identity, password: str, at: datetime, visit: Visit) -> str:
        """Check the password and make the session fresh; returns its new token, as the old one ends (ASVS 7.2.4)."""
        await self.prove(identity=identity, password=password, at=at, visit=visit)
        token = await renew_token(self.session, session_id=identity.session_id, at=at)
        await self._note(self.session, identity, at=at, visit=visit)
        return token

    async def prove(self, *, identity: Identity, password: str, at: datetime, visit: Visit) -> None:
        """Check the password of the own account; raises `PasswordWrong`, `TooManyAttempts` or `Overloaded`."""
        try:
            normal = normalise(password)
        except PasswordRefused as fault:
            raise PasswordWrong from fault
        await STEP_UP_PER_SESSION.admit(self.throttle, str(identity.session_id))
        stored = await self.database.reads.fetchval(
            "SELECT password_hash FROM auth.accounts WHERE id = $1", identity.account_id
        )
        matches, _ = await self.hasher.verify(normal, stored, urgent=not identity.is_customer)
        if not matches:
            # In a transaction of its own, as the refusal ends the request's.
            async with self.database.sessions.begin() as own:
                await self._note(own, identity, at=at, visit=visit, reason="wrong_credentials")
            raise PasswordWrong

    async def _note(
        self, session: AsyncSession, identity: Identity, *, at: datetime, visit: Visit, reason: str | None = None
    ) -> None:
        await audit.record(
            session,
            at=at,
            actor=identity,
            action="session.step_up",
            target_kind="session",
            target_id=identity.session_id,
            outcome="refused" if reason else "done",
            reason=reason,
            request_id=visit.request_id,
            ip=visit.ip,
        )
