"""Refusals that the store itself speaks; its inner packages derive theirs from `StoreError`."""

from collections.abc import Mapping

from auth.errors import Refusal


class StoreError(Refusal):
    """Base of every refusal of the store, its catalogue and its entitlements."""


class MalformedRequest(StoreError):
    """The request cannot be read; `place` names the faulty part."""

    status, code = 400, "malformed_request"
    de = "Die Anfrage ist nicht lesbar: {place}."
    en = "The request cannot be read: {place}."


class UnsupportedMediaType(StoreError):
    """A body that is not JSON where JSON is expected (ASVS 5.0, 3.5.2)."""

    status, code = 415, "unsupported_media_type"
    de = "Hier wird JSON erwartet (Content-Type: application/json)."
    en = "JSON is expected here (Content-Type: application/json)."


class NotFound(StoreError):
    """Nothing is at this address."""

    status, code = 404, "not_found"
    de = "Unter dieser Adresse gibt es nichts."
    en = "There is nothing at this address."


class UnknownHost(StoreError):
    """The request names a host that is not this store."""

    status, code = 400, "unknown_host"
    de = "Unter diesem Namen gibt es hier keinen Dienst."
    en = "There is no service of this name here."


class MethodNotAllowed(StoreError):
    """The address exists, the method does not."""

    status, code = 405, "method_not_allowed"
    de = "Diese Adresse versteht die Methode {method} nicht."
    en = "This address does not understand the method {method}."

    @property
    def headers(self) -> Mapping[str, str]:
        """The methods that the address understands (RFC 9110, 15.5.6)."""
        return {"Allow": str(self.details["allow"])}


class BodyTooLarge(StoreError):
    """More bytes than the route takes."""

    status, code = 413, "body_too_large"
    de = "Das ist mehr, als hier angenommen wird. Es ist nichts gespeichert worden."
    en = "This is more than is accepted here. Nothing was saved."


class NotParked(StoreError):
    """The work is not parked (any more), or waits already to be done once more."""

    status, code = 409, "not_parked"
    de = "Das ist nicht mehr liegen geblieben: Es ist erledigt oder wartet schon darauf, wiederholt zu werden."
    en = "This is no longer parked: it is done, or waits already to be done once more."


class MailEventNotVerified(StoreError):
    """An event about a mail without a signature, with a wrong one, or with one too old or from the future."""

    status, code = 400, "mail_event_not_verified"
    de = "Die Signatur fehlt oder ist ungültig."
    en = "The signature is missing or invalid."


class InternalError(StoreError):
    """Our fault; the request id leads to the log line."""

    status, code = 500, "internal_error"
    de = "Bei uns ist etwas schiefgegangen. Es ist nichts gespeichert worden; bitte versuchen Sie es noch einmal."
    en = "Something went wrong on our side. Nothing was saved; please try again."


class DatabaseAway(StoreError):
    """The database restarts or cannot be reached; what was asked for may be asked again with the same key."""

    status, code = 503, "temporarily_unavailable"
    de = "Wir sind für einen Augenblick nicht erreichbar. Bitte versuchen Sie es gleich noch einmal."
    en = "We cannot be reached for a moment. Please try again shortly."

    @property
    def headers(self) -> Mapping[str, str]:
        """When to try again, in seconds."""
        return {"Retry-After": "2"}


class ConcurrentChange(StoreError):
    """Two requests wanted the same row at once and this one lost; trying again helps."""

    status, code = 409, "concurrent_change"
    de = "Das wurde im selben Augenblick an anderer Stelle geändert. Bitte versuchen Sie es noch einmal."
    en = "This was changed elsewhere at the same moment. Please try again."
