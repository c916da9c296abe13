"""Refusals about callers, and about what support began on an account."""

from collections.abc import Mapping

from auth.errors import AuthError


class CallerCodeRefused(AuthError):
    """Not the code that the customer was given; `tries_left` says how often it can still be entered."""

    status, code = 400, "caller_code_refused"
    de = "Das ist nicht der Code. Noch mögliche Versuche: {tries_left}."
    en = "This is not the code. Tries left: {tries_left}."


class CallerCodeNotFound(AuthError):
    """No code that still holds: unknown, used, expired, tried too often, replaced, or asked for by somebody else."""

    status, code = 404, "caller_code_not_found"
    de = "Dieser Code gilt nicht (mehr). Lassen Sie einen neuen schicken."
    en = "There is no such code (any more). Have a new one sent."


class CallerCodeLimitReached(AuthError):
    """Too many codes by this member of staff, or for this customer; `retry_after` in seconds."""

    status, code = 429, "caller_code_limit_reached"
    de = "Die Grenze für Codes ist erreicht ({limit}). Es wurde keiner verschickt."
    en = "The limit for codes is reached ({limit}). None was sent."

    @property
    def headers(self) -> Mapping[str, str]:
        """How long to wait, in seconds."""
        return {"Retry-After": str(self.details.get("retry_after", 3600))}


class CallerNotProved(AuthError):
    """The proof of the caller is missing, too old, about another account, or another agent's."""

    status, code = 409, "caller_not_proved"
    de = "Dafür muss sich die anrufende Person zuerst mit einem Code ausweisen."
    en = "For this, the caller has to prove who they are with a code first."


class SupportActionNotFound(AuthError):
    """Nothing of this id that support began on the own account and that could still be cancelled."""

    status, code = 404, "support_action_not_found"
    de = "Hier gibt es nichts mehr abzusagen."
    en = "There is nothing left to cancel here."
