"""The customer's rights over their own data as an API: the export, the consents, the erasure and its cancellation."""

from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec
from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.erasure import Erasure, Erasures
from auth.errors import (
    CrossSiteRequest,
    CustomersOnly,
    ErasureNotFound,
    LinkNotValid,
    NotSignedIn,
    Overloaded,
    PasswordWrong,
    StepUpRequired,
    TooManyAttempts,
)
from auth.schemas import PasswordText, TokenText, problems
from auth.step_up import StepUp
from auth.visits import Visit
from store.consents import Consent, list_consents
from store.data_export import DataExport, DataExports


class PasswordProved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The own password once more."""

    password: PasswordText


class ErasureCancellationCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code of the mail, by which an account is kept without signing in."""

    token: TokenText


class ErasureOut(msgspec.Struct, frozen=True):
    """An erasure that is due."""

    id: UUID
    requested_at: datetime
    due_at: datetime
    """Until then it can be cancelled."""
    delayed_by: str | None
    """What it waits for although it is due: `open_order`, `refund_under_way`, `dispute_open`, …"""

    @classmethod
    def of(cls, wish: Erasure) -> Self:
        """From its row."""
        return cls(id=wish.id, requested_at=wish.requested_at, due_at=wish.due_at, delayed_by=wish.delayed_by)


class ConsentList(msgspec.Struct, frozen=True):
    """What was agreed to, the newest first."""

    consents: list[Consent]


_PROVED = (
    NotSignedIn,
    CustomersOnly,
    PasswordWrong,
    StepUpRequired,
    CrossSiteRequest,
    TooManyAttempts,
    Overloaded,
)


@post(
    "/data-exports",
    status_code=200,
    summary="Export the own data",
    tags=["Privacy"],
    guards=[customer_only],
    responses=problems(*_PROVED),
)
async def export_data(
    data: JSONBody[PasswordProved],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    data_exports: NamedDependency[DataExports],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> DataExport:
    """Everything that is held about the account, at most three times a day; the export itself is not kept."""
    await step_up.prove(identity=identity, password=data.password, at=real_now, visit=visit)
    return await data_exports.make(identity=identity, real_now=real_now, visit=visit)


@get(
    "/consents",
    summary="List what was agreed to",
    tags=["Privacy"],
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly),
)
async def show_consents(identity: NamedDependency[Identity], session: NamedDependency[AsyncSession]) -> ConsentList:
    """Every legal text with its version, when and where it was agreed to, and with which order."""
    return ConsentList(await list_consents(session, account_id=identity.account_id))


@post(
    "/account-erasures",
    summary="Have the own account erased",
    tags=["Privacy"],
    guards=[customer_only],
    responses=problems(*_PROVED),
)
async def request_erasure(
    data: JSONBody[PasswordProved],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    erasures: NamedDependency[Erasures],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> ErasureOut:
    """Begin the 14 days after which the account is erased, bought films included. Asked twice, it is the same one."""
    await step_up.prove(identity=identity, password=data.password, at=real_now, visit=visit)
    return ErasureOut.of(await erasures.request(identity=identity, at=at, real_now=real_now, visit=visit))


@get(
    "/account-erasures/current",
    summary="The erasure that is due",
    tags=["Privacy"],
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly, ErasureNotFound),
)
async def show_erasure(identity: NamedDependency[Identity], erasures: NamedDependency[Erasures]) -> ErasureOut:
    """When the own account will be erased, and what the erasure waits for."""
    return ErasureOut.of(await erasures.find(account_id=identity.account_id))


@delete(
    "/account-erasures/current",
    summary="Keep the own account",
    tags=["Privacy"],
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly, ErasureNotFound, CrossSiteRequest),
)
async def cancel_erasure(
    identity: NamedDependency[Identity],
    erasures: NamedDependency[Erasures],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Cancel the erasure; nothing is lost."""
    await erasures.cancel(identity=identity, at=at, real_now=real_now, visit=visit)


@post(
    "/account-erasure-cancellations",
    status_code=204,
    summary="Keep an account by the mailed code",
    tags=["Privacy"],
    responses=problems(LinkNotValid, CrossSiteRequest, TooManyAttempts),
)
async def cancel_erasure_by_link(
    data: JSONBody[ErasureCancellationCreate],
    erasures: NamedDependency[Erasures],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Cancel the erasure without signing in."""
    await erasures.cancel_by_link(token=data.token, at=at, real_now=real_now, visit=visit)


router = Router(
    "/v1",
    route_handlers=[
        export_data,
        show_consents,
        request_erasure,
        show_erasure,
        cancel_erasure,
        cancel_erasure_by_link,
    ],
)
