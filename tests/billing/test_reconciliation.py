"""Reconciliation: every movement of our account at the provider is explained once, and a payout to the cent."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from billing.dispute_records import DisputeState
from billing.errors import PaymentOutcomeUnknown
from billing.models import Order, PaymentState, RefundState
from billing.money import Money
from billing.provider_lists import OVERLAP
from tests.billing.test_sale_refunds import sums
from tests.billing.test_webhooks import event, signed
from tests.billing.tills import NOON, Till, books_balance, count, jobs_named

LATER = NOON + timedelta(hours=1)


async def sold(till: Till, *, price: int = 399, fee: int = 31) -> tuple[Order, str]:
    """A paid order whose fee is known, and its intent."""
    order = await till.paid_order(price=price)
    _, payment = await till.find(order)
    assert payment.intent_id is not None
    till.gateway.works_out(payment.intent_id, fee=fee)
    return order, payment.intent_id


async def a_return(till: Till, owner: asyncpg.Connection) -> tuple[UUID, str]:
    """Money that came for nothing and waits to go back, and its intent."""
    order = await till.open_order()
    intent = till.gateway.pay((await till.payable(order)).id, amount=Money(500, "EUR"))
    await till.settle(intent)
    till.gateway.works_out(intent.id, fee=33)
    return await owner.fetchval("SELECT id FROM billing.refunds WHERE intent_id = $1", intent.id), intent.id


async def refunded(till: Till, owner: asyncpg.Connection) -> str:
    """Money that came for nothing and went back; answers the provider's key of the refund."""
    refund_id, intent_id = await a_return(till, owner)
    await till.refunds.request(refund_id=refund_id, at=NOON)
    [key] = [refund.id for refund in till.gateway.refunds.values() if refund.intent_id == intent_id]
    till.gateway.moves("refund", key, -500, intent_id=intent_id)
    return key


async def unmatched(owner: asyncpg.Connection) -> Sequence[tuple[str, str]]:
    """Kind and reason of what is not matched."""
    rows = await owner.fetch(
        "SELECT kind, note FROM billing.provider_transactions WHERE matched_at IS NULL ORDER BY kind, note"
    )
    return [(row["kind"], row["note"]) for row in rows]


async def test_sale_fee_return_refund_dispute_and_payout_are_all_explained_and_nothing_is_left(
    till: Till, owner: asyncpg.Connection
) -> None:
    await sold(till, price=1199, fee=43)
    await refunded(till, owner)
    _, lost = await sold(till, price=499, fee=32)
    await till.note_dispute(till.gateway.dispute(lost))
    await till.note_dispute(till.gateway.dispute(lost, DisputeState.LOST))
    _, won = await sold(till, price=4999, fee=100)
    await till.note_dispute(till.gateway.dispute(won))
    await till.note_dispute(till.gateway.dispute(won, DisputeState.WON))
    payout_id = till.gateway.pays_out()

    assert await till.reconciliation.run(at=LATER) == 0

    paid_out = (1199 - 43) + (500 - 33 - 500) + (499 - 32 - 499 - 1500) + (4999 - 100 - 1500)
    balances = await sums(owner)
    assert "clearing:stripe" not in balances
    assert balances["bank:payouts"] == paid_out
    assert balances["fees:stripe"] == 43 + 33 + 32 + 100
    assert await books_balance(owner)
    lines = "SELECT sum(amount - fee) FROM billing.provider_transactions WHERE payout_id = $1 AND kind <> 'payout'"
    assert await owner.fetchval(lines, payout_id) == paid_out
    assert await count(owner, "billing.provider_transactions", payout_id=payout_id) == 9


async def test_two_runs_at_once_and_a_third_book_everything_once(till: Till, owner: asyncpg.Connection) -> None:
    for _ in range(3):
        await sold(till)
    till.gateway.pays_out()

    await asyncio.gather(till.reconciliation.run(at=LATER), till.reconciliation.run(at=LATER))
    assert await till.reconciliation.run(at=LATER) == 0

    assert await count(owner, "billing.journals", kind="fee") == 3
    assert await count(owner, "billing.journals", kind="payout") == 1
    assert (await sums(owner))["bank:payouts"] == 3 * (399 - 31)


async def test_a_fee_is_booked_as_soon_as_the_provider_tells_of_it(till: Till, owner: asyncpg.Connection) -> None:
    order, intent_id = await sold(till)
    charge = till.gateway.intents[intent_id].charge
    assert charge is not None
    bodies = [event(charge.id, kind="charge", type_="charge.updated") for _ in range(2)]

    await asyncio.gather(
        *(till.receive(body, signed(body), now=NOON) for body in bodies), till.reconciliation.run(at=LATER)
    )

    fee = await owner.fetchrow("SELECT * FROM billing.journals WHERE kind = 'fee'")
    assert (fee["order_id"], fee["order_number"]) == (order.id, order.order_number)
    assert (await sums(owner))["fees:stripe"] == 31
    assert await unmatched(owner) == []


async def test_news_of_a_fee_do_not_wait_for_a_run_that_is_just_explaining_it(
    till: Till, owner: asyncpg.Connection
) -> None:
    _, intent_id = await sold(till)
    charge = till.gateway.intents[intent_id].charge
    assert charge is not None
    await till.reconciliation.run(at=LATER)
    body = event(charge.id, kind="charge", type_="charge.updated")

    await owner.execute("UPDATE billing.provider_transactions SET matched_at = NULL, journal_id = NULL")

    async with owner.transaction():
        await owner.execute("SELECT FROM billing.provider_transactions FOR UPDATE")
        async with asyncio.timeout(20):
            assert await till.receive(body, signed(body), now=NOON) == "already"

    assert await count(owner, "billing.journals", kind="fee") == 1


async def test_a_charge_whose_fee_is_not_known_yet_books_none(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order()
    charge_id = (await till.find(order))[1].charge_id
    assert charge_id is not None
    body = event(charge_id, kind="charge")
    assert await till.receive(body, signed(body), now=NOON) == "already"
    assert await count(owner, "billing.provider_transactions") == 0


async def test_a_refund_that_comes_back_is_explained_by_its_reversal(till: Till, owner: asyncpg.Connection) -> None:
    key = await refunded(till, owner)
    till.gateway.refund_becomes(key, RefundState.FAILED)
    till.gateway.moves("refund_failure", key, 500)
    assert await till.reconciliation.run(at=LATER) == 1
    assert await unmatched(owner) == [("refund_failure", "not_booked")]

    await till.note_refund(till.gateway.refunds[key])

    assert await till.reconciliation.run(at=LATER) == 0


async def test_a_refund_that_fails_before_it_succeeded_is_explained_by_its_failure(
    till: Till, owner: asyncpg.Connection
) -> None:
    till.gateway.refund_state = RefundState.PENDING
    key = await refunded(till, owner)
    till.gateway.refund_becomes(key, RefundState.FAILED)
    till.gateway.moves("refund_failure", key, 500)
    assert await till.reconciliation.run(at=LATER) == 2
    assert await unmatched(owner) == [("refund", "under_way"), ("refund_failure", "under_way")]

    await till.note_refund(till.gateway.refunds[key])

    assert await till.reconciliation.run(at=LATER) == 0
    assert (await sums(owner))["clearing:stripe"] == 500 - 33


async def test_what_is_not_decided_yet_is_under_way(till: Till, owner: asyncpg.Connection) -> None:
    till.gateway.refund_state = RefundState.PENDING
    await refunded(till, owner)
    debit = await till.payable(await till.open_order())
    await till.settle(till.gateway.move(debit.id, PaymentState.PROCESSING))
    till.gateway.moves("payment", "py_1", 399, fee=35, intent_id=debit.id)

    await till.reconciliation.run(at=LATER)

    assert await unmatched(owner) == [("payment", "under_way"), ("refund", "under_way")]
    assert await count(owner, "billing.journals", kind="fee") == 1  # of the charge that is given back


async def test_a_debit_that_fails_leaves_only_its_fees(till: Till, owner: asyncpg.Connection) -> None:
    debit = await till.payable(await till.open_order())
    till.gateway.moves("payment", "py_1", 399, fee=35, intent_id=debit.id)
    till.gateway.moves("payment_failure_refund", "py_1", -399, fee=300, intent_id=debit.id)

    assert await till.reconciliation.run(at=LATER) == 0

    assert await sums(owner) == {"fees:stripe": 335, "clearing:stripe": -335}


async def test_a_debit_that_fails_without_fees_leaves_nothing(till: Till, owner: asyncpg.Connection) -> None:
    till.gateway.moves("payment", "py_1", 399)
    till.gateway.moves("payment_failure_refund", "py_1", -399)
    assert await till.reconciliation.run(at=LATER) == 0
    assert await count(owner, "billing.journals") == 0


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("charge", "not_ours"),
        ("refund", "not_ours"),
        ("refund_failure", "not_ours"),
        ("adjustment", "not_ours"),
        ("payment_failure_refund", "not_booked"),
        ("topup", "unknown_kind"),
    ],
)
@pytest.mark.parametrize("source_id", ["xx_1", None])
async def test_what_is_none_of_ours_is_kept_unmatched_with_its_reason(
    till: Till, owner: asyncpg.Connection, kind: str, reason: str, source_id: str | None
) -> None:
    await till.payable(await till.open_order())
    await a_return(till, owner)  # a refund that the provider has given no key yet
    till.gateway.moves(kind, source_id, 700, fee=5)
    assert await till.reconciliation.run(at=LATER) == 1
    assert await unmatched(owner) == [(kind, reason)]


async def test_another_amount_or_currency_than_the_books_say_is_not_matched(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.paid_order()
    _, payment = await till.find(order)
    till.gateway.moves("charge", payment.charge_id, 398, intent_id=payment.intent_id)
    till.gateway.moves("charge", payment.charge_id, 399, intent_id=payment.intent_id, currency="CHF")

    await till.reconciliation.run(at=LATER)

    assert await unmatched(owner) == [("charge", "amount_differs")] * 2
    assert await count(owner, "billing.journals", kind="fee") == 0


async def test_one_journal_explains_one_movement_only(till: Till, owner: asyncpg.Connection) -> None:
    _, intent_id = await sold(till)
    till.gateway.works_out(intent_id)
    assert await till.reconciliation.run(at=LATER) == 1
    assert await unmatched(owner) == [("charge", "not_booked")]
    assert await count(owner, "billing.journals", kind="fee") == 1


async def test_a_movement_that_comes_before_its_booking_is_matched_by_the_next_run(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.open_order()
    intent = till.gateway.pay((await till.payable(order)).id)
    till.gateway.works_out(intent.id)
    assert await till.reconciliation.run(at=LATER) == 1
    assert await unmatched(owner) == [("charge", "not_booked")]

    await till.settle(intent)

    assert await till.reconciliation.run(at=LATER) == 0
    assert (await sums(owner))["clearing:stripe"] == 399 - 31


async def test_the_money_of_a_second_intent_is_explained_by_its_return(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    first = await till.payable(order)
    till.gateway.forget_keys()
    second = await till.gateway.open_intent(
        price=Money(399, "EUR"),
        idempotency_key="forgotten",
        order_id=order.id,
        payment_id=(await till.find(order))[1].id,
        description="again",
    )
    for intent_id in (first.id, second.id):
        await till.settle(till.gateway.pay(intent_id))
        till.gateway.works_out(intent_id)

    assert await till.reconciliation.run(at=LATER) == 0

    assert await count(owner, "billing.journals", kind="fee") == 2


async def test_a_bill_of_the_provider_is_booked_without_an_order(till: Till, owner: asyncpg.Connection) -> None:
    till.gateway.moves("stripe_fee", None, -200)
    till.gateway.moves("stripe_fee", None, 0)
    assert await till.reconciliation.run(at=LATER) == 0
    assert await sums(owner) == {"fees:stripe": 200, "clearing:stripe": -200}


async def test_a_payout_waits_until_its_contents_add_up_to_it(till: Till, owner: asyncpg.Connection) -> None:
    await sold(till)
    payout_id = till.gateway.pays_out()
    complete = till.gateway.movements
    till.gateway.movements = [(movement, None) for movement, _ in complete]

    assert await till.reconciliation.run(at=LATER) == 1
    assert await unmatched(owner) == [("payout", "contents_missing")]
    assert await count(owner, "billing.provider_transactions", payout_id=payout_id) == 0
    assert (await sums(owner))["bank:payouts"] == 399 - 31

    till.gateway.movements = complete
    assert await till.reconciliation.run(at=LATER) == 0
    assert await count(owner, "billing.provider_transactions", payout_id=payout_id) == 2
    assert await count(owner, "billing.journals", kind="payout") == 1


async def test_a_payout_that_the_bank_sends_back_is_paid_out_again(till: Till, owner: asyncpg.Connection) -> None:
    await sold(till)
    first = till.gateway.pays_out()
    till.gateway.moves("payout_failure", first, 399 - 31)
    assert await till.reconciliation.run(at=LATER) == 0
    assert (await sums(owner))["clearing:stripe"] == 399 - 31

    till.gateway.pays_out()

    assert await till.reconciliation.run(at=LATER) == 0
    balances = await sums(owner)
    assert (balances.get("clearing:stripe", 0), balances["bank:payouts"]) == (0, 399 - 31)


async def test_news_of_a_payout_has_the_books_reconciled_by_a_job(till: Till, owner: asyncpg.Connection) -> None:
    for kind in ("payout.created", "payout.paid", "payout.reconciliation_completed"):
        body = event("po_1", kind="payout", type_=kind)
        assert await till.receive(body, signed(body), now=NOON) == "reconciliation_queued"
    assert await jobs_named(owner, "reconcile") == 1
    assert till.gateway.calls == []


async def test_a_silent_provider_leaves_nothing_half_done(till: Till, owner: asyncpg.Connection) -> None:
    await sold(till)
    till.gateway.is_mute = True
    with pytest.raises(PaymentOutcomeUnknown):
        await till.reconciliation.run(at=LATER)
    assert await count(owner, "billing.provider_cursors") == 0

    till.gateway.is_mute = False
    assert await till.reconciliation.run(at=LATER) == 0
    assert await owner.fetchval("SELECT found FROM billing.provider_cursors WHERE name = 'movements'") == 1


async def test_a_movement_listed_late_is_found_within_the_overlap_though_a_newer_one_was_told_of(
    till: Till, owner: asyncpg.Connection
) -> None:
    till.gateway.moves("topup", None, 1, at=NOON)
    await till.reconciliation.run(at=LATER)
    till.gateway.moves("topup", None, 2, at=NOON - OVERLAP)
    till.gateway.moves("topup", None, 3, at=NOON - OVERLAP - timedelta(seconds=1))
    await till.reconciliation.run(at=LATER)
    assert await owner.fetchval("SELECT sum(amount) FROM billing.provider_transactions") == 3


async def test_a_movement_that_cannot_be_booked_keeps_no_other_waiting(till: Till, owner: asyncpg.Connection) -> None:
    till.gateway.moves("stripe_fee", "x" * 80, -(2**63), at=NOON)  # whose fee no column can hold
    _, intent_id = await sold(till)
    assert await till.reconciliation.run(at=LATER) == 1
    assert await count(owner, "billing.journals", kind="fee") == 1
    assert intent_id
