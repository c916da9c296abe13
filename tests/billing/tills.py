"""A till for tests: checkouts over real transactions with fakes around them, and factories of what is sold."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ids import new_id
from auth.models import Account
from billing.checkout import Checkout, Consents, Settlement
from billing.disputes import note_dispute
from billing.fraud_warnings import act_on_warning
from billing.models import Order, Payment, Quote
from billing.money import Money
from billing.orders import latest_payment
from billing.payments import Payments
from billing.ports import FraudWarning, Intent, ProviderDispute, ProviderRefund
from billing.quotes import ForSale, lock_quote, write_quote
from billing.reconciliation import Reconciliation
from billing.refunds import Refunds, note_refund
from billing.sale_refunds import SaleRefunds
from billing.webhooks import Webhooks
from store.database import Database
from store.jobs import PostgresJobs
from store.settings import Seller
from tests.fakes import FakeFulfilment, FakeGateway, FakeOutbox

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""When things happen in tests, unless they say otherwise."""

SELLER = Seller("Videothek Demo GmbH", "Filmstraße 1 · 10115 Berlin", "kino@videothek.example", "DE000000000")

BOTH_CONSENTS = Consents(immediate_performance=True, withdrawal_loss=True)


@dataclass(slots=True)
class Till:
    """Billing as the web process and the worker use it, on a real database."""

    database: Database
    gateway: FakeGateway = field(default_factory=FakeGateway)
    fulfilment: FakeFulfilment = field(default_factory=FakeFulfilment)
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    takes_debits: bool = False

    def checkout(self, session: AsyncSession) -> Checkout:
        return Checkout(session, self.fulfilment, PostgresJobs(), self.outbox, SELLER, self.takes_debits)

    def sale_refunds(self, session: AsyncSession) -> SaleRefunds:
        return SaleRefunds(session, self.fulfilment, PostgresJobs(), self.outbox, SELLER)

    def webhooks(self, session: AsyncSession) -> Webhooks:
        return Webhooks(session, self.gateway, self.checkout(session), self.sale_refunds(session))

    @property
    def reconciliation(self) -> Reconciliation:
        return Reconciliation(self.database, self.gateway)

    @property
    def payments(self) -> Payments:
        return Payments(self.database, self.gateway, self.checkout, address_secret=b"of this test")

    @property
    def refunds(self) -> Refunds:
        return Refunds(self.database, self.gateway)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Checkout]:
        """A checkout in one transaction that is committed at the end."""
        async with self.database.sessions.begin() as session:
            yield self.checkout(session)

    async def customer(self, *, country: str = "DE") -> Account:
        async with self.database.sessions.begin() as session:
            account = Account(
                kind="customer",
                email="ada@videothek.example",
                locale="de",
                residence_country=country,
                residence_evidence={"declared": country},
                created_at=NOON,
            )
            session.add(account)
        return account

    async def quote(
        self,
        account: Account,
        *,
        price: int = 399,
        subject: str | None = None,
        device_id: UUID | None = None,
        at: datetime = NOON,
        **changes: Any,
    ) -> Quote:
        sale = for_sale(price=price, subject=subject, country=account.residence_country or "DE", **changes)
        async with self.database.sessions.begin() as session:
            return await write_quote(
                session, account_id=account.id, market=sale.tax_country, device_id=device_id, sale=sale, at=at
            )

    async def order(
        self, account: Account, quote: Quote, *, consents: Consents = BOTH_CONSENTS, at: datetime = NOON
    ) -> Order:
        async with self.begin() as checkout:
            return await checkout.open_order(
                quote=await lock_quote(checkout.session, quote_id=quote.id, account_id=account.id),
                consents=consents,
                button="Zahlungspflichtig bestellen",
                channel="web",
                locale="de",
                client_address="192.0.2.7",
                at=at,
            )

    async def open_order(self, *, price: int = 399, country: str = "DE", at: datetime = NOON, **changes: Any) -> Order:
        """An order of a new customer, with nothing asked of the provider yet."""
        account = await self.customer(country=country)
        return await self.order(account, await self.quote(account, price=price, at=at, **changes), at=at)

    async def payable(self, order: Order, *, at: datetime = NOON) -> Intent:
        """The intent of an order, opened and noted as `POST /v1/orders/{id}/payments` does it."""
        intent = await self.payments.ask_intent(order_id=order.id, account_id=order.account_id, at=at)
        await self.settle(intent, at=at)
        return intent

    async def paid_order(self, *, price: int = 399, country: str = "DE", at: datetime = NOON, **changes: Any) -> Order:
        """An order that was paid and settled."""
        order = await self.open_order(price=price, country=country, at=at, **changes)
        intent = await self.payable(order, at=at)
        await self.settle(self.gateway.pay(intent.id), at=at)
        return order

    async def settle(self, intent: Intent, *, at: datetime = NOON) -> Settlement:
        async with self.begin() as checkout:
            return await checkout.settle(intent, at=at)

    async def note_dispute(self, dispute: ProviderDispute, *, at: datetime = NOON) -> bool:
        async with self.database.sessions.begin() as session:
            return await note_dispute(session, self.fulfilment, dispute, at=at)

    async def note_refund(self, refund: ProviderRefund, *, at: datetime = NOON) -> bool:
        async with self.database.sessions.begin() as session:
            return await note_refund(session, refund, at=at)

    async def act_on_warning(self, warning: FraudWarning, *, at: datetime = NOON) -> bool:
        async with self.database.sessions.begin() as session:
            return await act_on_warning(session, self.sale_refunds(session), warning, at=at)

    async def receive(self, body: bytes, signature: str | None, *, at: datetime = NOON, now: datetime) -> str:
        async with self.database.sessions.begin() as session:
            return await self.webhooks(session).receive(body, signature, at=at, real_now=now)

    async def find(self, order: Order) -> tuple[Order, Payment]:
        """Order and last payment as they are in the database now."""
        async with self.database.sessions() as session:
            return await session.get_one(Order, order.id), await latest_payment(session, order.id)


def for_sale(
    *,
    price: int = 399,
    subject: str | None = None,
    country: str = "DE",
    kind: str = "rent",
    name: str = "Her",
    currency: str = "EUR",
) -> ForSale:
    return ForSale(
        item=f"offer:{new_id()}",
        subject=subject or f"title:{new_id()}",
        kind=kind,
        description={"de": name, "en": name},
        price=Money(price, currency),
        tax_country=country,
        terms={"kind": kind},
        licensor_terms={"cost": 200},
        texts={"terms": {"version": "2026-11-01", "sha256": {"de": "00", "en": "11"}}},
    )


async def count(owner: asyncpg.Connection, table: str, **where: Any) -> int:
    """Rows of a table whose columns have these values."""
    conditions = [f"{column}::text = ${number}" for number, column in enumerate(where, start=1)]
    query = f"SELECT count(*) FROM {table}" + (f" WHERE {' AND '.join(conditions)}" if where else "")
    found: int = await owner.fetchval(query, *map(str, where.values()))
    return found


async def jobs_named(owner: asyncpg.Connection, name: str) -> int:
    """Jobs of a name that wait."""
    found: int = await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = $1", name)
    return found


async def books_balance(owner: asyncpg.Connection) -> bool:
    """Whether every journal sums up to nothing."""
    rows = await owner.fetch("SELECT sum(minor) AS balance FROM billing.postings GROUP BY journal_id")
    return all(row["balance"] == 0 for row in rows)
