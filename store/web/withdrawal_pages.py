"""Withdrawing from a contract (BGB 356a) in two steps: from an order of one's own, or without signing in."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.email_addresses import LONGEST, parse_email
from auth.errors import EmailAddressInvalid, Refusal
from auth.visits import Visit
from billing.models import Order, OrderState
from billing.orders import find_order, list_orders
from billing.sale_refunds import SaleRefunds, withdrawal_ends
from billing.withdrawals import LONGEST_CONTRACT, LONGEST_NAME, Withdrawals
from store.web.forms import refused
from store.web.pages import Frame
from store.web.sign_in_pages import beside_field

NEWEST = 20
"""Orders that are looked through for those that can still be withdrawn from."""


_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"


class DeclarationForm(msgspec.Struct, frozen=True):
    """Who withdraws from what, and where the receipt goes to."""

    name: Annotated[str, msgspec.Meta(max_length=LONGEST_NAME, pattern=_ONE_LINE)] = ""
    contract: Annotated[str, msgspec.Meta(max_length=LONGEST_CONTRACT, pattern=_ONE_LINE)] = ""
    email: Annotated[str, msgspec.Meta(max_length=LONGEST, pattern=_ONE_LINE)] = ""


@get("/orders/{order_id:uuid}/withdrawal", guards=[customer_only])
async def show_withdrawal(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """The second step for an order of one's own, or why there is none, with a way out."""
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    refusal = await sale_refunds.why_no_withdrawal(order, at=frame.at)
    return frame.page(
        "withdrawal/order.html",
        order=order,
        description=", ".join(line.description[frame.locale] for line in order.lines),
        ends_at=withdrawal_ends(order),
        reason=_reason(frame, order, refusal) if refusal else "",
    )


def _reason(frame: Frame, order: Order, refusal: Refusal) -> str:
    """Why not, with instants in the market's time; a refusal that this page has no words for speaks for itself."""
    key = f"withdraw.refused_{refusal.code}"
    if key not in frame.w.texts:
        return refusal.sentence(frame.locale)
    began_at = refusal.details.get("began_at")
    return frame.w.text(
        key,
        began_at=frame.w.moment(began_at) if began_at else "",
        ended_at=frame.w.moment(withdrawal_ends(order)),
    )


@post("/orders/{order_id:uuid}/withdrawal", guards=[customer_only])
async def withdraw(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    sale_refunds: NamedDependency[SaleRefunds],
) -> Response[Any]:
    """Undo the sale; its receipt is mailed."""
    await sale_refunds.withdraw(order_id=order_id, account_id=identity.account_id, at=frame.at)
    return frame.go(f"/orders/{order_id}", done="withdrawn")


@get("/withdrawal")
async def show_declaration(
    frame: NamedDependency[Frame],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """Where every page's footer leads to: the orders of who is signed in, and the form for everybody."""
    own = None
    if frame.visitor is not None and frame.visitor.is_customer:
        orders = await list_orders(session, account_id=frame.visitor.account_id, limit=NEWEST)
        own = [
            {
                "id": order.id,
                "number": order.order_number,
                "description": ", ".join(line.description[frame.locale] for line in order.lines),
                "ends_at": withdrawal_ends(order),
            }
            for order in orders
            if order.state is OrderState.PAID
            and frame.at < withdrawal_ends(order)
            and await sale_refunds.why_no_withdrawal(order, at=frame.at) is None
        ]
    return frame.page("withdrawal/form.html", own=own, form=DeclarationForm(), errors={})


@post("/withdrawal")
async def check_declaration(frame: NamedDependency[Frame], data: URLEncodedBody[DeclarationForm]) -> Response[str]:
    """The first step: what was filled in is shown again, with the button that declares it. Nothing is kept yet."""
    if errors := _faults(frame, data):
        return frame.page("withdrawal/form.html", status=400, own=None, form=data, errors=errors)
    return frame.page("withdrawal/confirm.html", form=data)


@post("/withdrawal/confirmation")
async def declare(
    frame: NamedDependency[Frame],
    data: URLEncodedBody[DeclarationForm],
    withdrawals: NamedDependency[Withdrawals],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
) -> Response[Any]:
    """The second step: the declaration is received; the answer is the same whether there is such a contract or not."""
    if errors := _faults(frame, data):
        return frame.page("withdrawal/form.html", status=400, own=None, form=data, errors=errors)
    try:
        await withdrawals.declare(
            name=data.name.strip(),
            contract=data.contract.strip(),
            email=data.email.strip(),
            locale=frame.locale,
            at=frame.at,
            visit=visit,
        )
    except Refusal as refusal:
        await session.rollback()
        errors = beside_field(refusal, frame.locale)
        return refused(frame, "withdrawal/form.html", refusal, own=None, form=data, errors=errors)
    return frame.go("/withdrawal/received")


@get("/withdrawal/confirmation")
async def begin_again(frame: NamedDependency[Frame]) -> Response[Any]:
    """Who changes the language or signs in on the page of a refused declaration comes back to the form."""
    return frame.go("/withdrawal")


@get("/withdrawal/received")
async def show_received(frame: NamedDependency[Frame]) -> Response[str]:
    """What happens now."""
    t = frame.w.text
    return frame.page("account/message.html", heading=t("withdraw.received_heading"), sentence=t("withdraw.received"))


def _faults(frame: Frame, data: DeclarationForm) -> dict[str, str]:
    """What is missing or no address, by field."""
    errors = {
        name: frame.w.text("form.missing") for name in ("name", "contract", "email") if not getattr(data, name).strip()
    }
    if "email" not in errors:
        try:
            parse_email(data.email.strip())
        except EmailAddressInvalid as refusal:
            errors["email"] = refusal.sentence(frame.locale)
    return errors


handlers = [show_withdrawal, withdraw, show_declaration, check_declaration, declare, begin_again, show_received]
