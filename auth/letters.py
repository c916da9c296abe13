"""The mails that auth has to say: who gets them and what they hold, made at the moment they leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from babel import Locale
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import models
from auth.email_addresses import mask_email
from auth.factor_records import Passkey, SecondFactor
from auth.models import Account, Session
from auth.ports import AuthSettings, Composer, Letter
from auth.tokens import (
    EMAIL_CHANGE,
    EMAIL_UNDO,
    INVITATION,
    PASSWORD_RESET,
    REGISTRATION,
    SUPPORT_CANCEL,
    MailedTokens,
    hash_token,
)
from auth.visits import browser_of


def composers(settings: AuthSettings) -> Mapping[str, Composer]:
    """Composers of all kinds of mail that auth queues."""
    links = MailedLinks(settings.base_url, MailedTokens(settings.derive("mailed-links")))
    return {
        "registration": ComposeRegistration(links),
        "password_reset": ComposePasswordReset(links),
        "password_changed": ComposePasswordChanged(settings.base_url),
        "second_factor_changed": compose_second_factor_changed,
        "passkey_changed": ComposePasskeyChanged(settings.base_url),
        "staff_invitation": ComposeInvitation(links),
        "new_device": ComposeNewDevice(settings.base_url),
        "email_change": ComposeEmailChange(links),
        "email_change_notice": ComposeEmailChangeNotice(links),
    }


@dataclass(frozen=True, slots=True)
class MailedLinks:
    """Makes links whose token stands in the fragment, which no server and no log ever sees."""

    base_url: str
    tokens: MailedTokens = field(repr=False)

    def values(self, kind: str, reference: UUID, *, path: str, locale: str) -> Mapping[str, str]:
        """`link` (with the token), `page` (without it) and `token`, for people whose browser runs no scripts."""
        token = self.tokens.mint(kind, reference)
        page = f"{self.base_url}/{locale}{path}"
        return {"link": f"{page}#t={token}", "page": page, "token": token}

    def digest(self, kind: str, reference: UUID) -> bytes:
        """What the row keeps of the token."""
        digest = hash_token(self.tokens.mint(kind, reference), kind=kind)
        if digest is None:
            raise ValueError(f"{kind} is no kind of token")
        return digest


@dataclass(frozen=True, slots=True)
class ComposeRegistration:
    """The link that confirms an address; who already has an account is told so instead."""

    links: MailedLinks

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the registered address, or None if the registration is over."""
        wish = await session.get(models.Registration, reference, with_for_update=True)
        if wish is None or wish.confirmed_at or wish.closed_at or wish.expires_at <= at:
            return None
        owner = await session.scalar(select(Account).where(Account.email_key == wish.email_key))
        if owner is not None:
            return self._already_registered(owner)
        wish.token_hash = self.links.digest(REGISTRATION, wish.id)
        values = self.links.values(REGISTRATION, wish.id, path="/register/confirm", locale=wish.locale)
        return Letter(recipient=wish.email, values={**values, "valid_until": wish.expires_at}, locale=wish.locale)

    def _already_registered(self, owner: Account) -> Letter | None:
        """Says to the owner alone that there is an account. The registration just expires."""
        if owner.email is None or owner.status != "active":
            return None
        base = f"{self.links.base_url}/{owner.locale}"
        return Letter(
            recipient=owner.email,
            values={"sign_in": f"{base}/sign-in", "forgot": f"{base}/password/forgot"},
            account_id=owner.id,
            template="already_registered",
            locale=owner.locale,
        )


@dataclass(frozen=True, slots=True)
class ComposePasswordReset:
    """The link that sets a new password: to the stored address of a customer, and to nobody else."""

    links: MailedLinks

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail, or None: no such customer, or the request is used, replaced or expired."""
        asked = await session.get(models.PasswordReset, reference)
        if asked is None:
            return None
        account = await self._lock_account(session, asked)
        wish = await session.get_one(models.PasswordReset, asked.id, with_for_update=True, populate_existing=True)
        wish.email_key = None
        if wish.used_at or wish.superseded_at:
            return None
        if account is None or account.email is None or wish.expires_at <= at:
            wish.superseded_at = at
            return None
        wish.account_id = account.id
        if await self._is_replaced(session, wish):
            wish.superseded_at = at
            return None
        wish.token_hash = self.links.digest(PASSWORD_RESET, wish.id)
        values = self.links.values(PASSWORD_RESET, wish.id, path="/password/reset", locale=account.locale)
        by_support = wish.channel == "support"
        return Letter(
            recipient=account.email,
            values={
                **values,
                "valid_until": wish.expires_at,
                "by_support": by_support,
                **(self._way_out(wish, account) if by_support else {}),
            },
            account_id=account.id,
            locale=account.locale,
        )

    def _way_out(self, wish: models.PasswordReset, account: Account) -> Mapping[str, str]:
        """With which the owner calls off what support started."""
        wish.cancel_token_hash = self.links.digest(SUPPORT_CANCEL, wish.id)
        values = self.links.values(SUPPORT_CANCEL, wish.id, path="/account/support/cancel", locale=account.locale)
        return {f"cancel_{name}": value for name, value in values.items()}

    async def _lock_account(self, session: AsyncSession, wish: models.PasswordReset) -> Account | None:
        whose = Account.id == wish.account_id if wish.account_id else Account.email_key == wish.email_key
        return await session.scalar(
            select(Account).where(whose, Account.kind == "customer", Account.status == "active").with_for_update()
        )

    async def _is_replaced(self, session: AsyncSession, wish: models.PasswordReset) -> bool:
        """Whether a newer link exists; if not, this one replaces all older ones."""
        reset = models.PasswordReset
        newer = await session.scalar(
            select(reset.id)
            .where(reset.account_id == wish.account_id, reset.requested_at > wish.requested_at, reset.id != wish.id)
            .where(reset.token_hash.is_not(None))
            .limit(1)
        )
        if newer is not None:
            return True
        await session.execute(
            update(reset)
            .where(
                reset.account_id == wish.account_id,
                reset.id != wish.id,
                reset.token_hash.is_not(None),
                reset.used_at.is_(None),
                reset.superseded_at.is_(None),
            )
            .values(superseded_at=wish.requested_at)
        )
        return False


@dataclass(frozen=True, slots=True)
class ComposePasswordChanged:
    """Tells the owner that the password was changed, and where they are signed out."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail; `reference` is the reset by which it was changed, None where it was done signed in."""
        account = await session.get(Account, account_id)
        if account is None or account.email is None:
            return None
        values = {
            "changed_at": account.password_changed_at or at,
            "everywhere": reference is not None,
            "forgot": way_back(self.base_url, account),
        }
        return Letter(recipient=account.email, values=values, locale=account.locale)


@dataclass(frozen=True, slots=True)
class ComposeNewDevice:
    """Tells the owner that somebody signed in on a device that was not seen before."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail about the session `reference`."""
        opened, account = await session.get(Session, reference), await session.get(Account, account_id)
        if opened is None or account is None or account.email is None:
            return None
        values = {
            "signed_in_at": opened.created_at,
            # Never what it says of itself in its own words: a mail repeats nothing that a stranger wrote.
            "device": browser_of(opened.ua_short),
            "network": opened.ip_trunc,
            "country": country_name(opened.country, account.locale),
            "account_page": f"{self.base_url}/{account.locale}/account",
            "forgot": way_back(self.base_url, account),
        }
        return Letter(recipient=account.email, values=values, locale=account.locale)


def country_name(code: str | None, locale: str) -> str | None:
    """A country in words; an unknown code as it is."""
    return str(Locale(locale).territories.get(code, code)) if code else None


@dataclass(frozen=True, slots=True)
class ComposeEmailChange:
    """The link that confirms a new address; whose account has it already is told so instead."""

    links: MailedLinks

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the new address, or None if the change is over."""
        change = await session.get(models.EmailChange, reference, with_for_update=True)
        if change is None or change.confirmed_at or change.closed_at or change.undone_at or change.expires_at <= at:
            return None
        owner = await session.scalar(select(Account).where(Account.email_key == change.new_email_key))
        if owner is not None:
            return self._taken(owner)
        change.token_hash = self.links.digest(EMAIL_CHANGE, change.id)
        values = self.links.values(EMAIL_CHANGE, change.id, path="/account/email/confirm", locale=locale)
        return Letter(
            recipient=change.new_email,
            values={**values, "valid_until": change.expires_at},
            account_id=change.account_id,
        )

    def _taken(self, owner: Account) -> Letter | None:
        """Says to the owner alone that there is an account. The change just expires."""
        if owner.email is None or owner.status != "active":
            return None
        sign_in = f"{self.links.base_url}/{owner.locale}/sign-in"
        return Letter(
            recipient=owner.email,
            values={"sign_in": sign_in},
            account_id=owner.id,
            template="email_change_taken",
            locale=owner.locale,
        )


@dataclass(frozen=True, slots=True)
class ComposeEmailChangeNotice:
    """Tells the old address of a change that was asked for or has taken effect, with the link that undoes it."""

    links: MailedLinks

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the old address, or None if the change was undone or can be undone no more."""
        change = await session.get(models.EmailChange, reference, with_for_update=True)
        if change is None or change.undone_at or change.undo_until <= at:
            return None
        change.undo_token_hash = self.links.digest(EMAIL_UNDO, change.id)
        values = self.links.values(EMAIL_UNDO, change.id, path="/account/email/undo", locale=locale)
        return Letter(
            recipient=change.old_email,
            values={
                **values,
                "new_address": mask_email(change.new_email),
                "has_changed": change.confirmed_at is not None,
                "valid_until": change.undo_until,
            },
        )


@dataclass(frozen=True, slots=True)
class ComposeInvitation:
    """The link with which a new colleague joins."""

    links: MailedLinks

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the invited address, or None if the invitation is over."""
        invitation = await session.get(models.Invitation, reference, with_for_update=True)
        if invitation is None or invitation.accepted_at or invitation.withdrawn_at or invitation.expires_at <= at:
            return None
        invitation.token_hash = self.links.digest(INVITATION, invitation.id)
        values = self.links.values(INVITATION, invitation.id, path="/join", locale=invitation.locale)
        return Letter(
            recipient=invitation.email,
            values={**values, "valid_until": invitation.expires_at},
            locale=invitation.locale,
        )


def way_back(base_url: str, account: Account) -> str | None:
    """Where a customer sets a new password at once; staff have no such page and write to us."""
    return f"{base_url}/{account.locale}/password/forgot" if account.kind == "customer" else None


async def compose_second_factor_changed(
    session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
) -> Letter | None:
    """Tells the owner that signing in takes a second factor from now on, or none any more."""
    account, factor = await session.get(Account, account_id), await session.get(SecondFactor, reference)
    if account is None or account.email is None or factor is None:
        return None
    return Letter(
        recipient=account.email,
        values={"is_on": factor.removed_at is None, "changed_at": factor.removed_at or factor.confirmed_at},
        locale=account.locale,
    )


@dataclass(frozen=True, slots=True)
class ComposePasskeyChanged:
    """Tells the owner of a new passkey, or of one that is gone. What it is called is not said: a stranger may have."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail, or None if the account was erased."""
        account, passkey = await session.get(Account, account_id), await session.get(Passkey, reference)
        if account is None or account.email is None or passkey is None:
            return None
        return Letter(
            recipient=account.email,
            values={
                "is_on": passkey.removed_at is None,
                "changed_at": passkey.removed_at or passkey.created_at,
                "account_page": f"{self.base_url}/{account.locale}/account",
            },
            locale=account.locale,
        )
