"""Debits are offered to customers with a good history only, and announced before the bank makes them."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from auth.models import Account
from billing.debits import Debits
from billing.dispute_records import DisputeState
from billing.errors import PaymentOutcomeUnknown
from billing.models import Order
from tests.billing.test_sale_refunds import withdraw
from tests.billing.tills import NOON, Till, count, jobs_named

LATER = NOON + timedelta(days=30)


@pytest.fixture
def till(till: Till) -> Till:
    """A shop that takes debits."""
    till.takes_debits = True
    return till


async def account_of(till: Till, order: Order) -> Account:
    async with till.database.sessions() as session:
        return await session.get_one(Account, order.account_id)


async def may_debit(till: Till, order: Order, *, at: datetime = LATER, kind: str = "buy") -> bool:
    """Whether the customer's next order may be paid by debit."""
    account = await account_of(till, order)
    following = await till.order(account, await till.quote(account, kind=kind, at=at), at=at)
    _, payment = await till.find(following)
    return payment.allows_debit


async def test_a_new_customer_is_not_offered_debits(till: Till) -> None:
    order = await till.open_order(kind="buy")
    assert not (await till.find(order))[1].allows_debit


@pytest.mark.parametrize(("days", "offered"), [(29, False), (30, True), (300, True)])
async def test_thirty_days_after_a_purchase_by_card_they_are(till: Till, days: int, offered: bool) -> None:
    order = await till.paid_order()
    assert await may_debit(till, order, at=NOON + timedelta(days=days)) is offered


async def test_never_for_rentals_and_never_where_the_shop_takes_none(till: Till) -> None:
    order = await till.paid_order()
    assert not await may_debit(till, order, kind="rent")
    till.takes_debits = False
    assert not await may_debit(till, order)


async def test_a_purchase_paid_by_debit_is_no_history(till: Till) -> None:
    order = await till.open_order(kind="buy")
    intent = await till.payable(order)
    await till.settle(till.gateway.begin_debit(intent.id))
    await till.settle(till.gateway.end_debit(intent.id, is_paid=True))
    assert not await may_debit(till, order)


async def test_what_was_sent_back_is_no_history(till: Till) -> None:
    order = await till.paid_order()
    await withdraw(till, order)
    assert not await may_debit(till, order)


@pytest.mark.parametrize(
    ("state", "offered"), [(DisputeState.OPEN, False), (DisputeState.LOST, False), (DisputeState.WON, True)]
)
async def test_who_had_a_payment_taken_back_is_not_offered_debits(
    till: Till, state: DisputeState, offered: bool
) -> None:
    first = await till.paid_order()
    account = await account_of(till, first)
    second = await till.order(account, await till.quote(account))
    intent = await till.payable(second)
    await till.settle(till.gateway.pay(intent.id))
    for news in {DisputeState.OPEN, state}:
        await till.note_dispute(till.gateway.dispute(intent.id, news))
    assert await may_debit(till, first) is offered


async def test_somebody_elses_history_is_not_mine(till: Till) -> None:
    await till.paid_order()
    assert not await may_debit(till, await till.open_order())


async def test_finance_sets_the_days_and_without_a_rule_nobody_is_offered_debits(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.paid_order()
    try:
        await owner.execute("UPDATE billing.debit_rules SET card_days = 400")
        assert not await may_debit(till, order)
        await owner.execute("UPDATE billing.debit_rules SET card_days = 0")
        assert await may_debit(till, order, at=NOON + timedelta(minutes=1))
        await owner.execute("DELETE FROM billing.debit_rules")
        assert not await may_debit(till, order)
    finally:
        await owner.execute("DELETE FROM billing.debit_rules; INSERT INTO billing.debit_rules VALUES ('EUR', 30)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await till.database.reads.execute("UPDATE billing.debit_rules SET card_days = 0")


async def under_way(till: Till) -> tuple[Order, UUID, str]:
    """A debit under way; gives its payment and intent."""
    order = await till.open_order(kind="buy", price=1199)
    intent = await till.payable(order)
    await till.settle(till.gateway.begin_debit(intent.id))
    _, payment = await till.find(order)
    return order, payment.id, intent.id


def debits(till: Till) -> Debits:
    return Debits(till.database, till.gateway, till.outbox)


async def test_a_debit_is_announced_once_with_the_reference_of_its_mandate(
    till: Till, owner: asyncpg.Connection
) -> None:
    order, payment_id, intent_id = await under_way(till)
    for _ in range(3):
        await till.settle(till.gateway.intents[intent_id])
    assert await jobs_named(owner, "announce_debit") == 1
    assert till.outbox.queued == []

    for _ in range(3):
        await debits(till).announce(payment_id=payment_id)

    assert till.outbox.queued == [("debit_announced", payment_id)]
    kept = await owner.fetchrow("SELECT mandate_reference, method FROM billing.payments WHERE order_id = $1", order.id)
    assert kept["mandate_reference"].startswith("REFERENCE-OF-mandate_")
    assert '"debited_on": "2026-11-26"' in kept["method"]


async def test_a_second_debit_after_a_failed_one_is_announced_too(till: Till) -> None:
    _, payment_id, intent_id = await under_way(till)
    await debits(till).announce(payment_id=payment_id)
    await till.settle(till.gateway.end_debit(intent_id, is_paid=False))
    await debits(till).announce(payment_id=payment_id)
    await till.settle(till.gateway.begin_debit(intent_id))
    await debits(till).announce(payment_id=payment_id)
    assert [kind for kind, _ in till.outbox.queued] == ["debit_announced", "payment_failed", "debit_announced"]


async def test_a_silent_provider_leaves_the_announcement_for_the_next_try(till: Till) -> None:
    _, payment_id, _ = await under_way(till)
    till.gateway.is_mute = True
    with pytest.raises(PaymentOutcomeUnknown):
        await debits(till).announce(payment_id=payment_id)
    assert till.outbox.queued == []
    till.gateway.is_mute = False
    await debits(till).announce(payment_id=payment_id)
    assert till.outbox.queued == [("debit_announced", payment_id)]


async def test_a_card_announces_nothing(till: Till, owner: asyncpg.Connection) -> None:
    await till.paid_order()
    assert await jobs_named(owner, "announce_debit") == 0
    assert await count(owner, "billing.payments", mandate_reference="x") == 0
