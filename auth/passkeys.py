"""Passkeys (WebAuthn): what authenticators are asked, and what their answers prove. The only importer of `webauthn`.

Every passkey here is discoverable and verifies its user (PIN, fingerprint, face): one alone is two factors.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final, Literal, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

import structlog
import webauthn
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import base64url_to_bytes, options_to_json_dict, parse_client_data_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from auth import audit
from auth.factor_errors import PasskeyExists, PasskeyRefused, TooManyPasskeys
from auth.factor_records import Passkey, PasskeyChallenge
from auth.identity import Identity
from auth.ids import new_id
from auth.limits import PASSKEY_PER_HOLDER
from auth.models import Account
from auth.passwords import ISSUER
from auth.ports import OpenDatabase, Outbox, Throttle
from auth.visits import Visit

log = structlog.get_logger("passkeys")

CHALLENGE_LIVES: Final = timedelta(minutes=5)
"""For so long an authenticator may take to answer."""
MOST: Final = 20
"""Passkeys of one account."""

Purpose = Literal["registration", "sign_in", "second_step", "step_up"]
Answer = Mapping[str, Any]
"""What an authenticator answered, as the browser's `toJSON()` writes it (WebAuthn Level 3, 5.1.8)."""

_TRANSPORTS: Final = frozenset(transport.value for transport in AuthenticatorTransport)

# A statement of its own, so that the challenge is used up whatever becomes of the answer; of two answers at once one
# finds it.
_TAKE: Final = """
    DELETE FROM auth.passkey_challenges
     WHERE challenge = $1 AND purpose = $2 AND holder = $3 AND expires_at > $4
    RETURNING challenge
"""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """For whom passkeys are made: for the configured address, whatever a request names."""

    base_url: str

    @property
    def id(self) -> str:
        """The host's name: passkeys work on it and below it."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def has_name(self) -> bool:
        """Whether browsers make passkeys for it: they do for names, never for IP addresses."""
        try:
            ip_address(self.id)
        except ValueError:
            return True
        return False

    @property
    def origin(self) -> str:
        """The only origin whose answers count."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, slots=True)
class Proved:
    """Whose passkey answered, and by what means in the words of RFC 8176."""

    account: Account
    proofs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Passkeys:
    """Asks authenticators, registers what they make and checks what they sign. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    throttle: Throttle
    outbox: Outbox
    relying_party: RelyingParty = field(repr=False)

    async def offer(self, *, account_id: UUID, holder: UUID, at: datetime) -> dict[str, Any]:
        """What `navigator.credentials.create()` takes; only `holder` (a session, a begun sign-in) may answer it."""
        account = await self.session.get_one(Account, account_id)
        label = account.email or ""
        options = webauthn.generate_registration_options(
            rp_id=self.relying_party.id,
            rp_name=ISSUER,
            user_id=account_id.bytes,
            user_name=label,
            user_display_name=label,
            challenge=await self._new_challenge("registration", holder.bytes, at=at),
            timeout=_milliseconds(CHALLENGE_LIVES),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=await self._descriptors(account_id),
        )
        return options_to_json_dict(options)

    async def register(
        self,
        *,
        account_id: UUID,
        holder: UUID,
        answer: Answer,
        name: str,
        actor: Identity | None,
        at: datetime,
        visit: Visit,
    ) -> Passkey:
        """Add the passkey that was made for an offer; the owner is told by mail.

        Raises `PasskeyRefused`, `PasskeyExists` or `TooManyPasskeys`. The challenge is used up in any case.
        """
        challenge = await self._take_challenge("registration", holder.bytes, answer, at=at)
        verified = self._verify_registration(answer, challenge) if challenge else None
        if verified is None:
            reason = "not_valid" if challenge else "challenge"
            await self._refuse("passkey.add", reason, account_id, actor, at=at, visit=visit)
        # The account first: of two registrations at once the second counts the first one's passkey.
        account = await self.session.get_one(Account, account_id, with_for_update=True)
        mine = (Passkey.account_id == account_id, Passkey.removed_at.is_(None))
        if (await self.session.scalar(select(func.count()).where(*mine)) or 0) >= MOST:
            raise TooManyPasskeys(limit=MOST)
        added: Passkey | None = await self.session.scalar(
            insert(Passkey)
            .values(
                id=new_id(),
                account_id=account_id,
                credential_id=verified.credential_id,
                public_key=verified.credential_public_key,
                sign_count=verified.sign_count,
                can_be_backed_up=verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
                is_backed_up=verified.credential_backed_up,
                transports=_transports_in(answer),
                name=name,
                created_at=at,
            )
            .on_conflict_do_nothing(index_elements=[Passkey.credential_id], index_where=Passkey.removed_at.is_(None))
            .returning(Passkey)
        )
        if added is None:
            raise PasskeyExists
        await audit.record(
            self.session,
            at=at,
            actor=actor,
            action="passkey.add",
            target_kind="account",
            target_id=account_id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"passkey_id": str(added.id)},
        )
        await self.outbox.queue(
            self.session,
            kind="passkey_changed",
            account_id=account_id,
            reference=added.id,
            locale=account.locale,
        )
        return added

    async def ask(
        self, *, purpose: Purpose, holder: bytes, at: datetime, account_id: UUID | None = None
    ) -> dict[str, Any]:
        """What `navigator.credentials.get()` takes; only `holder` may answer it.

        Without an account the authenticator shows which ones it knows: nobody is asked for an address, so that the
        answer is the same for everyone.
        """
        options = webauthn.generate_authentication_options(
            rp_id=self.relying_party.id,
            challenge=await self._new_challenge(purpose, holder, at=at),
            timeout=_milliseconds(CHALLENGE_LIVES),
            allow_credentials=await self._descriptors(account_id) if account_id else None,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    async def check(
        self,
        *,
        purpose: Purpose,
        holder: bytes,
        answer: Answer,
        at: datetime,
        visit: Visit,
        account_id: UUID | None = None,
        actor: Identity | None = None,
    ) -> Proved:
        """Take an authenticator's answer; `account_id` where it must be this account's.

        Raises `PasskeyRefused`: one answer for whatever is wrong, and the reason in the audit trail.
        """
        challenge = await self._take_challenge(purpose, holder, answer, at=at)
        passkey, account = await self._find(answer)
        reason = verified = None
        if challenge is None:
            reason = "challenge"
        elif passkey is None or account is None:
            reason = "unknown_passkey"
        elif account_id not in (None, account.id):
            reason = "other_account"
        else:
            verified = self._verify(answer, challenge, passkey, must_name_account=account_id is None)
            if verified is None:
                reason = "not_valid"
            elif not await self._use(passkey, verified, at=at):
                # A copy of the key has signed more often than the one before us (WebAuthn, 6.1.1).
                reason = "counter_back"
        if reason or passkey is None or account is None or verified is None:
            target = account.id if account else account_id
            await self._refuse("passkey.check", reason or "not_valid", target, actor, at=at, visit=visit)
        return Proved(account, proofs_of(passkey))

    async def _new_challenge(self, purpose: Purpose, holder: bytes, *, at: datetime) -> bytes:
        await PASSKEY_PER_HOLDER.admit(self.throttle, holder.hex())
        challenge = secrets.token_bytes(32)
        self.session.add(
            PasskeyChallenge(challenge=challenge, purpose=purpose, holder=holder, expires_at=at + CHALLENGE_LIVES)
        )
        await self.session.flush()
        return challenge

    async def _take_challenge(self, purpose: Purpose, holder: bytes, answer: Answer, *, at: datetime) -> bytes | None:
        """Use up the challenge that an answer is for; None if it is none of this holder's, or over."""
        try:
            client_data = parse_client_data_json(base64url_to_bytes(answer["response"]["clientDataJSON"]))
            is_framed = client_data.cross_origin
        except Exception as fault:
            _log_refused("client data", fault)
            return None
        taken: bytes | None = await self.database.reads.fetchval(_TAKE, client_data.challenge, purpose, holder, at)
        return None if is_framed else taken

    async def _find(self, answer: Answer) -> tuple[Passkey | None, Account | None]:
        try:
            credential_id = base64url_to_bytes(answer["id"])
        except ValueError:
            return None, None
        found = (
            await self.session.execute(
                select(Passkey, Account)
                .join(Account, Account.id == Passkey.account_id)
                .where(Passkey.credential_id == credential_id, Passkey.removed_at.is_(None))
            )
        ).one_or_none()
        return (found[0], found[1]) if found else (None, None)

    def _verify_registration(self, answer: Answer, challenge: bytes) -> VerifiedRegistration | None:
        try:
            return webauthn.verify_registration_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self.relying_party.id,
                expected_origin=self.relying_party.origin,
                require_user_verification=True,
            )
        except Exception as fault:
            _log_refused("registration", fault)
            return None

    def _verify(
        self, answer: Answer, challenge: bytes, passkey: Passkey, *, must_name_account: bool
    ) -> VerifiedAuthentication | None:
        try:
            verified = webauthn.verify_authentication_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self.relying_party.id,
                expected_origin=self.relying_party.origin,
                credential_public_key=passkey.public_key or b"",
                # Ours to compare, by the statement that notes the new one: the library would compare what it was told.
                credential_current_sign_count=0,
                require_user_verification=True,
            )
            handle = answer["response"].get("userHandle")
            named = base64url_to_bytes(handle) if handle else None
        except Exception as fault:
            _log_refused("use", fault)
            return None
        is_theirs = named == passkey.account_id.bytes or (named is None and not must_name_account)
        return verified if is_theirs else None

    async def _use(self, passkey: Passkey, verified: VerifiedAuthentication, *, at: datetime) -> bool:
        """Note the use, if the counter has moved on; those that do not count say 0 for ever."""
        count = verified.new_sign_count
        used = await self.session.scalar(
            update(Passkey)
            .where(
                Passkey.id == passkey.id,
                Passkey.removed_at.is_(None),
                Passkey.sign_count < count if count else Passkey.sign_count == 0,
            )
            .values(sign_count=count, is_backed_up=verified.credential_backed_up, last_used_at=at)
            .returning(Passkey.id)
        )
        return used is not None

    async def _descriptors(self, account_id: UUID) -> list[PublicKeyCredentialDescriptor]:
        return [
            PublicKeyCredentialDescriptor(
                id=passkey.credential_id,
                transports=[AuthenticatorTransport(transport) for transport in passkey.transports],
            )
            for passkey in await list_passkeys(self.session, account_id=account_id)
        ]

    async def _refuse(
        self, action: str, reason: str, account_id: UUID | None, actor: Identity | None, *, at: datetime, visit: Visit
    ) -> NoReturn:
        """Refuse an answer; the entry is written in a transaction of its own, as the refusal ends the request's.

        That one ends here, so that no request holds one connection while it waits for another.
        """
        await self.session.rollback()
        async with self.database.sessions.begin() as own:
            await audit.record(
                own,
                at=at,
                actor=actor,
                action=action,
                target_kind="account",
                target_id=account_id or "unknown",
                outcome="refused",
                reason=reason,
                request_id=visit.request_id,
                ip=visit.ip,
            )
        raise PasskeyRefused


def proofs_of(passkey: Passkey) -> Sequence[str]:
    """By what means whoever used a passkey proved who they are, in the words of RFC 8176."""
    return ("swk" if passkey.can_be_backed_up else "hwk", "user", "mfa")


async def list_passkeys(session: AsyncSession, *, account_id: UUID) -> Sequence[Passkey]:
    """The account's passkeys, the oldest first."""
    return (
        await session.scalars(
            select(Passkey).where(Passkey.account_id == account_id, Passkey.removed_at.is_(None)).order_by(Passkey.id)
        )
    ).all()


async def forget_challenges(session: AsyncSession, *, at: datetime) -> None:
    """Remove challenges that nobody answered in time: a periodic sweep."""
    await session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.expires_at < at))


def _transports_in(answer: Answer) -> list[str]:
    """How a browser says that the authenticator is reached; words that we do not know are left out."""
    named = answer["response"].get("transports") or []
    return [transport for transport in dict.fromkeys(named) if transport in _TRANSPORTS]


def _log_refused(answer_to: str, fault: Exception) -> None:
    """Say what kind of fault the library found: of an attacker's bytes, or once in a while of the library's own."""
    log.info("passkey refused", answer_to=answer_to, fault=type(fault).__name__)


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
