"""Buying: what the customer chose becomes a quote, and the quote an order; here the shop meets the till."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.checkout import Checkout, Consents
from billing.models import Order, OrderLine, Quote
from billing.money import Money
from billing.quotes import ForSale, QuoteSeal, write_quote
from store.catalogue.offer_records import Offer
from store.catalogue.offers import SellableOffer, find_sellable_offer
from store.entitlement.device_errors import DeviceNotFound
from store.entitlement.device_fit import Capabilities, fit_of
from store.entitlement.models import Device
from store.legal_texts import BUTTONS, current_versions

_DONE: Final = {"rent": {"de": "leihen", "en": "rental"}, "buy": {"de": "kaufen", "en": "purchase"}}


@dataclass(frozen=True, slots=True)
class Purchase:
    """The way from an offer to an order; paying is billing's matter."""

    session: AsyncSession
    checkout: Checkout
    seal: QuoteSeal

    async def quote(
        self,
        *,
        offer_id: UUID,
        account_id: UUID,
        market: str,
        device_id: UUID | None = None,
        capabilities: Capabilities | None = None,
        at: datetime,
    ) -> Quote:
        """Promise an offer's price to an account for ten minutes, and say what its device can play of it.

        Raises `OfferNotOnSale` (in the account's market, now), `DeviceNotFound`, `TitleTakenDown`, `AlreadyEntitled`
        (what the account has already, and until when) or `TaxRateUnknown`.
        """
        found = await find_sellable_offer(self.session, offer_id=offer_id, market=market, at=at)
        device_name = await self._name_of_device(device_id, account_id) if device_id is not None else None
        fit = await fit_of(self.session, offered=found, capabilities=capabilities, device_name=device_name)
        sale = for_sale(found, fit)
        await self._require_deliverable(account_id, sale, at)
        return await write_quote(
            self.session, account_id=account_id, market=market, device_id=device_id, sale=sale, at=at
        )

    async def order(
        self,
        *,
        quote: str,
        account_id: UUID,
        consents: Consents,
        channel: str,
        locale: str,
        client_address: str | None,
        at: datetime,
    ) -> Order:
        """Order what was quoted under the name `quote`; ordered again, it answers the same order.

        Raises `QuoteInvalid` and what `Checkout.open_order` raises. The price and terms are the quote's, also if the
        offer ended since.
        """
        return await self.checkout.open_order(
            quote=await self.seal.find(self.session, quote, account_id=account_id),
            consents=consents,
            button=BUTTONS[locale],
            channel=channel,
            locale=locale,
            client_address=client_address,
            at=at,
        )

    async def _name_of_device(self, device_id: UUID, account_id: UUID) -> str:
        mine = select(Device.name).where(
            Device.id == device_id, Device.account_id == account_id, Device.removed_at.is_(None)
        )
        name = await self.session.scalar(mine)
        if name is None:
            raise DeviceNotFound()
        return name

    async def _require_deliverable(self, account_id: UUID, sale: ForSale, at: datetime) -> None:
        """Ask whoever delivers, by a line that is never stored: the same rule holds at quote, order and payment."""
        line = OrderLine(item=sale.item, subject=sale.subject, kind=sale.kind, terms=dict(sale.terms))
        refusal = await self.checkout.fulfilment.may_deliver(self.session, account_id=account_id, line=line, at=at)
        if refusal is not None:
            raise refusal


def for_sale(found: SellableOffer, fit: Mapping[str, Any] | None) -> ForSale:
    """An offer in billing's words, with what is said of the buyer's device."""
    offer = found.offer
    return ForSale(
        item=f"offer:{offer.id}",
        subject=f"title:{found.title_id}",
        kind=offer.kind,
        description=describe(found),
        price=Money(offer.gross, offer.currency),
        tax_country=found.country,
        tax_category=found.tax_category,
        terms={
            "kind": offer.kind,
            "quality": offer.quality,
            "start_days": offer.start_days,
            "watch_hours": offer.watch_hours,
            "near_end": offer.near_end,
            "may_download": offer.may_download,
            "title_id": str(found.title_id),
            "offer_id": str(offer.id),
            "words": explain_terms(offer),
        },
        licensor_terms={
            "licensor_id": str(found.licensor_id),
            "alid": found.alid,
            "cost": offer.cost,
            "minimum_price": offer.minimum_price,
            "currency": offer.currency,
        },
        texts=current_versions(),
        device_fit=fit,
    )


def describe(found: SellableOffer) -> Mapping[str, str]:
    """What is bought, by locale: `„Her“ (2013) in HD leihen`, `“Her” (2013) in HD, rental`."""
    year = f" ({found.year})" if found.year else ""
    words, quality = _DONE[found.offer.kind], found.offer.quality
    return {
        "de": f"„{found.names['de']}“{year} in {quality} {words['de']}",
        "en": f"“{found.names['en']}”{year} in {quality}, {words['en']}",
    }


_DOWNLOAD: Final[Mapping[str, Mapping[str, str]]] = {
    "rent": {
        "de": "Statt dessen können Sie ihn auf ein Gerät herunterladen, dessen App das kann; er läuft dann nur dort, "
        "bis Sie ihn zurückgeben.",
        "en": "Instead you can download it to one device whose app is able to; it then plays there only, until you "
        "return it.",
    },
    "buy": {
        "de": "Auf zwei Geräte, deren App das kann, können Sie ihn herunterladen.",
        "en": "You can download it to two devices whose app is able to.",
    },
}


def explain_terms(offer: Offer) -> dict[str, Any]:
    """What the offer allows, in a few sentences, by locale; part of the contract."""
    words = _time_of(offer)
    if offer.may_download:
        more = _DOWNLOAD[offer.kind]
        words = {locale: f"{sentence} {more[locale]}" for locale, sentence in words.items()}
    return words


def _time_of(offer: Offer) -> dict[str, str]:
    if offer.kind == "buy":
        return {
            "de": "Sie können den Film auf Dauer ansehen, so oft Sie wollen.",
            "en": "You can watch the film permanently, as often as you like.",
        }
    days, hours = offer.start_days, offer.watch_hours
    words = {
        "de": f"Starten Sie den Film innerhalb von {days} Tagen nach der Zahlung. "
        f"Vom Start an können Sie ihn {hours} Stunden lang ansehen, so oft Sie wollen.",
        "en": f"Start the film within {days} days after paying. "
        f"From the start you can watch it for {hours} hours, as often as you like.",
    }
    if offer.near_end == "cut":
        words["de"] += f" Nach den {days} Tagen endet die Leihzeit auch dann, wenn die Stunden noch laufen."
        words["en"] += f" After the {days} days the rental ends even if the hours are still running."
    return words
