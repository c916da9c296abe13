"""Debits: under way for days, then paid or failed; a failure is told by mail, for nobody is on the page any more."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from auth.models import Account
from billing.errors import PaymentUnderWay
from billing.models import OrderState, PaymentState
from tests.billing.tills import NOON, Till, count


async def test_a_debit_that_fails_days_later_is_told_by_mail_once(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order(kind="buy")
    intent = await till.payable(order)
    await till.settle(till.gateway.begin_debit(intent.id))
    assert (await till.find(order))[1].state is PaymentState.PROCESSING

    failed = till.gateway.end_debit(intent.id, is_paid=False)
    await asyncio.gather(*(till.settle(failed, at=NOON + timedelta(days=3)) for _ in range(4)))

    declined, payment = await till.find(order)
    assert (declined.state, payment.decline) == (OrderState.OPEN, "debit_failed")
    assert till.outbox.queued == [("payment_failed", payment.id)]
    assert await count(owner, "billing.payment_tries", is_declined="true") == 1


async def test_many_failures_of_one_order_within_an_hour_are_one_mail(till: Till) -> None:
    order = await till.open_order(kind="buy")
    intent = await till.payable(order)
    for minute in (0, 30, 59, 60):
        at = NOON + timedelta(minutes=minute)
        await till.settle(till.gateway.begin_debit(intent.id), at=at)
        await till.settle(till.gateway.end_debit(intent.id, is_paid=False), at=at)

    assert [kind for kind, _ in till.outbox.queued] == ["payment_failed", "payment_failed"]


async def test_a_card_that_is_declined_before_its_owners_eyes_gets_no_mail(till: Till) -> None:
    order = await till.open_order()
    await till.settle(till.gateway.decline((await till.payable(order)).id))

    assert (await till.find(order))[1].decline == "declined"
    assert till.outbox.queued == []


@pytest.mark.parametrize(
    ("takes_debits", "kind", "allowed"),
    [(False, "buy", False), (False, "rent", False), (True, "buy", True), (True, "rent", False)],
)
async def test_only_purchases_may_be_paid_by_debit_and_only_where_the_shop_takes_them(
    till: Till, takes_debits: bool, kind: str, allowed: bool
) -> None:
    till.takes_debits = takes_debits
    known = await till.paid_order(at=NOON - timedelta(days=30))
    till.gateway.debits.clear()
    async with till.database.sessions() as session:
        account = await session.get_one(Account, known.account_id)
    order = await till.order(account, await till.quote(account, kind=kind))
    first = await till.payable(order)
    till.takes_debits = not takes_debits
    await till.settle(till.gateway.move(first.id, PaymentState.CANCELED))

    await till.payable(order)

    assert list(till.gateway.debits.values()) == [allowed, allowed], "an order keeps what held when it was opened"


async def test_a_debit_gives_no_access_until_it_is_paid_days_after_the_order_expired(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.open_order(kind="buy")
    intent = await till.payable(order)
    await till.settle(till.gateway.begin_debit(intent.id))
    for day in range(1, 4):
        await till.payments.sweep(at=NOON + timedelta(days=day))
    waiting, payment = await till.find(order)
    assert (waiting.state, payment.state) == (OrderState.OPEN, PaymentState.PROCESSING)
    assert till.fulfilment.delivered == []

    till.gateway.end_debit(intent.id, is_paid=True)
    await till.payments.sweep(at=NOON + timedelta(days=6))

    assert (await till.find(order))[0].state is OrderState.PAID
    assert len(till.fulfilment.delivered) == 1
    assert await count(owner, "billing.journals", kind="sale") == 1


async def test_a_film_that_left_the_shop_while_the_bank_took_its_time_goes_back(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.open_order(kind="buy")
    intent = await till.payable(order)
    await till.settle(till.gateway.begin_debit(intent.id))
    till.fulfilment.no_longer_offered = PaymentUnderWay()

    await till.settle(till.gateway.end_debit(intent.id, is_paid=True), at=NOON + timedelta(days=3))

    assert (await till.find(order))[0].state is OrderState.REFUNDED
    assert till.fulfilment.delivered == []
    assert await count(owner, "billing.refunds", kind="return", state="requested") == 1
