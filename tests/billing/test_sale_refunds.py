"""Undoing sales: by the customer, by support with a second person, by the store; never more than was paid."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import Refusal
from auth.ids import new_id
from auth.models import Account
from billing.errors import (
    AmountInvalid,
    BillingError,
    DecidedByRequester,
    OrderDisputed,
    OrderNotFound,
    OrderNotPaid,
    RefundExceedsPayment,
    RefundLimitUsedUp,
    RefundNotAwaitingApproval,
    RefundNotFailed,
    WithdrawalOver,
)
from billing.models import Order, OrderLine, OrderState, Refund, RefundState
from billing.money import Money
from billing.refund_shares import share_out
from billing.sale_refunds import withdrawal_ends
from billing.tax import split_gross
from tests.billing.tills import NOON, Till, books_balance, count, jobs_named


class Begun(Refusal):
    """The film was begun."""

    status, code = 409, "withdrawal_lost"


async def agent(till: Till) -> UUID:
    """A member of staff."""
    account = Account(kind="staff", email=f"{new_id().hex}@videothek.example", locale="de", created_at=NOON)
    async with till.database.sessions.begin() as session:
        session.add(account)
    return account.id


async def ask(till: Till, order: Order, by: UUID, minor: int | None = None, *, currency: str = "EUR") -> Refund:
    """Support asks for a refund."""
    async with till.database.sessions.begin() as session:
        return await till.sale_refunds(session).ask(
            order_id=order.id,
            amount=None if minor is None else Money(minor, currency),
            reason="technical_fault",
            note="Ton fehlte, Vorgang 4711",
            agent_id=by,
            at=NOON,
        )


async def withdraw(till: Till, order: Order, *, at: datetime = NOON) -> Refund:
    """The customer withdraws."""
    async with till.database.sessions.begin() as session:
        return await till.sale_refunds(session).withdraw(order_id=order.id, account_id=order.account_id, at=at)


async def sums(owner: asyncpg.Connection) -> dict[str, int]:
    """Balance of every account that is not zero."""
    rows = await owner.fetch("SELECT account, sum(minor)::bigint AS sum FROM billing.postings GROUP BY account")
    return {row["account"]: row["sum"] for row in rows if row["sum"]}


async def test_a_withdrawal_undoes_the_sale_and_ends_the_right_at_once(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order(price=399)

    refund = await withdraw(till, order)

    undone, _ = await till.find(order)
    assert (undone.state, undone.paid_at) == (OrderState.REFUNDED, NOON)
    assert (refund.amount, refund.net, refund.tax, refund.state) == (399, 335, 64, RefundState.REQUESTED)
    assert list(till.fulfilment.standing.values()) == ["ended: withdrawal"]
    note = await owner.fetchrow("SELECT * FROM billing.documents WHERE kind = 'credit_note'")
    assert (note["document_number"], note["gross"], note["refund_id"]) == ("G-2026-000001", 399, refund.id)
    assert '"corrects": "R-2026-000001"' in note["content"]
    assert await sums(owner) == {"clearing:stripe": 399, "liability:refunds": -399}
    assert till.outbox.queued[-1] == ("withdrawal", refund.id)
    assert await jobs_named(owner, "request_refund") == 1

    await till.refunds.request(refund_id=refund.id, at=NOON)
    assert await sums(owner) == {}
    assert await books_balance(owner)


async def test_a_withdrawal_sent_five_times_at_once_gives_back_once(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order()

    refunds = await asyncio.gather(*(withdraw(till, order) for _ in range(5)))

    assert len({refund.id for refund in refunds}) == 1
    assert await count(owner, "billing.refunds") == 1
    assert await count(owner, "billing.documents", kind="credit_note") == 1


async def test_the_withdrawal_period_ends_with_the_fourteenth_day(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order()
    ends_at = withdrawal_ends(order)
    assert ends_at.isoformat() == "2026-12-08T23:00:00+00:00", "midnight in Berlin"

    with pytest.raises(WithdrawalOver):
        await withdraw(till, order, at=ends_at)
    assert await count(owner, "billing.refunds") == 0
    assert (await withdraw(till, order, at=ends_at - timedelta(microseconds=1))).amount == 399


@pytest.mark.parametrize(
    ("ordered", "ends"),
    [
        ("2026-10-20T00:30+02:00", "2026-11-04T00:00+01:00"),
        ("2026-10-20T12:00+02:00", "2026-11-04T00:00+01:00"),
        ("2026-10-20T23:30+02:00", "2026-11-04T00:00+01:00"),
        ("2027-03-20T00:30+01:00", "2027-04-04T00:00+02:00"),
        ("2027-03-20T23:30+01:00", "2027-04-04T00:00+02:00"),
    ],
)
def test_the_withdrawal_period_is_counted_in_days_of_the_calendar_also_when_clocks_change(
    ordered: str, ends: str
) -> None:
    assert withdrawal_ends(Order(ordered_at=datetime.fromisoformat(ordered))) == datetime.fromisoformat(ends)


async def test_a_film_that_was_begun_cannot_be_sent_back(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order()
    till.fulfilment.withdrawal_refusal = Begun()

    with pytest.raises(Begun):
        await withdraw(till, order)
    assert await count(owner, "billing.refunds") == 0
    assert till.fulfilment.standing == {}


async def test_nobody_withdraws_from_another_customers_order_or_from_an_unpaid_one(till: Till) -> None:
    order = await till.paid_order()
    async with till.database.sessions.begin() as session:
        with pytest.raises(OrderNotFound):
            await till.sale_refunds(session).withdraw(order_id=order.id, account_id=new_id(), at=NOON)
        with pytest.raises(OrderNotFound):
            await till.sale_refunds(session).withdraw(order_id=new_id(), account_id=order.account_id, at=NOON)
    with pytest.raises(OrderNotPaid):
        await withdraw(till, await till.open_order())


async def test_support_gives_back_a_part_and_the_right_stays(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order(price=999)

    refund = await ask(till, order, await agent(till), 300)

    assert (refund.state, refund.net, refund.tax) == (RefundState.REQUESTED, 252, 48)
    kept, _ = await till.find(order)
    assert kept.state is OrderState.PAID
    assert till.fulfilment.standing == {}
    assert await count(owner, "billing.documents", kind="credit_note", gross=300) == 1
    assert till.outbox.queued[-1] == ("refund", refund.id)


async def test_parts_sum_up_to_the_sale_to_the_cent(till: Till, owner: asyncpg.Connection) -> None:
    order, by = await till.paid_order(price=999), await agent(till)
    for minor in (1, 333, 332, None):
        await ask(till, order, by, minor)

    whole, _ = await till.find(order)
    assert whole.state is OrderState.REFUNDED
    assert await sums(owner) == {"clearing:stripe": 999, "liability:refunds": -999}
    assert list(till.fulfilment.standing.values()) == ["ended: technical_fault"]


@pytest.mark.parametrize("minor", [0, -1, 400, 10**9])
async def test_more_than_was_paid_or_nothing_is_refused(till: Till, owner: asyncpg.Connection, minor: int) -> None:
    order, by = await till.paid_order(price=399), await agent(till)
    with pytest.raises(RefundExceedsPayment):
        await ask(till, order, by, minor)
    with pytest.raises(AmountInvalid):
        await ask(till, order, by, 100, currency="USD")
    assert await count(owner, "billing.refunds") == 0


async def test_many_refunds_at_once_never_exceed_what_was_paid(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order(price=999)
    agents = [await agent(till) for _ in range(8)]

    outcomes = await asyncio.gather(*(ask(till, order, by, 300) for by in agents), return_exceptions=True)

    assert sum(isinstance(outcome, Refund) for outcome in outcomes) == 3
    assert all(isinstance(outcome, Refund | RefundExceedsPayment) for outcome in outcomes)
    assert await owner.fetchval("SELECT sum(amount) FROM billing.refunds") == 900


async def test_a_large_refund_waits_for_a_second_person(till: Till, owner: asyncpg.Connection) -> None:
    order, first, second = await till.paid_order(price=2500), await agent(till), await agent(till)

    refund = await ask(till, order, first, 2001)

    assert refund.state is RefundState.AWAITING_APPROVAL
    assert await jobs_named(owner, "request_refund") == 0
    assert await count(owner, "billing.journals") == 1
    async with till.database.sessions.begin() as session:
        with pytest.raises(DecidedByRequester):
            await till.sale_refunds(session).approve(refund_id=refund.id, agent_id=first, at=NOON)
    async with till.database.sessions.begin() as session:
        approved = await till.sale_refunds(session).approve(refund_id=refund.id, agent_id=second, at=NOON)
    assert (approved.state, approved.decided_by) == (RefundState.REQUESTED, second)
    assert await jobs_named(owner, "request_refund") == 1
    async with till.database.sessions.begin() as session:
        with pytest.raises(RefundNotAwaitingApproval):
            await till.sale_refunds(session).reject(refund_id=refund.id, agent_id=second, at=NOON)


async def test_two_who_decide_at_once_decide_once(till: Till, owner: asyncpg.Connection) -> None:
    order, first = await till.paid_order(price=2500), await agent(till)
    refund = await ask(till, order, first)

    async def decide(by: UUID, *, yes: bool) -> Refund:
        async with till.database.sessions.begin() as session:
            desk = till.sale_refunds(session)
            return await (desk.approve if yes else desk.reject)(refund_id=refund.id, agent_id=by, at=NOON)

    voices = [(await agent(till), yes) for yes in (True, False, True, False)]
    outcomes = await asyncio.gather(*(decide(by, yes=yes) for by, yes in voices), return_exceptions=True)
    assert sum(isinstance(outcome, Refund) for outcome in outcomes) == 1
    assert await count(owner, "billing.documents", kind="credit_note") <= 1


async def test_a_rejected_refund_leaves_no_trace_in_the_books(till: Till, owner: asyncpg.Connection) -> None:
    order, first, second = await till.paid_order(price=2500), await agent(till), await agent(till)
    refund = await ask(till, order, first)
    async with till.database.sessions.begin() as session:
        await till.sale_refunds(session).reject(refund_id=refund.id, agent_id=second, at=NOON)

    assert await count(owner, "billing.journals") == 1
    assert (await ask(till, order, second)).state is RefundState.AWAITING_APPROVAL, "it may be asked for again"


async def test_a_withdrawal_overtakes_what_waits_for_a_second_person(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order(price=2500)
    waiting = await ask(till, order, await agent(till))

    assert (await withdraw(till, order)).amount == 2500
    assert await owner.fetchval("SELECT state FROM billing.refunds WHERE id = $1", waiting.id) == "rejected"


async def test_an_agents_day_has_a_limit_also_for_many_at_once(till: Till, owner: asyncpg.Connection) -> None:
    by = await agent(till)
    orders = [await till.paid_order(price=2000) for _ in range(17)]

    outcomes = await asyncio.gather(*(ask(till, order, by) for order in orders), return_exceptions=True)

    assert sum(isinstance(outcome, Refund) for outcome in outcomes) == 15
    assert sum(isinstance(outcome, RefundLimitUsedUp) for outcome in outcomes) == 2
    assert await owner.fetchval("SELECT sum(amount) FROM billing.refunds") == 30_000


async def test_what_a_bank_has_taken_is_not_given_back_again(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order()
    _, payment = await till.find(order)
    dispute = till.gateway.dispute(payment.intent_id or "")
    await till.note_dispute(dispute)
    for refused in (withdraw(till, order), ask(till, order, await agent(till))):
        with pytest.raises(OrderDisputed):
            await refused
    assert await count(owner, "billing.refunds") == 0


async def test_a_refund_that_fails_later_is_owed_until_it_is_tried_again(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order(price=399)
    refund = await withdraw(till, order)
    await till.refunds.request(refund_id=refund.id, at=NOON)
    [provider_refund_id] = till.gateway.refunds
    till.gateway.refund_becomes(provider_refund_id, RefundState.FAILED)
    await till.note_refund(till.gateway.refunds[provider_refund_id])

    assert await sums(owner) == {"clearing:stripe": 399, "liability:refunds": -399}
    assert list(till.fulfilment.standing.values()) == ["ended: withdrawal"], "the right does not come back by itself"

    async def try_again() -> Refund:
        async with till.database.sessions.begin() as session:
            return await till.sale_refunds(session).try_again(refund_id=refund.id, agent_id=order.account_id, at=NOON)

    outcomes = await asyncio.gather(*(try_again() for _ in range(4)), return_exceptions=True)
    [again] = [outcome for outcome in outcomes if isinstance(outcome, Refund)]
    assert sum(isinstance(outcome, RefundNotFailed) for outcome in outcomes) == 3
    await till.refunds.request(refund_id=again.id, at=NOON)
    assert await sums(owner) == {}
    assert len(till.gateway.refunds) == 2
    assert await count(owner, "billing.documents", kind="credit_note") == 1


async def test_the_store_gives_everything_that_is_left_back_once(till: Till) -> None:
    order, by = await till.paid_order(price=999), await agent(till)
    await ask(till, order, by, 300)

    async def give_back() -> Refund | None:
        async with till.database.sessions.begin() as session:
            return await till.sale_refunds(session).give_back_all(order_id=order.id, reason="fraud_warning", at=NOON)

    given = [refund for refund in await asyncio.gather(*(give_back() for _ in range(4))) if refund is not None]
    assert [refund.amount for refund in given] == [699]


async def test_every_refusal_is_billings_own(till: Till) -> None:
    unpaid = await till.open_order()
    with pytest.raises(BillingError):
        await ask(till, unpaid, await agent(till))


@given(
    prices=st.lists(st.integers(1, 5000), min_size=1, max_size=4),
    rate_bp=st.sampled_from([0, 700, 1900, 2000, 2550]),
    cuts=st.lists(st.floats(0, 1), max_size=6),
)
def test_any_parts_in_any_order_sum_up_to_every_line(prices: list[int], rate_bp: int, cuts: list[float]) -> None:
    lines = []
    for gross in prices:
        net, tax = split_gross(gross, rate_bp)
        lines.append(OrderLine(id=new_id(), gross=gross, net=net, tax=tax, tax_rate_bp=rate_bp))
    whole, shares = sum(prices), []
    marks = sorted({0, whole, *(int(cut * whole) for cut in cuts)})
    for before, after in pairwise(marks):
        parts = share_out(lines, before=before, amount=after - before)
        assert sum(part.gross for part in parts) == after - before
        assert all(part.net + part.tax == part.gross and part.net >= 0 and part.tax >= 0 for part in parts)
        shares += parts
    for line in lines:
        of_line = [share for share in shares if share.line is line]
        assert (sum(s.net for s in of_line), sum(s.tax for s in of_line)) == (line.net, line.tax)
    with pytest.raises(ValueError, match="more than"):
        share_out(lines, before=whole, amount=1)
