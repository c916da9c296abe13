"""Signing in: by a password, and a second factor wherever the account must have one; or by a passkey alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.email_addresses import parse_email
from auth.errors import AccountDisabled, EmailAddressInvalid, SignInRefused
from auth.factor_errors import SecondFactorExists, StepNotValid
from auth.factor_records import SignInStep
from auth.identity import Identity
from auth.ids import new_id
from auth.known_devices import is_anybodys, is_known
from auth.limits import admit_code, admit_passkey, admit_passkey_challenge, admit_sign_in, give_code_back
from auth.models import Account
from auth.passkeys import Answer, Passkeys, list_passkeys, proofs_of
from auth.passwords import PasswordHasher, normalise
from auth.ports import OpenDatabase, Throttle
from auth.second_factor import BY_CODE, Offer, SecondFactors
from auth.sessions import Sessions, SignedIn
from auth.tokens import PASSKEY, SIGN_IN_STEP, hash_token, make_token
from auth.visits import Visit

STEP_LIVES: Final = timedelta(minutes=15)
"""Between the password and the second factor: long enough to install an app."""

_CREDENTIALS = """
    SELECT id, kind, status, password_hash, auth_epoch,
           EXISTS (SELECT FROM auth.second_factors f
                    WHERE f.account_id = a.id AND f.confirmed_at IS NOT NULL AND f.removed_at IS NULL) AS has_app,
           EXISTS (SELECT FROM auth.passkeys p WHERE p.account_id = a.id AND p.removed_at IS NULL) AS has_passkey
      FROM auth.accounts a WHERE email_key = $1
"""


@dataclass(frozen=True, slots=True)
class StepDue:
    """The password was right; nobody is signed in before the second factor is, too."""

    token: str = field(repr=False)
    offer: Offer | None
    """The authenticator to set up, where the account has no second factor and must have one."""
    expires_at: datetime
    takes_code: bool
    """Whether the code of an app finishes it: one that is set up, or the one offered."""
    takes_passkey: bool


@dataclass(frozen=True, slots=True)
class Completed:
    """A sign-in with a second factor."""

    signed_in: SignedIn
    recovery_codes: tuple[str, ...] = field(repr=False)
    """Shown here only, where the factor was just set up; else none."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Lets people in. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    hasher: PasswordHasher
    throttle: Throttle
    sessions: Sessions
    factors: SecondFactors
    passkeys: Passkeys

    async def by_password(
        self,
        *,
        email: str,
        password: str,
        client: str,
        at: datetime,
        visit: Visit,
        previous: Identity | None = None,
    ) -> SignedIn | StepDue:
        """Open a session of `client` (`web` or `app`) for whoever knows the password, or ask for the second factor.

        Raises `SignInRefused` for every combination of address and password that does not fit, after the same work,
        and `AccountDisabled` only to someone who knew the password. A session that the request already had
        (`previous`) ends.
        """
        row = await self._verified(email=email, password=password, at=at, visit=visit)
        if row["status"] != "active":
            raise AccountDisabled
        kind = "staff" if row["kind"] == "staff" else client
        # A customer's passkey is another way in, not a second step: whoever has no app goes on with the password alone.
        if kind == "staff" or row["has_app"]:
            return await self._begin_step(row, kind, email=email, at=at)
        return await self.sessions.open(
            account_id=row["id"], kind=kind, epoch=row["auth_epoch"], at=at, visit=visit, previous=previous
        )

    async def by_second_factor(
        self, *, token: str, code: str, at: datetime, visit: Visit, previous: Identity | None = None
    ) -> Completed:
        """Finish a begun sign-in by a code: of the factor, a recovery code, or the first one of a factor offered.

        A refused code leaves the begun sign-in usable. Raises `StepNotValid`, `CodeRefused`, `TooManyAttempts`.
        """
        step = await self._open_step(token, at=at, lock=True)
        if step is None:
            raise StepNotValid
        step.used_at = at
        state = await self.factors.state(account_id=step.account_id)
        recovery_codes: Sequence[str] = ()
        proofs: Sequence[str] = BY_CODE
        if state.since is None:
            recovery_codes = await self.factors.confirm(
                account_id=step.account_id, holder=step.id, code=code, actor=None, at=at, visit=visit
            )
        else:
            proofs = await self.factors.check(account_id=step.account_id, code=code, actor=None, at=at, visit=visit)
        opened = await self.sessions.open(
            account_id=step.account_id,
            kind=step.session_kind,
            epoch=step.epoch,
            at=at,
            visit=visit,
            proofs=proofs,
            previous=previous,
        )
        return Completed(opened, tuple(recovery_codes))

    async def find_step(self, token: str, *, at: datetime) -> StepDue | None:
        """The begun sign-in of a token with what is still to be set up; None if it is over."""
        step = await self._open_step(token, at=at)
        if step is None:
            return None
        account = await self.session.get_one(Account, step.account_id)
        offer = await self.factors.find_offer(holder=step.id, label=account.email or "")
        state = await self.factors.state(account_id=step.account_id)
        return StepDue(
            token,
            offer,
            step.expires_at,
            takes_code=state.since is not None or offer is not None,
            takes_passkey=bool(await list_passkeys(self.session, account_id=step.account_id)),
        )

    async def ask_passkey(self, *, held: str | None, at: datetime, visit: Visit) -> tuple[str, dict[str, Any]]:
        """What a passkey alone is to sign, with the token of who may send it back: `held` if it is one, else a new one.

        Nobody says who they are before, so that the answer tells nothing about any account.
        """
        is_known = await is_anybodys(self.database, visit=visit)
        await admit_passkey_challenge(self.throttle, visit=visit, is_known=is_known)
        holder = hash_token(held or "", kind=PASSKEY)
        token = held if held and holder else make_token(PASSKEY)
        holder = holder or hash_token(token, kind=PASSKEY) or b""
        return token, await self.passkeys.ask(purpose="sign_in", holder=holder, at=at)

    async def by_passkey(
        self, *, token: str, answer: Answer, client: str, at: datetime, visit: Visit, previous: Identity | None = None
    ) -> SignedIn:
        """Open a session of `client` (`web` or `app`) for whoever has a passkey and unlocked it, staff too.

        Raises `PasskeyRefused`, `AccountDisabled` or `TooManyAttempts`.
        """
        await admit_passkey(self.throttle, visit=visit, is_known=await is_anybodys(self.database, visit=visit))
        holder = hash_token(token, kind=PASSKEY) or b""
        proved = await self.passkeys.check(purpose="sign_in", holder=holder, answer=answer, at=at, visit=visit)
        if proved.account.status != "active":
            raise AccountDisabled
        return await self.sessions.open(
            account_id=proved.account.id,
            kind="staff" if proved.account.kind == "staff" else client,
            epoch=proved.account.auth_epoch,
            at=at,
            visit=visit,
            proofs=proved.proofs,
            previous=previous,
        )

    async def ask_passkey_after_password(self, *, token: str, at: datetime) -> dict[str, Any]:
        """What one of the account's passkeys is to sign to finish a begun sign-in; raises `StepNotValid`."""
        step = await self._open_step(token, at=at)
        if step is None:
            raise StepNotValid
        return await self.passkeys.ask(purpose="second_step", holder=step.id.bytes, account_id=step.account_id, at=at)

    async def by_passkey_after_password(
        self, *, token: str, answer: Answer, at: datetime, visit: Visit, previous: Identity | None = None
    ) -> SignedIn:
        """Finish a begun sign-in by a passkey of the account; a refused answer leaves it usable.

        Raises `StepNotValid`, `PasskeyRefused` or `TooManyAttempts`.
        """
        step = await self._open_step(token, at=at, lock=True)
        if step is None:
            raise StepNotValid
        await admit_code(self.throttle, account_id=step.account_id)
        step.used_at = at
        proved = await self.passkeys.check(
            purpose="second_step",
            holder=step.id.bytes,
            account_id=step.account_id,
            answer=answer,
            at=at,
            visit=visit,
        )
        await give_code_back(self.throttle, account_id=step.account_id)
        return await self.sessions.open(
            account_id=step.account_id,
            kind=step.session_kind,
            epoch=step.epoch,
            at=at,
            visit=visit,
            proofs=("pwd", *proved.proofs),
            previous=previous,
        )

    async def offer_first_passkey(self, *, token: str, at: datetime) -> dict[str, Any]:
        """What makes a passkey in place of the app that a begun sign-in offers to staff without a second factor.

        Raises `StepNotValid` or `SecondFactorExists`.
        """
        step = await self._open_step(token, at=at)
        if step is None:
            raise StepNotValid
        await self._require_no_factor(step.account_id)
        return await self.passkeys.offer(account_id=step.account_id, holder=step.id, at=at)

    async def by_first_passkey(
        self, *, token: str, answer: Answer, name: str, at: datetime, visit: Visit, previous: Identity | None = None
    ) -> SignedIn:
        """Finish a begun sign-in by the passkey that was made for it: from now on it is the second factor.

        Raises `StepNotValid`, `SecondFactorExists` or `PasskeyRefused`.
        """
        step = await self._open_step(token, at=at, lock=True)
        if step is None:
            raise StepNotValid
        # The account first: of two set-ups at once, by passkey or app, the second finds the first one's factor.
        await self.session.get_one(Account, step.account_id, with_for_update=True)
        await self._require_no_factor(step.account_id)
        step.used_at = at
        made = await self.passkeys.register(
            account_id=step.account_id, holder=step.id, answer=answer, name=name, actor=None, at=at, visit=visit
        )
        return await self.sessions.open(
            account_id=step.account_id,
            kind=step.session_kind,
            epoch=step.epoch,
            at=at,
            visit=visit,
            proofs=("pwd", *proofs_of(made)),
            previous=previous,
        )

    async def _require_no_factor(self, account_id: UUID) -> None:
        state = await self.factors.state(account_id=account_id)
        if state.since is not None or await list_passkeys(self.session, account_id=account_id):
            raise SecondFactorExists

    async def _verified(self, *, email: str, password: str, at: datetime, visit: Visit) -> asyncpg.Record:
        """The account whose address and password these are; raises `SignInRefused`."""
        normal = normalise(password)
        try:
            address = parse_email(email)
        except EmailAddressInvalid as fault:
            raise SignInRefused from fault
        known = await is_known(self.database, address=address, visit=visit)
        with self.hasher.place(urgent=known) as place:
            tried = await admit_sign_in(self.throttle, address=address, visit=visit, is_known=known)
            async with tried.unless_our_fault(self.throttle):
                # Read outside the request's transaction: no connection is held while the password is hashed.
                row = await self.database.reads.fetchrow(_CREDENTIALS, address.key)
                stored = row["password_hash"] if row else None
                matches, renewed = await self.hasher.verify(normal, stored, place=place)
        if row is None or not matches:
            await self._note_failure(row["id"] if row else None, at=at, visit=visit)
            raise SignInRefused
        await tried.give_back(self.throttle)
        if renewed is not None and row["status"] == "active":
            await self._renew_hash(row, renewed)
        return row

    async def _begin_step(self, row: asyncpg.Record, kind: str, *, email: str, at: datetime) -> StepDue:
        token = make_token(SIGN_IN_STEP)
        step = SignInStep(
            id=new_id(),
            account_id=row["id"],
            session_kind=kind,
            token_hash=hash_token(token, kind=SIGN_IN_STEP),
            epoch=row["auth_epoch"],
            created_at=at,
            expires_at=at + STEP_LIVES,
        )
        self.session.add(step)
        await self.session.flush()
        offer = None
        # Never beside a passkey: who knows no more than the password would set up a factor of their own.
        if not row["has_app"] and not row["has_passkey"]:
            label = parse_email(email).text
            offer = await self.factors.offer(account_id=row["id"], holder=step.id, label=label, at=at)
        return StepDue(
            token,
            offer,
            step.expires_at,
            takes_code=row["has_app"] or offer is not None,
            takes_passkey=row["has_passkey"],
        )

    async def _open_step(self, token: str, *, at: datetime, lock: bool = False) -> SignInStep | None:
        digest = hash_token(token, kind=SIGN_IN_STEP)
        if digest is None:
            return None
        statement = (
            select(SignInStep)
            .join(Account, Account.id == SignInStep.account_id)
            .where(
                SignInStep.token_hash == digest,
                SignInStep.used_at.is_(None),
                SignInStep.expires_at > at,
                SignInStep.epoch == Account.auth_epoch,
                Account.status == "active",
            )
        )
        return await self.session.scalar(statement.with_for_update(of=SignInStep) if lock else statement)

    async def _renew_hash(self, row: asyncpg.Record, renewed: str) -> None:
        # Only over the hash that was verified: a reset in between must not be undone.
        await self.session.execute(
            update(Account)
            .where(Account.id == row["id"], Account.password_hash == row["password_hash"])
            .values(password_hash=renewed)
        )

    async def _note_failure(self, account_id: UUID | None, *, at: datetime, visit: Visit) -> None:
        """In a transaction of its own, as the refusal ends the request's; for unknown addresses just the same."""
        async with self.database.sessions.begin() as own:
            await audit.record(
                own,
                at=at,
                actor=None,
                action="session.open",
                target_kind="account",
                target_id=account_id or "unknown",
                outcome="refused",
                reason="wrong_credentials",
                request_id=visit.request_id,
                ip=visit.ip,
            )


async def forget_steps(session: AsyncSession, *, at: datetime) -> None:
    """Remove begun sign-ins that are over: a periodic sweep."""
    await session.execute(delete(SignInStep).where(SignInStep.expires_at < at))
