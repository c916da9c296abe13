"""Webhooks: verified on the raw bytes, recorded once with their effect, believed only as a hint."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import stripe

from auth.ids import new_id
from billing.errors import PaymentOutcomeUnknown, WebhookNotVerified
from billing.models import OrderState, PaymentState, RefundState
from billing.money import Money
from billing.ports import Intent, ProviderRefund
from billing.webhooks import SUBSCRIBED
from tests.billing.test_sale_refunds import sums
from tests.billing.tills import NOON, Till, count, jobs_named
from tests.fakes import WEBHOOK_SECRETS

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NEW_SECRET, OLD_SECRET = WEBHOOK_SECRETS


def event(object_id: str, *, kind: str = "payment_intent", type_: str | None = None) -> bytes:
    """An event as Stripe sends it, in what billing reads of it."""
    body = {
        "id": f"evt_{new_id().hex}",
        "object": "event",
        "type": type_ or f"{kind}.succeeded",
        "data": {"object": {"id": object_id, "object": kind, "status": "succeeded", "amount_received": 399}},
    }
    return json.dumps(body).encode()


def signed(body: bytes, *, secret: str = NEW_SECRET, at: datetime = NOW) -> str:
    header: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(at.timestamp()))
    return header


async def a_paid_intent(till: Till) -> Intent:
    order = await till.open_order()
    return till.gateway.pay((await till.payable(order)).id)


async def receive(till: Till, body: bytes, signature: str | None) -> str:
    return await till.receive(body, signature, now=NOW)


async def test_the_same_webhook_delivered_five_times_at_once_pays_once(till: Till, owner: asyncpg.Connection) -> None:
    body = event((await a_paid_intent(till)).id)

    outcomes = await asyncio.gather(*(receive(till, body, signed(body)) for _ in range(5)))

    assert sorted(outcomes) == ["duplicate"] * 4 + ["paid"]
    assert await count(owner, "billing.journals") == 1
    assert await count(owner, "billing.documents") == 1
    assert await count(owner, "billing.webhook_events") == 1
    assert (len(till.fulfilment.delivered), len(till.outbox.queued)) == (1, 1)


async def test_webhook_return_and_sweep_at_once_settle_once(till: Till, owner: asyncpg.Connection) -> None:
    intent = await a_paid_intent(till)
    bodies = [event(intent.id), event(intent.id), event(intent.id, type_="payment_intent.processing")]

    await asyncio.gather(
        *(receive(till, body, signed(body)) for body in bodies),
        till.settle(intent),
        till.payments.sweep(at=NOON + timedelta(minutes=1)),
    )

    assert await count(owner, "billing.journals") == 1
    assert (len(till.fulfilment.delivered), len(till.outbox.queued)) == (1, 1)
    assert await count(owner, "billing.webhook_events") == 3


async def test_a_webhook_is_recorded_only_together_with_its_effect(till: Till, owner: asyncpg.Connection) -> None:
    intent = await a_paid_intent(till)
    body = event(intent.id)
    till.outbox.fault = OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await receive(till, body, signed(body))
    assert await count(owner, "billing.webhook_events") == 0
    assert await count(owner, "billing.journals") == 0


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "t=1,v1=00",
        "nonsense",
        "t=x,v1=y",
        "t=,v1=ü",
        signed(b"{}", secret="whsec_of_somebody_else"),
        signed(b"{}", secret=""),
    ],
)
async def test_an_unsigned_or_forged_webhook_stores_nothing(
    till: Till, owner: asyncpg.Connection, signature: str | None
) -> None:
    intent = await a_paid_intent(till)

    with pytest.raises(WebhookNotVerified):
        await receive(till, event(intent.id), signature)
    assert await count(owner, "billing.webhook_events") == 0
    assert await count(owner, "billing.journals") == 0


async def test_a_changed_body_is_refused(till: Till, owner: asyncpg.Connection) -> None:
    intent = await a_paid_intent(till)
    body = event(intent.id)

    with pytest.raises(WebhookNotVerified):
        await receive(till, body.replace(b"399", b"400"), signed(body))
    with pytest.raises(WebhookNotVerified):
        await receive(till, b"\xff\xfe" + body, signed(body))
    assert await count(owner, "billing.webhook_events") == 0


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
async def test_a_webhook_too_old_or_from_the_future_is_refused(
    till: Till, owner: asyncpg.Connection, seconds: int
) -> None:
    body = event((await a_paid_intent(till)).id)

    with pytest.raises(WebhookNotVerified):
        await receive(till, body, signed(body, at=NOW + timedelta(seconds=seconds)))
    assert await count(owner, "billing.webhook_events") == 0


@pytest.mark.parametrize("seconds", [-300, 0, 300])
async def test_a_webhook_within_the_tolerance_is_taken(till: Till, seconds: int) -> None:
    body = event((await a_paid_intent(till)).id)

    assert await receive(till, body, signed(body, at=NOW + timedelta(seconds=seconds))) == "paid"


async def test_both_secrets_are_good_while_one_is_being_rotated(till: Till) -> None:
    for secret in (NEW_SECRET, OLD_SECRET):
        body = event((await a_paid_intent(till)).id)
        assert await receive(till, body, signed(body, secret=secret)) == "paid"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"id": "evt_1"}',
        b'{"id": "evt_1", "type": "x", "data": []}',
        b'{"id": "evt_1", "type": "x", "created": 1000000000000000000000, "data": {"object": {"id": "x_1"}}}',
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused(till: Till, owner: asyncpg.Connection, body: bytes) -> None:
    with pytest.raises(WebhookNotVerified):
        await receive(till, body, signed(body))
    assert await count(owner, "billing.webhook_events") == 0


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (event("prod_1", kind="product", type_="product.created"), "nothing is done for this type"),
        (event("x_1", kind="a_kind_yet_to_come." * 9), "nothing is done for this type"),
        (event("pi_of_another_environment"), "the provider does not know the object"),
        (event("re_of_another_environment", kind="refund"), "the provider does not know the object"),
    ],
)
async def test_unknown_and_foreign_events_are_parked(
    till: Till, owner: asyncpg.Connection, body: bytes, note: str
) -> None:
    assert await receive(till, body, signed(body)) == "parked"

    parked = await owner.fetchrow("SELECT outcome, note FROM billing.webhook_events")
    assert tuple(parked) == ("parked", note)


async def test_an_intent_that_is_not_ours_is_parked(till: Till, owner: asyncpg.Connection) -> None:
    foreign = await till.gateway.open_intent(
        price=Money(399, "EUR"), idempotency_key="x", order_id=new_id(), payment_id=new_id(), description=""
    )
    body = event(till.gateway.pay(foreign.id).id)

    assert await receive(till, body, signed(body)) == "parked"
    assert await count(owner, "billing.journals") == 0


async def test_without_an_answer_of_the_provider_nothing_is_recorded_so_that_it_sends_again(
    till: Till, owner: asyncpg.Connection
) -> None:
    body = event((await a_paid_intent(till)).id)
    till.gateway.is_mute = True

    with pytest.raises(PaymentOutcomeUnknown) as refused:
        await receive(till, body, signed(body))
    assert refused.value.status == 503
    assert await count(owner, "billing.webhook_events") == 0
    till.gateway.is_mute = False
    assert await receive(till, body, signed(body)) == "paid"


async def test_what_the_event_claims_is_not_believed(till: Till) -> None:
    order = await till.open_order()
    intent = await till.payable(order)
    body = event(intent.id)

    assert await receive(till, body, signed(body)) == "updated"
    found, payment = await till.find(order)
    assert (found.state, payment.state) == (OrderState.OPEN, PaymentState.REQUIRES_PAYMENT_METHOD)


async def test_refund_events_in_any_order_book_once(till: Till, owner: asyncpg.Connection) -> None:
    till.gateway.refund_state = RefundState.PENDING
    order = await till.open_order()
    await till.settle(till.gateway.pay((await till.payable(order)).id, amount=Money(500, "EUR")))
    await till.refunds.request(refund_id=await owner.fetchval("SELECT id FROM billing.refunds"), at=NOON)
    [provider_refund_id] = till.gateway.refunds
    till.gateway.refund_becomes(provider_refund_id, RefundState.SUCCEEDED)
    bodies = [event(provider_refund_id, kind="refund", type_="refund.updated") for _ in range(4)]

    await asyncio.gather(*(receive(till, body, signed(body)) for body in bodies))
    assert await owner.fetchval("SELECT sum(to_refund) FROM billing.transactions") == 0
    till.gateway.refund_becomes(provider_refund_id, RefundState.FAILED)
    failed = event(provider_refund_id, kind="refund", type_="refund.failed")
    assert await receive(till, failed, signed(failed)) == "refund_noted"

    kinds = [row["kind"] for row in await owner.fetch("SELECT kind FROM billing.journals ORDER BY id")]
    assert kinds == ["unfulfilled_receipt", "unfulfilled_refund", "refund_reversal"]
    assert await owner.fetchval("SELECT sum(to_refund) FROM billing.transactions") == 500
    assert await jobs_named(owner, "request_refund") == 1


@pytest.mark.parametrize("kind", ["dispute", "radar.early_fraud_warning"])
async def test_trouble_that_is_told_of_before_the_payment_ends_as_if_it_came_after(
    till: Till, owner: asyncpg.Connection, kind: str
) -> None:
    async def tell(*, trouble_first: bool) -> tuple[str, list[str]]:
        intent = await a_paid_intent(till)
        trouble = till.gateway.dispute(intent.id).id if kind == "dispute" else till.gateway.warn(intent.id).id
        bodies = [event(intent.id), event(trouble, kind=kind)]
        till.fulfilment.standing.clear()
        for body in reversed(bodies) if trouble_first else bodies:
            await receive(till, body, signed(body))
        state = await owner.fetchval("SELECT state FROM billing.orders WHERE id = $1", intent.order_id)
        return state, list(till.fulfilment.standing.values())

    in_order = await tell(trouble_first=False)
    await owner.execute("DELETE FROM billing.blocked_cards")

    assert await tell(trouble_first=True) == in_order
    assert in_order == (("paid", ["held: dispute"]) if kind == "dispute" else ("refunded", ["ended: fraud_warning"]))
    assert await count(owner, "billing.blocked_cards", fingerprint="card-of-ada") == 1


async def paid_and_refunded_at_the_provider(till: Till, amount: int) -> tuple[Intent, str]:
    """A payment that succeeded and of which a person gave something back in the provider's own console."""
    intent = await a_paid_intent(till)
    refund = ProviderRefund(f"re_{new_id().hex}", intent.id, RefundState.SUCCEEDED, Money(amount, "EUR"))
    till.gateway.refunds[refund.id] = refund
    return intent, refund.id


async def test_a_refund_made_at_the_provider_and_told_of_before_the_payment_undoes_the_sale(
    till: Till, owner: asyncpg.Connection
) -> None:
    intent, refund_id = await paid_and_refunded_at_the_provider(till, 399)
    bodies = [event(refund_id, kind="refund"), event(refund_id, kind="refund"), event(intent.id)]

    outcomes = [await receive(till, body, signed(body)) for body in bodies]

    assert outcomes == ["refund_noted", "refund_noted", "already"]
    assert await owner.fetchval("SELECT state FROM billing.orders") == "refunded"
    assert list(till.fulfilment.standing.values()) == ["ended: made_at_provider"]
    assert await sums(owner) == {}
    assert await count(owner, "billing.documents", kind="credit_note") == 1
    assert await jobs_named(owner, "request_refund") == 0, "the money went already"


async def test_the_news_of_a_refund_made_at_the_provider_five_times_at_once_are_booked_once(
    till: Till, owner: asyncpg.Connection
) -> None:
    _, refund_id = await paid_and_refunded_at_the_provider(till, 100)
    bodies = [event(refund_id, kind="refund") for _ in range(5)]

    assert set(await asyncio.gather(*(receive(till, body, signed(body)) for body in bodies))) == {"refund_noted"}

    assert await owner.fetchval("SELECT state FROM billing.orders") == "paid"
    assert till.fulfilment.standing == {}
    assert await count(owner, "billing.refunds", amount=100, state="succeeded") == 1


async def test_more_than_the_sale_given_back_at_the_provider_is_for_a_person(
    till: Till, owner: asyncpg.Connection
) -> None:
    _, refund_id = await paid_and_refunded_at_the_provider(till, 400)
    body = event(refund_id, kind="refund")

    assert await receive(till, body, signed(body)) == "parked"
    assert await owner.fetchval("SELECT state FROM billing.orders") == "paid"
    assert await count(owner, "billing.refunds") == 0


async def test_a_failure_of_the_first_attempt_told_of_after_the_second_one_succeeded_changes_nothing(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.open_order()
    first = await till.payable(order)
    till.gateway.decline(first.id)
    failed = event(first.id, type_="payment_intent.payment_failed")
    await till.settle(till.gateway.move(first.id, PaymentState.CANCELED))
    second = await till.payable(order)
    paid = event(till.gateway.pay(second.id).id)
    assert await receive(till, paid, signed(paid)) == "paid"

    assert await receive(till, failed, signed(failed)) == "already"

    found, payment = await till.find(order)
    assert (found.state, payment.state, payment.decline) == (OrderState.PAID, PaymentState.SUCCEEDED, None)
    assert await count(owner, "billing.refunds") == 0


def test_the_docs_list_the_events_that_an_endpoint_is_subscribed_to() -> None:
    page = (Path(__file__).parents[2] / "docs" / "stripe-test-account.md").read_text()
    listed = page.partition("## The webhook endpoint")[2].split("```")[1].split()

    assert listed == list(SUBSCRIBED)


async def test_keys_as_long_as_the_provider_allows_are_taken_in(till: Till, owner: asyncpg.Connection) -> None:
    def longest(prefix: str) -> str:
        return prefix + "x" * (255 - len(prefix))

    order = await till.open_order()
    intent = await till.payments.ask_intent(order_id=order.id, account_id=order.account_id, at=NOON)
    till.gateway.intents[longest("pi_")] = replace(intent, id=longest("pi_"))
    await till.settle(till.gateway.intents[longest("pi_")])
    till.gateway.pay(longest("pi_"), card=longest("fp_"))
    dispute = replace(till.gateway.dispute(longest("pi_")), id=longest("dp_"))
    till.gateway.disputes[dispute.id] = dispute
    facts = json.loads(event(longest("pi_")))

    for kind, object_id in (("payment_intent", longest("pi_")), ("dispute", dispute.id), ("review", longest("prv_"))):
        facts["id"] = longest(f"evt_{kind}_")
        facts["data"]["object"] = {"id": object_id, "object": kind}
        await receive(till, json.dumps(facts).encode(), signed(json.dumps(facts).encode()))

    kept = await owner.fetch("SELECT event_id, object_id, outcome FROM billing.webhook_events")
    assert {row["outcome"] for row in kept} == {"paid", "dispute_noted", "parked"}
    assert all(len(row["event_id"]) == len(row["object_id"]) == 255 for row in kept)
    assert await owner.fetchval("SELECT length(fingerprint) FROM billing.blocked_cards") == 255
