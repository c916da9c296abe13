"""Refusals of rights and playback, and the base of all in this package."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, Self
from zoneinfo import ZoneInfo

from store.errors import StoreError

Way = Literal[
    "rent_or_buy",
    "ask_support",
    "wait",
    "remove_device",
    "replace_device",
    "enter_pin",
    "return_download",
    "register_device",
    "stop_stream",
    "save_confirmation",
    "confirm_start",
]
"""What a customer can do next; `store.entitlement.reasons` knows where."""

_ZONE: Final = ZoneInfo("Europe/Berlin")
"""Zone of the instants in sentences: that of all markets so far; it is said beside them."""

_GERMAN_ZONES: Final[Mapping[str, str]] = {"CET": "MEZ", "CEST": "MESZ"}


class EntitlementError(StoreError):
    """Base of the refusals of this package; instants among the details are RFC 3339, UTC."""

    retry: ClassVar[bool] = False
    """Whether asking again later may help, without doing anything."""
    way: Way | None = None
    """What the customer can do next; None: nothing."""

    def __init__(self, **details: Any) -> None:
        plain = {name: _rfc3339(value) if isinstance(value, datetime) else value for name, value in details.items()}
        super().__init__(**plain)
        self.instants = {name: value for name, value in details.items() if isinstance(value, datetime)}

    def with_details(self, **more: Any) -> Self:
        """This refusal with further details."""
        return type(self)(**{**self.details, **self.instants, **more})

    def sentence(self, locale: str) -> str:
        """What happened and what to do; instants are told by day and minute, in the zone of the markets."""
        told = {name: _told(instant, locale) for name, instant in self.instants.items()}
        return (self.de if locale == "de" else self.en).format(**{**self.details, **told})


def _told(instant: datetime, locale: str) -> str:
    there = instant.astimezone(_ZONE)
    zone = there.tzname() or ""
    if locale == "de":
        return f"{there:%d.%m.%Y, %H:%M} Uhr ({_GERMAN_ZONES.get(zone, zone)})"
    return f"{there:%Y-%m-%d, %H:%M} ({zone})"


def _rfc3339(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


class AlreadyEntitled(EntitlementError):
    """The account has this already; `entitlement_id` says by which right, `until` how long."""

    status, code = 409, "already_entitled"
    de = "Das haben Sie schon: Sie finden es unter „Meine Filme“."
    en = "You already have this: it is in “My films”."


class FilmUnknown(EntitlementError):
    """No title has this name."""

    status, code = 404, "film_unknown"
    de = "Diesen Film gibt es hier nicht."
    en = "There is no such film here."


class NotEntitled(EntitlementError):
    """The account has never rented or bought this."""

    status, code = 403, "not_entitled"
    way = "rent_or_buy"
    de = "Diesen Film haben Sie nicht geliehen oder gekauft."
    en = "You have not rented or bought this film."


class RentalOver(EntitlementError):
    """The hours of the rental are over since `ended_at`."""

    status, code = 403, "rental_over"
    way = "rent_or_buy"
    de = "Ihre Leihe ist vorbei. Sie können den Film noch einmal leihen oder kaufen."
    en = "Your rental is over. You can rent the film again or buy it."


class RentalNotStarted(EntitlementError):
    """The rental was not started before `start_by`."""

    status, code = 403, "rental_not_started_in_time"
    way = "rent_or_buy"
    de = "Die Zeit, in der Sie diese Leihe beginnen konnten, ist abgelaufen. Sie können den Film noch einmal leihen."
    en = "The time in which this rental could be started has passed. You can rent the film again."


class RightPaused(EntitlementError):
    """The right rests for a while; `paused_reason` says why."""

    status, code, way = 403, "right_paused", "ask_support"
    de = "Dieser Film ist für Sie vorübergehend angehalten. Unser Kundendienst hilft Ihnen weiter."
    en = "This film is on hold for you at the moment. Our customer service can help."


class TitleTakenDown(EntitlementError):
    """No right to the title, its season or its series counts: a court or an authority has forbidden to show it."""

    status, code, way = 451, "title_taken_down", "ask_support"
    de = "Dieser Titel darf aus rechtlichen Gründen nicht mehr gezeigt werden. Unser Kundendienst hilft Ihnen weiter."
    en = "For legal reasons this title may no longer be shown. Our customer service can help."


class RightRevoked(EntitlementError):
    """The right was taken back, for instance by a refund."""

    status, code, way = 403, "right_revoked", "rent_or_buy"
    de = "Das Recht an diesem Film ist zurückgenommen worden, zum Beispiel weil er erstattet wurde."
    en = "The right to this film was taken back, for instance because it was refunded."


class WithdrawalLost(EntitlementError):
    """The film was begun at `began_at`, with the consents that end the right of withdrawal (BGB 356(5))."""

    status, code = 409, "withdrawal_lost"
    de = "Sie haben den Film am {began_at} begonnen; damit ist das Widerrufsrecht erloschen, wie Sie es erklärt haben."
    en = "You began the film on {began_at}; with that the right of withdrawal ended, as you declared."


class StartConfirmationNeeded(EntitlementError):
    """Playing now would begin the rental's hours: say so with `start_confirmed: true`; they would end at `ends_at`."""

    status, code = 409, "start_confirmation_needed"
    way = "confirm_start"
    de = "Mit dem Start beginnt Ihre Leihzeit; sie endet am {ends_at}. Bitte bestätigen Sie, dass es losgehen soll."
    en = "Starting begins your rental time; it ends at {ends_at}. Please confirm that you want to start."


class ConfirmationOutstanding(EntitlementError):
    """The contract of order `id` was not confirmed yet: its mail is under way, or does not arrive (BGB 356(5))."""

    status, code = 409, "confirmation_outstanding"
    way = "save_confirmation"
    retry = True
    de = (
        "Die Bestätigung Ihres Vertrags ist noch nicht bei Ihnen. Sie kommt gleich mit der E-Mail; "
        "oder Sie speichern sie hier, dann geht es sofort los."
    )
    en = (
        "The confirmation of your contract has not reached you yet. It is about to come by e-mail; "
        "or save it here, and you can start at once."
    )


class AgeRestricted(EntitlementError):
    """The profile that watches here has an age limit below the title's label, or the title has no label."""

    status, code, way = 403, "age_restricted", "enter_pin"
    de = "In diesem Profil sind nur Filme bis {age_limit} Jahre frei. Mit der Jugendschutz-PIN geht es weiter."
    en = "This profile is for films up to the age of {age_limit}. Go on with the parental PIN."


class FilmNotReady(EntitlementError):
    """There is a right, but no encrypted film to play yet."""

    status, code = 409, "film_not_ready"
    way = "wait"
    retry = True
    de = "Dieser Film liegt noch nicht zum Abspielen bereit. Ihr Recht daran bleibt unberührt."
    en = "This film is not ready to be played yet. Your right to it is unaffected."


class StreamsBusy(EntitlementError):
    """As many films as allowed are playing; `sessions` names the devices, and each can be stopped."""

    status, code = 409, "streams_busy"
    way = "stop_stream"
    retry = True
    de = "Es laufen schon {limit} Wiedergaben auf anderen Geräten. Beenden Sie eine davon, dann geht es hier weiter."
    en = "{limit} films are playing on other devices already. Stop one of them and you can go on here."


class RentalStreamBusy(EntitlementError):
    """This rental is playing on another device; `sessions` names it, and it can be stopped."""

    status, code = 409, "rental_stream_busy"
    way = "stop_stream"
    retry = True
    de = "Diese Leihe läuft gerade auf einem anderen Gerät. Beenden Sie sie dort, dann geht es hier weiter."
    en = "This rental is playing on another device right now. Stop it there and you can go on here."


class TitleStreamsBusy(EntitlementError):
    """As many streams of this title as allowed are running; `sessions` names the devices, and each can be stopped."""

    status, code, way = 409, "title_streams_busy", "stop_stream"
    retry = True
    de = "Dieser Titel läuft gerade auf einem anderen Gerät. Beenden Sie ihn dort, dann geht es hier weiter."
    en = "This title is playing on another device right now. Stop it there and you can go on here."


class PlaybackNotFound(EntitlementError):
    """No such playback in this account (or on this device)."""

    status, code = 404, "playback_not_found"
    de = "Diese Wiedergabe gibt es nicht."
    en = "There is no such playback."


class PlaybackNeverTried(EntitlementError):
    """Support asked without a title about a customer who never tried to play any."""

    status, code = 404, "playback_never_tried"
    de = "Diese Kundin oder dieser Kunde hat noch keinen Film gestartet. Wählen Sie einen Titel."
    en = "This customer has not tried to play any film yet. Choose a title."


class PlaybackEnded(EntitlementError):
    """The playback was stopped, replaced or taken down, or fell silent; `end_reason` says which."""

    status, code = 410, "playback_ended"
    de = "Diese Wiedergabe ist beendet worden. Starten Sie den Film neu, um weiterzuschauen."
    en = "This playback was ended. Start the film again to go on watching."
