"""Names of countries and languages in German and English, from Unicode's CLDR as Babel brings it."""

from functools import lru_cache
from typing import Final

from babel import Locale

from store.catalogue.schemas import Named

FORMER_COUNTRIES: Final[dict[str, tuple[str, str]]] = {
    "CSHH": ("Tschechoslowakei", "Czechoslovakia"),
    "CSXX": ("Serbien und Montenegro", "Serbia and Montenegro"),
    "SUHH": ("Sowjetunion", "Soviet Union"),
    "YUCS": ("Jugoslawien", "Yugoslavia"),
}
"""Countries of ISO 3166-3, which CLDR no longer names: German, English."""

SHORT_COUNTRIES: Final[dict[str, tuple[str, str]]] = {
    "US": ("USA", "USA"),
    "HK": ("Hongkong", "Hong Kong"),
    "BA": ("Bosnien und Herzegowina", "Bosnia and Herzegovina"),
    "PS": ("Palästina", "Palestine"),
}
"""Countries that film pages call otherwise than CLDR does."""

SHORT_LANGUAGES: Final[dict[str, tuple[str, str]]] = {
    "mul": ("mehrere Sprachen", "several languages"),
    "zxx": ("ohne Dialog", "no dialogue"),
    "yue": ("Kantonesisch", "Cantonese"),
    "cmn": ("Hochchinesisch", "Mandarin"),
    "nan": ("Min Nan", "Min Nan"),
    "gsg": ("Deutsche Gebärdensprache", "German Sign Language"),
}
"""Languages that film pages call otherwise than CLDR does, or that CLDR lacks."""


@lru_cache(maxsize=1024)
def country(code: str, locale: str) -> Named:
    """A country by its ISO 3166 code; an unknown code is its own name."""
    names = SHORT_COUNTRIES.get(code) or FORMER_COUNTRIES.get(code)
    if names is not None:
        return Named(code, names[_position(locale)])
    return Named(code, Locale(locale).territories.get(code, code))


@lru_cache(maxsize=2048)
def language(code: str, locale: str) -> Named:
    """A language by its BCP 47 tag; what has no tag is called as it was delivered."""
    names = SHORT_LANGUAGES.get(code)
    if names is not None:
        return Named(code, names[_position(locale)])
    return Named(code, Locale(locale).languages.get(code.replace("-", "_"), code))


def _position(locale: str) -> int:
    return 1 if locale == "en" else 0
