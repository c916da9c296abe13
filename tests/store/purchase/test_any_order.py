"""Any order and repetition of what can happen to a purchase: all invariants hold at each step, the end is the same."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from litestar import Litestar

from auth.ids import new_id
from billing.dispute_records import DisputeState
from billing.models import PaymentState, RefundState
from billing.ports import Notice
from store.composition import Parts
from tests.auth.people import parts_of
from tests.scratch import MovableTestClock
from tests.store.purchase.story import Story

Begin = Callable[[str], Awaitable[Story]]


class Purchase(RuleBasedStateMachine):
    """One purchase; the machine runs in a thread of its own, its steps on the loop of the test."""

    begin: Begin
    loop: asyncio.AbstractEventLoop
    story: Story
    is_changed: bool = False
    """Whether the store did something since it was looked at."""

    def wait(self, step: Awaitable[Any]) -> Any:
        self.is_changed = True

        async def take() -> Any:
            return await step

        return asyncio.run_coroutine_threadsafe(take(), self.loop).result()

    @initialize(kind=st.sampled_from(["buy", "rent"]))
    def a_customer_orders(self, kind: str) -> None:
        self.story = self.wait(type(self).begin(kind))

    @precondition(lambda self: self.story.can_pay())
    @rule()
    def a_card_pays(self) -> None:
        self.story.pay()

    @precondition(lambda self: self.story.can_pay())
    @rule()
    def a_card_is_declined(self) -> None:
        self.story.decline()

    @precondition(lambda self: self.story.can_pay())
    @rule()
    def a_debit_begins(self) -> None:
        self.story.begin_debit()

    @precondition(lambda self: self.story.is_under_way())
    @rule(is_paid=st.booleans())
    def a_debit_ends(self, is_paid: bool) -> None:
        self.story.end_debit(is_paid=is_paid)

    @precondition(lambda self: self.story.can_be_disputed())
    @rule()
    def a_bank_takes_it_back(self) -> None:
        self.story.dispute()

    @precondition(lambda self: self.story.is_disputed())
    @rule(won=st.booleans())
    def a_dispute_is_decided(self, won: bool) -> None:
        self.story.decide_dispute(won=won)

    @precondition(lambda self: self.story.can_be_warned_of())
    @rule()
    def a_bank_warns(self) -> None:
        self.story.warn()

    @rule(state=st.sampled_from([RefundState.SUCCEEDED, RefundState.PENDING]))
    def refunds_take_their_time(self, state: RefundState) -> None:
        self.story.gateway.refund_state = state

    @precondition(lambda self: self.story.refunds_in(RefundState.PENDING))
    @rule()
    def a_refund_arrives(self) -> None:
        self.story.refund_becomes(self.story.refunds_in(RefundState.PENDING)[0], RefundState.SUCCEEDED)

    @precondition(lambda self: self.story.refunds_in(RefundState.PENDING, RefundState.SUCCEEDED))
    @rule()
    def a_refund_fails(self) -> None:
        fails = self.story.refunds_in(RefundState.PENDING, RefundState.SUCCEEDED)[0]
        self.story.refund_becomes(fails, RefundState.FAILED)

    @precondition(lambda self: not self.story.offer_ended)
    @rule()
    def the_offer_ends(self) -> None:
        self.wait(self.story.end_offer())

    @precondition(lambda self: self.story.told)
    @rule(place=st.integers(0, 20))
    def an_event_arrives(self, place: int) -> None:
        self.wait(self.story.deliver_next(place))

    @precondition(lambda self: self.story.delivered)
    @rule(place=st.integers(0, 20), is_same=st.booleans())
    def an_event_arrives_again(self, place: int, is_same: bool) -> None:
        again = self.story.delivered[place % len(self.story.delivered)]
        self.wait(self.story.deliver(again if is_same else replace(again, event_id=f"evt_{new_id().hex}")))

    @rule()
    def the_customer_comes_back(self) -> None:
        self.wait(self.story.come_back())

    @rule()
    def the_customer_tries_again(self) -> None:
        self.wait(self.story.open_payment())

    @rule()
    def the_worker_works(self) -> None:
        self.wait(self.story.work())

    @rule(after=st.sampled_from([timedelta(minutes=1), timedelta(minutes=40), timedelta(hours=2), timedelta(days=3)]))
    def the_sweep_looks(self, after: timedelta) -> None:
        self.wait(self.story.sweep(after=after))

    @rule()
    def the_customer_withdraws(self) -> None:
        self.wait(self.story.withdraw())

    @rule()
    def support_gives_back_a_part(self) -> None:
        self.wait(self.story.give_back_a_part())

    @invariant()
    def all_invariants_hold(self) -> None:
        if self.is_changed:
            assert self.wait(self.story.broken_invariants()) == {}
            self.is_changed = False

    def teardown(self) -> None:
        if hasattr(self, "story"):
            self.wait(self.come_to_its_end())

    async def come_to_its_end(self) -> None:
        """At rest, the store stands as the provider's facts demand, whatever came in which order."""
        story = self.story
        await story.come_to_rest()
        assert await story.broken_invariants() == {}
        end, paid = await story.end(), story.intent(PaymentState.SUCCEEDED)
        assert end["books"].get("clearing:stripe", 0) == story.money_at_the_provider()
        assert -end["books"].get("liability:refunds", 0) == await story.owed_to_the_customer()
        if not story.is_disputed() and not story.refunds_in(RefundState.PENDING):
            assert "receivable:disputes" not in end["books"], "what a bank took is booked as something"
        if paid is None:
            assert (end["order"], end["right"], end["books"]) in (("open", "none", {}), ("cancelled", "none", {}))
            return
        state, _ = end["payments"][-1]
        if state == "returned":
            assert story.offer_ended, "money goes back only if nothing could be granted for it"
            assert (end["order"], end["right"]) == ("refunded", "none")
            return
        given_back = sum(amount * number for (*_, amount), number in end["refunds"].items())
        is_undone = given_back == story.price.minor
        lost = any(dispute.state is DisputeState.LOST for dispute in story.gateway.disputes.values())
        right = "revoked" if is_undone or lost else "paused" if story.is_disputed() else "holds"
        assert (state, end["order"], end["right"]) == ("succeeded", "refunded" if is_undone else "paid", right)


@pytest.fixture
def begin(app: Litestar, clock: MovableTestClock, owner: asyncpg.Connection, row_removal: str) -> Begin:
    """Begins a story in an empty store."""
    parts: Parts = parts_of(app)

    async def begin(kind: str) -> Story:
        await owner.execute(row_removal)
        return await Story.begin(parts, clock, owner, kind=kind)

    return begin


async def test_whatever_happens_in_whatever_order_money_and_rights_agree(begin: Begin) -> None:
    facts = {"begin": staticmethod(begin), "loop": asyncio.get_running_loop()}
    machine = type("ThisPurchase", (Purchase,), facts)
    profile = settings(max_examples=15, stateful_step_count=30, deadline=None, derandomize=True, database=None)

    await asyncio.to_thread(run_state_machine_as_test, machine, settings=profile)


ACTS: dict[str, Callable[[Story], None]] = {
    "pay": Story.pay,
    "decline": Story.decline,
    "debit": Story.begin_debit,
    "debit paid": lambda story: story.end_debit(is_paid=True),
    "debit failed": lambda story: story.end_debit(is_paid=False),
    "dispute": Story.dispute,
    "won": lambda story: story.decide_dispute(won=True),
    "lost": lambda story: story.decide_dispute(won=False),
    "warn": Story.warn,
}

FATES = (
    ("pay",),
    ("decline", "pay"),
    ("decline", "decline"),
    ("debit", "debit paid"),
    ("debit", "debit failed"),
    ("pay", "dispute"),
    ("pay", "dispute", "won"),
    ("decline", "pay", "dispute", "lost"),
    ("pay", "warn"),
    ("pay", "warn", "dispute", "won"),
    ("debit", "debit paid", "dispute", "lost"),
)
"""What the provider knows before the store hears of anything."""


def shuffled(events: list[Notice], keys: list[int]) -> list[Notice]:
    """The events in the order of their keys; without keys as they are."""
    if not keys:
        return events
    assert len(events) <= len(keys)
    return [event for _, event in sorted(zip(keys, events, strict=False), key=lambda pair: pair[0])]


async def test_the_events_of_a_purchase_in_any_order_and_number_have_the_same_end(begin: Begin) -> None:
    loop = asyncio.get_running_loop()

    async def live(fate: tuple[str, ...], keys: list[int], steps: list[str]) -> Any:
        story = await begin("buy")
        for act in fate:
            ACTS[act](story)
        deeds = {"return": story.come_back, "sweep": lambda: story.sweep(after=timedelta(minutes=1))}
        for number, event in enumerate(shuffled([*story.told, *story.told], keys)):
            await story.deliver(event)
            if number < len(steps):
                await deeds[steps[number]]()
        story.told.clear()
        await story.come_to_rest()
        assert await story.broken_invariants() == {}
        return await story.end()

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(
        fate=st.sampled_from(FATES),
        keys=st.permutations(range(24)),
        steps=st.lists(st.sampled_from(["return", "sweep"]), max_size=3),
    )
    def holds(fate: tuple[str, ...], keys: list[int], steps: list[str]) -> None:
        in_order = asyncio.run_coroutine_threadsafe(live(fate, [], []), loop).result()
        in_disorder = asyncio.run_coroutine_threadsafe(live(fate, keys, steps), loop).result()
        assert in_disorder == in_order

    await asyncio.to_thread(holds)
