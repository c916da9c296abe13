"""Quotes and orders: ten minutes, one order per quote, one open order per subject."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from auth.errors import Refusal
from billing.books import TaxRate
from billing.checkout import Consents
from billing.errors import ConsentsMissing, OrderAlreadyOpen, QuoteExpired, QuoteNotFound, TaxRateUnknown
from billing.models import Order, OrderState, PaymentState
from billing.tax import rate_on
from tests.billing.tills import NOON, Till, count


class NotOnTheShelf(Refusal):
    """A refusal of the shelf."""

    status, code = 409, "not_on_the_shelf"


@pytest.mark.parametrize(("country", "net", "tax", "rate_bp"), [("DE", 335, 64, 1900), ("AT", 333, 66, 2000)])
async def test_a_quote_contains_the_tax_of_the_customers_country(
    till: Till, country: str, net: int, tax: int, rate_bp: int
) -> None:
    quote = await till.quote(await till.customer(country=country), price=399)

    assert (quote.gross, quote.net, quote.tax, quote.tax_rate_bp, quote.tax_country) == (
        399,
        net,
        tax,
        rate_bp,
        country,
    )


async def test_nothing_is_quoted_where_no_tax_rate_is_known(till: Till, owner: asyncpg.Connection) -> None:
    account = await till.customer(country="FR")

    with pytest.raises(TaxRateUnknown):
        await till.quote(account)
    assert await count(owner, "billing.quotes") == 0


async def test_a_tax_rate_holds_from_its_day_on_in_the_sellers_zone(till: Till) -> None:
    async with till.database.sessions() as session:
        session.add(TaxRate(country="EE", category="standard", valid_from=date(2024, 1, 1), rate_bp=2200))
        session.add(TaxRate(country="EE", category="standard", valid_from=date(2025, 7, 1), rate_bp=2400))
        await session.flush()
        last_hour = datetime(2025, 6, 30, 21, 59, 59, tzinfo=UTC)
        assert await rate_on(session, country="EE", at=last_hour) == 2200
        assert await rate_on(session, country="EE", at=last_hour + timedelta(seconds=1)) == 2400
        await session.rollback()


async def test_an_order_is_a_copy_of_everything_agreed_and_its_payment_has_a_key(till: Till) -> None:
    account = await till.customer()
    quote = await till.quote(account)

    order = await till.order(account, quote)

    assert re.fullmatch(r"V-2026-[BCDFGHJKLMNPQRSTVWXZ]{4}-[0-9]{4}", order.order_number)
    kept, payment = await till.find(order)
    assert (kept.state, kept.gross, kept.net, kept.tax) == (OrderState.OPEN, quote.gross, quote.net, quote.tax)
    assert (kept.texts, kept.customer_pseudonym) == (quote.texts, account.pseudonym)
    assert kept.tax_evidence == {"residence_country": "DE", "items": {"declared": "DE"}}
    assert kept.ordered_at == kept.performance_consent_at == kept.withdrawal_loss_acknowledged_at == NOON
    assert (payment.state, payment.attempt, payment.intent_id) == (PaymentState.CREATING, 1, None)
    assert payment.idempotency_key == f"order:{order.id}:attempt:1"
    assert till.gateway.calls == []


async def test_the_same_quote_ordered_ten_times_at_once_is_one_order(till: Till, owner: asyncpg.Connection) -> None:
    account = await till.customer()
    quote = await till.quote(account)

    orders = await asyncio.gather(*(till.order(account, quote) for _ in range(10)))

    assert len({order.id for order in orders}) == 1
    assert await count(owner, "billing.orders") == 1
    assert await count(owner, "billing.payments") == 1


async def test_an_ordered_quote_answers_its_order_also_after_it_expired(till: Till) -> None:
    account = await till.customer()
    quote = await till.quote(account)
    order = await till.order(account, quote)

    assert (await till.order(account, quote, at=NOON + timedelta(hours=3))).id == order.id


async def test_a_quote_is_good_until_its_last_second_and_not_at_its_end(till: Till, owner: asyncpg.Connection) -> None:
    account = await till.customer()
    quote = await till.quote(account)
    end = NOON + timedelta(minutes=10)

    with pytest.raises(QuoteExpired):
        await till.order(account, quote, at=end)
    assert await count(owner, "billing.orders") == 0
    await till.order(account, quote, at=end - timedelta(microseconds=1))


async def test_a_quote_of_somebody_else_is_not_found(till: Till, owner: asyncpg.Connection) -> None:
    quote = await till.quote(await till.customer())
    stranger = await till.customer()

    with pytest.raises(QuoteNotFound):
        await till.order(stranger, quote)
    assert await count(owner, "billing.orders") == 0


@pytest.mark.parametrize(
    ("consents", "missing"),
    [
        (Consents(immediate_performance=False, withdrawal_loss=True), ["immediate_performance"]),
        (Consents(immediate_performance=False, withdrawal_loss=False), ["immediate_performance", "withdrawal_loss"]),
    ],
)
async def test_an_order_without_the_consents_is_refused(
    till: Till, owner: asyncpg.Connection, consents: Consents, missing: list[str]
) -> None:
    account = await till.customer()
    quote = await till.quote(account)

    with pytest.raises(ConsentsMissing) as refused:
        await till.order(account, quote, consents=consents)
    assert refused.value.details == {"missing": missing}
    assert await count(owner, "billing.orders") == 0


async def test_a_second_order_of_the_same_subject_is_refused_while_one_is_open(
    till: Till, owner: asyncpg.Connection
) -> None:
    account = await till.customer()
    first = await till.order(account, await till.quote(account, subject="title:her"))
    second_quote = await till.quote(account, subject="title:her")

    with pytest.raises(OrderAlreadyOpen) as refused:
        await till.order(account, second_quote)
    assert refused.value.details == {"order_id": str(first.id), "order_number": first.order_number}
    assert await count(owner, "billing.orders") == 1
    await till.order(account, await till.quote(account, subject="title:ran"))


async def test_of_two_tabs_that_order_the_same_subject_at_once_one_is_refused(
    till: Till, owner: asyncpg.Connection
) -> None:
    account = await till.customer()
    quotes = [await till.quote(account, subject="title:her") for _ in range(6)]

    answers = await asyncio.gather(*(till.order(account, quote) for quote in quotes), return_exceptions=True)

    assert len([answer for answer in answers if isinstance(answer, Order)]) == 1
    assert len([answer for answer in answers if isinstance(answer, OrderAlreadyOpen)]) == 5
    assert await count(owner, "billing.orders") == 1
    assert await count(owner, "billing.payments") == 1


async def test_what_cannot_be_delivered_cannot_be_ordered(till: Till, owner: asyncpg.Connection) -> None:
    account = await till.customer()
    quote = await till.quote(account)
    till.fulfilment.refusal = NotOnTheShelf()

    with pytest.raises(NotOnTheShelf):
        await till.order(account, quote)
    assert await count(owner, "billing.orders") == 0


async def test_a_paid_subject_can_be_ordered_again(till: Till, owner: asyncpg.Connection) -> None:
    account = await till.customer()
    order = await till.order(account, await till.quote(account, subject="title:her"))
    await till.settle(till.gateway.pay((await till.payable(order)).id))

    await till.order(account, await till.quote(account, subject="title:her"))

    assert await count(owner, "billing.orders") == 2
