"""Card testing: too many tries of one account, address, device or card are stopped, and honest customers are not."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from auth.ids import new_id
from auth.models import Account
from billing.card_testing import address_key
from billing.errors import TooManyPaymentTries
from billing.models import Order, OrderState, PaymentState
from billing.ports import Intent
from tests.billing.test_webhooks import NOW, event, signed
from tests.billing.tills import NOON, Till, count, jobs_named

HOUR = timedelta(hours=1)


async def opened(till: Till, order: Order, *, address: str | None = None, at: datetime = NOON) -> Intent:
    """The intent of an order, asked for from an address and noted."""
    intent = await till.payments.ask_intent(order_id=order.id, account_id=order.account_id, address=address, at=at)
    await till.settle(intent, at=at)
    return intent


async def an_order(till: Till, account_of: Order, *, at: datetime = NOON, device_id: UUID | None = None) -> Order:
    """One more order of the same customer."""
    async with till.database.sessions() as session:
        account = await session.get_one(Account, account_of.account_id)
    return await till.order(account, await till.quote(account, at=at, device_id=device_id), at=at)


async def decline(till: Till, intent: Intent, times: int, *, card: str = "card-of-ada", at: datetime = NOON) -> None:
    """The provider tells of so many declines."""
    for _ in range(times):
        await till.settle(till.gateway.decline(intent.id, card=card), at=at)


async def time_passes(owner: asyncpg.Connection, span: timedelta) -> None:
    """Everything that was counted becomes older: its times are real."""
    await owner.execute("UPDATE billing.payment_tries SET at = at - $1::interval", span)
    await owner.execute("UPDATE billing.payments SET opened_at = opened_at - $1::interval", span)


async def stop_as_the_worker_does(till: Till, owner: asyncpg.Connection, *, at: datetime = NOON) -> None:
    """Run the jobs that stop payments."""
    rows = await owner.fetch(
        "DELETE FROM jobs.pgqueuer WHERE entrypoint = 'stop_payment' "
        "RETURNING convert_from(payload, 'UTF8')::json ->> 'payment_id' AS id"
    )
    for row in rows:
        await till.payments.stop(payment_id=UUID(row["id"]), at=at)


async def test_after_five_declines_the_open_payment_is_stopped_and_no_other_is_opened_for_an_hour(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.open_order()
    intent = await opened(till, order)
    await decline(till, intent, 4)
    assert await jobs_named(owner, "stop_payment") == 0
    await opened(till, order)

    await decline(till, intent, 1)
    await stop_as_the_worker_does(till, owner)

    assert till.gateway.intents[intent.id].state is PaymentState.CANCELED
    asked = len(till.gateway.calls)
    await time_passes(owner, timedelta(minutes=40))
    with pytest.raises(TooManyPaymentTries) as refused:
        await opened(till, order)
    assert refused.value.details["minutes"] == 20
    assert 0 <= 1200 - refused.value.retry_after < 60
    assert refused.value.headers == {"Retry-After": str(refused.value.retry_after)}
    assert len(till.gateway.calls) == asked, "the provider is not asked"
    assert (await till.find(order))[0].state is OrderState.OPEN
    await time_passes(owner, timedelta(minutes=20))
    await opened(till, order)


async def test_moving_the_business_clock_frees_nobody(till: Till) -> None:
    order = await till.open_order()
    await decline(till, await opened(till, order), 5)
    for later in (HOUR, timedelta(days=30)):
        with pytest.raises(TooManyPaymentTries):
            await opened(till, await an_order(till, order, at=NOON + later), at=NOON + later)


async def test_the_same_decline_told_ten_times_at_once_counts_once(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    told = till.gateway.decline((await opened(till, order)).id)

    await asyncio.gather(*(till.settle(told) for _ in range(10)))

    assert await count(owner, "billing.payment_tries") == 1
    await opened(till, order)


async def test_a_payment_that_succeeds_before_it_is_stopped_is_kept(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = await opened(till, order)
    await decline(till, intent, 5)
    till.gateway.pay(intent.id)

    await stop_as_the_worker_does(till, owner)

    assert (await till.find(order))[0].state is OrderState.PAID


async def test_three_declined_cards_of_one_account_are_enough_for_a_day(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = await opened(till, order)
    for number in range(3):
        await decline(till, intent, 1, card=f"card {number}")

    await stop_as_the_worker_does(till, owner)

    assert till.gateway.intents[intent.id].state is PaymentState.CANCELED
    await time_passes(owner, 23 * HOUR)
    with pytest.raises(TooManyPaymentTries):
        await opened(till, await an_order(till, order))
    await time_passes(owner, HOUR)
    await opened(till, await an_order(till, order))


async def test_a_card_that_was_declined_for_three_accounts_is_stopped_and_its_payers_may_take_another(
    till: Till, owner: asyncpg.Connection
) -> None:
    orders = [await till.open_order() for _ in range(3)]
    intents = [await opened(till, order) for order in orders]
    for intent in intents:
        await decline(till, intent, 1, card="card-of-eve")

    await stop_as_the_worker_does(till, owner)

    assert [till.gateway.intents[intent.id].state for intent in intents] == [
        PaymentState.REQUIRES_PAYMENT_METHOD,
        PaymentState.REQUIRES_PAYMENT_METHOD,
        PaymentState.CANCELED,
    ]
    again = await opened(till, orders[2])
    assert again.id != intents[2].id
    await till.settle(till.gateway.pay(again.id))
    assert (await till.find(orders[2]))[0].state is OrderState.PAID


async def test_many_accounts_behind_one_address_are_stopped_and_the_neighbours_are_not(till: Till) -> None:
    for _ in range(5):
        await decline(till, await opened(till, await till.open_order(), address="192.0.2.7"), 3, card=str(new_id()))

    with pytest.raises(TooManyPaymentTries):
        await opened(till, await till.open_order(), address="192.0.2.7")
    await opened(till, await till.open_order(), address="192.0.2.8")
    await opened(till, await till.open_order())


async def test_one_device_in_many_accounts_is_stopped(till: Till) -> None:
    device_id = new_id()
    for _ in range(5):
        order = await an_order(till, await till.open_order(), device_id=device_id)
        await decline(till, await opened(till, order), 1, card=str(new_id()))

    with pytest.raises(TooManyPaymentTries):
        await opened(till, await an_order(till, await till.open_order(), device_id=device_id))
    await opened(till, await an_order(till, await till.open_order(), device_id=new_id()))


async def test_of_many_payments_opened_at_once_ten_get_through(till: Till, owner: asyncpg.Connection) -> None:
    first = await till.open_order()
    orders = [first, *[await an_order(till, first) for _ in range(13)]]

    answers = await asyncio.gather(*(opened(till, order) for order in orders), return_exceptions=True)

    assert sum(isinstance(answer, Intent) for answer in answers) == 10
    assert sum(isinstance(answer, TooManyPaymentTries) for answer in answers) == 4
    assert len(till.gateway.intents) == 10


async def test_what_was_paid_and_what_is_asked_for_again_is_not_counted(till: Till) -> None:
    first = await till.open_order()
    for order in [first, *[await an_order(till, first) for _ in range(15)]]:
        intent = await opened(till, order)
        for _ in range(3):
            assert (await opened(till, order)).id == intent.id
        await till.settle(till.gateway.pay(intent.id))


async def test_finance_sets_the_figures(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    await decline(till, await opened(till, order), 1)
    try:
        await owner.execute("UPDATE billing.try_limits SET most = 1 WHERE name = 'account_declines'")
        with pytest.raises(TooManyPaymentTries):
            await opened(till, order)
    finally:
        await owner.execute("UPDATE billing.try_limits SET most = 5 WHERE name = 'account_declines'")
    await opened(till, order)


async def test_an_address_is_kept_as_a_keyed_hash_only(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    await decline(till, await opened(till, order, address="203.0.113.9"), 1)

    kept = await owner.fetch(
        "SELECT to_jsonb(p)::text AS row FROM billing.payments p UNION ALL "
        "SELECT to_jsonb(t)::text FROM billing.payment_tries t"
    )
    assert all("203.0.113.9" not in row["row"] for row in kept)
    key = address_key(till.payments.address_secret, "203.0.113.9")
    assert all(key in row["row"] for row in kept)
    assert address_key(b"another secret", "203.0.113.9") != key


async def test_every_decline_of_a_burst_is_counted_although_the_intent_tells_of_the_last_one_only(
    till: Till, owner: asyncpg.Connection
) -> None:
    intent = await opened(till, await till.open_order())
    for _ in range(5):
        till.gateway.decline(intent.id)
    bodies = [event(charge_id, kind="charge", type_="charge.failed") for charge_id in till.gateway.charges]

    for body in reversed(bodies):
        await till.receive(body, signed(body), now=NOW)

    assert await count(owner, "billing.payment_tries", is_declined="true") == 5
    assert await jobs_named(owner, "stop_payment") == 1
