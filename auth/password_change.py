"""A new password for whoever is signed in and proves it: with the old one, or by a proof that is fresh."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.email_addresses import parse_email
from auth.identity import Identity
from auth.known_devices import forget_devices
from auth.limits import PASSWORD_CHANGE_PER_ACCOUNT
from auth.models import Account
from auth.password_reset import close_links
from auth.passwords import PasswordHasher
from auth.ports import Outbox, Throttle
from auth.sessions import end_other_sessions, renew_token
from auth.step_up import StepUp, require_fresh
from auth.visits import Visit


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """Changes the password of the own account, customer or staff. All times are real time."""

    session: AsyncSession
    hasher: PasswordHasher
    throttle: Throttle
    step_up: StepUp
    outbox: Outbox

    async def change(
        self, *, identity: Identity, current: str | None, password: str, at: datetime, visit: Visit
    ) -> str:
        """Set the password, end every other session and open link, tell the owner; returns this session's new token.

        Raises `StepUpRequired` where no proof is fresh without the current password, or in spite of it because the
        account has a second factor; `PasswordWrong`, `PasswordRefused`, `TooManyAttempts`, `Overloaded`, and
        `NotSignedIn` if the session ended meanwhile.
        """
        await PASSWORD_CHANGE_PER_ACCOUNT.admit(self.throttle, str(identity.account_id))
        if current is None:
            require_fresh(identity, at=at)
        else:
            await self.step_up.prove(identity=identity, password=current, at=at, visit=visit)
        words = parse_email(identity.email).words
        hashed = await self.hasher.accept(password, kind=identity.kind, words=words, urgent=not identity.is_customer)
        # The account first, as everything does that ends sessions, so that no two of them wait for each other.
        await self.session.execute(
            update(Account)
            .where(Account.id == identity.account_id)
            .values(password_hash=hashed, password_changed_at=at)
        )
        await end_other_sessions(self.session, identity=identity, at=at, reason="password_changed")
        await forget_devices(self.session, account_id=identity.account_id, but=visit.device)
        await close_links(self.session, account_id=identity.account_id, at=at)
        await audit.record(
            self.session,
            at=at,
            actor=identity,
            action="password.change",
            target_kind="account",
            target_id=identity.account_id,
            request_id=visit.request_id,
            ip=visit.ip,
        )
        await self.outbox.queue(
            self.session,
            kind="password_changed",
            account_id=identity.account_id,
            reference=None,
            locale=identity.locale,
        )
        return await renew_token(self.session, session_id=identity.session_id, at=at)
