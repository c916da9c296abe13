"""Debits: under way for days, then paid or failed; a failure is told by mail, for nobody is on the page any more."""

import asyncio
from datetime import timedelta

import asyncpg

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
