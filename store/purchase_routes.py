"""Routes of buying: quotes, orders, legal texts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.errors import CustomersOnly, NotSignedIn
from auth.schemas import problems
from auth.visits import Visit
from billing.checkout import Consents
from billing.cursors import cursor_of, place_of
from billing.errors import (
    ConsentsMissing,
    CursorInvalid,
    IdempotencyKeyReused,
    OrderAlreadyOpen,
    OrderNotFound,
    OrderNotPaid,
    QuoteExpired,
    QuoteInvalid,
    QuoteNotFound,
    TaxRateUnknown,
)
from billing.idempotency import Once
from billing.models import Order
from billing.order_histories import money_by_order
from billing.orders import find_order, invoice_of, latest_payment, list_orders
from store.catalogue.errors import OfferNotOnSale
from store.database import Database
from store.entitlement.device_errors import DeviceNotFound
from store.entitlement.device_fit import Capabilities
from store.entitlement.errors import AlreadyEntitled, TitleTakenDown
from store.errors import NotFound
from store.legal_texts import current_text
from store.purchase import Purchase
from store.purchase_confirmation import confirmed_at
from store.purchase_schemas import (
    ConfirmationOut,
    LegalTextOut,
    OrderDetailOut,
    OrderIn,
    OrderOut,
    OrdersOut,
    QuoteIn,
    QuoteOut,
    legal_text_out,
)
from store.saved_confirmation import hand_over
from store.settings import Settings

CUSTOMER = (NotSignedIn, CustomersOnly)
"""Refusals of every route for customers."""


@post(
    "/quotes",
    guards=[customer_only],
    responses=problems(
        *CUSTOMER,
        OfferNotOnSale,
        TitleTakenDown,
        AlreadyEntitled,
        DeviceNotFound,
        TaxRateUnknown,
        IdempotencyKeyReused,
    ),
    summary="Ask for a price",
)
async def make_quote(
    data: JSONBody[QuoteIn],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    purchase: NamedDependency[Purchase],
    at: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> QuoteOut:
    """Promise the price of an offer for ten minutes, with all that has to be said before ordering."""
    await once.claim()
    can = data.capabilities
    quote = await purchase.quote(
        offer_id=data.offer_id,
        account_id=identity.account_id,
        market=identity.market,
        device_id=data.device_id,
        capabilities=Capabilities(can.lines, can.decrypts) if can is not None else None,
        at=at,
    )
    return await once.keep(QuoteOut.of(quote, locale, name=purchase.seal.name(quote)))


@post(
    "/orders",
    guards=[customer_only],
    responses=problems(
        *CUSTOMER,
        QuoteInvalid,
        QuoteNotFound,
        QuoteExpired,
        ConsentsMissing,
        OrderAlreadyOpen,
        TitleTakenDown,
        AlreadyEntitled,
        IdempotencyKeyReused,
    ),
    summary="Order a quote",
    description="Sent when the customer pressed the ordering button. The same quote always answers the same order.",
)
async def open_order(
    data: JSONBody[OrderIn],
    once: NamedDependency[Once],
    visit: NamedDependency[Visit],
    identity: NamedDependency[Identity],
    purchase: NamedDependency[Purchase],
    session: NamedDependency[AsyncSession],
    at: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> OrderDetailOut:
    """Open the order; it is paid by `POST /v1/orders/{id}/payments`."""
    await once.claim()
    order = await purchase.order(
        quote=data.quote_id,
        account_id=identity.account_id,
        consents=Consents(data.consents.immediate_performance, data.consents.withdrawal_loss),
        channel=identity.session_kind,
        locale=locale,
        client_address=visit.ip,
        at=at,
    )
    return await once.keep(await _detail(session, order, locale))


@get(
    "/orders",
    guards=[customer_only],
    responses=problems(*CUSTOMER, CursorInvalid),
    summary="My orders",
)
async def show_orders(
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    locale: NamedDependency[str],
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
) -> OrdersOut:
    """A page of the customer's orders, newest first."""
    found = await list_orders(session, account_id=identity.account_id, before=place_of(cursor), limit=limit + 1)
    page = found[:limit]
    has_more = len(found) > limit
    money = await money_by_order(session, page)
    return OrdersOut(
        orders=[OrderOut.of(order, money[order.id], locale) for order in page],
        next_cursor=cursor_of((page[-1].created_at, page[-1].id)) if has_more else None,
    )


@get(
    "/orders/{order_id:uuid}",
    guards=[customer_only],
    responses=problems(*CUSTOMER, OrderNotFound),
    summary="One of my orders",
)
async def show_order(
    order_id: FromPath[UUID],
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    locale: NamedDependency[str],
) -> OrderDetailOut:
    """The order with its payment, invoice number and contract."""
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    return await _detail(session, order, locale)


@post(
    "/orders/{order_id:uuid}/confirmations",
    guards=[customer_only],
    responses=problems(*CUSTOMER, OrderNotFound, OrderNotPaid),
    summary="Save the confirmation of a contract",
    description="For the customer to keep as a file, where the mail with it has not come: with it the contract counts "
    "as confirmed on a durable medium, so that playing may begin. Ask for it only to save it where the customer finds "
    "it again.",
)
async def save_confirmation(
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    real_now: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> ConfirmationOut:
    """Hand it over; a second time it is the same, and the first time counts."""
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    saved = await hand_over(session, database.reads, settings, order, locale=locale, real_now=real_now)
    return ConfirmationOut(saved.file_name, saved.text)


@get(
    "/legal-texts/{name:str}",
    for_every_age=True,
    responses=problems(NotFound),
    summary="A legal text in its current version",
)
async def show_legal_text(name: FromPath[str], locale: NamedDependency[str]) -> LegalTextOut:
    """`terms`, `withdrawal`, `immediate_performance` or `withdrawal_loss`."""
    try:
        text = current_text(name, locale)
    except KeyError as fault:
        raise NotFound() from fault
    return legal_text_out(text.name, text.version, locale)


async def _detail(session: AsyncSession, order: Order, locale: str) -> OrderDetailOut:
    was_paid = order.paid_at is not None
    return OrderDetailOut.of(
        order,
        await latest_payment(session, order.id) if not order.is_gift else None,
        money=(await money_by_order(session, [order]))[order.id],
        invoice=await invoice_of(session, order.id) if was_paid else None,
        confirmed_at=await confirmed_at(session, order.id) if was_paid else None,
        locale=locale,
    )


router = Router(
    "/v1",
    route_handlers=[make_quote, open_order, show_orders, show_order, save_confirmation, show_legal_text],
    tags=["Buying"],
)
