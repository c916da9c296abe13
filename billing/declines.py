"""Why a payment was declined, in words that help the customer and tell a card thief nothing."""

from typing import Final

Sentences = tuple[str, str]
"""Why, and what to do while the order is open."""

DECLINES: Final[dict[str, dict[str, Sentences]]] = {
    "insufficient_funds": {
        "de": (
            "Die Karte hat nicht genug Deckung.",
            "Ihre Bestellung bleibt offen; nehmen Sie eine andere Zahlungsart.",
        ),
        "en": ("The card has insufficient funds.", "Your order stays open; please use another way to pay."),
    },
    "expired_card": {
        "de": ("Die Karte ist abgelaufen.", "Ihre Bestellung bleibt offen; nehmen Sie eine andere Karte."),
        "en": ("The card has expired.", "Your order stays open; please use another card."),
    },
    "wrong_details": {
        "de": (
            "Die Kartenangaben stimmen nicht.",
            "Ihre Bestellung bleibt offen; prüfen Sie Nummer, Datum und Prüfziffer.",
        ),
        "en": (
            "The card details are not right.",
            "Your order stays open; check the number, the date and the code.",
        ),
    },
    "not_authenticated": {
        "de": (
            "Ihre Bank hat die Zahlung nicht bestätigt.",
            "Ihre Bestellung bleibt offen; versuchen Sie es noch einmal.",
        ),
        "en": ("Your bank could not confirm the payment.", "Your order stays open; please try again."),
    },
    "try_again": {
        "de": (
            "Die Bank war nicht erreichbar.",
            "Es ist nichts abgebucht; versuchen Sie es in einer Minute noch einmal.",
        ),
        "en": ("The bank could not be reached.", "Nothing was charged; please try again in a minute."),
    },
    "debit_failed": {
        "de": (
            "Ihre Bank hat die Lastschrift nicht eingelöst.",
            "Ihre Bestellung bleibt offen; nehmen Sie eine andere Zahlungsart.",
        ),
        "en": ("Your bank did not honour the direct debit.", "Your order stays open; please use another way to pay."),
    },
    "declined": {
        "de": (
            "Ihre Bank hat die Zahlung abgelehnt.",
            "Ihre Bestellung bleibt offen; nehmen Sie eine andere Zahlungsart.",
        ),
        "en": ("Your bank declined the payment.", "Your order stays open; please use another way to pay."),
    },
}
"""Reasons by key. Reported-lost, stolen or suspicious cards are simply `declined`."""


def decline_sentence(decline: str, locale: str) -> str:
    """Why, and what to do; an unknown key reads as `declined`."""
    return " ".join(_sentences(decline, locale))


def decline_reason(decline: str, locale: str) -> str:
    """Only why."""
    return _sentences(decline, locale)[0]


def _sentences(decline: str, locale: str) -> Sentences:
    return DECLINES.get(decline, DECLINES["declined"])["de" if locale == "de" else "en"]
