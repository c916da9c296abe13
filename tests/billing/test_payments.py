"""Asking the provider: no transaction is open meanwhile, no answer is not a failure, the sweep repairs the rest."""

import asyncio
from datetime import datetime, timedelta

import asyncpg
import pytest

from billing.errors import (
    OrderAlreadyPaid,
    OrderClosed,
    OrderNotFound,
    PaymentOutcomeUnknown,
    PaymentUnderWay,
)
from billing.models import Order, OrderState, PaymentState
from billing.ports import Intent
from tests.billing.tills import NOON, Till, count
from tests.fakes import FakeGateway

LATER = NOON + timedelta(seconds=30)


async def test_paying_twice_opens_one_intent(till: Till) -> None:
    order = await till.open_order()

    intents = await asyncio.gather(*(till.payable(order) for _ in range(5)))

    assert len({intent.id for intent in intents}) == 1
    assert len(till.gateway.intents) == 1


async def test_the_provider_is_never_asked_while_a_transaction_is_open(till: Till) -> None:
    in_use: list[int] = []
    till.gateway.on_call = lambda: in_use.append(till.database.engine.pool.checkedout())  # type: ignore[attr-defined]

    order = await till.paid_order()
    other = await till.open_order()
    await till.payable(other)
    await till.payments.sweep(at=LATER)
    await till.payments.cancel(order_id=other.id, account_id=other.account_id, at=LATER)

    assert len(in_use) >= 4
    assert set(in_use) == {0}
    assert (await till.find(order))[0].state is OrderState.PAID


async def test_no_answer_leaves_the_payment_unknown_and_the_same_key_finds_the_same_intent(till: Till) -> None:
    order = await till.open_order()
    till.gateway.is_mute = True

    with pytest.raises(PaymentOutcomeUnknown):
        await till.payable(order)
    assert (await till.find(order))[1].state is PaymentState.UNKNOWN
    till.gateway.is_mute = False
    intent = await till.payable(order)

    assert list(till.gateway.intents) == [intent.id]
    assert (await till.find(order))[1].intent_id == intent.id


async def test_somebody_elses_order_cannot_be_paid_checked_or_cancelled(till: Till) -> None:
    order, stranger = await till.open_order(), await till.customer()

    for ask in (till.payments.ask_intent, till.payments.check, till.payments.cancel):
        with pytest.raises(OrderNotFound):
            await ask(order_id=order.id, account_id=stranger.id, at=NOON)
    assert till.gateway.calls == []


async def test_a_paid_order_is_not_paid_again(till: Till) -> None:
    order = await till.paid_order()

    with pytest.raises(OrderAlreadyPaid):
        await till.payable(order)
    with pytest.raises(OrderAlreadyPaid):
        await till.payments.cancel(order_id=order.id, account_id=order.account_id, at=NOON)
    assert (await till.find(order))[0].state is OrderState.PAID


async def test_an_expired_order_is_not_paid(till: Till) -> None:
    order = await till.open_order()

    with pytest.raises(OrderClosed):
        await till.payable(order, at=order.expires_at)
    assert till.gateway.intents == {}


async def test_a_cancelled_order_frees_its_subject_and_cannot_be_paid(till: Till) -> None:
    account = await till.customer()
    order = await till.order(account, await till.quote(account, subject="title:her"))
    intent = await till.payable(order)

    await till.payments.cancel(order_id=order.id, account_id=account.id, at=NOON)
    await till.payments.cancel(order_id=order.id, account_id=account.id, at=NOON)

    assert till.gateway.intents[intent.id].state is PaymentState.CANCELED
    cancelled, payment = await till.find(order)
    assert (cancelled.state, payment.state, payment.attempt) == (OrderState.CANCELLED, PaymentState.CANCELED, 1)
    with pytest.raises(OrderClosed):
        await till.payable(order)
    await till.order(account, await till.quote(account, subject="title:her"))


async def test_an_order_that_nobody_began_to_pay_is_cancelled_without_the_provider(till: Till) -> None:
    order = await till.open_order()

    await till.payments.cancel(order_id=order.id, account_id=order.account_id, at=NOON)

    cancelled, payment = await till.find(order)
    assert (cancelled.state, payment.state) == (OrderState.CANCELLED, PaymentState.CANCELED)
    assert till.gateway.calls == []


async def test_a_payment_under_way_cannot_be_cancelled(till: Till) -> None:
    order = await till.open_order()
    till.gateway.move((await till.payable(order)).id, PaymentState.PROCESSING)

    with pytest.raises(PaymentUnderWay):
        await till.payments.cancel(order_id=order.id, account_id=order.account_id, at=NOON)
    assert (await till.find(order))[0].state is OrderState.OPEN


async def test_cancelling_what_was_just_paid_settles_it_instead(till: Till) -> None:
    order = await till.open_order()
    till.gateway.pay((await till.payable(order)).id)

    with pytest.raises(OrderAlreadyPaid):
        await till.payments.cancel(order_id=order.id, account_id=order.account_id, at=NOON)
    assert (await till.find(order))[0].state is OrderState.PAID
    assert len(till.fulfilment.delivered) == 1


async def test_the_sweep_settles_what_nobody_came_back_for(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    till.gateway.pay((await till.payable(order)).id)

    assert await till.payments.sweep(at=LATER - timedelta(microseconds=1)) == 0
    assert await till.payments.sweep(at=LATER) == 1

    assert (await till.find(order))[0].state is OrderState.PAID
    assert await till.payments.sweep(at=LATER + timedelta(hours=1)) == 0
    assert await count(owner, "billing.journals") == 1


async def test_the_sweep_finds_the_intent_of_a_crash_by_its_key(till: Till) -> None:
    order = await till.open_order()
    opened = await till.payments.ask_intent(order_id=order.id, account_id=order.account_id, at=NOON)

    await till.payments.sweep(at=LATER)

    assert list(till.gateway.intents) == [opened.id]
    assert (await till.find(order))[1].intent_id == opened.id


async def test_the_sweep_asks_less_and_less_often(till: Till) -> None:
    order = await till.open_order()
    await till.payable(order)
    till.gateway.calls.clear()

    minutes = [NOON + timedelta(seconds=30 * step) for step in range(1, 119)]
    for at in minutes:
        await till.payments.sweep(at=at)

    assert 5 <= len(till.gateway.calls) <= 15


async def test_the_sweep_cancels_what_expired_and_a_mute_provider_stops_nothing(till: Till) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    till.gateway.is_mute = True
    await till.payments.sweep(at=order.expires_at)
    assert (await till.find(order))[0].state is OrderState.OPEN

    till.gateway.is_mute = False
    await till.payments.sweep(at=order.expires_at + timedelta(minutes=1))

    assert (await till.find(order))[0].state is OrderState.CANCELLED
    assert till.gateway.intents[intent.id].state is PaymentState.CANCELED


async def test_a_payment_that_breaks_keeps_no_other_one_waiting(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, other = await till.open_order(), await till.open_order()
    broken_id, other_id = (await till.payable(broken)).id, (await till.payable(other)).id
    till.gateway.pay(other_id)
    ask = FakeGateway.retrieve_intent

    async def break_down(gateway: FakeGateway, intent_id: str) -> Intent:
        if intent_id == broken_id:
            raise KeyError("a fact that is not there")
        return await ask(gateway, intent_id)

    monkeypatch.setattr(FakeGateway, "retrieve_intent", break_down)
    assert await till.payments.sweep(at=NOON + timedelta(minutes=5)) == 2
    assert (await till.find(other))[0].state is OrderState.PAID


async def test_an_order_whose_payment_the_provider_does_not_know_can_be_cancelled_and_is_paid_all_the_same(
    till: Till,
) -> None:
    """Another account of the provider's, by mistake: its customer orders anew, and money that comes is not lost."""
    order = await till.open_order()
    intent = await till.payable(order)
    forgotten = till.gateway.intents.pop(intent.id)
    await till.payments.sweep(at=order.expires_at)
    cancelled, payment = await till.find(order)
    assert (cancelled.state, payment.state) == (OrderState.CANCELLED, PaymentState.CANCELED)
    till.gateway.calls.clear()
    await till.payments.sweep(at=order.expires_at + timedelta(hours=2))
    assert till.gateway.calls == [], "nobody asks for it again and again"
    await till.open_order()

    till.gateway.intents[intent.id] = forgotten
    await till.settle(till.gateway.pay(intent.id), at=order.expires_at + timedelta(hours=3))
    paid, payment = await till.find(order)
    assert (paid.state, payment.state) == (OrderState.PAID, PaymentState.SUCCEEDED)


async def test_an_order_whose_debit_is_under_way_is_not_cancelled_because_the_provider_does_not_know_it(
    till: Till,
) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    till.gateway.move(intent.id, PaymentState.PROCESSING)
    await till.settle(till.gateway.intents.pop(intent.id), at=NOON)
    await till.payments.sweep(at=order.expires_at + timedelta(hours=2))
    assert (await till.find(order))[0].state is OrderState.OPEN


async def test_a_key_that_the_provider_may_have_forgotten_opens_no_second_intent(till: Till) -> None:
    order = await till.open_order()
    till.gateway.is_mute = True
    with pytest.raises(PaymentOutcomeUnknown):
        await till.payable(order)
    till.gateway.is_mute = False
    till.gateway.forget_keys()

    await till.payments.sweep(at=NOON + timedelta(hours=25))

    assert len(till.gateway.intents) == 1
    assert (await till.find(order))[0].state is OrderState.CANCELLED


async def test_the_first_intent_of_a_forgotten_key_is_found_by_its_metadata(till: Till) -> None:
    order = await till.open_order()
    till.gateway.is_mute = True
    with pytest.raises(PaymentOutcomeUnknown):
        await till.payable(order)
    till.gateway.is_mute = False
    till.gateway.forget_keys()
    [intent] = till.gateway.intents.values()
    await till.payments.sweep(at=NOON + timedelta(hours=25))

    await till.settle(intent, at=NOON + timedelta(hours=26))

    assert (await till.find(order))[1].intent_id == intent.id


async def test_an_expired_order_whose_payment_is_under_way_waits_for_it(till: Till) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    till.gateway.move(intent.id, PaymentState.PROCESSING)

    await till.payments.sweep(at=order.expires_at)
    assert (await till.find(order))[0].state is OrderState.OPEN
    till.gateway.pay(intent.id)
    await till.payments.sweep(at=order.expires_at + timedelta(days=3))

    assert (await till.find(order))[0].state is OrderState.PAID


async def test_return_sweep_and_settlement_at_once_pay_once(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = till.gateway.pay((await till.payable(order)).id)

    await asyncio.gather(
        till.settle(intent, at=LATER),
        till.payments.sweep(at=LATER),
        _come_back(till, order, LATER),
        till.payments.sweep(at=LATER),
        _come_back(till, order, LATER),
    )

    assert await count(owner, "billing.journals") == 1
    assert (len(till.fulfilment.delivered), len(till.outbox.queued)) == (1, 1)


async def _come_back(till: Till, order: Order, at: datetime) -> None:
    intent = await till.payments.check(order_id=order.id, account_id=order.account_id, at=at)
    assert intent is not None
    await till.settle(intent, at=at)
