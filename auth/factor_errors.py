"""Refusals about the second step of a sign-in, second factors and passkeys."""

from collections.abc import Mapping

from auth.errors import AuthError


class StepNotValid(AuthError):
    """A begun sign-in that is unknown, used, too old, or overtaken by a new password."""

    status, code = 401, "step_not_valid"
    de = "Diese Anmeldung ist abgelaufen. Bitte beginnen Sie noch einmal mit Ihrem Passwort."
    en = "This sign-in has expired. Please start again with your password."

    @property
    def headers(self) -> Mapping[str, str]:
        """The scheme that programs use (RFC 9110, 11.6.1)."""
        return {"WWW-Authenticate": 'Bearer realm="videothek"'}


class CodeRefused(AuthError):
    """A code of the second factor that is wrong, too old or used already: one answer for all."""

    status, code = 400, "code_refused"
    de = "Dieser Code stimmt nicht oder wurde schon benutzt. Warten Sie auf den nächsten und geben Sie ihn ein."
    en = "This code is wrong or was used already. Wait for the next one and enter it."


class SecondFactorMissing(AuthError):
    """The account has no second factor, and none was offered to who asks."""

    status, code = 409, "second_factor_missing"
    de = "Für dieses Konto ist kein zweiter Faktor eingerichtet."
    en = "No second factor is set up for this account."


class SecondFactorExists(AuthError):
    """The account has a second factor already."""

    status, code = 409, "second_factor_exists"
    de = "Für dieses Konto ist schon ein zweiter Faktor eingerichtet."
    en = "A second factor is already set up for this account."


class PasskeyRefused(AuthError):
    """An authenticator's answer that does not count: one answer for whatever is wrong with it."""

    status, code = 400, "passkey_refused"
    de = "Dieser Passkey wurde nicht angenommen. Versuchen Sie es noch einmal, oder melden Sie sich anders an."
    en = "This passkey was not accepted. Try again, or sign in another way."


class PasskeyExists(AuthError):
    """The authenticator has made this passkey for an account already."""

    status, code = 409, "passkey_exists"
    de = "Dieser Passkey ist schon eingerichtet."
    en = "This passkey is set up already."


class TooManyPasskeys(AuthError):
    """The account has as many passkeys as it may have; `limit` says how many."""

    status, code = 409, "too_many_passkeys"
    de = "Mehr als {limit} Passkeys gehen nicht. Entfernen Sie zuerst einen, den Sie nicht mehr brauchen."
    en = "More than {limit} passkeys are not possible. First remove one that you no longer need."


class PasskeyNotFound(AuthError):
    """No passkey of this id belongs to the account; another account's looks the same."""

    status, code = 404, "passkey_not_found"
    de = "Diesen Passkey gibt es nicht mehr."
    en = "This passkey does not exist any more."


class LastFactor(AuthError):
    """A member of staff would be left with the password alone."""

    status, code = 409, "last_factor"
    de = "Das ist Ihr letzter zweiter Faktor. Richten Sie zuerst einen anderen ein."
    en = "This is your last second factor. Set up another one first."
