"""Settling: what succeeded at the provider is paid, booked, invoiced and granted at once, or goes back."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text

from auth.errors import Refusal
from auth.ids import new_id
from billing.checkout import Outcome
from billing.models import OrderState, PaymentState, RefundState
from billing.money import Money
from tests.billing.tills import NOON, Till, books_balance, count, jobs_named


class NotOnTheShelf(Refusal):
    """A refusal of the shelf."""

    status, code = 409, "already_entitled"


async def test_a_succeeded_payment_is_paid_booked_invoiced_granted_and_confirmed(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.open_order(price=399)
    intent = await till.payable(order)

    settlement = await till.settle(till.gateway.pay(intent.id))

    assert settlement.outcome is Outcome.PAID
    paid, payment = await till.find(order)
    assert (paid.state, paid.paid_at, payment.state) == (OrderState.PAID, NOON, PaymentState.SUCCEEDED)
    postings = await owner.fetch("SELECT account, minor FROM billing.postings ORDER BY line")
    assert [tuple(posting) for posting in postings] == [
        ("clearing:stripe", 399),
        ("revenue:rent:DE", -335),
        ("vat:DE:19", -64),
    ]
    invoice = await owner.fetchrow("SELECT * FROM billing.documents")
    assert (invoice["document_number"], invoice["gross"]) == ("R-2026-000001", 399)
    assert len(till.fulfilment.delivered) == 1
    assert till.outbox.queued == [("order_confirmation", order.id)]
    assert await count(owner, "billing.order_lines", is_open="true") == 0


async def test_settling_twice_changes_nothing(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order()
    _, payment = await till.find(order)

    again = await till.settle(await till.gateway.retrieve_intent(payment.intent_id or ""), at=NOON + timedelta(days=1))

    assert again.outcome is Outcome.ALREADY
    assert await count(owner, "billing.journals") == 1
    assert len(till.outbox.queued) == 1


async def test_ten_settlements_at_once_pay_once(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = till.gateway.pay((await till.payable(order)).id)

    settlements = await asyncio.gather(*(till.settle(intent) for _ in range(10)))

    outcomes = [settlement.outcome for settlement in settlements]
    assert sorted(outcomes) == [Outcome.ALREADY] * 9 + [Outcome.PAID]
    assert await count(owner, "billing.journals") == 1
    assert await count(owner, "billing.documents") == 1
    assert (len(till.fulfilment.delivered), len(till.outbox.queued)) == (1, 1)


async def test_an_intent_whose_id_was_never_stored_is_found_by_its_metadata(till: Till) -> None:
    order = await till.open_order()
    intent = await till.payments.ask_intent(order_id=order.id, account_id=order.account_id, at=NOON)

    settlement = await till.settle(till.gateway.pay(intent.id))

    assert settlement.outcome is Outcome.PAID
    _, payment = await till.find(order)
    assert payment.intent_id == intent.id


async def test_an_intent_of_somebody_else_is_foreign(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    foreign = replace(till.gateway.pay(intent.id), id="pi_foreign", order_id=None, payment_id=None)

    assert (await till.settle(foreign)).outcome is Outcome.FOREIGN
    assert await count(owner, "billing.journals") == 0


@pytest.mark.parametrize("received", [Money(398, "EUR"), Money(400, "EUR"), Money(399, "USD")])
async def test_another_amount_or_currency_grants_nothing_and_goes_back(
    till: Till, owner: asyncpg.Connection, received: Money
) -> None:
    order = await till.open_order(price=399)
    intent = await till.payable(order)

    settlement = await till.settle(till.gateway.pay(intent.id, amount=received))

    assert settlement.outcome is Outcome.RETURNED
    refund = await owner.fetchrow("SELECT * FROM billing.refunds")
    assert (refund["amount"], refund["currency"]) == (received.minor, received.currency)
    assert (refund["reason"], refund["state"]) == ("amount_mismatch", "requested")
    assert await jobs_named(owner, "request_refund") == 1
    assert (till.fulfilment.delivered, till.outbox.queued) == ([], [("refund", refund["id"])])
    assert await count(owner, "billing.documents") == 0
    assert await owner.fetchval("SELECT gross = to_refund AND net = 0 AND tax = 0 FROM billing.transactions")
    returned, payment = await till.find(order)
    assert (returned.state, payment.state) == (OrderState.REFUNDED, PaymentState.RETURNED)


async def test_metadata_of_another_order_grants_nothing_and_goes_back(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = await till.payable(order)

    settlement = await till.settle(replace(till.gateway.pay(intent.id), order_id=new_id()))

    assert settlement.outcome is Outcome.RETURNED
    assert await owner.fetchval("SELECT reason FROM billing.refunds") == "metadata_mismatch"
    assert till.fulfilment.delivered == []


async def test_what_can_no_longer_be_granted_goes_back_once(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = till.gateway.pay((await till.payable(order)).id)
    till.fulfilment.refusal = NotOnTheShelf()

    outcomes = [settlement.outcome for settlement in await asyncio.gather(*(till.settle(intent) for _ in range(5)))]

    assert sorted(outcomes) == [Outcome.ALREADY] * 4 + [Outcome.RETURNED]
    assert await owner.fetchval("SELECT reason FROM billing.refunds") == "already_entitled"
    assert await count(owner, "billing.refunds") == 1
    assert await jobs_named(owner, "request_refund") == 1


async def test_the_money_of_a_second_intent_goes_back(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    await till.payable(order)
    till.gateway.forget_keys()
    _, payment = await till.find(order)
    second = await till.gateway.open_intent(
        price=order.price,
        idempotency_key=payment.idempotency_key,
        order_id=order.id,
        payment_id=payment.id,
        description="",
    )
    first = await till.settle(till.gateway.pay(payment.intent_id or ""))

    settlement = await till.settle(till.gateway.pay(second.id))

    assert (first.outcome, settlement.outcome) == (Outcome.PAID, Outcome.RETURNED)
    assert await owner.fetchval("SELECT intent_id FROM billing.refunds") == second.id
    paid, _ = await till.find(order)
    assert paid.state is OrderState.PAID
    assert len(till.fulfilment.delivered) == 1


async def test_a_second_payment_of_a_paid_order_goes_back(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    first = await till.payable(order)
    await till.settle(till.gateway.move(first.id, PaymentState.CANCELED))
    second = await till.payable(order)
    await till.settle(till.gateway.pay(second.id))

    settlement = await till.settle(till.gateway.pay(first.id))

    assert settlement.outcome is Outcome.RETURNED
    assert await owner.fetchval("SELECT reason FROM billing.refunds") == "order_already_paid"
    assert len(till.fulfilment.delivered) == 1


async def test_money_that_comes_after_a_cancellation_is_granted_if_it_still_can_be(till: Till) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    paid_meanwhile = till.gateway.pay(intent.id)
    async with till.begin() as checkout:
        locked = await checkout.session.get_one(type(order), order.id, with_for_update=True)
        await checkout.close(locked, at=NOON)

    assert (await till.settle(paid_meanwhile)).outcome is Outcome.PAID
    assert len(till.fulfilment.delivered) == 1


async def test_a_decline_keeps_the_order_open_and_says_why(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = await till.payable(order)

    settlement = await till.settle(till.gateway.decline(intent.id, "insufficient_funds"))

    assert settlement.outcome is Outcome.UPDATED
    declined, payment = await till.find(order)
    assert (declined.state, payment.state) == (OrderState.OPEN, PaymentState.REQUIRES_PAYMENT_METHOD)
    assert payment.decline == "insufficient_funds"
    assert await count(owner, "billing.journals") == 0
    assert (await till.settle(till.gateway.pay(intent.id))).outcome is Outcome.PAID
    _, payment = await till.find(order)
    assert payment.decline is None


async def test_an_old_decline_after_the_success_changes_nothing(till: Till) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    old_news = till.gateway.decline(intent.id)
    await till.settle(till.gateway.pay(intent.id))

    assert (await till.settle(old_news)).outcome is Outcome.ALREADY
    paid, payment = await till.find(order)
    assert (paid.state, payment.state) == (OrderState.PAID, PaymentState.SUCCEEDED)


async def test_what_paid_stays_known_when_an_older_try_is_told_of_later(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    old_news = till.gateway.decline(intent.id, card="card-of-eve")
    paid = till.gateway.pay(intent.id, card="card-of-ada")
    await till.settle(paid)

    await till.settle(old_news)

    _, payment = await till.find(order)
    assert paid.charge is not None
    assert payment.charge_id == paid.charge.id
    assert (payment.method or {})["fingerprint"] == "card-of-ada"
    assert await count(owner, "billing.payment_tries", fingerprint="card-of-eve", is_declined="true") == 1


async def test_money_that_comes_too_late_is_granted_while_the_offer_stands(till: Till) -> None:
    order = await till.open_order()
    intent = till.gateway.pay((await till.payable(order)).id)

    assert (await till.settle(intent, at=order.expires_at + timedelta(days=3))).outcome is Outcome.PAID


async def test_money_that_comes_after_the_offers_end_goes_back_unless_it_came_in_time(
    till: Till, owner: asyncpg.Connection
) -> None:
    in_time, too_late = await till.open_order(), await till.open_order()
    intents = [till.gateway.pay((await till.payable(order)).id) for order in (in_time, too_late)]
    till.fulfilment.no_longer_offered = NotOnTheShelf()

    kept = await till.settle(intents[0], at=in_time.expires_at - timedelta(microseconds=1))
    returned = await till.settle(intents[1], at=too_late.expires_at)

    assert (kept.outcome, returned.outcome) == (Outcome.PAID, Outcome.RETURNED)
    assert len(till.fulfilment.delivered) == 1
    assert await count(owner, "billing.refunds", kind="return") == 1


async def test_a_cancelled_intent_is_followed_by_an_attempt_with_its_own_key(till: Till) -> None:
    order = await till.open_order()
    first = await till.payable(order)
    cancelled = till.gateway.move(first.id, PaymentState.CANCELED)
    await asyncio.gather(*(till.settle(cancelled) for _ in range(3)))

    second = await till.payable(order)

    assert second.id != first.id
    _, payment = await till.find(order)
    assert (payment.attempt, payment.intent_id) == (2, second.id)


async def test_a_rollback_leaves_no_job_and_no_trace(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order(price=399)
    intent = await till.payable(order)
    wrong = till.gateway.pay(intent.id, amount=Money(1, "EUR"))
    async with till.database.sessions() as session:
        await till.checkout(session).settle(wrong, at=NOON)
        waiting = await session.scalar(text("SELECT count(*) FROM jobs.pgqueuer"))
        assert waiting == 1
        await session.rollback()

    assert await jobs_named(owner, "request_refund") == 0
    assert await count(owner, "billing.refunds") == 0
    assert await count(owner, "billing.journals") == 0
    open_order, _ = await till.find(order)
    assert open_order.state is OrderState.OPEN


async def test_returned_money_is_requested_with_its_key_and_booked_when_it_went(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.open_order(price=399)
    await till.settle(till.gateway.pay((await till.payable(order)).id, amount=Money(500, "EUR")))
    refund_id = await owner.fetchval("SELECT id FROM billing.refunds")

    await asyncio.gather(*(till.refunds.request(refund_id=refund_id, at=NOON) for _ in range(3)))

    assert await count(owner, "billing.refunds", state=RefundState.SUCCEEDED.value) == 1
    kinds = await owner.fetch("SELECT kind, gross, to_refund FROM billing.transactions ORDER BY gross DESC")
    assert [tuple(kind) for kind in kinds] == [("unfulfilled_receipt", 500, 500), ("unfulfilled_refund", -500, -500)]
    assert len(till.gateway.refunds) == 1
    assert await books_balance(owner)
