"""Why a rental is not mended, or an incident not made good."""

from store.entitlement.errors import EntitlementError


class IncidentNotWaiting(EntitlementError):
    """Nothing about this incident waits for a second person."""

    status, code = 409, "incident_not_waiting"
    de = "Dieser Vorfall wartet auf niemanden mehr."
    en = "This incident waits for nobody any more."


class IncidentNotFound(EntitlementError):
    """No such incident."""

    status, code = 404, "incident_not_found"
    de = "Diesen Vorfall gibt es nicht."
    en = "There is no such incident."


class IncidentSpanInvalid(EntitlementError):
    """The span is empty, backwards, or longer than what may be given for it."""

    status, code = 400, "incident_span_invalid"
    de = "Der Zeitraum muss zwischen einer und {limit} Stunden lang sein."
    en = "The span must be from one to {limit} hours long."


class RentalNotFound(EntitlementError):
    """No such right of this customer."""

    status, code = 404, "rental_not_found"
    de = "Diese Leihe gibt es in dem Konto nicht."
    en = "There is no such rental in the account."


class RemedyNotForThis(EntitlementError):
    """The right is no rental, does not hold, or is in a state that the remedy is not for."""

    status, code = 409, "remedy_not_for_this"
    de = (
        "Das geht hier nicht: Der Film ist gekauft, oder die Leihe ist gesperrt, zurückgenommen, nie begonnen "
        "oder ist vorbei."
    )
    en = "Not possible here: the film was bought, or the rental is on hold, was taken back, was never begun or is over."


class DownloadNotLost(EntitlementError):
    """The rental is on no device that was removed from the account: one that is there returns it itself."""

    status, code = 409, "download_not_lost"
    de = "Die Leihe ist auf keinem Gerät, das aus dem Konto entfernt ist. Entfernen Sie das verlorene Gerät zuerst."
    en = "The rental is on no device that was removed from the account. Remove the lost device first."


class RemedyTooLarge(EntitlementError):
    """More hours than one extension may have."""

    status, code = 400, "remedy_too_large"
    de = "Es können 1 bis {limit} Stunden sein."
    en = "It can be 1 to {limit} hours."


class RemedyTooLate(EntitlementError):
    """The rental ended too long ago."""

    status, code = 409, "remedy_too_late"
    de = "Die Leihe endete vor mehr als {days} Tagen."
    en = "The rental ended more than {days} days ago."


class RentalRemediesUsed(EntitlementError):
    """So much was done for this rental already."""

    status, code = 409, "rental_remedies_used"
    de = "Für diese Leihe ist das schon {limit}-mal geschehen. Erstatten Sie sie, oder bitten Sie die Leitung."
    en = "This was done {limit} times for the rental already. Refund it, or ask your lead."


class RemedyLimitReached(EntitlementError):
    """This member of staff did so as often as one may within a day."""

    status, code = 429, "remedy_limit_reached"
    de = "Sie haben das heute schon {limit}-mal getan, mehr geht nicht."
    en = "You have done so {limit} times today, which is the most."


class GiftsUsed(EntitlementError):
    """So much was given to this customer within a month."""

    status, code = 409, "gifts_used"
    de = "In diesem Konto wurde in den letzten 30 Tagen schon {limit}-mal etwas geschenkt."
    en = "Within the last 30 days {limit} films were given to this account already."


class GiftLimitReached(EntitlementError):
    """The agent gave away so many films within a day."""

    status, code = 409, "gift_limit_reached"
    de = "Sie haben heute schon {limit} Filme geschenkt. Bitten Sie eine Kollegin oder einen Kollegen."
    en = "You gave away {limit} films today already. Ask a colleague."
