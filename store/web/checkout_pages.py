"""The checkout: what is bought, the consents and the payment on one page, and the return from paying."""

from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from billing.checkout import Checkout
from billing.debits import may_debit
from billing.errors import PaymentOutcomeUnknown
from billing.models import Order, OrderLine, OrderState, Payment, PaymentState
from billing.orders import find_order, latest_payment
from billing.payments import Payments
from billing.ports import DEBITS
from billing.schemas import PaymentOut
from store.catalogue.offers import find_sellable_offer
from store.catalogue.schemas import TitleCard
from store.database import Database
from store.entitlement.library import WITH_EPISODES, watch_path
from store.legal_texts import BUTTONS
from store.purchase import Purchase
from store.purchase_schemas import OrderLineOut, QuoteOut
from store.web.pages import Frame
from store.web.titles import cards_by_id

_STRIPE_FRAMES: Final = "https://js.stripe.com https://hooks.stripe.com"
_WAITING: Final = (PaymentState.PROCESSING, PaymentState.REQUIRES_CONFIRMATION)
"""Not `unknown`: what may have been opened without our knowing can be paid by nobody."""


def payment_sources(stripe_js_url: str) -> dict[str, str]:
    """What the content policy must allow beyond ours for Stripe.js at this address (docs.stripe.com/security)."""
    parts = urlsplit(stripe_js_url)
    script = f"{parts.scheme}://{parts.netloc}"
    if parts.netloc != "js.stripe.com":
        return {"script-src": script, "connect-src": script}
    return {
        "script-src": script,
        "connect-src": "https://api.stripe.com",
        "frame-src": _STRIPE_FRAMES,
        "img-src": "https://*.stripe.com",
    }


@get("/checkout", guards=[customer_only])
async def choose_offer(frame: NamedDependency[Frame], offer: FromQuery[UUID]) -> Response[Any]:
    """What the buy box sends: on to the checkout of the chosen offer."""
    return frame.go(f"/checkout/{offer}")


@get("/checkout/{offer_id:uuid}", guards=[customer_only])
async def show_checkout(
    frame: NamedDependency[Frame],
    offer_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    purchase: NamedDependency[Purchase],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[Database],
) -> Response[Any]:
    """Ask for a quote and show it; an order of the same film that still waits is gone on with instead."""
    sellable = await find_sellable_offer(session, offer_id=offer_id, market=frame.market, at=frame.at)
    waiting = await _waiting_order(session, identity.account_id, f"title:{sellable.title_id}", frame.at)
    if waiting is not None:
        return frame.go(f"/orders/{waiting}/pay")
    quote = await purchase.quote(offer_id=offer_id, account_id=identity.account_id, market=frame.market, at=frame.at)
    name = purchase.seal.name(quote)
    shown = QuoteOut.of(quote, frame.locale, name=name)
    film = (await cards_by_id(frame, database, [sellable.title_id]))[sellable.title_id]
    return _page(
        frame,
        film=film,
        terms=shown.terms,
        description=shown.description,
        start_by=shown.start_by,
        price=shown.price,
        tax=shown.tax,
        texts=shown.texts,
        button=shown.button,
        expires_at=shown.expires_at,
        quote_id=name,
        fit=shown.device_fit,
        allows_debit=frame.settings.sepa_debit
        and await may_debit(
            session,
            account_id=identity.account_id,
            kind=shown.terms.kind,
            currency=shown.price.currency,
            at=frame.at,
        ),
        order_id=None,
    )


async def _waiting_order(session: AsyncSession, account_id: UUID, subject: str, at: datetime) -> UUID | None:
    """The account's unpaid order of a subject that can still be paid."""
    return await session.scalar(
        select(Order.id)
        .join(OrderLine, OrderLine.order_id == Order.id)
        .where(
            OrderLine.account_id == account_id,
            OrderLine.subject == subject,
            OrderLine.is_open,
            Order.state == OrderState.OPEN,
            Order.expires_at > at,
        )
    )


def _page(frame: Frame, **values: Any) -> Response[str]:
    return frame.page("checkout/checkout.html", allow=payment_sources(frame.settings.stripe_js_url), **values)


@get("/orders/{order_id:uuid}/pay", guards=[customer_only])
async def show_payment(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[Database],
) -> Response[Any]:
    """Pay an order that was left unpaid; its consents were given with it."""
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    if order.is_gift:
        return frame.go(f"/orders/{order_id}")
    payment = await latest_payment(session, order_id)
    is_over = order.state is not OrderState.OPEN or frame.at >= order.expires_at
    if is_over or payment.state is PaymentState.PROCESSING:
        return frame.go(f"/orders/{order_id}/return")
    line = OrderLineOut.of(order.lines[0], order, frame.locale)
    film = (await cards_by_id(frame, database, [line.terms.title_id]))[line.terms.title_id]
    days = line.terms.start_days
    return _page(
        frame,
        film=film,
        terms=line.terms,
        description=line.description,
        start_by=frame.at + timedelta(days=days) if days else None,
        price=line.price,
        tax=line.tax,
        texts=[],
        button=BUTTONS[frame.locale],
        expires_at=order.expires_at,
        quote_id=None,
        fit=None,
        allows_debit=payment.allows_debit,
        order_id=order.id,
    )


@post("/orders/{order_id:uuid}/cancel", guards=[customer_only])
async def cancel(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    payments: NamedDependency[Payments],
) -> Response[Any]:
    """Cancel an unpaid order, so that the film can be ordered in another way."""
    await payments.cancel(order_id=order_id, account_id=identity.account_id, at=frame.at)
    return frame.go("/orders", done="order_cancelled")


@get("/orders/{order_id:uuid}/return", guards=[customer_only])
async def show_return(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    payments: NamedDependency[Payments],
    checkout: NamedDependency[Checkout],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[Database],
) -> Response[Any]:
    """Back from paying: ask the provider (what the address says proves nothing), settle, and say what became of it."""
    intent, is_silent = None, False
    try:
        intent = await payments.check(order_id=order_id, account_id=identity.account_id, at=frame.at)
    except PaymentOutcomeUnknown:
        is_silent = True
    if intent is not None:
        await checkout.settle(intent, at=frame.at)
    if "payment_intent_client_secret" in frame.request.query_params:
        return frame.go(f"/orders/{order_id}/return")
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    payment = await latest_payment(session, order_id)
    problem = PaymentOut.of(payment, frame.locale).problem
    line = OrderLineOut.of(order.lines[0], order, frame.locale)
    film: TitleCard | None = (await cards_by_id(frame, database, [line.terms.title_id])).get(line.terms.title_id)
    is_told_later = is_silent and order.state is OrderState.OPEN
    outcome = "processing" if is_told_later else outcome_of(order.state, payment.state)
    t = frame.w.text
    sentence = t(f"returned.{'silent' if is_told_later else _case(outcome, line.terms.kind, payment)}")
    return frame.page(
        "checkout/returned.html",
        outcome=outcome,
        heading=t(f"returned.{outcome}_heading", title=film.title if film else ""),
        sentence=sentence,
        reason=problem.sentence if problem and outcome == "declined" else "",
        film=film,
        watch_at=watch_path(film.kind, film.slug) if film else "/library",
        has_episodes=film is not None and film.kind in WITH_EPISODES,
        order={"id": order.id, "number": order.order_number},
    )


def _case(outcome: str, kind: str, payment: Payment) -> str:
    """Which sentence tells an outcome."""
    if outcome == "paid":
        return f"paid_{kind}"
    is_debit = (payment.method or {}).get("kind") in DEBITS
    return "processing_debit" if outcome == "processing" and is_debit else outcome


def outcome_of(order: OrderState, payment: PaymentState) -> str:
    """What the customer is told: `paid`, `processing`, `declined`, `cancelled` or `refunded`."""
    if order is not OrderState.OPEN:
        return {OrderState.PAID: "paid", OrderState.CANCELLED: "cancelled"}.get(order, "refunded")
    return "processing" if payment in _WAITING else "declined"


handlers = [choose_offer, show_checkout, show_payment, cancel, show_return]
