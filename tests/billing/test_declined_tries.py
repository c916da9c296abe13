"""Tries that were declined stay in an order's story: each once, also when a later one paid."""

import asyncpg

from billing.models import PaymentState
from tests.billing.test_webhooks import NOW, event, signed
from tests.billing.tills import Till

KEPT = "SELECT decline, reason FROM billing.declined_tries ORDER BY at, reason"


async def kept(owner: asyncpg.Connection) -> list[tuple[str, str]]:
    return [(row["decline"], row["reason"]) for row in await owner.fetch(KEPT)]


async def test_every_decline_is_kept_once_and_a_payment_hides_none(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    for why in ("expired_card", "insufficient_funds"):
        declined = till.gateway.decline(intent.id, why)
        for _ in range(3):
            await till.settle(declined)
    failed = till.gateway.fail_authentication(intent.id)
    for _ in range(2):
        await till.settle(failed)
    await till.settle(till.gateway.pay(intent.id))

    assert (await till.find(order))[1].state is PaymentState.SUCCEEDED
    assert sorted(await kept(owner)) == [
        ("expired_card", "provider_expired_card"),
        ("insufficient_funds", "provider_insufficient_funds"),
        ("not_authenticated", "payment_intent_authentication_failure"),
    ]


async def test_a_decline_whose_event_comes_after_the_payment_is_kept_too(till: Till, owner: asyncpg.Connection) -> None:
    intent = await till.payable(await till.open_order())
    older = till.gateway.decline(intent.id, "expired_card").charge
    newer = till.gateway.decline(intent.id, "insufficient_funds").charge
    await till.settle(till.gateway.pay(intent.id))
    assert await kept(owner) == [], "only the last try is told with the payment"
    assert older is not None
    assert newer is not None

    for charge in (newer, older, older):
        body = event(charge.id, kind="charge", type_="charge.failed")
        assert await till.receive(body, signed(body), now=NOW) == "already"

    assert sorted(decline for decline, _ in await kept(owner)) == ["expired_card", "insufficient_funds"]


async def test_a_debit_that_failed_is_kept(till: Till, owner: asyncpg.Connection) -> None:
    till.takes_debits = True
    intent = await till.payable(await till.open_order(kind="buy", price=1199))
    await till.settle(till.gateway.begin_debit(intent.id))
    assert await kept(owner) == []
    await till.settle(till.gateway.end_debit(intent.id, is_paid=False))
    assert await kept(owner) == [("debit_failed", "provider_debit_failed")]
