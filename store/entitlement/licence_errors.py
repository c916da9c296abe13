"""Refusals of proofs, tokens and licences."""

from collections.abc import Mapping

from store.entitlement.errors import EntitlementError


class ProofInvalid(EntitlementError):
    """The DPoP proof is missing, faulty, too old, for another request, or was used before; `reason` says which."""

    status, code = 401, "invalid_dpop_proof"
    de = "Dieses Gerät hat sich nicht ausweisen können. Bitte laden Sie die Seite neu."
    en = "This device could not prove itself. Please reload the page."

    @property
    def headers(self) -> Mapping[str, str]:
        """How to do better."""
        return {"WWW-Authenticate": 'DPoP error="invalid_dpop_proof", algs="ES256"'}


class TokenInvalid(EntitlementError):
    """The playback token is missing, not ours, expired, or bound to another device's key."""

    status, code = 401, "invalid_token"
    de = "Die Freigabe für diese Wiedergabe gilt nicht mehr. Bitte starten Sie den Film neu."
    en = "The permission for this playback is no longer valid. Please start the film again."

    @property
    def headers(self) -> Mapping[str, str]:
        """How to do better."""
        return {"WWW-Authenticate": 'DPoP error="invalid_token", algs="ES256"'}


class LicenceRequestMalformed(EntitlementError):
    """The key ids are missing, too many, or no key ids."""

    status, code = 400, "licence_request_malformed"
    de = "Die Lizenzanfrage ist nicht lesbar: {place}."
    en = "The licence request cannot be read: {place}."


class ForeignKeyAsked(EntitlementError):
    """A key id is unknown or belongs to another film: the whole request is refused."""

    status, code = 403, "key_of_another_film"
    de = "Diese Lizenzanfrage passt nicht zu dem Film, der gestartet wurde."
    en = "This licence request does not match the film that was started."


class NothingGranted(EntitlementError):
    """None of the keys asked for belongs to the quality that was paid."""

    status, code = 403, "quality_not_granted"
    de = "In dieser Qualität haben Sie den Film nicht geliehen oder gekauft."
    en = "You have not rented or bought the film in this quality."


class ClearKeyNotAllowed(EntitlementError):
    """The film may be played by a hosted service's licence only: Clear Key would give its keys away."""

    status, code = 403, "clear_key_not_allowed"
    de = "Dieser Film ist besonders geschützt: Er läuft nicht in diesem Browser, nur in einer App mit mehr Schutz."
    en = "This film is specially protected: it does not play in this browser, only in an app with more protection."


class StartNotConfirmed(EntitlementError):
    """The playback was opened without agreeing that the rental begins, so it cannot begin it."""

    status, code = 403, "start_not_confirmed"
    de = "Der Beginn der Leihzeit ist nicht bestätigt. Bitte starten Sie den Film neu."
    en = "The beginning of the rental time was not confirmed. Please start the film again."


class KeysUnreadable(EntitlementError):
    """Our fault: the film's keys were sealed with a secret that this process does not have."""

    status, code = 503, "keys_unreadable"
    de = "Der Film kann gerade nicht freigegeben werden. Es liegt an uns; Ihre Leihzeit hat nicht begonnen."
    en = "The film cannot be unlocked right now. It is our fault; your rental time has not begun."
