"""The legal texts: data files with a version; of those that belong to a contract every order keeps version and hash."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "legal"

NAMES: Final = ("terms", "withdrawal", "immediate_performance", "withdrawal_loss")
"""Texts of the contract."""

NOTICES: Final = ("privacy",)
"""Texts that inform and are no part of a contract."""

LOCALES: Final = ("de", "en")

CONSENTS: Final = ("immediate_performance", "withdrawal_loss")
"""Texts that the customer declares by ticking them; the others are shown for information."""

_SAMPLE: Final = ("*Mustertext", "*Sample text")
"""How the bodies of the samples begin that come with the project."""

BUTTONS: Final[Mapping[str, str]] = {
    "de": "Zahlungspflichtig bestellen",
    "en": "Order with obligation to pay",
}
"""The words on the button that orders (BGB 312j(3); Directive 2011/83/EU, Article 8(2))."""


@dataclass(frozen=True, slots=True)
class LegalText:
    """One text in one version and language."""

    name: str
    version: str
    """A date; the greatest one is current."""
    locale: str
    heading: str
    body: str
    """Markdown below the heading."""
    sha256: str
    """Hexadecimal digest of the file's bytes."""


@cache
def load_text(name: str, version: str, locale: str) -> LegalText:
    """A text as its file says; raises `KeyError` if there is none. Old versions stay readable for old orders."""
    known = name in (*NAMES, *NOTICES) and locale in LOCALES and version in _versions(name)
    if not known:
        raise KeyError(f"{name}/{version}.{locale}")
    content = (FOLDER / name / f"{version}.{locale}.md").read_bytes()
    heading, _, body = content.decode().partition("\n")
    return LegalText(
        name=name,
        version=version,
        locale=locale,
        heading=heading.removeprefix("# ").strip(),
        body=body.strip(),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def current_text(name: str, locale: str) -> LegalText:
    """The text that is shown now; raises `KeyError` for a name that there is not."""
    if name not in (*NAMES, *NOTICES):
        raise KeyError(name)
    return load_text(name, max(_versions(name)), locale)


def texts_of_registration(locale: str) -> Mapping[str, Mapping[str, object]]:
    """What whoever registers is shown (`auth.ports.RegistrationTexts`): terms to agree to, and the privacy notice."""
    shown = {name: current_text(name, locale) for name in ("terms", "privacy")}
    return {
        name: {"version": text.version, "sha256": text.sha256, "is_declaration": name == "terms"}
        for name, text in shown.items()
    }


def samples() -> list[str]:
    """Names of the texts that are still the project's samples: nobody may sell under them."""
    return [
        name
        for name in (*NAMES, *NOTICES)
        if any(current_text(name, locale).body.startswith(_SAMPLE) for locale in LOCALES)
    ]


@cache
def current_versions() -> Mapping[str, Any]:
    """What a quote keeps of the texts: `{name: {"version": ..., "sha256": {"de": ..., "en": ...}}}`."""
    return {
        name: {
            "version": max(_versions(name)),
            "sha256": {locale: current_text(name, locale).sha256 for locale in LOCALES},
        }
        for name in NAMES
    }


@cache
def _versions(name: str) -> frozenset[str]:
    return frozenset(path.name.partition(".")[0] for path in (FOLDER / name).glob("*.md"))
