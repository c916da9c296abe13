"""Folds words so that people find what they mean: ä, ae and a are one, ß is ss, accents and marks do not count."""

import re
import unicodedata
from typing import Final

_SPECIAL: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
_APOSTROPHES: Final = re.compile(r"['’‘`´]")
_NO_WORD: Final = re.compile(r"[\W_]+")
_AFTER_VOWEL: Final = re.compile(r"([aou])e")
LONGEST_SORT_KEY: Final = 80
"""Characters."""
_ARTICLES: Final = re.compile(r"^(?:der|die|das|ein|eine|the|a|an|le|la|les|l|el|los|las|il|lo|un|une) ")
_GERMAN: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def fold(text: str) -> str:
    """Words in small letters separated by single blanks: `Die Büchse der Pandora` -> `die buchse der pandora`.

    An `e` after a, o or u is dropped on both sides, so `Maenner`, `Männer` and `Manner` are one word. Folding a
    beginning gives a beginning of the folded text, so it serves searching as one types. Apostrophes join:
    `Don't` -> `dont`.
    """
    return _AFTER_VOWEL.sub(r"\1", plain(_APOSTROPHES.sub("", text)))


def fold_for_search(*titles: str) -> str:
    """What is searched of a title that has several names: each folded, with ` | ` between them.

    A name with apostrophes is also there in parts, so that `avventura` finds `L'Avventura`.
    """
    names = [fold(title) for title in titles]
    names += [fold(_APOSTROPHES.sub(" ", title)) for title in titles if _APOSTROPHES.search(title)]
    return " | ".join(dict.fromkeys(name for name in names if name))


def sort_key(title: str) -> str:
    """What lists by title are sorted by, bytewise: folded, without a leading article, and short (cursors hold it)."""
    return _ARTICLES.sub("", fold(title), count=1)[:LONGEST_SORT_KEY]


def slug(text: str) -> str:
    """What stands in addresses: `Manche mögen's heiß` -> `manche-moegens-heiss`; empty where nothing is left."""
    lowered = unicodedata.normalize("NFC", _APOSTROPHES.sub("", text)).lower().translate(_GERMAN)
    return re.sub(r"[^a-z0-9]+", "-", plain(lowered)).strip("-")


def plain(text: str) -> str:
    """Small letters without marks; whatever is no letter or digit becomes a blank."""
    lowered = text.lower()
    if not lowered.isascii():
        decomposed = unicodedata.normalize("NFKD", lowered.translate(_SPECIAL))
        lowered = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _NO_WORD.sub(" ", lowered).strip()
