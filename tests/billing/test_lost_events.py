"""The search for lost events: what no webhook brought is found on the provider's list, once, whatever breaks."""

import asyncio
from datetime import datetime, timedelta

import asyncpg

from auth.ids import new_id
from billing.lost_events import CURSOR, UNDER_WAY, LostEvents
from billing.models import OrderState
from billing.ports import Intent, Notice
from billing.provider_lists import OVERLAP
from tests.billing.test_webhooks import event, signed
from tests.billing.tills import NOON, Till, count

HAPPENED = NOON - timedelta(hours=1)


def search_of(till: Till) -> LostEvents:
    return LostEvents(till.database, till.gateway, till.webhooks)


def happens(till: Till, object_id: str, *, at: datetime = HAPPENED, kind: str = "payment_intent") -> Notice:
    """An event that the provider lists and sends nobody."""
    notice = Notice(f"evt_{new_id().hex}", f"{kind}.succeeded", kind, object_id, at)
    till.gateway.notices.append(notice)
    return notice


async def a_paid_intent(till: Till) -> Intent:
    order = await till.open_order()
    return till.gateway.pay((await till.payable(order)).id)


async def cursor(owner: asyncpg.Connection) -> tuple[datetime, int]:
    row = await owner.fetchrow("SELECT read_until, found FROM billing.provider_cursors WHERE name = $1", CURSOR)
    return row["read_until"], row["found"]


async def test_a_payment_that_no_webhook_told_of_is_granted_once(till: Till, owner: asyncpg.Connection) -> None:
    happens(till, (await a_paid_intent(till)).id)

    assert await search_of(till).search(at=NOON) == 1
    assert await search_of(till).search(at=NOON) == 0

    assert await count(owner, "billing.orders", state=OrderState.PAID) == 1
    assert await count(owner, "billing.journals", kind="sale") == 1
    assert await count(owner, "billing.webhook_events", outcome="paid") == 1
    assert await cursor(owner) == (HAPPENED, 1)


async def test_two_searches_and_the_late_webhook_at_once_take_it_in_once(till: Till, owner: asyncpg.Connection) -> None:
    intent = await a_paid_intent(till)
    body = event(intent.id)
    notice = till.gateway.read_notice(body, signed(body), real_now=NOON)
    till.gateway.notices.append(Notice(notice.event_id, notice.type, notice.object_kind, notice.object_id, HAPPENED))

    await asyncio.gather(
        search_of(till).search(at=NOON), search_of(till).search(at=NOON), till.receive(body, signed(body), now=NOON)
    )

    assert await count(owner, "billing.webhook_events") == 1
    assert await count(owner, "billing.journals") == 1
    assert len(till.fulfilment.delivered) == 1


async def test_what_is_recorded_is_not_asked_about_again(till: Till, owner: asyncpg.Connection) -> None:
    happens(till, (await a_paid_intent(till)).id)
    await search_of(till).search(at=NOON)
    till.gateway.calls.clear()
    await search_of(till).search(at=NOON)
    assert till.gateway.calls == ["list_notices"]


async def test_an_event_that_may_be_on_its_way_is_not_lost_yet(till: Till, owner: asyncpg.Connection) -> None:
    happens(till, (await a_paid_intent(till)).id, at=NOON)
    assert await search_of(till).search(at=NOON + UNDER_WAY - timedelta(seconds=1)) == 0
    assert await count(owner, "billing.webhook_events") == 0
    assert await search_of(till).search(at=NOON + UNDER_WAY) == 1


async def test_an_event_listed_late_and_out_of_turn_is_found_within_the_overlap(till: Till) -> None:
    happens(till, (await a_paid_intent(till)).id)
    await search_of(till).search(at=NOON)
    happens(till, (await a_paid_intent(till)).id, at=HAPPENED - OVERLAP)
    happens(till, (await a_paid_intent(till)).id, at=HAPPENED - OVERLAP - timedelta(seconds=1))
    assert await search_of(till).search(at=NOON) == 1


async def test_a_webhook_that_arrives_does_not_hide_the_lost_ones_before_it(till: Till) -> None:
    happens(till, (await a_paid_intent(till)).id, at=HAPPENED - timedelta(hours=2))
    body = event((await a_paid_intent(till)).id)
    await till.receive(body, signed(body), now=NOON)
    assert await search_of(till).search(at=NOON) == 1


async def test_events_of_no_concern_are_not_recorded(till: Till, owner: asyncpg.Connection) -> None:
    happens(till, "cus_1", kind="customer")
    assert await search_of(till).search(at=NOON) == 0
    assert await count(owner, "billing.webhook_events") == 0


async def test_events_that_no_endpoint_is_subscribed_to_are_not_missed(till: Till) -> None:
    intent = await a_paid_intent(till)
    till.gateway.notices.append(
        Notice("evt_1", "charge.succeeded", "charge", next(iter(till.gateway.charges)), HAPPENED)
    )
    till.gateway.notices.append(Notice("evt_2", "payment_intent.created", "payment_intent", intent.id, HAPPENED))
    till.gateway.calls.clear()

    assert await search_of(till).search(at=NOON) == 0
    assert till.gateway.calls == ["list_notices"]


async def test_a_silent_provider_loses_nothing(till: Till, owner: asyncpg.Connection) -> None:
    first, second = await a_paid_intent(till), await a_paid_intent(till)
    happens(till, first.id, at=HAPPENED)
    happens(till, second.id, at=HAPPENED + timedelta(minutes=30))
    till.gateway.is_mute = True
    assert await search_of(till).search(at=NOON) == 0

    till.gateway.is_mute = False
    answers = iter([False, False, True])  # the list and the first object are answered, the second is not
    till.gateway.on_call = lambda: setattr(till.gateway, "is_mute", next(answers))
    assert await search_of(till).search(at=NOON) == 1
    assert (await cursor(owner))[0] == HAPPENED + timedelta(minutes=30)

    till.gateway.on_call, till.gateway.is_mute = lambda: None, False
    assert await search_of(till).search(at=NOON) == 1
    assert await count(owner, "billing.journals", kind="sale") == 2
    assert await cursor(owner) == (HAPPENED + timedelta(minutes=30), 2)


async def test_an_event_that_cannot_be_taken_in_keeps_no_other_waiting(till: Till, owner: asyncpg.Connection) -> None:
    first, second = await a_paid_intent(till), await a_paid_intent(till)
    happens(till, first.id, at=HAPPENED)
    happens(till, second.id, at=HAPPENED + timedelta(minutes=30))
    faults = iter([OSError("disk full"), None])
    till.gateway.on_call = lambda: (
        setattr(till.outbox, "fault", next(faults, None)) if till.gateway.calls[-1] == "retrieve_intent" else None
    )

    assert await search_of(till).search(at=NOON) == 1
    assert (await cursor(owner))[0] == HAPPENED

    assert await search_of(till).search(at=NOON) == 1
    assert await count(owner, "billing.journals", kind="sale") == 2
    assert await cursor(owner) == (HAPPENED + timedelta(minutes=30), 2)
