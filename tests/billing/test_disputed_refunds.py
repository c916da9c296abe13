"""A refund that was decided when a bank took the money: it waits, is sent when won, and is settled when lost."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

import billing.refunds
from billing.dispute_records import DisputeState
from billing.disputed_refunds import left_of_lost_dispute
from billing.errors import PaymentOutcomeUnknown, PaymentProviderRefused
from billing.models import Order, Refund, RefundState
from billing.money import Money
from store.parked_work import list_failed_refunds
from tests.billing.test_disputes import disputed
from tests.billing.test_sale_refunds import agent, ask, sums, withdraw
from tests.billing.tills import NOON, Till, books_balance, count

WEEKS_LATER = NOON + timedelta(days=40)


async def state_of(owner: asyncpg.Connection, refund: Refund) -> str:
    state: str = await owner.fetchval("SELECT state FROM billing.refunds WHERE id = $1", refund.id)
    return state


async def withdrawn_then_disputed(till: Till) -> tuple[Order, str, Refund]:
    """A withdrawal that nobody asked the provider for before the bank took the money."""
    order, intent_id = await disputed(till)
    refund = await withdraw(till, order)
    await till.note_dispute(till.gateway.dispute(intent_id))
    return order, intent_id, refund


async def test_while_a_bank_decides_the_provider_is_not_asked(till: Till, owner: asyncpg.Connection) -> None:
    _, _, refund = await withdrawn_then_disputed(till)
    till.gateway.calls.clear()

    await till.refunds.request(refund_id=refund.id, at=NOON)
    assert await till.refunds.sweep(at=WEEKS_LATER) == 0

    assert till.gateway.calls == []
    assert await state_of(owner, refund) == "requested"


async def test_a_won_dispute_lets_the_refund_go(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id, refund = await withdrawn_then_disputed(till)
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.WON), at=WEEKS_LATER)

    assert await till.refunds.sweep(at=WEEKS_LATER) == 1

    assert await state_of(owner, refund) == "succeeded"
    assert await sums(owner) == {"clearing:stripe": -1500, "fees:disputes": 1500}


async def test_a_lost_dispute_settles_the_refund_and_nothing_is_sent(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id, refund = await withdrawn_then_disputed(till)
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST), at=WEEKS_LATER)

    for _ in range(2):
        await till.refunds.request(refund_id=refund.id, at=WEEKS_LATER)
        await till.refunds.sweep(at=WEEKS_LATER + timedelta(days=1))

    assert await state_of(owner, refund) == "settled"
    assert till.gateway.refunds == {}
    assert await sums(owner) == {"clearing:stripe": -1500, "fees:disputes": 1500}, "no revenue, no loss, nothing owed"
    assert await count(owner, "billing.journals", kind="refund_settled") == 1
    assert await books_balance(owner)


async def test_a_refund_that_went_before_the_loss_is_found_and_lost_with_it(
    till: Till, owner: asyncpg.Connection
) -> None:
    order, intent_id = await disputed(till)
    refund = await withdraw(till, order)
    till.gateway.is_mute = True
    with pytest.raises(PaymentOutcomeUnknown):
        await till.refunds.request(refund_id=refund.id, at=NOON)
    till.gateway.is_mute = False
    await till.note_dispute(till.gateway.dispute(intent_id))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST), at=WEEKS_LATER)

    await till.refunds.sweep(at=WEEKS_LATER)

    assert await state_of(owner, refund) == "succeeded"
    assert await sums(owner) == {"clearing:stripe": -399 - 1500, "fees:disputes": 1500, "loss:disputes": 399}


@pytest.mark.parametrize("last", [RefundState.SUCCEEDED, RefundState.FAILED])
async def test_a_pending_refund_decides_what_a_lost_dispute_was(
    till: Till, owner: asyncpg.Connection, last: RefundState
) -> None:
    order, intent_id = await disputed(till)
    refund = await withdraw(till, order)
    till.gateway.refund_state = RefundState.PENDING
    await till.refunds.request(refund_id=refund.id, at=NOON)
    await till.note_dispute(till.gateway.dispute(intent_id))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST))
    assert (await sums(owner))["receivable:disputes"] == 399

    [key] = till.gateway.refunds
    till.gateway.refund_becomes(key, last)
    for _ in range(2):
        await till.note_refund(till.gateway.refunds[key])

    lost = {"clearing:stripe": -399 - 1500, "fees:disputes": 1500, "loss:disputes": 399}
    settled = {"clearing:stripe": -1500, "fees:disputes": 1500}
    assert await sums(owner) == (lost if last is RefundState.SUCCEEDED else settled)
    assert await state_of(owner, refund) == ("succeeded" if last is RefundState.SUCCEEDED else "settled")


async def test_a_refund_that_failed_is_settled_with_the_loss(till: Till, owner: asyncpg.Connection) -> None:
    order, intent_id = await disputed(till)
    refund = await withdraw(till, order)
    await till.refunds.request(refund_id=refund.id, at=NOON)
    [key] = till.gateway.refunds
    till.gateway.refund_becomes(key, RefundState.FAILED)
    await till.note_refund(till.gateway.refunds[key])
    await till.note_dispute(till.gateway.dispute(intent_id))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST))

    assert await state_of(owner, refund) == "settled"
    assert await sums(owner) == {"clearing:stripe": -1500, "fees:disputes": 1500}


async def test_what_was_given_back_before_is_lost_with_the_rest_of_the_sale(
    till: Till, owner: asyncpg.Connection
) -> None:
    order, intent_id = await disputed(till, price=999)
    part = await ask(till, order, await agent(till), 300)
    await till.refunds.request(refund_id=part.id, at=NOON)
    await till.note_dispute(till.gateway.dispute(intent_id))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST))

    books = await sums(owner)
    assert (books.get("receivable:disputes", 0), books.get("liability:refunds", 0)) == (0, 0)
    assert books["loss:disputes"] == 300 + 587, "what went twice, and the net price of the rest"
    assert "vat:DE:19" not in books


async def test_what_a_dispute_does_not_cover_of_a_refund_is_still_owed(till: Till, owner: asyncpg.Connection) -> None:
    order, intent_id = await disputed(till)
    refund = await withdraw(till, order)
    whole = till.gateway.dispute(intent_id)
    [taken] = whole.movements
    movement = replace(taken, amount=Money(-100, "EUR"))
    for state in (DisputeState.OPEN, DisputeState.LOST):
        await till.note_dispute(replace(whole, state=state, amount=Money(100, "EUR"), movements=(movement,)))
    await till.refunds.request(refund_id=refund.id, at=NOON)

    assert await state_of(owner, refund) == "settled"
    rest = await owner.fetchrow("SELECT * FROM billing.refunds WHERE replaces_id = $1", refund.id)
    assert (rest["amount"], rest["net"] + rest["tax"], rest["state"]) == (299, 299, "requested")
    assert (await sums(owner))["liability:refunds"] == -299
    till.gateway.disputes.clear()
    await till.refunds.request(refund_id=rest["id"], at=NOON)
    assert "liability:refunds" not in await sums(owner)


async def test_money_that_came_for_nothing_is_settled_by_a_lost_dispute_too(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    await till.settle(till.gateway.pay(intent.id, amount=Money(500, "EUR")))
    await till.note_dispute(till.gateway.dispute(intent.id))
    await till.note_dispute(till.gateway.dispute(intent.id, DisputeState.LOST))
    assert await till.refunds.sweep(at=WEEKS_LATER) == 1
    assert await owner.fetchval("SELECT state FROM billing.refunds") == "settled"
    assert await sums(owner) == {"clearing:stripe": -1500, "fees:disputes": 1500}


async def test_what_the_provider_refuses_is_asked_less_and_less_often(till: Till, owner: asyncpg.Connection) -> None:
    order, intent_id = await disputed(till)
    refund = await withdraw(till, order)
    till.gateway.dispute(intent_id)  # its news are still under way
    with pytest.raises(PaymentProviderRefused):
        await till.refunds.request(refund_id=refund.id, at=NOON + timedelta(hours=10))

    assert await till.refunds.sweep(at=NOON + timedelta(hours=14)) == 0
    assert await till.refunds.sweep(at=NOON + timedelta(hours=15)) == 1
    assert await state_of(owner, refund) == "requested"


async def test_the_news_of_a_loss_and_the_job_at_once_settle_once(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id, refund = await withdrawn_then_disputed(till)
    lost = till.gateway.dispute(intent_id, DisputeState.LOST)
    await asyncio.gather(
        *(till.note_dispute(lost) for _ in range(3)),
        *(till.refunds.request(refund_id=refund.id, at=NOON) for _ in range(3)),
    )
    await asyncio.gather(*(till.refunds.request(refund_id=refund.id, at=NOON) for _ in range(4)))
    assert await count(owner, "billing.journals", kind="refund_settled") == 1
    assert await sums(owner) == {"clearing:stripe": -1500, "fees:disputes": 1500}


async def test_a_refund_that_a_twin_settles_while_it_is_read_is_not_sent(
    till: Till, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, intent_id, refund = await withdrawn_then_disputed(till)
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST))
    till.gateway.calls.clear()
    twins = [till.refunds.request(refund_id=refund.id, at=NOON)]

    async def read_after_a_twin(session: AsyncSession, of: Refund) -> int:
        while twins:
            await twins.pop()
        return await left_of_lost_dispute(session, of)

    monkeypatch.setattr(billing.refunds, "left_of_lost_dispute", read_after_a_twin)
    await till.refunds.request(refund_id=refund.id, at=NOON)
    assert await state_of(owner, refund) == "settled"
    assert "request_refund" not in till.gateway.calls
    assert await count(owner, "billing.journals", kind="refund_settled") == 1


async def lost_after_the_refund_arrived(till: Till, *, price: int = 399) -> tuple[Order, Refund, str]:
    """A withdrawal whose money arrived before the bank took it once more; gives the refund's key too."""
    order, intent_id = await disputed(till, price=price)
    refund = await withdraw(till, order)
    await till.refunds.request(refund_id=refund.id, at=NOON)
    await till.note_dispute(till.gateway.dispute(intent_id))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST), at=WEEKS_LATER)
    [key] = till.gateway.refunds
    return order, refund, key


async def test_a_refund_that_fails_after_it_was_lost_by_a_dispute_settles_itself(
    till: Till, owner: asyncpg.Connection
) -> None:
    _, refund, key = await lost_after_the_refund_arrived(till)
    assert (await sums(owner))["loss:disputes"] == 399, "the customer has it twice"

    till.gateway.refund_becomes(key, RefundState.FAILED)
    for _ in range(2):
        await till.note_refund(till.gateway.refunds[key], at=WEEKS_LATER)

    assert await state_of(owner, refund) == "settled"
    assert await sums(owner) == {"clearing:stripe": -1500, "fees:disputes": 1500}, "nothing lost, nothing owed"
    assert await count(owner, "billing.refunds") == 1, "nobody is to send it again"
    assert await books_balance(owner)


@pytest.mark.parametrize("news", ["loss first", "failure first"])
async def test_in_either_order_the_news_of_a_loss_and_of_a_failed_refund_end_the_same(
    till: Till, owner: asyncpg.Connection, news: str
) -> None:
    order, intent_id = await disputed(till, price=999)
    part = await ask(till, order, await agent(till), 300)
    await till.refunds.request(refund_id=part.id, at=NOON)
    [key] = till.gateway.refunds
    await till.note_dispute(till.gateway.dispute(intent_id))
    till.gateway.refund_becomes(key, RefundState.FAILED)
    lost = till.gateway.dispute(intent_id, DisputeState.LOST)
    if news == "loss first":
        await till.note_dispute(lost)
    await till.note_refund(till.gateway.refunds[key])
    await till.note_dispute(lost)

    assert await state_of(owner, part) == "settled"
    books = await sums(owner)
    assert books["loss:disputes"] == 587, "the net price of what was not given back"
    assert {name: books.get(name, 0) for name in ("receivable:disputes", "liability:refunds", "vat:DE:19")} == {
        "receivable:disputes": 0,
        "liability:refunds": 0,
        "vat:DE:19": 0,
    }


async def test_of_two_refunds_that_arrived_only_the_one_that_fails_is_undone(
    till: Till, owner: asyncpg.Connection
) -> None:
    order, intent_id = await disputed(till, price=999)
    staff = await agent(till)
    parts = [await ask(till, order, staff, amount) for amount in (100, 200)]
    for part in parts:
        await till.refunds.request(refund_id=part.id, at=NOON)
    await till.note_dispute(till.gateway.dispute(intent_id))
    await till.note_dispute(till.gateway.dispute(intent_id, DisputeState.LOST))
    before = (await sums(owner))["loss:disputes"]
    failing = next(one for one in till.gateway.refunds.values() if one.refund_id == parts[0].id)

    till.gateway.refund_becomes(failing.id, RefundState.FAILED)
    await till.note_refund(till.gateway.refunds[failing.id])

    books = await sums(owner)
    assert before - books["loss:disputes"] == 100
    assert "liability:refunds" not in books
    assert [await state_of(owner, part) for part in parts] == ["settled", "succeeded"]


async def test_what_no_dispute_took_of_a_refund_that_fails_stays_owed_and_is_listed(
    till: Till, owner: asyncpg.Connection
) -> None:
    order, intent_id = await disputed(till, price=999)
    part = await ask(till, order, await agent(till), 300)
    await till.refunds.request(refund_id=part.id, at=NOON)
    [key] = till.gateway.refunds
    whole = till.gateway.dispute(intent_id)
    [taken] = whole.movements
    movement = replace(taken, amount=Money(-699, "EUR"))
    for state in (DisputeState.OPEN, DisputeState.LOST):
        await till.note_dispute(replace(whole, state=state, amount=Money(699, "EUR"), movements=(movement,)))

    till.gateway.refund_becomes(key, RefundState.FAILED)
    await till.note_refund(till.gateway.refunds[key])

    assert await state_of(owner, part) == "failed"
    assert (await sums(owner))["liability:refunds"] == -300
    assert [refund.id for refund in await list_failed_refunds(till.database)] == [part.id]
