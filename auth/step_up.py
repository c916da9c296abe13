"""A fresh proof of who is there (step-up), before what a stolen session must not do: its guard and its use case."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import identity_of
from auth.errors import NotSignedIn, PasswordRefused, PasswordWrong, SecondFactorRequired, StepUpRequired
from auth.identity import Identity
from auth.limits import STEP_UP_PER_SESSION, Count
from auth.passkeys import Answer, Passkeys
from auth.passwords import PasswordHasher, normalise
from auth.ports import OpenDatabase, Throttle
from auth.second_factor import SecondFactors
from auth.sessions import renew_token
from auth.visits import Visit

FRESH: Final = timedelta(minutes=15)
"""For how long a proof opens what is sensitive."""

_WAYS: Final = """
    SELECT EXISTS (SELECT FROM auth.second_factors
                    WHERE account_id = $1 AND confirmed_at IS NOT NULL AND removed_at IS NULL) AS code,
           EXISTS (SELECT FROM auth.passkeys WHERE account_id = $1 AND removed_at IS NULL) AS passkey
"""


async def recently_authenticated(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Guard: whoever is signed in proved who they are in the last 15 minutes (ASVS 5.0, 7.5.1 and 7.5.3)."""
    identity = identity_of(connection)
    if identity is None:
        raise NotSignedIn
    require_fresh(identity, at=datetime.now(UTC))


def require_fresh(identity: Identity, *, at: datetime) -> None:
    """Raise `StepUpRequired` unless the last proof is fresh, and was not given before a restricted viewer took over."""
    locked_since = identity.viewer.locked_since
    is_of_another = locked_since is not None and identity.authenticated_at <= locked_since
    if is_of_another or at - identity.authenticated_at > FRESH:
        raise StepUpRequired(max_age=int(FRESH.total_seconds()))


@dataclass(frozen=True, slots=True)
class Ways:
    """By what an account can prove itself besides its password."""

    code: bool
    """Of an app."""
    passkey: bool


@dataclass(frozen=True, slots=True)
class StepUp:
    """Lets whoever is signed in prove anew who they are. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    hasher: PasswordHasher
    throttle: Throttle
    factors: SecondFactors
    passkeys: Passkeys

    async def confirm(self, *, identity: Identity, password: str, code: str | None, at: datetime, visit: Visit) -> str:
        """Make the session fresh by the password, and by a code where the account has a second factor.

        Returns its new token, as the old one ends (ASVS 7.2.4). Raises `SecondFactorRequired` only to who knew the
        password, else as `prove`, and as the check of a code.
        """
        await self._check_password(identity, password, at=at, visit=visit)
        if await self._has_second_factor(identity):
            if code is None:
                raise SecondFactorRequired
            await self.factors.check(account_id=identity.account_id, code=code, actor=identity, at=at, visit=visit)
        return await self._renew(identity, at=at, visit=visit)

    async def ask_passkey(self, *, identity: Identity, at: datetime) -> dict[str, Any]:
        """What one of the own passkeys is to sign as a fresh proof."""
        return await self.passkeys.ask(
            purpose="step_up", holder=identity.session_id.bytes, account_id=identity.account_id, at=at
        )

    async def confirm_by_passkey(self, *, identity: Identity, answer: Answer, at: datetime, visit: Visit) -> str:
        """Make the session fresh by a passkey alone, which is two factors; returns its new token."""
        await STEP_UP_PER_SESSION.admit(self.throttle, str(identity.session_id))
        await self.passkeys.check(
            purpose="step_up",
            holder=identity.session_id.bytes,
            account_id=identity.account_id,
            answer=answer,
            actor=identity,
            at=at,
            visit=visit,
        )
        return await self._renew(identity, at=at, visit=visit)

    async def prove(self, *, identity: Identity, password: str, at: datetime, visit: Visit) -> None:
        """Check the password of the own account, before something sensitive.

        Where the account has a second factor, a password alone proves nothing: then the last proof, which included
        it, must be fresh, too. Raises `PasswordWrong`, `StepUpRequired`, `TooManyAttempts` or `Overloaded`.
        """
        await self._check_password(identity, password, at=at, visit=visit)
        if await self._has_second_factor(identity):
            require_fresh(identity, at=at)

    async def ways(self, identity: Identity) -> Ways:
        """By what the account can prove itself; a read of its own, as a page asks before a password is hashed."""
        (row,) = await self.database.reads.fetch(_WAYS, identity.account_id)
        return Ways(code=row["code"], passkey=row["passkey"])

    async def _check_password(self, identity: Identity, password: str, *, at: datetime, visit: Visit) -> None:
        try:
            normal = normalise(password)
        except PasswordRefused as fault:
            raise PasswordWrong from fault
        tried = Count(STEP_UP_PER_SESSION, str(identity.session_id))
        await tried.admit(self.throttle)
        async with tried.unless_our_fault(self.throttle):
            # Outside the request's transaction, so that no connection is held while the password is hashed.
            stored = await self.database.reads.fetchval(
                "SELECT password_hash FROM auth.accounts WHERE id = $1", identity.account_id
            )
            matches, _ = await self.hasher.verify(normal, stored, urgent=not identity.is_customer)
        if not matches:
            # In a transaction of its own, as the refusal ends the request's.
            async with self.database.sessions.begin() as own:
                await self._note(own, identity, at=at, visit=visit, reason="wrong_credentials")
            raise PasswordWrong

    async def _has_second_factor(self, identity: Identity) -> bool:
        """Staff always have one."""
        return not identity.is_customer or (await self.ways(identity)).code

    async def _renew(self, identity: Identity, *, at: datetime, visit: Visit) -> str:
        token = await renew_token(self.session, session_id=identity.session_id, at=at)
        await self._note(self.session, identity, at=at, visit=visit)
        return token

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
