"""The route by which anybody can withdraw from a contract without signing in (BGB 356a)."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from auth.email_addresses import parse_email
from auth.errors import CrossSiteRequest, EmailAddressInvalid, TooManyAttempts
from auth.schemas import NO_CONTROLS, Accepted, EmailText, problems
from auth.visits import Visit
from billing.errors import IdempotencyKeyReused
from billing.idempotency import Key, key_owner, once_of
from billing.withdrawals import LONGEST_CONTRACT, LONGEST_NAME, Withdrawals

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME, pattern=NO_CONTROLS, examples=["Anna Beispiel"])]
Contract = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_CONTRACT,
        pattern=NO_CONTROLS,
        description="The order number or invoice number; else the film and the day of the order.",
        examples=["V-2026-KRMT-4821"],
    ),
]


class WithdrawalDeclarationIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The second of the two steps: "confirm withdrawal" was pressed below these facts."""

    name: Name
    contract: Contract
    email: EmailText
    """Where the receipt goes to; the contract is found by it, too."""
    declared: Literal[True]
    """`true`: I withdraw from this contract."""


@post(
    "/withdrawals",
    status_code=202,
    responses=problems(CrossSiteRequest, EmailAddressInvalid, TooManyAttempts, IdempotencyKeyReused),
    summary="Withdraw from a contract without signing in",
    description="Its receipt is confirmed by mail in any case, with its time. The answer is the same "
    "whether there is such a contract or not. If it belongs to the address and the film was not begun, the money goes "
    "back; everything else goes to customer service. Sent again, nothing is given back twice.",
)
async def declare_withdrawal(
    request: Request[Any, Any, Any],
    data: JSONBody[WithdrawalDeclarationIn],
    session: NamedDependency[AsyncSession],
    withdrawals: NamedDependency[Withdrawals],
    visit: NamedDependency[Visit],
    at: NamedDependency[datetime],
    locale: NamedDependency[str],
    idempotency_key: Key = None,
) -> Accepted:
    """Receive the declaration."""
    owner = key_owner(parse_email(data.email).key)
    once = await once_of(request, session, owner=owner, key=idempotency_key)
    await once.claim()
    await withdrawals.declare(
        name=data.name, contract=data.contract, email=data.email, locale=locale, at=at, visit=visit
    )
    return await once.keep(Accepted(), status=202)


router = Router("/v1", route_handlers=[declare_withdrawal], tags=["Refunds"])
