"""The second factor: an authenticator app that is set up, asked and removed, and the codes for when it is lost."""

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NoReturn
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.factor_errors import CodeRefused, LastFactor, SecondFactorExists, SecondFactorMissing
from auth.factor_records import Passkey, RecoveryCode, SecondFactor
from auth.identity import Identity
from auth.ids import new_id
from auth.limits import admit_code, give_code_back
from auth.models import Account
from auth.passwords import OneTimeCodes
from auth.ports import OpenDatabase, Outbox, Throttle
from auth.visits import Visit

RECOVERY_CODES: Final = 10
"""Codes that come with a second factor."""
OFFER_LIVES: Final = timedelta(days=1)
"""After which an authenticator that was never confirmed is forgotten."""

BY_CODE: Final = ("pwd", "otp", "mfa")
"""Password and a code of the app, in the words of RFC 8176."""
BY_RECOVERY_CODE: Final = ("pwd", "mfa")
"""Password and a recovery code, for which RFC 8176 has no word."""

_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)
_RECOVERY_CODE: Final = re.compile(r"[A-Z2-7]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Offer:
    """An authenticator to be set up; the first code from it confirms it."""

    secret: str = field(repr=False)
    """In base32, to be typed into an app."""
    address: str = field(repr=False)
    """`otpauth://…`, which apps open."""


@dataclass(frozen=True, slots=True)
class State:
    """Whether an account has a second factor."""

    since: datetime | None
    recovery_codes_left: int


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """Sets up, asks and removes second factors. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    throttle: Throttle
    codes: OneTimeCodes
    outbox: Outbox

    async def offer(self, *, account_id: UUID, holder: UUID, label: str, at: datetime) -> Offer:
        """Make a new authenticator that `holder` (a session or a begun sign-in) may look at and confirm.

        `label` names the account in the app. Raises `SecondFactorExists`.
        """
        if await self._in_force(account_id) is not None:
            raise SecondFactorExists
        await self.session.execute(delete(SecondFactor).where(SecondFactor.offered_to == holder))
        sealed = self.codes.seal(self.codes.new_secret())
        self.session.add(
            SecondFactor(id=new_id(), account_id=account_id, offered_to=holder, sealed_secret=sealed, created_at=at)
        )
        await self.session.flush()
        return self._shown(sealed, label)

    async def find_offer(self, *, holder: UUID, label: str) -> Offer | None:
        """What was offered to `holder` and is not confirmed yet."""
        offered = await self._offered_to(holder)
        return self._shown(offered.sealed_secret, label) if offered and offered.sealed_secret else None

    async def confirm(
        self, *, account_id: UUID, holder: UUID, code: str, actor: Identity | None, at: datetime, visit: Visit
    ) -> Sequence[str]:
        """Put the offered authenticator into force by its first code; returns the recovery codes, shown only here.

        Raises `SecondFactorMissing` (nothing was offered), `SecondFactorExists`, `CodeRefused`, `TooManyAttempts`.
        """
        await admit_code(self.throttle, account_id=account_id)
        # The account first: of two confirmations at once the second finds the first one's factor.
        account = await self.session.get_one(Account, account_id, with_for_update=True)
        if await self._in_force(account_id) is not None:
            raise SecondFactorExists
        offered = await self._offered_to(holder)
        if offered is None or offered.sealed_secret is None:
            raise SecondFactorMissing
        # Not beside a passkey either, unless who asks has proved it: a password alone adds no factor.
        if actor is None and await self._has_passkey(account_id):
            raise SecondFactorExists
        step = self._step_of(offered.sealed_secret, code, at=at)
        if step is None:
            await self._refuse(account_id, actor, at=at, visit=visit)
        offered.confirmed_at, offered.last_step = at, step
        await give_code_back(self.throttle, account_id=account_id)
        await self._note("second_factor.set_up", account_id, actor, at=at, visit=visit)
        await self._tell(account, offered.id)
        return await self._make_recovery_codes(account_id, at=at)

    async def check(
        self, *, account_id: UUID, code: str, actor: Identity | None, at: datetime, visit: Visit
    ) -> Sequence[str]:
        """Take a code of the app or a recovery code; returns how the person proved themselves.

        Each code counts once, also of many tries at once. Raises `SecondFactorMissing`, `CodeRefused` or
        `TooManyAttempts`.
        """
        await admit_code(self.throttle, account_id=account_id)
        factor = await self._in_force(account_id)
        if factor is None:
            raise SecondFactorMissing
        if await self._use_code(factor, code, at=at):
            proofs: Sequence[str] = BY_CODE
        elif await self._use_recovery_code(account_id, code, at=at):
            proofs = BY_RECOVERY_CODE
            await self._note("recovery_code.use", account_id, actor, at=at, visit=visit)
        else:
            await self._refuse(account_id, actor, at=at, visit=visit)
        await give_code_back(self.throttle, account_id=account_id)
        return proofs

    async def renew_recovery_codes(self, *, identity: Identity, code: str, at: datetime, visit: Visit) -> Sequence[str]:
        """Ten new recovery codes against a code of the factor; the old ones are void."""
        await self.check(account_id=identity.account_id, code=code, actor=identity, at=at, visit=visit)
        await self._note("recovery_codes.renew", identity.account_id, identity, at=at, visit=visit)
        return await self._make_recovery_codes(identity.account_id, at=at)

    async def remove(self, *, identity: Identity, code: str, at: datetime, visit: Visit) -> None:
        """Do without the app from now on, against one of its codes; raises `LastFactor` to staff without a passkey."""
        # The account first: of two removals at once, of app and passkey, the second finds what the first one left.
        account = await self.session.get_one(Account, identity.account_id, with_for_update=True)
        if not await self.can_be_removed(identity=identity):
            raise LastFactor
        await self.check(account_id=identity.account_id, code=code, actor=identity, at=at, visit=visit)
        factor = await self._in_force(identity.account_id)
        if factor is None:
            raise SecondFactorMissing
        factor.removed_at, factor.sealed_secret = at, None
        await self.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == identity.account_id))
        await self._note("second_factor.remove", identity.account_id, identity, at=at, visit=visit)
        await self._tell(account, factor.id)

    async def can_be_removed(self, *, identity: Identity) -> bool:
        """Whether the account may do without the app: customers' may, staff's only beside a passkey."""
        return identity.is_customer or await self._has_passkey(identity.account_id)

    async def state(self, *, account_id: UUID) -> State:
        """Since when the account has a second factor, and how many recovery codes are left."""
        factor = await self._in_force(account_id)
        left = await self.session.scalar(
            select(func.count()).where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
        )
        return State(factor.confirmed_at if factor else None, left or 0)

    async def _in_force(self, account_id: UUID) -> SecondFactor | None:
        factor = SecondFactor
        return await self.session.scalar(
            select(factor).where(
                factor.account_id == account_id, factor.confirmed_at.is_not(None), factor.removed_at.is_(None)
            )
        )

    async def _has_passkey(self, account_id: UUID) -> bool:
        passkey = exists().where(Passkey.account_id == account_id, Passkey.removed_at.is_(None))
        return bool(await self.session.scalar(select(passkey)))

    async def _offered_to(self, holder: UUID) -> SecondFactor | None:
        factor = SecondFactor
        return await self.session.scalar(
            select(factor).where(factor.offered_to == holder, factor.confirmed_at.is_(None))
        )

    def _shown(self, sealed: str, label: str) -> Offer:
        return Offer(secret=self.codes.open(sealed), address=self.codes.address(sealed, label=label))

    def _step_of(self, sealed: str, code: str, *, at: datetime) -> int | None:
        digits = re.sub(r"\s", "", code)
        return self.codes.time_step(sealed, digits, at=at) if _CODE.fullmatch(digits) else None

    async def _use_code(self, factor: SecondFactor, code: str, *, at: datetime) -> bool:
        """One statement decides: of any number of tries with one code, the first moves the step on."""
        step = self._step_of(factor.sealed_secret or "", code, at=at)
        if step is None:
            return False
        used = await self.session.scalar(
            update(SecondFactor)
            .where(SecondFactor.id == factor.id, SecondFactor.last_step < step)
            .values(last_step=step)
            .returning(SecondFactor.id)
        )
        return used is not None

    async def _use_recovery_code(self, account_id: UUID, code: str, *, at: datetime) -> bool:
        text = re.sub(r"[\s-]", "", code).upper()
        if not _RECOVERY_CODE.fullmatch(text):
            return False
        used = await self.session.scalar(
            update(RecoveryCode)
            .where(
                RecoveryCode.code_hash == _hash(text),
                RecoveryCode.account_id == account_id,
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=at)
            .returning(RecoveryCode.account_id)
        )
        return used is not None

    async def _make_recovery_codes(self, account_id: UUID, *, at: datetime) -> Sequence[str]:
        await self.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
        texts = [base64.b32encode(secrets.token_bytes(15)).decode() for _ in range(RECOVERY_CODES)]
        self.session.add_all(
            RecoveryCode(code_hash=_hash(text), account_id=account_id, created_at=at) for text in texts
        )
        await self.session.flush()
        return [in_groups(text, "-") for text in texts]

    async def _tell(self, account: Account, factor_id: UUID) -> None:
        await self.outbox.queue(
            self.session,
            kind="second_factor_changed",
            account_id=account.id,
            reference=factor_id,
            locale=account.locale,
        )

    async def _note(self, action: str, account_id: UUID, actor: Identity | None, *, at: datetime, visit: Visit) -> None:
        await audit.record(
            self.session,
            at=at,
            actor=actor,
            action=action,
            target_kind="account",
            target_id=account_id,
            request_id=visit.request_id,
            ip=visit.ip,
        )

    async def _refuse(self, account_id: UUID, actor: Identity | None, *, at: datetime, visit: Visit) -> NoReturn:
        """Refuse a code; the entry is written in a transaction of its own, as the refusal ends the request's.

        That one ends here, so that no request holds one connection while it waits for another.
        """
        await self.session.rollback()
        async with self.database.sessions.begin() as own:
            await audit.record(
                own,
                at=at,
                actor=actor,
                action="second_factor.check",
                target_kind="account",
                target_id=account_id,
                outcome="refused",
                reason="wrong_code",
                request_id=visit.request_id,
                ip=visit.ip,
            )
        raise CodeRefused


def in_groups(text: str, between: str) -> str:
    """A secret or a code in groups of four, as people copy it."""
    return between.join(text[start : start + 4] for start in range(0, len(text), 4))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()


async def forget_offers(session: AsyncSession, *, at: datetime) -> None:
    """Remove authenticators that were offered and never confirmed: a periodic sweep."""
    await session.execute(
        delete(SecondFactor).where(
            SecondFactor.confirmed_at.is_(None),
            SecondFactor.created_at < at - OFFER_LIVES,
        )
    )
