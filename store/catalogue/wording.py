"""The sentences that the catalogue itself says, in German and English."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time

_SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "facts.wikidata": (
        "Fakten aus Wikidata (CC0); der Titel steht dort in seiner englischen Form.",
        "Facts from Wikidata (CC0), with the title in its English form.",
    ),
    "facts.invented": (
        "Diese Serie ist für die Demonstration erfunden. Es gibt sie nicht.",
        "This series was invented for the demonstration. It does not exist.",
    ),
    "cast.alphabetical": (
        "Die Besetzung steht in alphabetischer Reihenfolge.",
        "The cast is listed in alphabetical order.",
    ),
    "cast.unknown": (
        "In welcher Reihenfolge die Besetzung genannt wird, ist nicht bekannt.",
        "The order of the cast is not known.",
    ),
    "cast.invented": ("Zu erfundenen Serien gibt es keine Besetzung.", "Invented series have no cast."),
    "cast.none": ("Zur Besetzung liegen uns keine Angaben vor.", "We have no information on the cast."),
    "offers.invented": (
        "Die Angebote und Preise sind für die Demonstration erfunden.",
        "The offers and prices were invented for the demonstration.",
    ),
    "offers.none": (
        "Dieser Titel ist zurzeit in Ihrem Land nicht im Angebot.",
        "This title is currently not on offer in your country.",
    ),
    "offers.episodes": (
        "Die Folgen werden einzeln angeboten.",
        "The episodes are offered one by one.",
    ),
    "synopsis.none": (
        "Zu diesem Titel haben wir noch keine Inhaltsangabe.",
        "We have no synopsis of this title yet.",
    ),
    "opinion.none": (
        "Unsere Redaktion hat über diesen Titel noch nicht geschrieben.",
        "Our editors have not written about this title yet.",
    ),
    "age_label.none": (
        "Zur Altersfreigabe liegt uns keine Angabe vor.",
        "We have no information on the age rating.",
    ),
    "similar.director": ("Auch von {names}", "Also by {names}"),
    "similar.actors": ("Auch mit {names}", "Also with {names}"),
    "similar.genre": ("{genre} aus derselben Zeit", "{genre} of the same time"),
    "rights": (
        "{holder}. Alle Rechte an Film, Titel und Marken liegen bei den jeweiligen Inhabern.",
        "{holder}. All rights in the film, its title and its trademarks belong to their respective owners.",
    ),
    "rights.unknown": (
        "Alle Rechte an Film, Titel und Marken liegen bei den jeweiligen Inhabern.",
        "All rights in the film, its title and its trademarks belong to their respective owners.",
    ),
    "role.director": ("Regie", "Director"),
    "role.writer": ("Drehbuch", "Writer"),
    "role.actor": ("Darsteller", "Actor"),
    "season": ("Staffel {number}", "Season {number}"),
    "and": ("und", "and"),
    "rent": (
        "Innerhalb von {days} starten, dann {hours} lang so oft ansehen, wie Sie möchten.",
        "Start within {days}, then watch as often as you like for {hours}.",
    ),
    "rent.cut": (
        "Innerhalb von {days} starten und ansehen; nach dem Start {hours} lang, längstens bis zum Ende dieser Frist.",
        "Start and watch within {days}; for {hours} from the start, but no longer than that.",
    ),
    "buy": (
        "Kaufen und behalten: ansehen, so oft und so lange Sie möchten.",
        "Buy and keep: watch as often and for as long as you like.",
    ),
    "starts": ("Ab {when} Uhr.", "From {when}."),
    "days": ("{count} Tagen", "{count} days"),
    "days_one": ("einem Tag", "one day"),
    "hours": ("{count} Stunden", "{count} hours"),
    "hours_one": ("eine Stunde", "one hour"),
}


def say(key: str, locale: str, /, **values: object) -> str:
    """The sentence of a key in `de` or `en`; a key with `_one` beside it is chosen by `count`."""
    if values.get("count") == 1:
        key = f"{key}_one"
    sentence = _SENTENCES[key][1 if locale == "en" else 0]
    return sentence.format(**values) if values else sentence


def terms(*, kind: str, start_days: int | None, watch_hours: int | None, near_end: str, locale: str) -> str:
    """What an offer means, as one sentence."""
    if kind == "buy":
        return say("buy", locale)
    return say(
        "rent.cut" if near_end == "cut" else "rent",
        locale,
        days=say("days", locale, count=start_days),
        hours=say("hours", locale, count=watch_hours),
    )


def starting(starts_at: datetime, *, zone: str, locale: str) -> str:
    """From when on something is sold, in the market's own time."""
    local = starts_at.astimezone(ZoneInfo(zone))
    day = format_date(local, "long", locale="en_GB" if locale == "en" else locale)
    return say("starts", locale, when=f"{day}, {format_time(local, 'HH:mm', locale=locale)}")


def enumerate_names(names: list[str], locale: str) -> str:
    """`A`, `A und B`, `A, B und C`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {say('and', locale)} {names[-1]}"
