"""Routes of billing: paying an order, the provider's webhooks, finance's transactions."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter, SkipValidation
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, customer_only, requires
from auth.errors import CustomersOnly, NotPermitted, NotSignedIn, StepUpRequired
from auth.permissions import TRANSACTIONS_EXPORT, TRANSACTIONS_READ
from auth.ports import OpenDatabase
from auth.schemas import problems
from auth.step_up import recently_authenticated
from auth.visits import Visit
from billing.checkout import Checkout
from billing.closing import close_books
from billing.cursors import cursor_of, place_of
from billing.errors import (
    CursorInvalid,
    IdempotencyKeyReused,
    OrderAlreadyPaid,
    OrderClosed,
    OrderNotFound,
    PaymentOutcomeUnknown,
    PaymentProviderRefused,
    PaymentUnderWay,
    PeriodInvalid,
    TooManyPaymentTries,
    WebhookNotVerified,
)
from billing.exports import Period, export_csv, list_transactions
from billing.idempotency import Once
from billing.models import OrderState, PaymentState
from billing.orders import find_order, latest_payment
from billing.payments import Payments
from billing.ports import PaymentGateway
from billing.schemas import PayableOut, PaymentCheckOut, PaymentOut, TransactionOut, TransactionsOut
from billing.webhooks import Webhooks

CUSTOMER = (NotSignedIn, CustomersOnly)
"""Refusals of every route for customers."""

LARGEST_WEBHOOK = 1_048_576
"""Bytes; Stripe's largest events are far smaller."""

FirstDay = Annotated[date, QueryParameter(name="from", description="First accounting day (Europe/Berlin).")]
EndDay = Annotated[date, QueryParameter(name="to", description="First day that is no longer part of it.")]


@post(
    "/v1/orders/{order_id:uuid}/payments",
    guards=[customer_only],
    responses=problems(
        *CUSTOMER,
        OrderNotFound,
        OrderAlreadyPaid,
        OrderClosed,
        TooManyPaymentTries,
        PaymentOutcomeUnknown,
        PaymentProviderRefused,
    ),
    summary="Pay an order",
    description="Opens the payment at the provider, or gives the open one again. To be asked before every try to pay: "
    "one that was stopped is followed by another.",
)
async def open_payment(
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    payments: NamedDependency[Payments],
    checkout: NamedDependency[Checkout],
    gateway: NamedDependency[SkipValidation[PaymentGateway]],
    visit: NamedDependency[Visit],
    at: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> PayableOut:
    """Ask the provider before the first statement of the request's transaction, then note the intent."""
    intent = await payments.ask_intent(
        order_id=order_id, account_id=identity.account_id, address=visit.limit_key, at=at
    )
    settlement = await checkout.settle(intent, at=at)
    if settlement.order is None or settlement.payment is None:
        raise RuntimeError("the provider gave an intent that is not of this order")
    if settlement.order.state not in (OrderState.OPEN, OrderState.PAID):
        raise OrderClosed(order_number=settlement.order.order_number)
    return PayableOut(
        payment=PaymentOut.of(settlement.payment, locale),
        provider=settlement.payment.provider,
        publishable_key=gateway.publishable_key,
        client_secret=intent.client_secret,
    )


@post(
    "/v1/orders/{order_id:uuid}/payment-checks",
    guards=[customer_only],
    status_code=200,
    responses=problems(*CUSTOMER, OrderNotFound, PaymentOutcomeUnknown, PaymentProviderRefused),
    summary="Ask what became of a payment",
    description="For the customer's return from the provider's form: what the address says is no proof of payment.",
)
async def check_payment(
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    payments: NamedDependency[Payments],
    checkout: NamedDependency[Checkout],
    session: NamedDependency[AsyncSession],
    at: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> PaymentCheckOut:
    """Retrieve the payment from the provider first, then settle it as a webhook would."""
    intent = await payments.check(order_id=order_id, account_id=identity.account_id, at=at)
    if intent is None:
        order, payment = await payments.read(order_id, identity.account_id)
        return PaymentCheckOut(order_state=order.state.value, payment=PaymentOut.of(payment, locale))
    settlement = await checkout.settle(intent, at=at)
    if (
        settlement.order is not None
        and settlement.payment is not None
        and settlement.payment.state is PaymentState.SUCCEEDED
    ):
        paid = PaymentOut.of(settlement.payment, locale)
        return PaymentCheckOut(order_state=settlement.order.state.value, payment=paid)
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    payment = await latest_payment(session, order_id)
    return PaymentCheckOut(order_state=order.state.value, payment=PaymentOut.of(payment, locale))


@post(
    "/v1/orders/{order_id:uuid}/cancellations",
    guards=[customer_only],
    status_code=200,
    responses=problems(
        *CUSTOMER,
        OrderNotFound,
        OrderAlreadyPaid,
        PaymentUnderWay,
        PaymentOutcomeUnknown,
        PaymentProviderRefused,
        IdempotencyKeyReused,
    ),
    summary="Cancel an unpaid order",
)
async def cancel_order(
    order_id: FromPath[UUID],
    once: NamedDependency[Once],
    database: NamedDependency[SkipValidation[OpenDatabase]],
    identity: NamedDependency[Identity],
    payments: NamedDependency[Payments],
    session: NamedDependency[AsyncSession],
    at: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> PaymentCheckOut:
    """Cancel at the provider first, then here; a cancelled order stays cancelled."""
    await once.recall(database)
    await payments.cancel(order_id=order_id, account_id=identity.account_id, at=at)
    await once.claim()
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    payment = await latest_payment(session, order_id)
    answer = PaymentCheckOut(order_state=order.state.value, payment=PaymentOut.of(payment, locale))
    return await once.keep(answer, status=200)


@post(
    "/webhooks/stripe",
    opt={"any_content_type": True, "csrf_exempt": True},
    status_code=200,
    request_max_body_size=LARGEST_WEBHOOK,
    responses=problems(WebhookNotVerified, PaymentOutcomeUnknown, PaymentProviderRefused),
    summary="Receive an event of Stripe",
    description="Signed by Stripe (`Stripe-Signature`); recorded once, unknown events are parked.",
)
async def receive_stripe_event(
    request: Request[Any, Any, Any],
    webhooks: NamedDependency[Webhooks],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> dict[str, str]:
    """Take in one event; 2xx tells Stripe not to send it again."""
    signature = request.headers.get("stripe-signature")
    return {"outcome": await webhooks.receive(await request.body(), signature, at=at, real_now=real_now)}


@get(
    "/v1/finance/transactions",
    guards=[requires(TRANSACTIONS_READ)],
    responses=problems(NotSignedIn, NotPermitted, PeriodInvalid, CursorInvalid),
    summary="Transactions of a period",
)
async def show_transactions(
    first: FirstDay,
    end: EndDay,
    database: NamedDependency[SkipValidation[OpenDatabase]],
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> TransactionsOut:
    """A page of the period's money events, read from the journals."""
    found = await list_transactions(database, period=Period.of(first, end), after=place_of(cursor), limit=limit + 1)
    page = found[:limit]
    has_more = len(found) > limit
    return TransactionsOut(
        transactions=[TransactionOut.of(transaction) for transaction in page],
        next_cursor=cursor_of((page[-1].booked_at, page[-1].journal_id)) if has_more else None,
    )


@get(
    "/v1/finance/transactions.csv",
    guards=[requires(TRANSACTIONS_EXPORT), recently_authenticated],
    responses=problems(NotSignedIn, NotPermitted, StepUpRequired, PeriodInvalid),
    summary="Transactions of a period as CSV",
    description="A period that is over is closed by it: exported again, it is the same to the byte, for what comes "
    "late is booked behind it.",
    media_type="text/csv",
)
async def export_transactions(
    first: FirstDay,
    end: EndDay,
    request: Request[Any, Any, Any],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[SkipValidation[OpenDatabase]],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Stream the period's money events; who fetched them is in the audit trail before the first byte leaves."""
    period = Period.of(first, end)
    await close_books(session, end=period.instants[1], at=at)
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="finance.transactions.export",
        target_kind="period",
        target_id=str(period),
        request_id=request.scope["state"].get("request_id"),
    )
    name = f"transactions_{period.first}_{period.end}.csv"
    return Stream(
        export_csv(database, period=period),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


router = Router(
    "/",
    route_handlers=[
        open_payment,
        check_payment,
        cancel_order,
        receive_stripe_event,
        show_transactions,
        export_transactions,
    ],
    tags=["Paying and books"],
)
