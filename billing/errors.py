"""Every refusal of billing, with its stable code and the sentence a customer can act on."""

from collections.abc import Mapping
from math import ceil

from auth.errors import Refusal


class BillingError(Refusal):
    """Base of every refusal about money."""


class QuoteNotFound(BillingError):
    """No quote of this id belongs to the account; another account's quote looks the same."""

    status, code = 404, "quote_not_found"
    de = "Dieses Angebot kennen wir nicht. Bitte rufen Sie den Film noch einmal auf."
    en = "We do not know this quote. Please open the film again."


class QuoteInvalid(BillingError):
    """The quote's name is none that we gave, or what it promised was changed since."""

    status, code = 400, "quote_invalid"
    de = "Dieses Preisangebot stammt nicht von uns. Es ist nichts bestellt; rufen Sie den Film bitte noch einmal auf."
    en = "This quote is none of ours. Nothing was ordered; please open the film again."


class QuoteExpired(BillingError):
    """The quote is older than its ten minutes; `expired_at` says since when."""

    status, code = 409, "quote_expired"
    de = "Das Preisangebot galt zehn Minuten und ist abgelaufen. Es ist nichts bestellt; fordern Sie es neu an."
    en = "The quote was good for ten minutes and has expired. Nothing was ordered; please ask for a new one."


class ConsentsMissing(BillingError):
    """A declaration that the order needs was not made; `missing` names them."""

    status, code = 409, "consents_missing"
    de = "Es fehlt noch Ihre Zustimmung. Es ist nichts bestellt; bitte bestätigen Sie die markierten Erklärungen."
    en = "Your consent is still missing. Nothing was ordered; please confirm the marked declarations."


class OrderNotFound(BillingError):
    """No order of this id belongs to the account; another account's order looks the same."""

    status, code = 404, "order_not_found"
    de = "Diese Bestellung gibt es nicht."
    en = "There is no such order."


class OrderAlreadyOpen(BillingError):
    """The account has an unpaid order of the same subject: `order_id`, `order_number`."""

    status, code = 409, "order_already_open"
    de = "Für diesen Film ist Ihre Bestellung {order_number} noch offen. Bezahlen oder stornieren Sie sie zuerst."
    en = "Your order {order_number} for this film is still open. Please pay or cancel it first."


class OrderAlreadyPaid(BillingError):
    """The order is paid; there is nothing left to pay or to cancel."""

    status, code = 409, "order_already_paid"
    de = "Die Bestellung {order_number} ist schon bezahlt."
    en = "Order {order_number} has already been paid."


class OrderClosed(BillingError):
    """The order was cancelled, or its money goes back: it cannot be paid any more."""

    status, code = 409, "order_closed"
    de = "Die Bestellung {order_number} ist geschlossen. Bitte bestellen Sie den Film neu."
    en = "Order {order_number} is closed. Please order the film again."


class OrderNotPaid(BillingError):
    """The order was never paid, so there is nothing to give back."""

    status, code = 409, "order_not_paid"
    de = "Die Bestellung {order_number} ist nicht bezahlt; es gibt nichts zurückzuzahlen."
    en = "Order {order_number} has not been paid; there is nothing to give back."


class OrderDisputed(BillingError):
    """The customer's bank has the money, or keeps it: it cannot be given back a second time."""

    status, code = 409, "order_disputed"
    de = "Zu {order_number} läuft eine Rückbuchung der Bank. Das Geld kann nicht noch einmal zurückgezahlt werden."
    en = "The bank is charging {order_number} back. The money cannot be given back a second time."


class OrderGivenBack(BillingError):
    """All of the order's price went back already."""

    status, code = 409, "order_given_back"
    de = "Die Bestellung {order_number} ist schon ganz erstattet."
    en = "Order {order_number} has already been given back in full."


class WithdrawalOver(BillingError):
    """The withdrawal period has ended; `ended_at` says when."""

    status, code = 409, "withdrawal_over"
    de = "Die Widerrufsfrist von 14 Tagen ist abgelaufen. Hat der Film einen Fehler, schreiben Sie uns bitte."
    en = "The withdrawal period of 14 days is over. If something is wrong with the film, please write to us."


class WithdrawalNotFound(BillingError):
    """There is no such declaration."""

    status, code = 404, "withdrawal_not_found"
    de = "Diesen Widerruf gibt es nicht."
    en = "There is no such withdrawal."


class WithdrawalNotOpen(BillingError):
    """The declaration needs nobody: it was carried out, or somebody has dealt with it."""

    status, code = 409, "withdrawal_not_open"
    de = "Dieser Widerruf ist schon erledigt."
    en = "This withdrawal has been dealt with already."


class AmountInvalid(BillingError):
    """An amount in another currency than the order's, `currency`."""

    status, code = 409, "amount_invalid"
    de = "Der Betrag muss in der Währung der Bestellung stehen ({currency})."
    en = "The amount must be in the currency of the order ({currency})."


class RefundExceedsPayment(BillingError):
    """More than is left of the payment: `left` in minor units of `currency`."""

    status, code = 409, "refund_exceeds_payment"
    de = "So viel ist von dieser Zahlung nicht mehr übrig. Es wurde nichts zurückgezahlt."
    en = "Less than that is left of this payment. Nothing was given back."


class RefundLimitUsedUp(BillingError):
    """The member of staff has asked for as much as one day allows: `limit` in minor units of `currency`."""

    status, code = 429, "refund_limit_used_up"
    de = "Ihr Tagesrahmen für Rückzahlungen ist ausgeschöpft. Bitten Sie eine Kollegin oder einen Kollegen."
    en = "Your daily limit for refunds is used up. Please ask a colleague."


class RefundNotFound(BillingError):
    """There is no such refund."""

    status, code = 404, "refund_not_found"
    de = "Diese Rückzahlung gibt es nicht."
    en = "There is no such refund."


class RefundNotAwaitingApproval(BillingError):
    """Somebody has decided already."""

    status, code = 409, "refund_not_awaiting_approval"
    de = "Über diese Rückzahlung ist schon entschieden."
    en = "This refund has been decided already."


class DecidedByRequester(BillingError):
    """Who asked for a refund or a booking cannot be the one who approves or rejects it."""

    status, code = 403, "second_person_needed"
    de = "Darüber muss eine zweite Person entscheiden."
    en = "A second person has to decide this."


class RefundNotFailed(BillingError):
    """Only a failed refund that is not being tried again can be."""

    status, code = 409, "refund_not_failed"
    de = "Diese Rückzahlung ist nicht fehlgeschlagen oder wird schon wiederholt."
    en = "This refund has not failed, or is being tried again already."


class IdempotencyKeyReused(BillingError):
    """The key came before, with another request."""

    status, code = 409, "idempotency_key_reused"
    de = "Dieser Idempotency-Key gehört schon zu einer anderen Anfrage. Es wurde nichts getan; nehmen Sie einen neuen."
    en = "This Idempotency-Key belongs to another request already. Nothing was done; please use a new one."


class TooManyPaymentTries(BillingError):
    """Too many payments were opened or declined; `retry_after` says for how many seconds no other is opened."""

    status, code = 429, "too_many_payment_tries"
    de = (
        "Es gab zu viele Zahlungsversuche. Es ist nichts abgebucht. "
        "Bitte versuchen Sie es in {minutes} Minuten noch einmal, oder schreiben Sie uns."
    )
    en = (
        "There were too many attempts to pay. Nothing was charged. "
        "Please try again in {minutes} minutes, or write to us."
    )

    def __init__(self, retry_after: float) -> None:
        self.retry_after = max(1, ceil(retry_after))
        super().__init__(retry_after=self.retry_after, minutes=ceil(self.retry_after / 60))

    @property
    def headers(self) -> Mapping[str, str]:
        """How long to wait, in seconds."""
        return {"Retry-After": str(self.retry_after)}


class PaymentUnderWay(BillingError):
    """The payment is being processed, so the order can no longer be cancelled."""

    status, code = 409, "payment_under_way"
    de = "Ihre Zahlung wird gerade bearbeitet; die Bestellung {order_number} lässt sich jetzt nicht stornieren."
    en = "Your payment is being processed; order {order_number} cannot be cancelled now."


class PaymentOutcomeUnknown(BillingError):
    """The provider did not answer, so what it did is not known yet; asking again is safe."""

    status, code = 503, "payment_outcome_unknown"
    de = "Der Zahlungsdienst antwortet gerade nicht. Es wird nichts doppelt abgebucht; versuchen Sie es gleich wieder."
    en = "The payment provider is not answering. Nothing is charged twice; please try again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """When to ask again, in seconds."""
        return {"Retry-After": "5"}


class PaymentProviderRefused(BillingError):
    """The provider refused our request itself: a fault of the installation, not of the customer."""

    status, code = 502, "payment_provider_refused"
    de = "Der Zahlungsdienst hat die Anfrage abgelehnt. Es ist nichts abgebucht; wir sehen uns das an."
    en = "The payment provider refused the request. Nothing was charged; we are looking into it."


class PaymentUnknownToProvider(BillingError):
    """The provider knows no such object: it belongs to another environment."""

    status, code = 404, "payment_unknown_to_provider"
    de = "Diese Zahlung kennt der Zahlungsdienst nicht."
    en = "The payment provider does not know this payment."


class WebhookNotVerified(BillingError):
    """A webhook without a signature, with a wrong one, or with one too old or from the future."""

    status, code = 400, "webhook_not_verified"
    de = "Die Signatur fehlt oder ist ungültig."
    en = "The signature is missing or invalid."


class TaxRateUnknown(BillingError):
    """No tax rate is recorded for the country on that day: nothing may be sold there."""

    status, code = 409, "tax_rate_unknown"
    de = "In diesem Land können wir zurzeit nicht verkaufen."
    en = "We cannot sell in this country at present."


class PeriodInvalid(BillingError):
    """The period ends before it begins, or is longer than the export takes."""

    status, code = 400, "period_invalid"
    de = "Der Zeitraum ist ungültig: Das Ende muss nach dem Anfang liegen, höchstens {longest_days} Tage."
    en = "The period is invalid: it must end after it begins and last at most {longest_days} days."


class MovementNotFound(BillingError):
    """The provider told us of no such movement."""

    status, code = 404, "movement_not_found"
    de = "Diese Bewegung gibt es nicht."
    en = "There is no such movement."


class MovementNotUnexplained(BillingError):
    """The movement is matched, or it is ours and waits for its booking."""

    status, code = 409, "movement_not_unexplained"
    de = "Diese Bewegung gehört zu einer Buchung oder wartet noch auf ihre. Es wurde nichts gebucht."
    en = "This movement belongs to a booking or still waits for its own. Nothing was booked."


class MovementNotUnresolved(BillingError):
    """The movement was never acknowledged, is resolved, or a resolution of it waits for a second person."""

    status, code = 409, "movement_not_unresolved"
    de = "Diese Bewegung ist nicht ungeklärt, oder jemand hat sie gerade geklärt. Es wurde nichts gebucht."
    en = "This movement is not unresolved, or somebody has just resolved it. Nothing was booked."


class ResolutionNotFound(BillingError):
    """There is no such resolution."""

    status, code = 404, "resolution_not_found"
    de = "Diese Klärung gibt es nicht."
    en = "There is no such resolution."


class ResolutionNotAwaitingApproval(BillingError):
    """Somebody has decided already."""

    status, code = 409, "resolution_not_awaiting_approval"
    de = "Über diese Klärung ist schon entschieden."
    en = "This resolution has been decided already."


class CursorInvalid(BillingError):
    """The cursor was not made by this list."""

    status, code = 400, "cursor_invalid"
    de = "Diese Stelle der Liste gibt es nicht. Bitte beginnen Sie von vorn."
    en = "There is no such place in the list. Please start again."
