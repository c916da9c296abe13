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


class EvidenceMissing(AuthError):
    """Neither was the caller proved, nor was there evidence of enough kinds."""

    status, code = 400, "evidence_missing"
    de = "Ohne Code braucht es mindestens {least} Arten von Belegen."
    en = "Without a code, evidence of at least {least} kinds is needed."


class RecoveryUnderWay(AuthError):
    """One change that needs a second person is under way for this account already."""

    status, code = 409, "recovery_under_way"
    de = "Für dieses Konto läuft schon eine solche Änderung. Es wurde nichts angelegt."
    en = "Such a change of this account is under way already. Nothing was created."


class RecoveryLimitReached(AuthError):
    """Too many such changes by this member of staff, or for this customer."""

    status, code = 429, "recovery_limit_reached"
    de = "Die Grenze für solche Änderungen ist erreicht ({limit}). Es wurde nichts angelegt."
    en = "The limit for such changes is reached ({limit}). Nothing was created."


class RecoveryNotFound(AuthError):
    """No such change that is still to be decided."""

    status, code = 404, "recovery_not_found"
    de = "Hier gibt es nichts mehr zu entscheiden."
    en = "There is nothing left to decide here."


class SecondPersonNeeded(AuthError):
    """Who asked for it cannot agree to it."""

    status, code = 403, "second_person_needed"
    de = "Darüber entscheidet jemand anderes als die Person, die es beantragt hat."
    en = "Somebody else than who asked for it has to decide."


class SecuringLimitReached(AuthError):
    """This member of staff secured as many accounts as one may within a day."""

    status, code = 429, "securing_limit_reached"
    de = "Mehr als {most} Konten am Tag kann eine Person nicht sichern. Es wurde nichts geändert."
    en = "One person cannot secure more than {most} accounts a day. Nothing was changed."


class SupportActionNotFound(AuthError):
    """Nothing of this id that support began on the own account and that could still be cancelled."""

    status, code = 404, "support_action_not_found"
    de = "Hier gibt es nichts mehr abzusagen."
    en = "There is nothing left to cancel here."
