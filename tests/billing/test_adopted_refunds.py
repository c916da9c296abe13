"""Refunds that somebody made at the provider while one of ours was decided: the customer has the money once."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from auth.ids import new_id
from billing.errors import PaymentOutcomeUnknown, PaymentProviderRefused, RefundNotFailed
from billing.models import Order, RefundState
from billing.money import Money
from billing.ports import ProviderRefund
from tests.billing.test_sale_refunds import agent, ask, sums, withdraw
from tests.billing.test_webhooks import event, receive, signed
from tests.billing.tills import NOON, Till, books_balance, count, jobs_named

LATER = NOON + timedelta(days=3)


def refunded_at_the_provider(till: Till, intent_id: str, amount: int) -> str:
    """A person gives something of an intent back in the provider's own console."""
    refund = ProviderRefund(f"re_{new_id().hex}", intent_id, RefundState.SUCCEEDED, Money(amount, "EUR"))
    till.gateway.refunds[refund.id] = refund
    return refund.id


async def intent_of(till: Till, order: Order) -> str:
    _, payment = await till.find(order)
    assert payment.intent_id is not None
    return payment.intent_id


async def tell(till: Till, provider_refund_id: str) -> str:
    body = event(provider_refund_id, kind="refund")
    return await receive(till, body, signed(body))


async def refunds(owner: asyncpg.Connection) -> list[tuple[str, str, int]]:
    """Reason, state and amount of every refund, the oldest first."""
    rows = await owner.fetch("SELECT reason, state, amount FROM billing.refunds ORDER BY created_at, id")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("amount", [399, 300])
@pytest.mark.parametrize("first", ["the event", "our request", "both at once"])
async def test_a_refund_made_at_the_provider_in_place_of_ours_is_ours(
    till: Till, owner: asyncpg.Connection, first: str, amount: int
) -> None:
    order = await till.paid_order()
    ours = await ask(till, order, await agent(till), amount)
    theirs = refunded_at_the_provider(till, await intent_of(till, order), amount)

    if first == "our request":
        with pytest.raises(PaymentProviderRefused):
            await till.refunds.request(refund_id=ours.id, at=NOON)
    request = [till.refunds.request(refund_id=ours.id, at=NOON)] if first == "both at once" else []
    told = await asyncio.gather(*(tell(till, theirs) for _ in range(3)), *request, return_exceptions=True)

    assert told[:3] == ["refund_noted"] * 3
    assert await refunds(owner) == [("technical_fault", "succeeded", amount)]
    assert await till.refunds.sweep(at=LATER) == 0
    assert list(till.gateway.refunds) == [theirs]
    assert "liability:refunds" not in await sums(owner)
    assert await count(owner, "billing.documents", kind="credit_note") == 1
    assert await books_balance(owner)


async def test_a_part_given_back_at_the_provider_beside_one_of_ours_that_can_still_go_is_another_one(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.paid_order()
    ours = await ask(till, order, await agent(till), 100)

    assert await tell(till, refunded_at_the_provider(till, await intent_of(till, order), 100)) == "refund_noted"
    await till.refunds.request(refund_id=ours.id, at=NOON)

    assert await refunds(owner) == [("technical_fault", "succeeded", 100), ("made_at_provider", "succeeded", 100)]
    assert len(till.gateway.refunds) == 2


async def test_money_that_came_for_nothing_and_was_given_back_at_the_provider_is_not_sent_again(
    till: Till, owner: asyncpg.Connection
) -> None:
    """The second intent of a paid order: its money must not be taken for the sale's."""
    order = await till.paid_order()
    _, payment = await till.find(order)
    till.gateway.forget_keys()
    second = await till.gateway.open_intent(
        price=order.price, idempotency_key="again", order_id=order.id, payment_id=payment.id, description=""
    )
    till.gateway.pay(second.id)

    assert await tell(till, refunded_at_the_provider(till, second.id, 399)) == "refund_noted"

    assert await refunds(owner) == [("second_intent", "succeeded", 399)]
    assert await till.refunds.sweep(at=LATER) == 0
    assert (await sums(owner))["clearing:stripe"] == 399
    assert await count(owner, "billing.orders", state="paid") == 1


async def test_a_payment_that_could_not_be_used_and_was_given_back_at_the_provider_is_not_sent_again(
    till: Till, owner: asyncpg.Connection
) -> None:
    intent = await till.payable(await till.open_order())
    await till.settle(till.gateway.pay(intent.id, amount=Money(500, "EUR")))

    assert await tell(till, refunded_at_the_provider(till, intent.id, 500)) == "refund_noted"

    assert await refunds(owner) == [("amount_mismatch", "succeeded", 500)]
    assert await sums(owner) == {}


async def test_a_failed_refund_that_is_made_again_at_the_provider_is_tried_again_with_it(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.paid_order()
    failing = await withdraw(till, order)
    await till.refunds.request(refund_id=failing.id, at=NOON)
    [key] = till.gateway.refunds
    till.gateway.refund_becomes(key, RefundState.FAILED)
    await tell(till, key)

    assert await tell(till, refunded_at_the_provider(till, await intent_of(till, order), 399)) == "refund_noted"

    assert await refunds(owner) == [("withdrawal", "failed", 399), ("withdrawal", "succeeded", 399)]
    assert await sums(owner) == {}
    assert await count(owner, "billing.documents", kind="credit_note") == 1
    async with till.database.sessions.begin() as session:
        with pytest.raises(RefundNotFailed):
            await till.sale_refunds(session).try_again(refund_id=failing.id, agent_id=order.account_id, at=NOON)


async def test_a_refund_that_was_made_in_place_of_ours_and_fails_is_owed_again(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.paid_order()
    ours = await withdraw(till, order)
    theirs = refunded_at_the_provider(till, await intent_of(till, order), 399)
    await tell(till, theirs)
    till.gateway.refund_becomes(theirs, RefundState.FAILED)
    await tell(till, theirs)
    assert (await sums(owner))["liability:refunds"] == -399

    async with till.database.sessions.begin() as session:
        again = await till.sale_refunds(session).try_again(refund_id=ours.id, agent_id=order.account_id, at=NOON)
    await till.refunds.request(refund_id=again.id, at=NOON)

    assert await sums(owner) == {}


async def test_what_waits_for_a_second_person_is_overtaken_by_a_refund_made_at_the_provider(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.paid_order(price=2500)
    await ask(till, order, await agent(till))

    assert await tell(till, refunded_at_the_provider(till, await intent_of(till, order), 2500)) == "refund_noted"

    assert await refunds(owner) == [("technical_fault", "rejected", 2500), ("made_at_provider", "succeeded", 2500)]
    assert await jobs_named(owner, "request_refund") == 0


async def test_ours_that_went_although_another_one_was_taken_for_it_is_for_a_person(
    till: Till, owner: asyncpg.Connection
) -> None:
    order, by = await till.paid_order(), await agent(till)
    ours, _ = await ask(till, order, by, 100), await ask(till, order, by)
    till.gateway.is_mute = True
    with pytest.raises(PaymentOutcomeUnknown):
        await till.refunds.request(refund_id=ours.id, at=NOON)
    till.gateway.is_mute = False
    [answer_lost] = till.gateway.refunds

    assert await tell(till, refunded_at_the_provider(till, await intent_of(till, order), 100)) == "refund_noted"

    assert await tell(till, answer_lost) == "parked"
    till.gateway.refund_becomes(answer_lost, RefundState.FAILED)
    assert await tell(till, answer_lost) == "parked"
    assert [state for _, state, _ in await refunds(owner)] == ["succeeded", "requested"]
    assert (await sums(owner))["clearing:stripe"] == 299
