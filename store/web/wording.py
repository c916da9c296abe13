"""The words of the pages: texts by key in German and English, and how money, dates and spans are written."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_compact_decimal, format_decimal
from babel.units import format_unit

from billing.money import Money

TEXTS: Final = Path(__file__).parent / "texts"
LOCALES: Final = ("de", "en")
ZONES: Final[Mapping[str, str]] = {"DE": "Europe/Berlin", "AT": "Europe/Vienna"}
"""The market's time zone, in which its windows and rentals are told."""

_FORMATS: Final[Mapping[str, str]] = {"de": "de", "en": "en_GB"}
"""Whose dates and numbers a language writes: a European store does not put the month first."""

SPACE: Final = "\N{NO-BREAK SPACE}"


def load_texts(locale: str) -> dict[str, str]:
    """All texts of one language by their dotted key, such as `search.placeholder`."""
    texts: dict[str, str] = {}

    def gather(prefix: str, table: Mapping[str, Any]) -> None:
        for key, value in table.items():
            if isinstance(value, str):
                texts[prefix + key] = value.strip()
            else:
                gather(f"{prefix}{key}.", value)

    for path in sorted(TEXTS.glob(f"*{locale}.toml")):
        gather("", tomllib.loads(path.read_text(encoding="utf-8")))
    return texts


@dataclass(frozen=True, slots=True)
class Wording:
    """How one language speaks in one market; the templates know it as `w`."""

    locale: str
    zone: ZoneInfo
    texts: Mapping[str, str]

    @property
    def format(self) -> str:
        """The locale that dates and numbers are written in."""
        return _FORMATS[self.locale]

    def month(self, value: date) -> str:
        """A month such as `Mai 2026`."""
        return format_date(value, "LLLL yyyy", locale=self.format)

    def text(self, key: str, /, **values: object) -> str:
        """The text of a key with its values filled in; a plural is `key_one` beside `key` and chosen by `count`."""
        if values.get("count") == 1:
            key = f"{key}_one" if f"{key}_one" in self.texts else key
        text = self.texts[key]
        return text.format(**values) if values else text

    def money(self, value: Any) -> str:
        """An amount in words of the language; takes `Money`, `MoneyOut` or the document's `{amount, currency}`."""
        if isinstance(value, Mapping):
            value = Money(value["amount"], value["currency"])
        elif not isinstance(value, Money):
            value = Money(value.amount, value.currency)
        text: str = value.format(self.locale)
        return text

    def number(self, value: int) -> str:
        """A whole number with the language's separators."""
        return str(format_decimal(value, locale=self.format))

    def compact(self, value: int) -> str:
        """A large number shortly, such as `12 Tsd.`."""
        return str(format_compact_decimal(value, locale=self.format, fraction_digits=1))

    def day(self, value: Any) -> str:
        """A date such as `3. Mai 2026`; an instant is told in the market's zone."""
        value = _moment(value)
        if isinstance(value, datetime):
            value = value.astimezone(self.zone)
        return format_date(value, format="long", locale=self.format)

    def moment(self, value: Any) -> str:
        """An instant such as `Di. 3. Mai, 20:15`, in the market's zone."""
        pattern = "EEE d. MMMM, HH:mm" if self.locale == "de" else "EEE d MMMM, HH:mm"
        return format_datetime(_moment(value), pattern, tzinfo=self.zone, locale=self.format)

    def stamp(self, value: Any) -> str:
        """An instant in figures with seconds, for tables: `03.05.2026 20:15:07`."""
        pattern = "dd.MM.yyyy HH:mm:ss" if self.locale == "de" else "yyyy-MM-dd HH:mm:ss"
        return format_datetime(_moment(value), pattern, tzinfo=self.zone, locale=self.format)

    def minutes(self, value: int) -> str:
        """A running time such as `125 Minuten`."""
        return format_unit(value, "duration-minute", length="long", locale=self.format)

    def hours(self, value: int) -> str:
        """A length such as `48 Stunden`."""
        return format_unit(value, "duration-hour", length="long", locale=self.format)

    def days(self, value: int) -> str:
        """A length such as `30 Tage`."""
        return format_unit(value, "duration-day", length="long", locale=self.format)

    def span(self, value: timedelta) -> str:
        """A span in its largest fitting unit, rounded down: `29 Tage`, `17 Stunden`, `5 Minuten`."""
        seconds = max(0, int(value.total_seconds()))
        if seconds >= 2 * 86_400:
            return self.days(seconds // 86_400)
        if seconds >= 3_600:
            return self.hours(seconds // 3_600)
        return self.minutes(seconds // 60)

    def territory(self, code: str) -> str:
        """A country's name in the language; an unknown code is shown as it is."""
        return str(Locale(self.locale).territories.get(code.upper(), code))

    def language(self, code: str) -> str:
        """A language's name; an unknown code is shown as it is."""
        return str(Locale(self.locale).languages.get(code.split("-")[0].lower(), code))

    def countries(self, codes: list[str]) -> str:
        """Several countries, comma-separated."""
        return ", ".join(self.territory(code) for code in codes)

    def languages(self, codes: list[str]) -> str:
        """Several languages, comma-separated."""
        return ", ".join(self.language(code) for code in codes)


@lru_cache
def wording(locale: str, market: str) -> Wording:
    """The wording of a language and a market."""
    return Wording(locale, ZoneInfo(ZONES.get(market, "UTC")), load_texts(locale))


def _moment(value: Any) -> Any:
    """An RFC 3339 text of a stored document as an instant; anything else unchanged."""
    if not isinstance(value, str):
        return value
    if len(value) == len("2026-05-03"):
        return datetime.fromisoformat(value).date()
    instant = datetime.fromisoformat(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
