"""Every mail of the store with sample values, to be looked at in both languages: a part of the catcher's pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from store.letter_templates import FOLDER, Rendered, render
from store.sandbox.catcher_pages import MAIL_POLICY, page
from store.settings import Seller

LOCALES: Final = ("de", "en")

_AT: Final = datetime(2026, 11, 25, 20, 15, tzinfo=UTC)

SAMPLES: Final[Mapping[str, object]] = {
    "site": "videothek.example",
    "base_url": "https://videothek.example",
    "seller": Seller(
        name="Videothek Demo GmbH",
        address="Filmstraße 1 · 10115 Berlin · Deutschland",
        email="kino@videothek.example",
        vat_id="DE000000000",
    ),
    "link": "https://videothek.example/de/password/reset#t=vt1_reset_sample",
    "page": "https://videothek.example/de/password/reset",
    "token": "vt1_reset_sample",
    "cancel_link": "https://videothek.example/de/account/support/cancel#t=vt1_cancel_sample",
    "cancel_page": "https://videothek.example/de/account/support/cancel",
    "cancel_token": "vt1_cancel_sample",
    "code": "492039",
    "case_number": "A-2026-KRMT-4821",
    "text": "Wir haben die Tonspur getauscht.\nBitte starten Sie den Film noch einmal.",
    "is_done": True,
    "case_page": "https://videothek.example/de/account/cases/1",
    "is_email_change": True,
    "is_reminder": False,
    "held_until": _AT,
    "valid_until": _AT,
    "changed_at": _AT,
    "ordered_at": _AT,
    "declared_at": _AT,
    "erased_on": _AT,
    "until": _AT,
    "signed_in_at": _AT,
    "sealed_at": _AT,
    "sequence": 4711,
    "anchor": f"audit-anchor 4711 {'9f86d081' * 8} 2026-11-25T20:15:00+00:00",
    "everywhere": True,
    "device": "Firefox, Linux",
    "network": "192.0.2.0/24",
    "country": "Österreich",
    "account_page": "https://videothek.example/de/account",
    "new_address": "n•••@b•••.example",
    "has_changed": True,
    "is_on": True,
    "by_support": True,
    "sign_in": "https://videothek.example/de/sign-in",
    "forgot": "https://videothek.example/de/password/forgot",
    "order_number": "V-2026-KRMT-4821",
    "invoice_number": "R-2026-000042",
    "credit_note": "G-2026-000007",
    "lines": [{"text": "„Her“ (2013), HD", "price": "3,99 €", "terms": "30 Tage, dann 48 Stunden"}],
    "total": "3,99 €",
    "taxes": [{"rate": "19 %", "amount": "0,64 €", "net": "3,35 €"}],
    "consents": [{"text": "Sofort beginnen", "at": _AT}],
    "texts": [{"heading": "Widerrufsbelehrung", "body": "Sie haben das Recht …"}],
    "library": "https://videothek.example/de/library",
    "name": "Anna Sommer",
    "contract": "V-2026-KRMT-4821",
    "email": "anna@beispiel.example",
    "amount": "3,99 €",
    "reason": "Sie haben widerrufen.",
    "can_be_paid": True,
    "debited_on": "1. Dezember 2026",
    "account_end": "3000",
    "mandate_reference": "NXDSYREGC9PSMKWY",
    "creditor_id": "DE98ZZZ09999999999",
    "order_page": "https://videothek.example/de/orders/1",
    "film": "Her",
    "terms": "Starten Sie den Film innerhalb von 30 Tagen.",
    "hours": 48,
    "is_cut": False,
    "is_begun": True,
    "is_freed": False,
    "devices": "https://videothek.example/de/account/devices",
    "watch": "https://videothek.example/de/watch/her-2013",
}
"""A value for every variable of every template."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One template in one language."""

    kind: str
    locale: str
    letter: Rendered


def kinds() -> list[str]:
    """Names of all templates."""
    return sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())


def sample(kind: str, locale: str) -> Sample | None:
    """A template filled with the samples; None if there is none of that name or language."""
    if kind not in kinds() or locale not in LOCALES:
        return None
    return Sample(kind, locale, render(kind, locale, {**SAMPLES, "locale": locale}))


def _found(kind: str, locale: str) -> Sample:
    found = sample(kind, locale)
    if found is None:
        raise NotFoundException
    return found


@get("/samples", sync_to_thread=True)
def list_samples() -> Response[str]:
    """All templates by their subjects, in both languages."""
    return page("samples.html", samples=[_found(kind, locale) for kind in kinds() for locale in LOCALES])


@get("/samples/{kind:str}/{locale:str}", sync_to_thread=True)
def show_sample(kind: FromPath[str], locale: FromPath[str]) -> Response[str]:
    """One template: its HTML in a frame without rights, its text."""
    return page("sample.html", sample=_found(kind, locale))


@get("/samples/{kind:str}/{locale:str}/html", sync_to_thread=True)
def show_sample_html(kind: FromPath[str], locale: FromPath[str]) -> Response[str]:
    """The HTML part alone, for the frame."""
    body = f'<base target="_blank">{_found(kind, locale).letter.html}'
    return Response(body, media_type=MediaType.HTML, headers={"Content-Security-Policy": MAIL_POLICY})


handlers = [list_samples, show_sample, show_sample_html]
