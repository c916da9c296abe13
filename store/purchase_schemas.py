"""Shapes of what is sent and answered when something is bought."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec

from billing.books import Document
from billing.models import Order, OrderLine, Payment, Quote
from billing.money import Money, MoneyOut
from billing.money_states import OrderMoney
from billing.schemas import OrderMoneyOut, PaymentOut
from billing.tax import rate_text
from store.legal_texts import BUTTONS, CONSENTS, load_text


class CapabilitiesIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device can do; it decides nothing but what the quote says of it."""

    lines: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    """Of the largest picture that it decodes and shows, such as 1080."""
    decrypts: bool
    """Whether it plays protected films."""


class QuoteIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a price is asked for."""

    offer_id: UUID
    device_id: UUID | None = None
    """A registered device of the account, where one is meant."""
    capabilities: CapabilitiesIn | None = None
    """What the device can do, where the program knows it."""


class ConsentsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The declarations of the checkout; both are needed."""

    immediate_performance: bool = False
    withdrawal_loss: bool = False


class OrderIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order of a quote: sent by pressing the button whose words the quote gave."""

    quote_id: str
    """The quote's `id`, as it was given."""
    consents: ConsentsIn


class TermsOut(msgspec.Struct, frozen=True):
    """What may be done with what is bought."""

    kind: str
    """`rent` or `buy`."""
    quality: str
    start_days: int | None
    """Rentals: days after the payment in which the film must be started."""
    watch_hours: int | None
    """Rentals: hours from the start to the end."""
    near_end: str
    """Rentals started late: `full` keeps all their hours, `cut` ends them with the days to start."""
    words: str
    title_id: UUID
    offer_id: UUID
    may_download: bool = False
    """Whether it may be kept on a device, where its DRM can."""

    @classmethod
    def of(cls, terms: dict[str, Any], locale: str) -> Self:
        """The answer's form of the terms that were copied from the offer."""
        return msgspec.convert({**terms, "words": terms["words"][locale]}, cls)


class TaxOut(msgspec.Struct, frozen=True):
    """The VAT that a price contains."""

    country: str
    rate: str
    """Percent."""
    amount: MoneyOut


class LegalTextOut(msgspec.Struct, frozen=True):
    """A legal text; `body` is Markdown."""

    name: str
    version: str
    sha256: str
    heading: str
    body: str
    is_consent: bool
    """Whether the customer has to declare it; else it is for information."""


class QualityFitOut(msgspec.Struct, frozen=True):
    """Whether the device plays one of the qualities that are bought."""

    quality: str
    plays: bool | None
    """None: the device is not known."""
    reason: str | None
    """Why not, or what it would need."""


class DeviceFitOut(msgspec.Struct, frozen=True):
    """What the buyer's device can play of it."""

    device: str | None
    """Name of the registered device, where one was meant."""
    qualities: list[QualityFitOut]
    """The best one first."""

    @classmethod
    def of(cls, fit: dict[str, Any], locale: str) -> Self:
        """The answer's form of what a quote keeps of it."""
        qualities = [
            QualityFitOut(kept["quality"], kept["plays"], kept["reason"][locale] if kept["reason"] else None)
            for kept in fit["qualities"]
        ]
        return cls(fit["device"], qualities)


class QuoteOut(msgspec.Struct, frozen=True):
    """A price that is good until `expires_at`, with everything that is said before ordering."""

    id: str
    """Signed over all that follows: an order names the quote by it, unchanged."""
    description: str
    price: MoneyOut
    """Including VAT: what is charged."""
    net: MoneyOut
    tax: TaxOut
    terms: TermsOut
    start_by: datetime | None
    """Rentals: until when the film must be started if it is paid now."""
    device_fit: DeviceFitOut | None
    """What the buyer's device can play of it."""
    texts: list[LegalTextOut]
    button: str
    """The words that the ordering button must carry."""
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, quote: Quote, locale: str, *, name: str) -> Self:
        """The answer's form of a quote and its signed name, in `de` or `en`."""
        start_days = quote.terms["start_days"]
        return cls(
            id=name,
            description=quote.description[locale],
            price=MoneyOut.of(quote.price),
            net=MoneyOut(quote.net, quote.currency),
            tax=TaxOut(quote.tax_country, rate_text(quote.tax_rate_bp), MoneyOut(quote.tax, quote.currency)),
            terms=TermsOut.of(quote.terms, locale),
            start_by=quote.created_at + timedelta(days=start_days) if start_days else None,
            device_fit=DeviceFitOut.of(quote.device_fit, locale) if quote.device_fit else None,
            texts=[legal_text_out(text, kept["version"], locale) for text, kept in quote.texts.items()],
            button=BUTTONS[locale],
            created_at=quote.created_at,
            expires_at=quote.expires_at,
        )


class OrderLineOut(msgspec.Struct, frozen=True):
    """One thing bought."""

    description: str
    price: MoneyOut
    tax: TaxOut
    terms: TermsOut

    @classmethod
    def of(cls, line: OrderLine, order: Order, locale: str) -> Self:
        """The answer's form of a line."""
        return cls(
            description=line.description[locale],
            price=MoneyOut(line.gross, order.currency),
            tax=TaxOut(order.tax_country, rate_text(line.tax_rate_bp), MoneyOut(line.tax, order.currency)),
            terms=TermsOut.of(line.terms, locale),
        )


class OrderOut(msgspec.Struct, frozen=True):
    """An order as its customer sees it in a list."""

    id: UUID
    order_number: str
    state: str
    """`open`, `paid`, `cancelled` or `refunded`."""
    money: OrderMoneyOut
    price: MoneyOut
    lines: list[OrderLineOut]
    ordered_at: datetime
    expires_at: datetime
    """Until when an open order can be paid."""
    paid_at: datetime | None

    @classmethod
    def of(cls, order: Order, money: OrderMoney, locale: str) -> Self:
        """The answer's form of an order that was read with its lines."""
        return cls(
            id=order.id,
            order_number=order.order_number,
            state=order.state.value,
            money=OrderMoneyOut.of(money, locale),
            price=MoneyOut.of(Money(order.gross, order.currency)),
            lines=[OrderLineOut.of(line, order, locale) for line in order.lines],
            ordered_at=order.ordered_at,
            expires_at=order.expires_at,
            paid_at=order.paid_at,
        )


class ConsentTimesOut(msgspec.Struct, frozen=True):
    """When which declaration was made, and when the contract was confirmed."""

    ordered_at: datetime
    immediate_performance_at: datetime | None
    withdrawal_loss_at: datetime | None
    confirmation_sent_at: datetime | None
    """When the mail server took the confirmation of the contract, or the customer saved it."""


class OrderDetailOut(msgspec.Struct, frozen=True):
    """An order with its payment, invoice and contract."""

    order: OrderOut
    payment: PaymentOut | None
    """Null: it was given, and there is nothing to pay."""
    invoice_number: str | None
    consents: ConsentTimesOut
    texts: list[LegalTextOut]
    """The texts in the version that was agreed."""

    @classmethod
    def of(
        cls,
        order: Order,
        payment: Payment | None,
        *,
        money: OrderMoney,
        invoice: Document | None,
        confirmed_at: datetime | None,
        locale: str,
    ) -> Self:
        """The answer's form of an order that was read with its lines."""
        return cls(
            order=OrderOut.of(order, money, locale),
            payment=PaymentOut.of(payment, locale) if payment is not None else None,
            invoice_number=invoice.document_number if invoice else None,
            consents=ConsentTimesOut(
                ordered_at=order.ordered_at,
                immediate_performance_at=order.performance_consent_at,
                withdrawal_loss_at=order.withdrawal_loss_acknowledged_at,
                confirmation_sent_at=confirmed_at,
            ),
            texts=[legal_text_out(name, kept["version"], locale) for name, kept in order.texts.items()],
        )


class ConfirmationOut(msgspec.Struct, frozen=True):
    """The confirmation of a contract, for the customer to keep."""

    file_name: str
    text: str
    """As the mail says it."""


class OrdersOut(msgspec.Struct, frozen=True):
    """A page of orders, newest first."""

    orders: list[OrderOut]
    next_cursor: str | None
    """Give it back to go on; None: that was all."""


def legal_text_out(name: str, version: str, locale: str) -> LegalTextOut:
    """The answer's form of a legal text in one version."""
    text = load_text(name, version, locale)
    return LegalTextOut(
        name=text.name,
        version=text.version,
        sha256=text.sha256,
        heading=text.heading,
        body=text.body,
        is_consent=name in CONSENTS,
    )
