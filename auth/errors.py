"""Every refusal about accounts, sign-in and permissions, with its stable code and a sentence to act on."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import ClassVar


class Refusal(Exception):
    """Base of every refusal in all packages: an expected answer, never a fault of ours.

    `details` are JSON-able facts for programs; they also fill the placeholders of the sentences.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    de: ClassVar[str] = "Das geht leider nicht."
    en: ClassVar[str] = "That is not possible."

    def __init__(self, **details: object) -> None:
        super().__init__(self.code)
        self.details: Mapping[str, object] = details

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that belong to the answer, such as Retry-After (seconds)."""
        return {}

    def sentence(self, locale: str) -> str:
        """What a customer can read and act on, in `de` or `en`."""
        template = self.en if locale == "en" else self.de
        return template.format_map(_Blanks(self.details))


class _Blanks(dict[str, object]):
    """Fills a placeholder without a fact with nothing, so that a refusal never turns into a fault."""

    def __missing__(self, key: str) -> str:
        return ""


class AuthError(Refusal):
    """Base of every refusal about who someone is and what they may do."""


class NotSignedIn(AuthError):
    """No session, or one that has ended."""

    status, code = 401, "not_signed_in"
    de = "Bitte melden Sie sich an."
    en = "Please sign in."

    @property
    def headers(self) -> Mapping[str, str]:
        """The scheme that programs use (RFC 9110, 11.6.1)."""
        return {"WWW-Authenticate": 'Bearer realm="videothek"'}


class SignInRefused(AuthError):
    """Wrong address or wrong password: one answer for both, whether the account exists or not."""

    status, code = 401, "sign_in_refused"
    de = "E-Mail-Adresse oder Passwort stimmen nicht. Prüfen Sie beides oder setzen Sie Ihr Passwort neu."
    en = "The e-mail address or the password is wrong. Check both, or set a new password."

    @property
    def headers(self) -> Mapping[str, str]:
        """The scheme that programs use (RFC 9110, 11.6.1)."""
        return {"WWW-Authenticate": 'Bearer realm="videothek"'}


class AccountDisabled(AuthError):
    """The account is closed; said only to someone who knew the password."""

    status, code = 403, "account_disabled"
    de = "Dieses Konto ist gesperrt. Bitte wenden Sie sich an unseren Kundendienst."
    en = "This account is disabled. Please contact our customer service."


class StepUpRequired(AuthError):
    """The session is good, but its owner has to prove anew who they are; `max_age` says for how many seconds it holds.

    Done by `POST /v1/step-ups`, after which the request may be sent again.
    """

    status, code = 403, "step_up_required"
    de = "Bitte bestätigen Sie zuerst noch einmal, dass Sie es sind."
    en = "Please confirm once more first that it is you."

    @property
    def headers(self) -> Mapping[str, str]:
        """What is missing, in the words of RFC 9470."""
        age = self.details.get("max_age", 0)
        return {"WWW-Authenticate": f'Bearer error="insufficient_user_authentication", max_age="{age}"'}


class SecondFactorRequired(AuthError):
    """The password was right, but the account has a second factor: its code belongs to the proof, or a passkey."""

    status, code = 403, "second_factor_required"
    de = "Geben Sie auch den Code aus Ihrer App ein, oder bestätigen Sie mit Ihrem Passkey."
    en = "Enter the code from your app, too, or confirm with your passkey."


class NotPermitted(AuthError):
    """Signed in, but without the permission."""

    status, code = 403, "not_permitted"
    de = "Dafür hat Ihr Konto keine Berechtigung."
    en = "Your account has no permission for this."


class CustomersOnly(AuthError):
    """A staff account tried what only customers do."""

    status, code = 403, "customers_only"
    de = "Das geht nur mit einem Kundenkonto."
    en = "Only a customer account can do this."


class CrossSiteRequest(AuthError):
    """A changing request that did not come from our own pages, or whose form is out of date."""

    status, code = 403, "cross_site_request"
    de = "Das Formular ist veraltet oder kam nicht von unserer Seite. Laden Sie die Seite bitte neu."
    en = "The form is out of date or did not come from our site. Reload the page and send it again."


class TooManyAttempts(AuthError):
    """A limit is used up; `retry_after` says for how many seconds."""

    status, code = 429, "too_many_attempts"
    de = "Das waren zu viele Versuche. Bitte warten Sie {wait}."
    en = "Too many attempts. Please wait {wait}."

    _UNITS: ClassVar = ((3600, "Stunden", "hours"), (60, "Minuten", "minutes"), (1, "Sekunden", "seconds"))

    def __init__(self, retry_after: float) -> None:
        self.retry_after = max(1, ceil(retry_after))
        super().__init__(retry_after=self.retry_after)

    def sentence(self, locale: str) -> str:
        """How long to wait, in the largest unit of which there are two or more, rounded up."""
        size, german, english = next(unit for unit in self._UNITS if self.retry_after >= 2 * unit[0] or unit[0] == 1)
        number = max(2, ceil(self.retry_after / size))
        if locale == "en":
            return self.en.format(wait=f"{number} {english}")
        return self.de.format(wait=f"{number} {german}")

    @property
    def headers(self) -> Mapping[str, str]:
        """How long to wait, in seconds."""
        return {"Retry-After": str(self.retry_after)}


class Overloaded(AuthError):
    """More passwords are being checked than this process can bear."""

    status, code = 503, "overloaded"
    de = "Im Moment melden sich sehr viele Menschen an. Bitte versuchen Sie es in ein paar Sekunden noch einmal."
    en = "Very many people are signing in right now. Please try again in a few seconds."

    @property
    def headers(self) -> Mapping[str, str]:
        """When to try again, in seconds."""
        return {"Retry-After": "3"}


class ErasureNotFound(AuthError):
    """The account is not going to be erased."""

    status, code = 404, "erasure_not_found"
    de = "Für Ihr Konto ist keine Löschung vorgemerkt."
    en = "No erasure of your account is due."


class EmailAddressInvalid(AuthError):
    """Not an address that mail can be sent to."""

    status, code = 400, "email_address_invalid"
    de = "Diese E-Mail-Adresse ist ungültig. Bitte prüfen Sie die Schreibweise."
    en = "This e-mail address is not valid. Please check its spelling."


class PasswordRefused(AuthError):
    """A password that breaks a rule; `reasons` are codes, the sentence says them in words (SP 800-63B)."""

    status, code = 400, "password_refused"

    _REASONS: ClassVar[Mapping[str, tuple[str, str]]] = {
        "too_short": (
            "Das Passwort braucht mindestens {shortest} Zeichen; ein paar Wörter hintereinander genügen.",
            "The password needs at least {shortest} characters; a few words in a row will do.",
        ),
        "too_long": (
            "Das Passwort darf höchstens {longest} Zeichen haben.",
            "The password may have at most {longest} characters.",
        ),
        "unreadable": (
            "Das Passwort enthält Steuerzeichen.",
            "The password contains control characters.",
        ),
        "known_to_attackers": (
            "Dieses Passwort steht in Listen gestohlener Passwörter. Bitte wählen Sie ein anderes.",
            "This password is on lists of stolen passwords. Please choose another one.",
        ),
        "guessable": (
            "Das Passwort besteht fast nur aus Ihrer E-Mail-Adresse oder dem Namen unseres Hauses.",
            "The password is hardly more than your e-mail address or our own name.",
        ),
        "monotonous": (
            "Das Passwort wiederholt nur wenige Zeichen.",
            "The password merely repeats a few characters.",
        ),
    }

    def __init__(self, reasons: Sequence[str], *, shortest: int, longest: int) -> None:
        super().__init__(reasons=list(reasons), shortest=shortest, longest=longest)
        self.reasons = tuple(reasons)

    def sentence(self, locale: str) -> str:
        """Every reason in words."""
        position = 1 if locale == "en" else 0
        return " ".join(self._REASONS[reason][position].format_map(self.details) for reason in self.reasons)


class LinkNotValid(AuthError):
    """A mailed link or code that is unknown, used, replaced by a newer one or expired: one answer for all."""

    status, code = 400, "link_not_valid"
    de = "Dieser Link gilt nicht mehr. Fordern Sie einen neuen an; nur der jeweils neueste gilt."
    en = "This link is no longer valid. Ask for a new one; only the newest one works."


class ConfirmationRefused(AuthError):
    """The link is good, but the password is not the one chosen at registration."""

    status, code = 400, "confirmation_refused"
    de = "Das ist nicht das Passwort, das bei der Registrierung gewählt wurde. Sonst registrieren Sie sich neu."
    en = "This is not the password chosen at registration. If you do not know it, register again."


class PasswordWrong(AuthError):
    """Not the own password, asked for once more before something sensitive."""

    status, code = 400, "password_wrong"
    de = "Das ist nicht Ihr Passwort."
    en = "This is not your password."


class SessionNotFound(AuthError):
    """No session of this id belongs to the account; another account's looks the same."""

    status, code = 404, "session_not_found"
    de = "Diese Anmeldung gibt es nicht mehr."
    en = "This session does not exist any more."


class AccountNotFound(AuthError):
    """No such account."""

    status, code = 404, "account_not_found"
    de = "Dieses Konto gibt es nicht."
    en = "There is no such account."


class NotACustomer(AuthError):
    """Support may reset customers only: never colleagues, never oneself."""

    status, code = 403, "not_a_customer"
    de = "Das Passwort von Mitarbeitenden lässt sich hier nicht zurücksetzen."
    en = "The password of a member of staff cannot be reset here."


class AccountNotResettable(AuthError):
    """The customer's account is disabled or has no confirmed address."""

    status, code = 409, "account_not_resettable"
    de = "Dieses Konto ist gesperrt oder hat keine bestätigte Adresse; es wurde nichts verschickt."
    en = "This account is disabled or has no confirmed address; nothing was sent."


class AddressChangedLately(AuthError):
    """The address is new: for 72 hours support mails no link there, as the old one can still undo the change."""

    status, code = 409, "address_changed_lately"
    de = "Die Adresse dieses Kontos wurde in den letzten 72 Stunden geändert; es wurde nichts verschickt."
    en = "The address of this account was changed in the last 72 hours; nothing was sent."


class ResetLimitReached(AuthError):
    """Too many resets by this member of staff, or for this customer; `retry_after` in seconds."""

    status, code = 429, "reset_limit_reached"
    de = "Die Grenze für das Zurücksetzen von Passwörtern ist erreicht ({limit}). Es wurde nichts verschickt."
    en = "The limit for password resets is reached ({limit}). Nothing was sent."

    @property
    def headers(self) -> Mapping[str, str]:
        """How long to wait, in seconds."""
        return {"Retry-After": str(self.details.get("retry_after", 3600))}


class EmailAddressUnchanged(AuthError):
    """The new address is the one that the account has already, whatever its case."""

    status, code = 400, "email_address_unchanged"
    de = "Das ist schon die Adresse dieses Kontos."
    en = "This is the address of this account already."


class EmailAddressTaken(AuthError):
    """An account of this address exists already (said to operators only, never to visitors)."""

    status, code = 409, "email_address_taken"
    de = "Diese Adresse hat schon ein Konto."
    en = "This address already has an account."


class ColleagueNotFound(AuthError):
    """No member of staff of this id, or one who has left."""

    status, code = 404, "colleague_not_found"
    de = "Diese Person arbeitet nicht (mehr) hier."
    en = "This person does not work here (any more)."


class InvitationNotFound(AuthError):
    """No open invitation of this id."""

    status, code = 404, "invitation_not_found"
    de = "Diese Einladung gibt es nicht mehr."
    en = "This invitation does not exist any more."


class OwnAccount(AuthError):
    """Admins change neither their own roles nor end their own account."""

    status, code = 409, "own_account"
    de = "Die eigenen Rollen und das eigene Konto ändert nur jemand anderes aus der Verwaltung."
    en = "Your own roles and your own account can only be changed by another admin."


class LastAdmin(AuthError):
    """Without this person nobody could manage the staff."""

    status, code = 409, "last_admin"
    de = "Das ist die letzte Person mit Verwaltungsrechten. Geben Sie zuerst jemand anderem die Rolle."
    en = "This is the last admin. Give the role to somebody else first."
