"""What was ordered: the history, each order with its receipt and story, and credit notes; made for paper too."""

from datetime import datetime
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from billing.cursors import cursor_of, place_of
from billing.money import Money
from billing.money_states import SENTENCES, MoneyState, money_of
from billing.order_histories import histories_of
from billing.orders import credit_notes_of, find_order, invoice_of, list_orders
from billing.tax import rate_text
from store.database import Database
from store.errors import NotFound
from store.purchase_schemas import legal_text_out
from store.saved_confirmation import hand_over
from store.web.order_words import standing_of, story_of
from store.web.pages import Frame

PAGE = 20

_CHANGED_SINCE = (MoneyState.PARTLY_REFUNDED, MoneyState.DISPUTED, MoneyState.LOST_BY_DISPUTE)
"""What the page of a paid order says above its invoice, which stands as it was issued."""


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
    histories = await histories_of(session, [order.id for order in page])
    return frame.page(
        "orders/orders.html",
        orders=[
            {
                "description": ", ".join(line.description[frame.locale] for line in order.lines),
                "order": order,
                "standing": standing_of(order, histories[order.id]),
            }
            for order in page
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
    history = (await histories_of(session, [order_id]))[order_id]
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
    money = money_of(order, history.refunds, history.disputes)
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
        standing=standing_of(order, history),
        money_sentence=SENTENCES[money.state][frame.locale] if money.state in _CHANGED_SINCE else "",
        story=story_of(order, history, frame.w),
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


@get("/orders/{order_id:uuid}/credit-notes/{number:str}", guards=[customer_only])
async def show_credit_note(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    number: FromPath[str],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """A credit note as it was issued."""
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    notes = {note.document_number: note for note in await credit_notes_of(session, order_id)}
    if number not in notes:
        raise NotFound
    note = notes[number]
    return frame.page(
        "orders/credit_note.html",
        note=note,
        order=order,
        lines=[
            {
                "description": line["description"][frame.locale],
                "rate": line["tax_rate"],
                **{name: Money(line[name], note.currency) for name in ("net", "tax", "gross")},
            }
            for line in note.content["lines"]
        ],
        sums={name: Money(getattr(note, name), note.currency) for name in ("net", "tax", "gross")},
    )


@post("/orders/{order_id:uuid}/confirmation", guards=[customer_only])
async def save_confirmation(
    frame: NamedDependency[Frame],
    order_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[Database],
    real_now: NamedDependency[datetime],
) -> Response[str]:
    """The confirmation of the contract as a file."""
    order = await find_order(session, order_id=order_id, account_id=identity.account_id)
    saved = await hand_over(session, database.reads, frame.settings, order, locale=frame.locale, real_now=real_now)
    return Response(
        saved.text,
        media_type="text/plain",
        headers={"Content-Disposition": f'attachment; filename="{saved.file_name}"', "Cache-Control": "no-store"},
        status_code=200,
    )


handlers = [show_orders, show_order, show_credit_note, save_confirmation]
