"""Support's part of the API: find a customer, open one, ask why one cannot watch; sending a reset is auth's."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from auth.authentication import requires
from auth.email_addresses import LONGEST
from auth.errors import AccountNotFound, CrossSiteRequest, NotPermitted, NotSignedIn
from auth.ids import new_id
from auth.permissions import CUSTOMER_READ, DEVICES_REMOVE, FILM_GIVE, RENTAL_REMEDY
from auth.schemas import NO_CONTROLS, problems
from billing.errors import IdempotencyKeyReused
from billing.idempotency import Once
from store.catalogue.errors import OfferNotOnSale, TitleNotFound
from store.entitlement.device_errors import DeviceResetLimitReached, DeviceResetUsed
from store.entitlement.device_schemas import DevicesOut
from store.entitlement.errors import AlreadyEntitled, FilmUnknown, PlaybackNeverTried, TitleTakenDown
from store.entitlement.remedy_errors import (
    DownloadNotLost,
    GiftLimitReached,
    GiftsUsed,
    RemedyLimitReached,
    RemedyNotForThis,
    RemedyTooLarge,
    RemedyTooLate,
    RentalNotFound,
    RentalRemediesUsed,
)
from store.errors import MalformedRequest
from store.support import CustomerDesk, Key
from store.support_devices import DeviceDesk
from store.support_gifts import GiftDesk, GiftOut, Wanted
from store.support_playback import PlaybackCheck, PlaybackDesk
from store.support_rentals import RemediedOut, RentalDesk
from store.support_schemas import (
    AddressOut,
    AddressViewCreate,
    CustomerFile,
    CustomersFound,
    DeviceResetCreate,
    GiftCreate,
    RentalRemedyCreate,
)

Email = Annotated[
    str | None,
    QueryParameter(
        name="email", max_length=LONGEST, pattern=NO_CONTROLS, description="The whole address; no part of it."
    ),
]
OrderNumber = Annotated[
    str | None,
    QueryParameter(name="order_number", max_length=LONGEST, pattern=NO_CONTROLS, description="Such as V-2026-…"),
]
InvoiceNumber = Annotated[
    str | None,
    QueryParameter(name="invoice_number", max_length=LONGEST, pattern=NO_CONTROLS, description="Such as R-2026-…"),
]

CaseNumber = Annotated[
    str | None,
    QueryParameter(name="case_number", max_length=LONGEST, pattern=NO_CONTROLS, description="Such as A-2026-…"),
]

TitleOfPlayback = Annotated[
    str | None,
    QueryParameter(
        name="title",
        max_length=200,
        pattern=NO_CONTROLS,
        description="The title's name in addresses; without it, the title of the last attempt.",
    ),
]


@get(
    "/staff/customers",
    guards=[requires(CUSTOMER_READ)],
    summary="Find a customer",
    description=(
        "By exactly one whole key: e-mail address, number of an order, an invoice or a case. There is no list of "
        "customers, no search by parts and none of staff. Every search leaves an audit entry."
    ),
    responses=problems(MalformedRequest, NotSignedIn, NotPermitted),
)
async def find_customer(
    customer_desk: NamedDependency[CustomerDesk],
    real_now: NamedDependency[datetime],
    email: Email = None,
    order_number: OrderNumber = None,
    invoice_number: InvoiceNumber = None,
    case_number: CaseNumber = None,
) -> CustomersFound:
    """Answer with the customer of this key, or with none."""
    given: dict[Key, str | None] = {
        "email": email,
        "order_number": order_number,
        "invoice_number": invoice_number,
        "case_number": case_number,
    }
    keys = [(key, value) for key, value in given.items() if value]
    if len(keys) != 1:
        raise MalformedRequest(place="exactly one of email, order_number, invoice_number, case_number")
    found = await customer_desk.find(*keys[0], real_now=real_now)
    return CustomersFound(customers=[found] if found else [])


@get(
    "/staff/customers/{customer_id:uuid}",
    guards=[requires(CUSTOMER_READ)],
    summary="Open a customer",
    description=(
        "Orders, payments, rights, devices, sessions, mails with their delivery and the audit entries about the "
        "account. The address is masked. Staff accounts are not found. Every look leaves an audit entry."
    ),
    responses=problems(NotSignedIn, NotPermitted, AccountNotFound),
)
async def open_customer(
    customer_id: FromPath[UUID],
    customer_desk: NamedDependency[CustomerDesk],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> CustomerFile:
    """Answer with the whole file; the look is in the audit trail."""
    return await customer_desk.open(customer_id, at=at, real_now=real_now, locale=locale)


@post(
    "/staff/customers/{customer_id:uuid}/address-views",
    guards=[requires(CUSTOMER_READ)],
    status_code=200,
    summary="See a customer's whole address",
    description="With a reason, which stays in the audit trail.",
    responses=problems(MalformedRequest, NotSignedIn, NotPermitted, CrossSiteRequest, AccountNotFound),
)
async def show_address(
    customer_id: FromPath[UUID],
    data: JSONBody[AddressViewCreate],
    customer_desk: NamedDependency[CustomerDesk],
    real_now: NamedDependency[datetime],
) -> AddressOut:
    """Answer with the address, unmasked."""
    return AddressOut(email=await customer_desk.show_address(customer_id, reason=data.reason, real_now=real_now))


@get(
    "/staff/customers/{customer_id:uuid}/playback-decisions",
    guards=[requires(CUSTOMER_READ)],
    summary="Why can this customer not watch?",
    description=(
        "The decision that the customer's player would get at this instant, asked with the device and the agreement "
        "of the last attempt. Nothing begins by it. Every look leaves an audit entry."
    ),
    responses=problems(NotSignedIn, NotPermitted, AccountNotFound, FilmUnknown, PlaybackNeverTried),
)
async def check_playback(
    customer_id: FromPath[UUID],
    playback_desk: NamedDependency[PlaybackDesk],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
    title: TitleOfPlayback = None,
) -> PlaybackCheck:
    """Answer with the decision and what it was asked with."""
    return await playback_desk.check(customer_id, title_slug=title, at=at, real_now=real_now)


@post(
    "/staff/customers/{customer_id:uuid}/device-resets",
    guards=[requires(DEVICES_REMOVE)],
    summary="Let a customer add new devices again",
    description=(
        "The count of new devices begins anew; what is registered stays. Once per account within the span of its "
        "limit, with a reason that stays in the audit trail, and the customer is told by mail."
    ),
    responses=problems(
        MalformedRequest,
        NotSignedIn,
        NotPermitted,
        CrossSiteRequest,
        AccountNotFound,
        DeviceResetUsed,
        DeviceResetLimitReached,
    ),
)
async def reset_devices(
    customer_id: FromPath[UUID],
    data: JSONBody[DeviceResetCreate],
    device_desk: NamedDependency[DeviceDesk],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> DevicesOut:
    """Answer with the room that there is now."""
    places = await device_desk.reset(customer_id, reason=data.reason, at=at, real_now=real_now)
    return DevicesOut.of(places, at=at)


@post(
    "/staff/customers/{customer_id:uuid}/gifts",
    guards=[requires(FILM_GIVE)],
    summary="Give a customer a film",
    description=(
        "An order without a price, on the terms of the offer that is on sale where the customer lives; within limits, "
        "with a reason that stays in the audit trail, and the customer is told by mail."
    ),
    responses=problems(
        MalformedRequest,
        NotSignedIn,
        NotPermitted,
        CrossSiteRequest,
        AccountNotFound,
        TitleNotFound,
        OfferNotOnSale,
        TitleTakenDown,
        AlreadyEntitled,
        GiftsUsed,
        GiftLimitReached,
        IdempotencyKeyReused,
    ),
)
async def give_film(
    customer_id: FromPath[UUID],
    data: JSONBody[GiftCreate],
    once: NamedDependency[Once],
    gift_desk: NamedDependency[GiftDesk],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> GiftOut:
    """Answer with the order's number."""
    await once.claim()
    wanted = Wanted(data.title, data.kind, data.quality)
    given = await gift_desk.give(customer_id, wanted, reason=data.reason, at=at, real_now=real_now, order_id=new_id())
    return await once.keep(given)


@post(
    "/staff/customers/{customer_id:uuid}/rental-remedies",
    guards=[requires(RENTAL_REMEDY)],
    summary="Extend a rental, or let it begin anew",
    description=(
        "Within limits, with a reason that stays in the audit trail; the customer is told by mail. What is over goes "
        "on from now, and a rental that was begun may wait for its first play again."
    ),
    responses=problems(
        MalformedRequest,
        NotSignedIn,
        NotPermitted,
        CrossSiteRequest,
        AccountNotFound,
        RentalNotFound,
        RemedyNotForThis,
        RemedyTooLarge,
        DownloadNotLost,
        RemedyTooLate,
        RentalRemediesUsed,
        RemedyLimitReached,
        IdempotencyKeyReused,
    ),
)
async def remedy_rental(
    customer_id: FromPath[UUID],
    data: JSONBody[RentalRemedyCreate],
    once: NamedDependency[Once],
    rental_desk: NamedDependency[RentalDesk],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> RemediedOut:
    """Answer with the rental as it is now."""
    await once.claim()
    remedied = await rental_desk.remedy(
        customer_id,
        data.entitlement_id,
        kind=data.kind,
        hours=data.hours,
        reason=data.reason,
        at=at,
        real_now=real_now,
        remedy_id=new_id(),
    )
    return await once.keep(remedied)


router = Router(
    "/v1",
    route_handlers=[
        find_customer,
        open_customer,
        show_address,
        check_playback,
        reset_devices,
        remedy_rental,
        give_film,
    ],
    tags=["Support"],
)
