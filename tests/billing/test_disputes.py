"""Disputes and fraud warnings: the right waits with the money, comes back when won and ends when lost."""

import asyncio
from dataclasses import replace
from itertools import permutations

import asyncpg
import pytest

from billing.dispute_records import DisputeState
from billing.models import Order, OrderState
from billing.ports import ProviderDispute
from tests.billing.test_sale_refunds import sums
from tests.billing.tills import NOON, Till, books_balance, count


async def disputed(till: Till, *, price: int = 399) -> tuple[Order, str]:
    """A paid order and its intent."""
    order = await till.paid_order(price=price)
    _, payment = await till.find(order)
    assert payment.intent_id is not None
    return order, payment.intent_id


async def test_an_open_dispute_holds_the_right_and_books_what_was_taken(till: Till, owner: asyncpg.Connection) -> None:
    order, intent_id = await disputed(till)

    assert await till.note_dispute(till.gateway.dispute(intent_id))

    assert list(till.fulfilment.standing.values()) == ["held: dispute"]
    assert await sums(owner) == {
        "clearing:stripe": -1500,
        "receivable:disputes": 399,
        "fees:disputes": 1500,
        "revenue:rent:DE": -335,
        "vat:DE:19": -64,
    }
    assert (await till.find(order))[0].state is OrderState.PAID
    assert await count(owner, "billing.blocked_cards", fingerprint="card-of-ada") == 1


async def test_an_inquiry_takes_nothing(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id = await disputed(till)
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.INQUIRY))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.CLOSED))
    assert till.fulfilment.standing == {}
    assert await count(owner, "billing.journals") == 1


async def test_a_won_dispute_gives_the_right_and_the_money_back(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id = await disputed(till)
    await till.note_dispute(till.gateway.dispute(intent_id))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.WON))
    assert till.fulfilment.standing == {}
    assert await sums(owner) == {
        "clearing:stripe": 399 - 1500,
        "fees:disputes": 1500,
        "revenue:rent:DE": -335,
        "vat:DE:19": -64,
    }


async def test_a_right_waits_until_no_dispute_of_its_order_is_open_any_more(till: Till) -> None:
    _, intent_id = await disputed(till)
    first = till.gateway.dispute(intent_id)
    second = replace(first, id="dp_second", movements=())
    inquiry = replace(second, id="dp_inquiry", state=DisputeState.INQUIRY)
    for news in (first, second, inquiry, replace(inquiry, state=DisputeState.CLOSED)):
        await till.note_dispute(news)
    for _again in range(2):
        await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.WON))
        assert list(till.fulfilment.standing.values()) == ["held: dispute"], "the second bank still has the money"
    await till.note_dispute(replace(second, state=DisputeState.WON))
    assert till.fulfilment.standing == {}


async def test_a_lost_dispute_ends_the_right_and_is_booked_as_a_loss(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id = await disputed(till)
    await till.note_dispute(till.gateway.dispute(intent_id))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST))
    assert list(till.fulfilment.standing.values()) == ["ended: dispute"]
    assert await sums(owner) == {
        "clearing:stripe": -1500,
        "fees:disputes": 1500,
        "loss:disputes": 335,
        "revenue:rent:DE": -335,
    }
    assert await books_balance(owner)


@pytest.mark.parametrize("last", [DisputeState.WON, DisputeState.LOST])
async def test_any_order_and_repetition_of_the_news_ends_the_same(
    till: Till, owner: asyncpg.Connection, last: DisputeState
) -> None:
    ends = set()
    for order_of_news in permutations([DisputeState.INQUIRY, DisputeState.OPEN, last]):
        await owner.execute("DELETE FROM billing.blocked_cards")
        _, intent_id = await disputed(till)
        news: dict[DisputeState, ProviderDispute] = {
            state: till.gateway.dispute(intent_id, state) for state in (DisputeState.INQUIRY, DisputeState.OPEN, last)
        }
        before = await sums(owner)
        till.fulfilment.standing.clear()
        for state in (*order_of_news, *order_of_news):
            await till.note_dispute(news[state])
        after = await sums(owner)
        changed = {name: after.get(name, 0) - before.get(name, 0) for name in {*before, *after}}
        moved = tuple(sorted((name, minor) for name, minor in changed.items() if minor))
        ends.add((moved, tuple(till.fulfilment.standing.values())))
    assert len(ends) == 1


async def test_the_same_news_ten_times_at_once_is_booked_once(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id = await disputed(till)
    dispute = till.gateway.dispute(intent_id)
    assert all(await asyncio.gather(*(till.note_dispute(dispute) for _ in range(10))))
    assert await count(owner, "billing.disputes") == 1
    assert await count(owner, "billing.journals", kind="dispute_withdrawn") == 1


async def test_a_dispute_of_somebody_elses_payment_is_foreign(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id = await disputed(till)
    dispute = till.gateway.dispute(intent_id)
    assert not await till.note_dispute(replace(dispute, intent_id="pi_foreign"))
    assert not await till.note_dispute(replace(dispute, intent_id=None))
    assert await count(owner, "billing.disputes") == 0


async def test_an_early_fraud_warning_gives_the_money_back_and_blocks_the_card(
    till: Till, owner: asyncpg.Connection
) -> None:
    order, intent_id = await disputed(till)
    warning = till.gateway.warn(intent_id)

    assert all(await asyncio.gather(*(till.act_on_warning(warning) for _ in range(3))))

    assert await owner.fetchval("SELECT reason FROM billing.refunds") == "fraud_warning"
    assert await count(owner, "billing.refunds") == 1
    assert (await till.find(order))[0].state is OrderState.REFUNDED
    assert list(till.fulfilment.standing.values()) == ["ended: fraud_warning"]

    another = await till.open_order()
    settlement = await till.settle(till.gateway.pay((await till.payable(another)).id), at=NOON)
    assert settlement.outcome.value == "returned"
    assert await owner.fetchval("SELECT reason FROM billing.refunds WHERE kind = 'return'") == "card_blocked"


async def test_a_warning_that_came_too_late_moves_no_money(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id = await disputed(till)
    assert await till.act_on_warning(till.gateway.warn(intent_id, is_actionable=False))
    assert await count(owner, "billing.refunds") == 0
    assert await count(owner, "billing.blocked_cards") == 1
