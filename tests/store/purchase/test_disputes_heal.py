"""A dispute that breaks off at any statement, or at the commit, leaves nothing behind, and the repeat heals it."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event

from billing.dispute_records import DisputeState
from store.database import Database
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, send_event
from tests.store.purchase.test_giving_back import a_paid_order

FACTS = """
    SELECT o.state, d.state AS dispute, e.paused_at IS NOT NULL AS rests, e.revoked_at IS NOT NULL AS ended,
           (SELECT coalesce(json_object_agg(account, minor), '{}')::text FROM (
               SELECT account, sum(minor) AS minor FROM billing.postings GROUP BY account ORDER BY account) AS sums),
           (SELECT array_agg(kind ORDER BY kind) FROM billing.journals) AS journals,
           (SELECT count(*) FROM billing.blocked_cards) AS blocked,
           (SELECT count(*) FROM billing.webhook_events) AS events
      FROM billing.orders AS o JOIN billing.order_lines AS l ON l.order_id = o.id
      JOIN store.entitlements AS e ON e.order_line_id = l.id LEFT JOIN billing.disputes AS d ON d.order_id = o.id
     WHERE o.id = $1
"""


PLAIN = ("fetch", "fetchrow", "fetchval", "execute")
"""How the driver is asked a plain statement."""

TURNS = ("BEGIN", "COMMIT", "ROLLBACK")
"""What the driver's own transactions say; a break at the commit is a kind of its own."""


@contextmanager
def breaking(database: Database, kind: str, at: int) -> Iterator[None]:
    """Have the connection break at the `at`-th statement, or commit, of all that is done meanwhile."""
    engine, seen = database.sessions.kw["bind"].sync_engine, count()

    def break_down(*_: Any) -> None:
        if next(seen) == at:
            raise OSError("the machine is gone")

    def breaking_too(ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(connection: asyncpg.Connection, query: str, *values: Any, **options: Any) -> Any:
            if not query.startswith(TURNS):
                break_down()
            return await ask(connection, query, *values, **options)

        return asked

    event.listen(engine, kind, break_down)
    try:
        with pytest.MonkeyPatch.context() as patch:
            if kind == "before_cursor_execute":
                for name in PLAIN:
                    patch.setattr(asyncpg.Connection, name, breaking_too(getattr(asyncpg.Connection, name)))
            yield
    finally:
        event.remove(engine, kind, break_down)


async def facts_of(owner: asyncpg.Connection, order_id: str) -> dict[str, Any]:
    return dict(await owner.fetchrow(FACTS, UUID(order_id)))


@pytest.mark.parametrize("kind", ["before_cursor_execute", "commit"])
@pytest.mark.parametrize(
    ("news", "wanted"),
    [
        ([DisputeState.INQUIRY], ("inquiry", False, False)),
        ([DisputeState.OPEN], ("open", True, False)),
        ([DisputeState.OPEN, DisputeState.WON], ("won", False, False)),
        ([DisputeState.OPEN, DisputeState.LOST], ("lost", True, True)),
        ([DisputeState.LOST], ("lost", False, True)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
async def test_a_break_at_any_statement_leaves_nothing_and_the_repeat_heals(
    buyer: Buyer,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    news: list[DisputeState],
    wanted: tuple[str, bool, bool],
    kind: str,
) -> None:
    order_id = await a_paid_order(buyer, database, gateway)
    [intent] = gateway.intents
    for state in news[:-1]:
        await send_event(buyer.client, gateway.dispute(intent, state).id, kind="dispute")
    before = await facts_of(owner, order_id)
    dispute = gateway.dispute(intent, news[-1])

    broken = 0
    for place in count():
        with breaking(database, kind, place):
            answer = await send_event(buyer.client, dispute.id, kind="dispute")
        if answer.status_code == 200:
            break
        assert answer.status_code >= 500
        assert await facts_of(owner, order_id) == before, f"half of it is there after {kind} {place}"
        broken += 1

    assert broken >= (1 if kind == "commit" else 8), "there was something to break"
    after = await facts_of(owner, order_id)
    assert (after["dispute"], after["rests"], after["ended"]) == wanted
    again = await send_event(buyer.client, dispute.id, kind="dispute")
    assert again.json() == {"outcome": "dispute_noted"}
    assert {**await facts_of(owner, order_id), "events": None} == {**after, "events": None}, "a repeat changes nothing"
