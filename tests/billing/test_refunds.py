"""Money on its way back: asked for with a persisted key, never twice, swept until it arrived."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from billing.errors import PaymentOutcomeUnknown, PaymentProviderRefused
from billing.models import RefundState
from billing.money import Money
from billing.ports import ProviderRefund
from store.parked_work import list_failed_refunds
from tests.billing.tills import NOON, Till, count
from tests.fakes import FakeGateway


async def a_refund(till: Till, owner: asyncpg.Connection) -> UUID:
    """Money that came for nothing: written down, not asked for yet."""
    order = await till.open_order()
    await till.settle(till.gateway.pay((await till.payable(order)).id, amount=Money(500, "EUR")))
    refund_id: UUID = await owner.fetchval("SELECT id FROM billing.refunds ORDER BY id DESC")
    return refund_id


async def test_no_answer_is_asked_again_with_the_same_key(till: Till, owner: asyncpg.Connection) -> None:
    refund_id = await a_refund(till, owner)
    till.gateway.is_mute = True
    with pytest.raises(PaymentOutcomeUnknown):
        await till.refunds.request(refund_id=refund_id, at=NOON)
    assert await count(owner, "billing.refunds", state="requested") == 1

    till.gateway.is_mute = False
    await till.refunds.request(refund_id=refund_id, at=NOON)

    assert len(till.gateway.refunds) == 1
    assert await count(owner, "billing.refunds", state="succeeded") == 1


async def test_a_key_that_the_provider_may_have_forgotten_is_not_used_without_looking(
    till: Till, owner: asyncpg.Connection
) -> None:
    refund_id = await a_refund(till, owner)
    till.gateway.is_mute = True
    with pytest.raises(PaymentOutcomeUnknown):
        await till.refunds.request(refund_id=refund_id, at=NOON)
    till.gateway.is_mute = False
    till.gateway.forget_keys()

    await till.refunds.request(refund_id=refund_id, at=NOON + timedelta(hours=24))

    assert len(till.gateway.refunds) == 1
    assert await count(owner, "billing.refunds", state="succeeded") == 1


async def test_the_sweep_follows_a_refund_until_it_arrived(till: Till, owner: asyncpg.Connection) -> None:
    await a_refund(till, owner)
    till.gateway.refund_state = RefundState.PENDING

    assert await till.refunds.sweep(at=NOON + timedelta(minutes=1)) == 0
    assert await till.refunds.sweep(at=NOON + timedelta(minutes=2)) == 1
    [provider_refund_id] = till.gateway.refunds
    till.gateway.refund_becomes(provider_refund_id, RefundState.SUCCEEDED)
    assert await till.refunds.sweep(at=NOON + timedelta(hours=1)) == 1

    assert await count(owner, "billing.refunds", state="succeeded") == 1
    assert await till.refunds.sweep(at=NOON + timedelta(days=1)) == 0


async def test_a_refund_that_is_under_way_for_days_is_asked_about_less_and_less_often(
    till: Till, owner: asyncpg.Connection
) -> None:
    await a_refund(till, owner)
    till.gateway.refund_state = RefundState.PENDING
    till.gateway.calls.clear()
    for minute in range(2, 24 * 60):
        await till.refunds.sweep(at=NOON + timedelta(minutes=minute))
    assert 5 <= len(till.gateway.calls) <= 20
    assert await count(owner, "billing.refunds", state="pending") == 1


async def test_a_refund_that_breaks_keeps_no_other_one_waiting(
    till: Till, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = await a_refund(till, owner)
    await a_refund(till, owner)
    ask = FakeGateway.request_refund

    async def break_down(gateway: FakeGateway, *, refund_id: UUID, **asked: Any) -> ProviderRefund:
        if refund_id == broken:
            raise KeyError("a fact that is not there")
        return await ask(gateway, refund_id=refund_id, **asked)

    monkeypatch.setattr(FakeGateway, "request_refund", break_down)
    assert await till.refunds.sweep(at=NOON + timedelta(minutes=2)) == 2
    states = await owner.fetch("SELECT id = $1 AS is_broken, state FROM billing.refunds ORDER BY 1", broken)
    assert [tuple(row) for row in states] == [(False, "succeeded"), (True, "requested")]


async def test_a_refund_that_the_provider_refuses_for_days_is_shown_to_a_person(
    till: Till, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund_id = await a_refund(till, owner)

    async def refuse(gateway: FakeGateway, **asked: Any) -> ProviderRefund:
        raise PaymentProviderRefused

    monkeypatch.setattr(FakeGateway, "request_refund", refuse)
    shown = []
    for days in (1, 3):
        await till.refunds.sweep(at=NOON + timedelta(days=days))
        shown.append([refund.id for refund in await list_failed_refunds(till.database)])
    assert shown == [[], [refund_id]]


async def test_old_news_never_take_a_refund_back(till: Till, owner: asyncpg.Connection) -> None:
    refund_id = await a_refund(till, owner)
    await till.refunds.request(refund_id=refund_id, at=NOON)
    calls = len(till.gateway.calls)

    await till.refunds.request(refund_id=refund_id, at=NOON + timedelta(days=1))

    assert len(till.gateway.calls) == calls
    assert await count(owner, "billing.journals", kind="unfulfilled_refund") == 1
