"""What was ordered: the history and each order's receipt, made for paper too."""

from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from billing.cursors import cursor_of, place_of
from billing.money import Money
from billing.orders import credit_notes_of, find_order, invoice_of, list_orders
from billing.tax import rate_text
from store.purchase_schemas import OrderOut, legal_text_out
from store.web.pages import Frame

PAGE = 20


@get("/orders", guards=[customer_only])
async def show_orders(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """All orders, newest first."""
    found = await list_orders(session, account_id=identity.account_id, before=place_of(cursor), limit=PAGE + 1)
    page = found[:PAGE]
    onward = cursor_of((page[-1].created_at, page[-1].id)) if len(found) > PAGE else None
    return frame.page(
        "orders/orders.html",
        orders=[
            {"description": ", ".join(line.description for line in order.lines), "order": order}
            for order in (OrderOut.of(order, frame.locale) for order in page)
        ],
        next=frame.url("/orders", cursor=onward) if onward else "",
    )


@get("/orders/{order_id:uuid}", guards=[customer_only])
async def show_order(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """One order; paid, it is the invoice as it was issued."""
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    invoice = await invoice_of(session, order_id)
    seller = frame.settings.seller
    printed = {"name": seller.name, "address": seller.address, "vat_id": seller.vat_id}
    lines = [
        {
            "description": line.description[frame.locale],
            "net": Money(line.net, order.currency),
            "tax": Money(line.tax, order.currency),
            "gross": Money(line.gross, order.currency),
            "rate": rate_text(line.tax_rate_bp),
        }
        for line in order.lines
    ]
    t = frame.w.text
    number = invoice.document_number if invoice else order.order_number
    return frame.page(
        "orders/order.html",
        heading=t("receipt.heading" if invoice else "receipt.heading_order", number=number),
        invoice_number=invoice.document_number if invoice else "",
        issued_at=invoice.issued_at if invoice else None,
        consents=[
            text
            for name, kept in sorted(order.texts.items())
            if (text := legal_text_out(name, kept["version"], frame.locale)).is_consent
        ],
        credits=[
            {
                "number": note.document_number,
                "issued_at": note.issued_at,
                "gross": Money(note.gross, note.currency),
            }
            for note in await credit_notes_of(session, order_id)
        ],
        seller=invoice.content["seller"] if invoice else printed,
        order={
            "id": order.id,
            "number": order.order_number,
            "state": order.state.value,
            "ordered_at": order.ordered_at,
            "tax_country": order.tax_country,
            "net": Money(order.net, order.currency),
            "tax": Money(order.tax, order.currency),
            "price": order.price,
            "lines": lines,
            "consented_at": order.performance_consent_at,
        },
    )


handlers = [show_orders, show_order]
