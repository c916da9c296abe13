"""What the tests of takedowns are made of: the operator's command, and titles that somebody paid for."""

from argparse import Namespace
from uuid import UUID

import asyncpg
import httpx

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from store.takedown_commands import take_down
from tests.fakes import FakeGateway
from tests.store.entitlement.parts import Customer
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event

REASON = "Landgericht Berlin II, 2 O 17/26"


async def order_down(settings: Settings, slug: str, *, yes: bool = True, lift: bool = False) -> int:
    """Run the operator's command; gives its exit status."""
    return await take_down(settings, Namespace(slug=slug, reason=REASON, yes=yes, lift=lift))


async def bought(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
    *,
    kind: str = "buy",
    offer_id: UUID | None = None,
) -> UUID:
    """The customer paid for the title, and its contract is confirmed; gives the order's id."""
    buyer = Buyer(client, customer.headers)
    offer_id = offer_id or await make_offer(database, title_id=title.id, kind=kind, may_download=True)
    order = await buyer.order(offer_id)
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    assert (await send_event(client, intent)).json() == {"outcome": "paid"}
    await owner.execute("UPDATE store.mails SET status = 'sent', sent_at = now() WHERE kind = 'order_confirmation'")
    return UUID(order["id"])


async def dispute(owner: asyncpg.Connection, order_id: UUID) -> None:
    """A bank has the order's money, and the right is on hold."""
    await owner.execute(
        "INSERT INTO billing.disputes (id, order_id, payment_id, provider_dispute_id, state, reason, amount, currency,"
        " created_at, updated_at)"
        " SELECT $1, order_id, id, 'dp_1', 'open', 'general', amount, currency, now(), now()"
        " FROM billing.payments WHERE order_id = $2",
        new_id(),
        order_id,
    )
    await owner.execute("UPDATE store.entitlements SET paused_at = now(), pause_reason = 'dispute'")
