"""Another e-mail address: asked for with a fresh proof, confirmed at the new one, told to the old one, undone there."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit, models
from auth.email_addresses import parse_email
from auth.errors import EmailAddressUnchanged, LinkNotValid
from auth.identity import Identity
from auth.ids import new_id
from auth.known_devices import forget_devices
from auth.limits import COMPLETE_PER_IP, EMAIL_CHANGE_PER_ACCOUNT, EMAIL_CHANGE_PER_ADDRESS
from auth.models import Account
from auth.password_reset import LINK_LIVES as RESET_LINK_LIVES
from auth.password_reset import close_email_changes, close_links
from auth.ports import OpenDatabase, Outbox, Throttle
from auth.recovery.records import close_recoveries
from auth.sessions import end_every_session, end_other_sessions
from auth.tokens import EMAIL_CHANGE, EMAIL_UNDO, hash_token
from auth.visits import Visit

LINK_LIVES: Final = timedelta(hours=24)
"""Between asking and confirming."""
UNDO_LIVES: Final = timedelta(hours=72)
"""From the request on, and anew from the moment at which the change takes effect."""

_OPEN_UNDO: Final = """
    SELECT account_id FROM auth.email_changes WHERE undo_token_hash = $1 AND undone_at IS NULL AND undo_until > $2
"""


@dataclass(frozen=True, slots=True)
class EmailChange:
    """Changes the address of customers. Nobody learns whether another has an account. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    throttle: Throttle
    outbox: Outbox

    async def request(self, *, identity: Identity, email: str, at: datetime, visit: Visit) -> None:
        """Note the wish, have a link mailed to the new address and the old one told; the same for every new address.

        The route asks for a fresh proof. Nothing changes before the link is used. Raises `EmailAddressInvalid`,
        `EmailAddressUnchanged` or `TooManyAttempts`.
        """
        address, own = parse_email(email), parse_email(identity.email)
        if address.key == own.key:
            raise EmailAddressUnchanged
        await EMAIL_CHANGE_PER_ACCOUNT.admit(self.throttle, str(identity.account_id))
        await EMAIL_CHANGE_PER_ADDRESS.admit(self.throttle, address.key)
        await self._lock(identity.account_id)
        await close_email_changes(self.session, account_id=identity.account_id, at=at)
        wish = models.EmailChange(
            id=new_id(),
            account_id=identity.account_id,
            old_email=own.text,
            old_email_key=own.key,
            new_email=address.text,
            new_email_key=address.key,
            requested_at=at,
            expires_at=at + LINK_LIVES,
            undo_until=at + UNDO_LIVES,
        )
        self.session.add(wish)
        await self._note("email_change.request", wish.account_id, identity, at=at, visit=visit)
        # Whose mail the first one is depends on who has the address, which the worker finds out.
        await self.outbox.queue(
            self.session, kind="email_change", account_id=None, reference=wish.id, locale=identity.locale
        )
        await self._tell_old_address(wish, locale=identity.locale)

    async def confirm(self, *, identity: Identity, token: str, at: datetime, visit: Visit) -> None:
        """Let the new address take effect; every other session ends, and so do links on their way to the old one.

        Only whoever asked can confirm, signed in: else the owner of a stranger's address could be made to take over
        an account that the stranger knows the password of. Raises `LinkNotValid` or `TooManyAttempts`.
        """
        account = await self._lock(identity.account_id)
        change = await self._take(hash_token(token, kind=EMAIL_CHANGE), account, at=at)
        if change is None:
            await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
            raise LinkNotValid
        await self._set_address(account.id, change.new_email, change.new_email_key, at=at)
        await end_other_sessions(self.session, identity=identity, at=at, reason="email_changed")
        await close_links(self.session, account_id=account.id, at=at)
        await self._note("email_change.confirm", account.id, identity, at=at, visit=visit)
        await self._tell_old_address(change, locale=account.locale)

    async def undo(self, *, token: str, at: datetime, visit: Visit) -> None:
        """Give an account its old address back (or keep it), for whoever reads the mail there.

        Whoever asked for the change knew the password: it is void, every session ends, no device is known any more,
        and a link for a new password goes to the old address. Later changes go with this one; earlier ones can still
        be undone. Raises `LinkNotValid` or `TooManyAttempts`.
        """
        digest = hash_token(token, kind=EMAIL_UNDO)
        account_id = await self.database.reads.fetchval(_OPEN_UNDO, digest, at) if digest else None
        if account_id is None:
            await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
            raise LinkNotValid
        account = await self._lock(account_id)
        change = await self.session.scalar(
            update(models.EmailChange)
            .where(models.EmailChange.undo_token_hash == digest, models.EmailChange.undone_at.is_(None))
            .values(undone_at=at)
            .returning(models.EmailChange)
        )
        if change is None:
            raise LinkNotValid
        await self._set_address(account.id, change.old_email, change.old_email_key, at=at)
        await self.session.execute(
            update(models.EmailChange)
            .where(
                models.EmailChange.account_id == account.id,
                models.EmailChange.requested_at >= change.requested_at,
                models.EmailChange.undone_at.is_(None),
            )
            .values(undone_at=at)
        )
        await self.session.execute(update(Account).where(Account.id == account.id).values(password_hash=None))
        await end_every_session(self.session, account_id=account.id, at=at, reason="email_change_undone")
        await forget_devices(self.session, account_id=account.id)
        await close_links(self.session, account_id=account.id, at=at)
        await close_recoveries(self.session, account_id=account.id, at=at)
        await self._note("email_change.undo", account.id, None, at=at, visit=visit)
        await self._send_reset(account, at=at, visit=visit)

    async def _lock(self, account_id: UUID) -> Account:
        """The account first, as everything does that ends sessions, so that no two of them wait for each other."""
        return (
            await self.session.execute(select(Account).where(Account.id == account_id).with_for_update())
        ).scalar_one()

    async def _take(self, digest: bytes | None, account: Account, *, at: datetime) -> models.EmailChange | None:
        change: models.EmailChange | None = await self.session.scalar(
            update(models.EmailChange)
            .where(
                models.EmailChange.token_hash == digest,
                models.EmailChange.account_id == account.id,
                models.EmailChange.old_email_key == account.email_key,
                models.EmailChange.confirmed_at.is_(None),
                models.EmailChange.closed_at.is_(None),
                models.EmailChange.undone_at.is_(None),
                models.EmailChange.expires_at > at,
            )
            .values(confirmed_at=at, undo_until=at + UNDO_LIVES)
            .returning(models.EmailChange)
        )
        return change

    async def _set_address(self, account_id: UUID, email: str, key: str, *, at: datetime) -> None:
        """The unique key decides: who came first with an address has it."""
        try:
            await self.session.execute(
                update(Account).where(Account.id == account_id).values(email=email, email_key=key, email_verified_at=at)
            )
        except IntegrityError as taken:
            raise LinkNotValid from taken

    async def _tell_old_address(self, change: models.EmailChange, *, locale: str) -> None:
        await self.outbox.queue(
            self.session,
            kind="email_change_notice",
            account_id=change.account_id,
            reference=change.id,
            locale=locale,
        )

    async def _send_reset(self, account: Account, *, at: datetime, visit: Visit) -> None:
        wish = models.PasswordReset(
            id=new_id(),
            account_id=account.id,
            channel="self_service",
            requested_at=at,
            expires_at=at + RESET_LINK_LIVES,
            request_ip=visit.network,
        )
        self.session.add(wish)
        await self.session.flush()
        await self.outbox.queue(
            self.session, kind="password_reset", account_id=account.id, reference=wish.id, locale=account.locale
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
