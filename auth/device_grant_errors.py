"""Why a TV is not signed in by its code: the errors of RFC 8628 (3.5) and RFC 6749 (5.2), and of entering the code."""

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

from auth.errors import AuthError


class DeviceGrantError(AuthError):
    """Base of what a TV is answered that polls; `error` is the standard's word for it."""

    status: ClassVar[int] = 400
    error: ClassVar[str]

    def __init__(self, **details: object) -> None:
        super().__init__(error=self.error, **details)


class AuthorisationPending(DeviceGrantError):
    """Nobody has decided yet; `interval` says how many seconds to wait before the next poll."""

    code = error = "authorization_pending"
    de = "Der Code wurde noch nicht eingegeben."
    en = "The code has not been entered yet."

    @property
    def headers(self) -> Mapping[str, str]:
        """How long to wait, for programs that do not know the standard."""
        return {"Retry-After": str(ceil(float(str(self.details.get("interval", 5)))))}


class PollingTooFast(AuthorisationPending):
    """The poll came too early: from now on the pause is `interval` seconds, five more than before."""

    code = error = "slow_down"
    de = "Die Anfragen kommen zu schnell nacheinander."
    en = "The requests follow each other too fast."


class DeviceCodeRefused(DeviceGrantError):
    """The owner of the account has refused."""

    code = error = "access_denied"
    de = "Die Anmeldung wurde abgelehnt."
    en = "The sign-in was refused."


class DeviceCodeExpired(DeviceGrantError):
    """Nobody decided in time: ask for a new code."""

    code = error = "expired_token"
    de = "Der Code ist abgelaufen. Lassen Sie sich einen neuen anzeigen."
    en = "The code has expired. Ask for a new one."


class DeviceCodeInvalid(DeviceGrantError):
    """Unknown, used already, another key's, or of an account that has changed meanwhile: ask for a new code."""

    code = error = "invalid_grant"
    de = "Der Code gilt nicht. Lassen Sie sich einen neuen anzeigen."
    en = "The code is not valid. Ask for a new one."


class UserCodeUnknown(AuthError):
    """No TV that waits shows this code."""

    status, code = 404, "user_code_unknown"
    de = "Diesen Code zeigt gerade kein Gerät. Vergleichen Sie ihn mit dem Bildschirm, oder holen Sie dort einen neuen."
    en = "No device shows this code at the moment. Compare it with the screen, or have a new one shown there."
