"""What a takedown does to sale and money: nothing more is sold, and whoever paid gets it back, once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncSession

from billing.models import OrderLine
from billing.sale_refunds import SaleRefunds
from store.catalogue.models import Title
from store.catalogue.takedowns import note_takedown
from store.database import Database
from store.entitlement.grants import Grants
from store.invariants import count_invariants
from store.settings import Settings
from store.takedowns import Takedowns
from tests.auth.people import parts_of
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.fakes import FakeGateway
from tests.scratch import run_due_jobs
from tests.store.consoles.people import REASON as WORDS
from tests.store.consoles.people import a_person
from tests.store.entitlement.parts import Customer, make_customer, make_right, make_title
from tests.store.entitlement.takedown_orders import REASON, bought, dispute, order_down
from tests.store.entitlement.test_takedowns import code_of, locks_waited_for
from tests.store.purchase.shops import CONSENTS, Buyer, intent_of, make_offer, send_event


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


async def broken(database: Database) -> set[str]:
    return {finding.invariant.name for finding in await count_invariants(database) if finding.count}


async def test_who_bought_or_rented_gets_all_the_money_back_and_is_told_why_once(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    await bought(client, database, gateway, owner, customer, title)
    other = await make_customer(database)
    await bought(client, database, gateway, owner, other, title, kind="rent")
    given = await make_right(database, await make_customer(database), title)
    with open_post_office(settings.smtp_url) as office:
        assert await order_down(settings, title.slug) == 0
        assert await order_down(settings, title.slug) == 0, "once more does nothing more"
        await run_due_jobs(owner, parts_of(app))
        await deliver_mails(app)
        [mail] = office.to(f"{customer.account_id.hex}@example.org")
    refunds = await owner.fetch("SELECT amount, reason, state, requested_by FROM billing.refunds ORDER BY amount")
    assert [tuple(refund) for refund in refunds] == [
        (399, "title_taken_down", "succeeded", None),
        (1199, "title_taken_down", "succeeded", None),
    ]
    assert len(gateway.refunds) == 2
    assert await owner.fetchval("SELECT count(*) FROM billing.documents WHERE kind = 'credit_note'") == 2
    assert {row["state"] for row in await owner.fetch("SELECT state FROM billing.orders")} == {"refunded"}
    ended = await owner.fetch("SELECT DISTINCT revoke_reason FROM store.entitlements WHERE revoked_at IS NOT NULL")
    assert [row["revoke_reason"] for row in ended] == ["title_taken_down"]
    assert await owner.fetchval("SELECT revoked_at IS NOT NULL FROM store.entitlements WHERE id = $1", given)
    assert await broken(database) == set()
    text = text_of(mail)
    for words in ("wir zahlen Ihnen 11,99 € zurück", "Dieser Titel darf aus rechtlichen Gründen nicht mehr gezeigt"):
        assert words in text.replace("\xa0", " ")


class Stumbling(Grants):
    """Its second right is not taken back: the refund breaks off before its end."""

    asked = 0

    async def take_back(self, session: AsyncSession, *, lines: Sequence[OrderLine], reason: str, at: datetime) -> None:
        await super().take_back(session, lines=lines, reason=reason, at=at)
        Stumbling.asked += 1
        if Stumbling.asked == 2:
            raise RuntimeError("the power is gone before the commit")


async def test_a_run_that_broke_off_goes_on_where_it_was(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    settings: Settings,
    title: Title,
) -> None:
    """At once after the first transaction, or with one right: the others end, and the next run ends this one."""
    offer_id = await make_offer(database, title_id=title.id, kind="buy")
    for _ in range(3):
        buyer = await make_customer(database)
        await bought(client, database, gateway, owner, buyer, title, offer_id=offer_id)
    now, parts = datetime.now(UTC), parts_of(app)
    async with database.sessions.begin() as session:
        await note_takedown(session, title, reason=REASON, done_by=None, at=now, done_at=now)
    assert await broken(database) == {"paid_but_taken_down"}

    def stumbling(session: AsyncSession) -> SaleRefunds:
        return replace(parts.sale_refunds(session), fulfilment=Stumbling())

    done: list[tuple[int, int]] = []
    await Takedowns(database, stumbling).carry_out(
        title.slug, reason=REASON, done_by=None, at=now, real_now=now, progress=lambda *of: done.append(of)
    )
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 2
    assert await broken(database) == {"paid_but_taken_down"}
    assert await order_down(settings, title.slug) == 0
    assert await owner.fetchval("SELECT count(DISTINCT order_id) FROM billing.refunds") == 3
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 3
    assert await owner.fetchval("SELECT count(*) FROM store.takedowns") == 1
    assert await broken(database) == set()


async def test_money_that_a_bank_has_is_waited_for_and_told(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
    capsys: pytest.CaptureFixture[str],
) -> None:
    order_id = await bought(client, database, gateway, owner, customer, title)
    await dispute(owner, order_id)
    assert await order_down(settings, title.slug) == 1
    number = await owner.fetchval("SELECT order_number FROM billing.orders")
    assert f"(a dispute) or for a fault that the log names: {number}." in capsys.readouterr().out
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 0
    assert "paid_but_taken_down" not in await broken(database)
    await owner.execute("UPDATE billing.disputes SET state = 'won'")
    await owner.execute("UPDATE store.entitlements SET paused_at = NULL, pause_reason = NULL")
    assert "paid_but_taken_down" in await broken(database)
    assert await order_down(settings, title.slug) == 0
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 1


async def test_it_is_not_sold_any_more_neither_on_pages_nor_to_who_knows_the_offer(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    buyer = Buyer(client, customer.headers)
    offer_id = await make_offer(database, title_id=title.id)
    quote = (await buyer.quote(offer_id)).json()
    assert len((await client.get(f"/v1/titles/{title.slug}")).json()["offers"]) == 1
    assert await order_down(settings, title.slug) == 0
    assert (await client.get(f"/v1/titles/{title.slug}")).json()["offers"] == []
    assert code_of(await buyer.quote(offer_id)) == (409, "offer_not_on_sale")
    ordered = await buyer.post("/v1/orders", {"quote_id": quote["id"], "consents": CONSENTS})
    assert code_of(ordered) == (451, "title_taken_down")
    new_offer = await make_offer(database, title_id=title.id)
    assert code_of(await buyer.quote(new_offer)) == (451, "title_taken_down")
    agent = await a_person(database, roles=("support",))
    gift = {"title": title.slug, "kind": "rent", "quality": "HD", "reason": WORDS}
    given = await client.post(f"/v1/staff/customers/{customer.account_id}/gifts", json=gift, headers=agent.headers)
    assert code_of(given) == (451, "title_taken_down")
    assert await owner.fetchval("SELECT count(*) FROM billing.orders") == 0


async def test_a_season_is_not_sold_while_it_is_taken_down_and_its_offers_end_with_an_episode(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
) -> None:
    series = await make_title(database, kind="series")
    season = await make_title(database, kind="season", parent=series)
    episode = await make_title(database, kind="episode", parent=season)
    buyer = Buyer(client, customer.headers)
    offer_id = await make_offer(database, title_id=season.id, kind="buy")
    assert await order_down(settings, episode.slug) == 0
    assert code_of(await buyer.quote(offer_id)) == (409, "offer_not_on_sale"), "it would lack an episode"
    anew = await make_offer(database, title_id=season.id, kind="buy")
    assert (await buyer.quote(anew)).status_code == 201, "whoever offers it anew knows what it holds"
    assert await order_down(settings, series.slug) == 0
    for title in (season, episode):
        offer_id = await make_offer(database, title_id=title.id, kind="buy")
        assert code_of(await buyer.quote(offer_id)) == (451, "title_taken_down")


async def test_money_that_lands_later_goes_back(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    buyer = Buyer(client, customer.headers)
    order = await buyer.order(await make_offer(database, title_id=title.id))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    assert await order_down(settings, title.slug) == 0
    gateway.pay(intent)
    with open_post_office(settings.smtp_url):
        assert (await send_event(client, intent)).json() == {"outcome": "returned"}
        await run_due_jobs(owner, parts_of(app))
    assert [row["reason"] for row in await owner.fetch("SELECT reason FROM billing.refunds")] == ["title_taken_down"]
    assert len(gateway.refunds) == 1
    assert await owner.fetchval("SELECT count(*) FROM store.entitlements") == 0


async def test_money_that_lands_at_the_same_instant_is_waited_for_and_goes_back(
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    buyer = Buyer(client, customer.headers)
    order = await buyer.order(await make_offer(database, title_id=title.id))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    async with owner.transaction():
        # The right is granted, its confirmation is about to be noted.
        await owner.execute("LOCK TABLE store.mails IN SHARE MODE")
        paying = asyncio.create_task(send_event(client, intent))
        await locks_waited_for(owner)
        takedown = asyncio.create_task(order_down(settings, title.slug))
        await locks_waited_for(owner, 2)
    assert (await paying).json() == {"outcome": "paid"}
    assert await takedown == 0
    assert await owner.fetchval("SELECT state FROM billing.orders WHERE id = $1", UUID(order["id"])) == "refunded"
    assert await owner.fetchval("SELECT revoked_at IS NOT NULL FROM store.entitlements")
    assert await broken(database) == set()


async def test_a_gift_ends_without_money_and_its_owner_is_told(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    await make_offer(database, title_id=title.id)
    agent = await a_person(database, roles=("support",))
    gift = {"title": title.slug, "kind": "rent", "quality": "HD", "reason": WORDS}
    given = await client.post(f"/v1/staff/customers/{customer.account_id}/gifts", json=gift, headers=agent.headers)
    assert given.status_code == 201, given.text
    with open_post_office(settings.smtp_url) as office:
        assert await order_down(settings, title.slug) == 0
        assert await order_down(settings, title.slug) == 0
        await deliver_mails(app)
        [mail] = office.to(f"{customer.account_id.hex}@example.org")
    assert mail["Subject"] == "Ein geschenkter Film darf nicht mehr gezeigt werden"
    assert "in HD leihen" in text_of(mail)
    assert await owner.fetchval("SELECT revoke_reason FROM store.entitlements") == "title_taken_down"
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 0
    assert await broken(database) == set()
