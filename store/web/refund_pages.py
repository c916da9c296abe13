"""Staff give money back: support asks with a reason, a second person decides above the limit, failed ones go again."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import Refusal
from auth.ids import new_id
from auth.permissions import CUSTOMER_READ, REFUND_APPROVE, REFUND_REQUEST
from auth.visits import Visit
from billing.idempotency import AnsweredBefore, Once
from billing.models import Refund, RefundState
from billing.money import Money
from billing.refund_routes import record
from billing.refund_schemas import RefundOut
from billing.sale_refunds import SUPPORT_REASONS, SaleRefunds
from store.database import Database
from store.parked_work import list_failed_refunds
from store.refund_desk import RefundableOrder, list_awaiting, open_order
from store.support import CustomerDesk
from store.web.pages import Frame
from store.web.support_pages import LONGEST_REASON, SHORTEST_REASON, Line

_FIELDS: Final = {
    "refund_exceeds_payment": "amount",
    "refund_limit_used_up": "amount",
    "amount_invalid": "amount",
}
"""Beside which field a refusal is told; all others above the form."""


class RefundForm(msgspec.Struct, frozen=True):
    """What support wants to give back."""

    part: Line = "whole"
    amount: Line = ""
    reason: Line = ""
    note: Line = ""
    once: Annotated[str, msgspec.Meta(max_length=64, pattern="^[0-9a-f-]*$")] = ""
    """Made with the form: sent twice, it gives back once."""


@get("/support/orders/{order_id:uuid}/refund", guards=[requires(REFUND_REQUEST)])
async def show_refund(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    customer_desk: NamedDependency[CustomerDesk],
    real_now: NamedDependency[datetime],
) -> Response[str]:
    """The order with what is left of it and of the agent's day, and the form."""
    found = await open_order(session, sale_refunds, order_id=order_id, agent_id=identity.account_id, at=frame.at)
    await customer_desk.record("customer.viewed", found.order.account_id, real_now=real_now)
    return _form(frame, found, RefundForm(once=str(new_id())), errors={})


@post("/support/orders/{order_id:uuid}/refund", guards=[requires(REFUND_REQUEST)])
async def ask_refund(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    data: URLEncodedBody[RefundForm],
    identity: NamedDependency[Identity],
    once: NamedDependency[Once],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Ask for the refund; what stands in the way is told beside its field, and nothing is lost of what was typed."""
    found = await open_order(session, sale_refunds, order_id=order_id, agent_id=identity.account_id, at=frame.at)
    amount, errors = _read(frame, data, found.order.currency)
    if errors:
        return _form(frame, found, data, errors=errors, status=400)
    once = replace(once, key=f"form:{data.once}" if data.once else None)
    try:
        async with session.begin_nested():
            await once.claim()
            refund = await sale_refunds.ask(
                order_id=order_id,
                amount=amount,
                reason=data.reason,
                note=data.note.strip(),
                agent_id=identity.account_id,
                at=frame.at,
            )
            await record(
                session, identity, visit, refund, "refund.requested", real_now=real_now, reason=data.note.strip()
            )
            await once.keep(RefundOut.of(refund))
    except AnsweredBefore:
        return _to_file(frame, found, "refund_requested")
    except Refusal as refusal:
        found = await open_order(session, sale_refunds, order_id=order_id, agent_id=identity.account_id, at=frame.at)
        errors = {_FIELDS.get(refusal.code, "form"): refusal.sentence(frame.locale)}
        return _form(frame, found, data, errors=errors, status=refusal.status)
    return _to_file(
        frame, found, "refund_awaiting" if refund.state is RefundState.AWAITING_APPROVAL else "refund_requested"
    )


def _read(frame: Frame, data: RefundForm, currency: str) -> tuple[Money | None, dict[str, str]]:
    """The amount (None: all that is left), and what is wrong with the form by field."""
    t, errors, amount = frame.w.text, {}, None
    if data.part != "whole":
        try:
            amount = Money.read(data.amount.strip(), currency)
        except ValueError:
            errors["amount"] = t("refund.amount_unreadable")
    if data.reason not in SUPPORT_REASONS:
        errors["reason"] = t("form.missing")
    if len(data.note.strip()) < SHORTEST_REASON:
        errors["note"] = t("refund.note_short")
    return amount, errors


def _form(
    frame: Frame, found: RefundableOrder, data: RefundForm, *, errors: dict[str, str], status: int = 200
) -> Response[str]:
    reasons = [("", "–"), *((code, frame.w.text(f"support.problem.{code}")) for code in SUPPORT_REASONS)]
    return frame.page(
        "support/refund.html",
        status=status,
        found=found,
        order=found.order,
        descriptions=[line.description[frame.locale] for line in found.order.lines],
        form=data,
        errors=errors,
        reasons=reasons,
        longest=LONGEST_REASON,
    )


def _to_file(frame: Frame, found: RefundableOrder, done: str) -> Response[Any]:
    return frame.go(f"/support/customers/{found.order.account_id}", done=done)


@get("/staff/refunds", guards=[requires(REFUND_APPROVE)])
async def show_refunds(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[Database],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    refused: FromQuery[str] = "",
) -> Response[str]:
    """What waits for a second person, and what did not arrive; `refused` is what the page's own forms left."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="refunds.viewed",
        target_kind="console",
        target_id="refunds",
        request_id=visit.request_id,
        ip=visit.ip,
    )
    return frame.page(
        "staff/refunds.html",
        awaiting=await list_awaiting(session, reader_id=identity.account_id),
        failed=await list_failed_refunds(database),
        may_open=CUSTOMER_READ in identity.permissions,
        refused=frame.w.texts.get(f"refund.refused_{refused}", ""),
    )


async def _act(frame: Frame, session: AsyncSession, deed: Any, done: str) -> Response[Any]:
    """Do it, or say on the same page why not."""
    try:
        async with session.begin_nested():
            await deed()
    except Refusal as refusal:
        if f"refund.refused_{refusal.code}" not in frame.w.texts:
            raise
        return frame.go(frame.url("/staff/refunds", refused=refusal.code))
    return frame.go("/staff/refunds", done=done)


@post("/staff/refunds/{refund_id:uuid}/approvals", guards=[requires(REFUND_APPROVE)])
async def approve(
    frame: NamedDependency[Frame],
    refund_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Say yes as the second person."""

    async def deed() -> None:
        refund = await sale_refunds.approve(refund_id=refund_id, agent_id=identity.account_id, at=frame.at)
        await record(session, identity, visit, refund, "refund.approved", real_now=real_now)

    return await _act(frame, session, deed, "refund_approved")


@post("/staff/refunds/{refund_id:uuid}/rejections", guards=[requires(REFUND_APPROVE)])
async def reject(
    frame: NamedDependency[Frame],
    refund_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Say no as the second person."""

    async def deed() -> None:
        refund = await sale_refunds.reject(refund_id=refund_id, agent_id=identity.account_id, at=frame.at)
        await record(session, identity, visit, refund, "refund.rejected", real_now=real_now)

    return await _act(frame, session, deed, "refund_rejected")


@post("/staff/refunds/{refund_id:uuid}/retries", guards=[requires(REFUND_APPROVE)])
async def retry(
    frame: NamedDependency[Frame],
    refund_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Send the money of a failed refund once more."""

    async def deed() -> None:
        refund: Refund = await sale_refunds.try_again(refund_id=refund_id, agent_id=identity.account_id, at=frame.at)
        await record(session, identity, visit, refund, "refund.retried", real_now=real_now)

    return await _act(frame, session, deed, "refund_retried")


handlers = [show_refund, ask_refund, show_refunds, approve, reject, retry]
