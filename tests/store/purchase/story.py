"""One purchase as store, provider and banks live through it: what may happen, and how it stands when all is told."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import asyncpg

from auth.ids import new_id
from billing.dispute_records import DisputeState
from billing.errors import BillingError
from billing.models import PaymentState, RefundState
from billing.money import Money
from billing.ports import Intent, Notice
from billing.refunds import Refunds
from store.composition import Parts, job_handlers
from store.invariants import INVARIANTS
from store.purchase import Purchase
from tests.billing.tills import BOTH_CONSENTS, Till
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import make_offer

NOON = datetime(2099, 6, 1, 12, 0, tzinfo=UTC)
"""Ahead of the real time: what is booked then is too young for the provider's list of movements, which is not read."""

AGENT_NOTE = "Ton fehlte, Vorgang 4711."


@dataclass(slots=True)
class Story:
    """An order of one film, a provider of its own, and the events that the provider has to tell."""

    parts: Parts
    clock: MovableTestClock
    owner: asyncpg.Connection
    account_id: UUID
    offer_id: UUID
    order_id: UUID
    price: Money
    card: str
    told: list[Notice] = field(default_factory=list)
    """Events that were not delivered yet."""
    delivered: list[Notice] = field(default_factory=list)
    offer_ended: bool = False

    @classmethod
    async def begin(cls, parts: Parts, clock: MovableTestClock, owner: asyncpg.Connection, *, kind: str) -> Self:
        """A customer orders a film and opens its payment."""
        parts = replace(parts, gateway=FakeGateway())
        clock.fixed = NOON
        account = await Till(parts.database).customer()
        offer_id = await make_offer(parts.database, kind=kind)
        async with parts.database.sessions.begin() as session:
            purchase = Purchase(session, parts.checkout(session), parts.quote_seal)
            quote = await purchase.quote(offer_id=offer_id, account_id=account.id, market="DE", at=NOON)
            order = await purchase.order(
                quote=parts.quote_seal.name(quote),
                account_id=account.id,
                consents=BOTH_CONSENTS,
                channel="web",
                locale="de",
                client_address=None,
                at=NOON,
            )
        story = cls(parts, clock, owner, account.id, offer_id, order.id, order.price, card=f"card {new_id()}")
        await story.open_payment()
        return story

    @property
    def gateway(self) -> FakeGateway:
        assert isinstance(self.parts.gateway, FakeGateway)
        return self.parts.gateway

    @property
    def at(self) -> datetime:
        assert self.clock.fixed is not None
        return self.clock.fixed

    # What happens at the provider and the banks; each is told by its events, later or never.

    def intent(self, *states: PaymentState) -> Intent | None:
        """The intent that is in one of these states; there is never more than one open or paid."""
        return next((intent for intent in self.gateway.intents.values() if intent.state in states), None)

    def can_pay(self) -> bool:
        return self.intent(PaymentState.REQUIRES_PAYMENT_METHOD) is not None

    def pay(self) -> None:
        intent = self._open()
        self.gateway.pay(intent.id, card=self.card)
        self._tell("payment_intent", intent.id, "payment_intent.succeeded")
        self._tell_charge(intent.id, "charge.succeeded", "charge.updated")

    def decline(self) -> None:
        intent = self._open()
        self.gateway.decline(intent.id, card=self.card)
        self._tell("payment_intent", intent.id, "payment_intent.payment_failed")
        self._tell_charge(intent.id, "charge.failed")

    def begin_debit(self) -> None:
        intent = self._open()
        self.gateway.begin_debit(intent.id)
        self._tell("payment_intent", intent.id, "payment_intent.processing")

    def is_under_way(self) -> bool:
        return self.intent(PaymentState.PROCESSING) is not None

    def end_debit(self, *, is_paid: bool) -> None:
        intent = self.intent(PaymentState.PROCESSING)
        assert intent is not None
        self.gateway.end_debit(intent.id, is_paid=is_paid)
        self._tell("payment_intent", intent.id, f"payment_intent.{'succeeded' if is_paid else 'payment_failed'}")

    def can_be_disputed(self) -> bool:
        paid = self.intent(PaymentState.SUCCEEDED)
        return paid is not None and not self.gateway.disputes and self.refunded() < self.price.minor

    def dispute(self) -> None:
        paid = self.intent(PaymentState.SUCCEEDED)
        assert paid is not None
        self._tell("dispute", self.gateway.dispute(paid.id).id, "charge.dispute.created")

    def is_disputed(self) -> bool:
        return any(dispute.state is DisputeState.OPEN for dispute in self.gateway.disputes.values())

    def decide_dispute(self, *, won: bool) -> None:
        [dispute] = self.gateway.disputes.values()
        assert dispute.intent_id is not None
        self.gateway.dispute(dispute.intent_id, DisputeState.WON if won else DisputeState.LOST)
        self._tell("dispute", dispute.id, "charge.dispute.closed")

    def can_be_warned_of(self) -> bool:
        return self.intent(PaymentState.SUCCEEDED) is not None and not self.gateway.warnings

    def warn(self) -> None:
        paid = self.intent(PaymentState.SUCCEEDED)
        assert paid is not None
        is_actionable = not self.gateway.disputes and self.refunded() == 0
        warning = self.gateway.warn(paid.id, is_actionable=is_actionable)
        self._tell("radar.early_fraud_warning", warning.id, "radar.early_fraud_warning.created")

    def refunds_in(self, *states: RefundState) -> list[str]:
        return sorted(key for key, refund in self.gateway.refunds.items() if refund.state in states)

    def refund_becomes(self, refund_id: str, state: RefundState) -> None:
        self.gateway.refund_becomes(refund_id, state)
        self._tell("refund", refund_id, "refund.failed" if state is RefundState.FAILED else "refund.updated")

    async def end_offer(self) -> None:
        self.offer_ended = True
        await self.owner.execute("UPDATE store.offers SET ends_at = $2 WHERE id = $1", self.offer_id, self.at)

    def refunded(self) -> int:
        """What the provider gave back, or is about to."""
        gone = (RefundState.FAILED, RefundState.CANCELED)
        return sum(refund.amount.minor for refund in self.gateway.refunds.values() if refund.state not in gone)

    # What the store does.

    async def open_payment(self) -> None:
        """What the checkout does before every try to pay; it may be refused."""
        try:
            intent = await self.parts.payments.ask_intent(
                order_id=self.order_id, account_id=self.account_id, at=self.at
            )
        except BillingError:
            return
        await self._settle(intent)

    async def come_back(self) -> None:
        """The customer's return from the provider's form."""
        intent = await self.parts.payments.check(order_id=self.order_id, account_id=self.account_id, at=self.at)
        if intent is not None:
            await self._settle(intent)

    async def deliver(self, notice: Notice) -> None:
        """The provider delivers an event, perhaps once more."""
        async with self.parts.database.sessions.begin() as session:
            await self.parts.webhooks(session).take_in(notice, at=self.at)

    async def deliver_next(self, place: int) -> None:
        """The provider delivers any of the events that wait."""
        notice = self.told.pop(place % len(self.told))
        await self.deliver(notice)
        self.delivered.append(notice)

    async def work(self) -> None:
        """Run the jobs that move money; what the provider refuses is asked for again by the sweep."""
        rows = await self.owner.fetch("DELETE FROM jobs.pgqueuer RETURNING entrypoint, payload")
        handlers = job_handlers(self.parts)
        for row in rows:
            if row["entrypoint"] in ("request_refund", "stop_payment"):
                try:
                    await handlers[row["entrypoint"]](**json.loads(row["payload"]))
                except BillingError:
                    continue

    async def sweep(self, *, after: timedelta) -> None:
        """Time passes, and the worker looks at what nobody told of."""
        self.clock.fixed = self.at + after
        await self.parts.payments.sweep(at=self.at)
        await Refunds(self.parts.database, self.gateway).sweep(at=self.at)

    async def withdraw(self) -> None:
        """The customer withdraws from the contract, if that is still possible."""
        try:
            async with self.parts.database.sessions.begin() as session:
                await self.parts.sale_refunds(session).withdraw(
                    order_id=self.order_id, account_id=self.account_id, at=self.at
                )
        except BillingError:
            return

    async def give_back_a_part(self) -> None:
        """Support gives back a part, if so much is left."""
        try:
            async with self.parts.database.sessions.begin() as session:
                await self.parts.sale_refunds(session).ask(
                    order_id=self.order_id,
                    amount=Money(150, "EUR"),
                    reason="goodwill",
                    note=AGENT_NOTE,
                    agent_id=self.account_id,
                    at=self.at,
                )
        except BillingError:
            return

    async def come_to_rest(self) -> None:
        """All events arrive, all jobs run, and the sweeps find the rest."""
        for _ in range(4):
            while self.told:
                await self.deliver_next(0)
            await self.work()
            await self.sweep(after=timedelta(days=2))

    # How it stands.

    async def broken_invariants(self) -> dict[str, int]:
        counts = {one.name: await self.owner.fetchval(one.query) for one in INVARIANTS}
        return {name: count for name, count in counts.items() if count}

    async def end(self) -> dict[str, Any]:
        """Everything that a purchase leaves behind, without ids and times."""
        rows = await self.owner.fetch(
            "SELECT kind, reason, state, amount FROM billing.refunds WHERE order_id = $1", self.order_id
        )
        documents = await self.owner.fetch(
            "SELECT kind, gross FROM billing.documents WHERE order_id = $1", self.order_id
        )
        payments = await self.owner.fetch(
            "SELECT state, decline FROM billing.payments WHERE order_id = $1 ORDER BY attempt", self.order_id
        )
        mails = await self.owner.fetch("SELECT kind FROM store.mails WHERE account_id = $1", self.account_id)
        return {
            "order": await self.owner.fetchval("SELECT state FROM billing.orders WHERE id = $1", self.order_id),
            "payments": [tuple(row) for row in payments],
            "right": await self.right(),
            "books": await self.balances(),
            "refunds": Counter(tuple(row) for row in rows),
            "documents": Counter(tuple(row) for row in documents),
            "mails": Counter(row["kind"] for row in mails),
        }

    async def right(self) -> str:
        """`none`, `holds`, `paused` or `revoked`."""
        row = await self.owner.fetchrow(
            "SELECT e.* FROM store.entitlements e JOIN billing.order_lines l ON l.id = e.order_line_id "
            "WHERE l.order_id = $1",
            self.order_id,
        )
        if row is None:
            return "none"
        return "revoked" if row["revoked_at"] else "paused" if row["paused_at"] else "holds"

    async def balances(self) -> dict[str, int]:
        rows = await self.owner.fetch(
            "SELECT account, sum(minor)::bigint AS minor FROM billing.postings p "
            "JOIN billing.journals j ON j.id = p.journal_id WHERE j.order_id = $1 GROUP BY account",
            self.order_id,
        )
        return {row["account"]: row["minor"] for row in rows if row["minor"]}

    def money_at_the_provider(self) -> int:
        """What the provider holds for us of this purchase."""
        captured = sum(i.received.minor for i in self.gateway.intents.values() if i.state is PaymentState.SUCCEEDED)
        arrived = [self.gateway.refunds[key].amount.minor for key in self.refunds_in(RefundState.SUCCEEDED)]
        moved = [
            movement.amount.minor - movement.fee.minor
            for dispute in self.gateway.disputes.values()
            for movement in dispute.movements
        ]
        return captured - sum(arrived) + sum(moved)

    async def owed_to_the_customer(self) -> int:
        """What was decided to go back and did not arrive; a new try is the same debt."""
        return int(
            await self.owner.fetchval(
                "SELECT coalesce(sum(amount), 0) FROM billing.refunds AS r WHERE r.order_id = $1 "
                "AND state IN ('requested', 'pending', 'failed', 'canceled') "
                "AND NOT EXISTS (SELECT FROM billing.refunds AS again WHERE again.replaces_id = r.id)",
                self.order_id,
            )
        )

    def _open(self) -> Intent:
        intent = self.intent(PaymentState.REQUIRES_PAYMENT_METHOD)
        assert intent is not None
        return intent

    def _tell(self, kind: str, object_id: str, type_: str) -> None:
        self.told.append(Notice(f"evt_{new_id().hex}", type_, kind, object_id, self.at))

    def _tell_charge(self, intent_id: str, *types: str) -> None:
        charge = self.gateway.intents[intent_id].charge
        assert charge is not None
        for type_ in types:
            self._tell("charge", charge.id, type_)

    async def _settle(self, intent: Intent) -> None:
        async with self.parts.database.sessions.begin() as session:
            await self.parts.checkout(session).settle(intent, at=self.at)
