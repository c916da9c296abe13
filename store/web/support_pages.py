"""Support's console: find one customer, open the file, have a reset link mailed."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody

from auth.authentication import Identity, requires
from auth.email_addresses import LONGEST
from auth.errors import Refusal
from auth.password_reset import PasswordReset
from auth.permissions import (
    ACCOUNT_SECURE,
    CALLER_VERIFY,
    CASE_HANDLE,
    CUSTOMER_READ,
    PASSWORD_RESET_START,
    RECOVERY_REQUEST,
    REFUND_REQUEST,
)
from auth.recovery.caller_codes import MOST_TRIES, PROOF_LIVES, CallerVerifications
from auth.recovery.records import EVIDENCE
from auth.step_up import recently_authenticated
from auth.visits import Visit
from store.cases.cases import KINDS
from store.cases.schemas import LONGEST_TEXT
from store.support import CustomerDesk, key_of
from store.web.account_pages import program_of
from store.web.pages import Frame

SHORTEST_REASON: Final = 10
LONGEST_REASON: Final = 500
"""Characters, as the API has it (`auth.schemas.Reason`)."""

Line = Annotated[str, msgspec.Meta(max_length=LONGEST_REASON, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A field of one line; control characters are refused."""


class FindForm(msgspec.Struct, frozen=True):
    """One whole key: address, order number or invoice number."""

    find: Line = ""


class ReasonForm(msgspec.Struct, frozen=True):
    """Why something is done."""

    reason: Line = ""


@get("/support", guards=[requires(CUSTOMER_READ)])
async def show_support(frame: NamedDependency[Frame]) -> Response[str]:
    """The field to search by."""
    return frame.page("support/search.html", find="", missed=None, errors={})


@post("/support/searches", guards=[requires(CUSTOMER_READ)])
async def find_customer(
    frame: NamedDependency[Frame],
    data: URLEncodedBody[FindForm],
    customer_desk: NamedDependency[CustomerDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Go to the customer of this key. A form that posts, so that no address stands in a log or a history."""
    find = data.find.strip()
    if not find or len(find) > LONGEST:
        errors = {"find": frame.w.text("form.missing" if not find else "support.too_long")}
        return frame.page("support/search.html", status=400, find=find[:LONGEST], missed=None, errors=errors)
    key = key_of(find)
    found = await customer_desk.find(key, find, real_now=real_now)
    if found is None:
        return frame.page("support/search.html", find=find, missed=key, errors={})
    return frame.go(f"/support/customers/{found.id}")


@get("/support/customers/{customer_id:uuid}", guards=[requires(CUSTOMER_READ)])
async def show_customer(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    customer_desk: NamedDependency[CustomerDesk],
    caller_verifications: NamedDependency[CallerVerifications],
    real_now: NamedDependency[datetime],
    sent: FromQuery[bool] = False,
    refused: FromQuery[str] = "",
    form: FromQuery[str] = "",
) -> Response[str]:
    """One customer on one page; `sent`, `refused` and `form` are what the page's own forms left in the address."""
    file = await customer_desk.open(customer_id, at=frame.at, real_now=real_now, locale=frame.locale)
    caller = await caller_verifications.current(agent=identity, account_id=customer_id, at=real_now)
    sentence = frame.w.texts.get(f"support.refused_{refused}", "")
    return frame.page(
        "support/customer.html",
        file=file,
        address=await customer_desk.open_address(customer_id, real_now=real_now),
        caller=caller,
        caller_until=caller.confirmed_at + PROOF_LIVES if caller and caller.confirmed_at else None,
        tries_left=MOST_TRIES - caller.tries if caller else 0,
        may_verify=CALLER_VERIFY in identity.permissions,
        may_secure=ACCOUNT_SECURE in identity.permissions,
        may_recover=RECOVERY_REQUEST in identity.permissions,
        evidence_kinds=EVIDENCE,
        may_handle_cases=CASE_HANDLE in identity.permissions,
        case_kinds=[(kind, frame.w.text(f"case.kind.{kind}")) for kind in KINDS],
        case_subjects=[
            ("", frame.w.text("case.about_nothing")),
            *((f"order:{order.id}", f"{order.order_number} · {', '.join(order.lines)}") for order in file.orders),
        ],
        longest_words=LONGEST_TEXT,
        may_reset=PASSWORD_RESET_START in identity.permissions,
        may_refund=REFUND_REQUEST in identity.permissions,
        sent=sent,
        errors={form: {"reason": sentence, "code": sentence}} if sentence else {},
        program_of=program_of,
        shortest=SHORTEST_REASON,
        longest=LONGEST_REASON,
    )


@post("/support/customers/{customer_id:uuid}/address-views", guards=[requires(CUSTOMER_READ)])
async def show_address(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ReasonForm],
    customer_desk: NamedDependency[CustomerDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Open the address for this session, for a reason."""
    reason = data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return back_to_customer(frame, customer_id, form="address", refused="no_reason")
    await customer_desk.show_address(customer_id, reason=reason, real_now=real_now)
    return back_to_customer(frame, customer_id)


@post(
    "/support/customers/{customer_id:uuid}/password-resets",
    guards=[requires(PASSWORD_RESET_START), recently_authenticated],
)
async def start_password_reset(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ReasonForm],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    password_reset: NamedDependency[PasswordReset],
    caller_verifications: NamedDependency[CallerVerifications],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Have the link mailed; this console learns the masked address and nothing else."""
    reason = data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return back_to_customer(frame, customer_id, form="reset", refused="no_reason")
    caller = await caller_verifications.current(agent=identity, account_id=customer_id, at=real_now)
    try:
        await password_reset.start_for_customer(
            agent=identity,
            account_id=customer_id,
            reason=reason,
            verification_id=caller.id if caller and caller.confirmed_at else None,
            at=real_now,
            visit=visit,
        )
    except Refusal as refusal:
        # The use case has rolled back and noted the refusal; what has no place beside the field is a page.
        if f"support.refused_{refusal.code}" not in frame.w.texts:
            raise
        return back_to_customer(frame, customer_id, form="reset", refused=refusal.code)
    return back_to_customer(frame, customer_id, sent="true")


def back_to_customer(frame: Frame, customer_id: UUID, **left: str) -> Response[Any]:
    """To the customer's page, with what a form leaves in its address."""
    return frame.go(frame.url(f"/support/customers/{customer_id}", **left))


handlers = [show_support, find_customer, show_customer, show_address, start_password_reset]
