import asyncio
import time
from dataclasses import replace

import pytest
import stripe

from billing.sandbox.database import open_database
from billing.sandbox.delivery_queue import CONFIGURED, KEEP_TRYING_SECONDS, DeliveryQueue
from billing.sandbox.switches import Switches
from billing.sandbox.webhook_delivery import signature_header
from tests.billing.sandbox.purchases import an_intent, paid
from tests.billing.sandbox.sandbox_process import WEBHOOK_SECRET, SandboxProcess
from tests.billing.sandbox.webhook_endpoint import WebhookEndpoint


async def test_what_happens_is_told_to_the_webhook(
    sandbox: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint
) -> None:
    intent = paid(api, an_intent(api, metadata={"order_id": "1"}))

    told = await webhooks.next(intent.id, "payment_intent.succeeded")

    assert told["data"]["object"] == api.v1.payment_intents.retrieve(intent.id).to_dict()
    assert (told["livemode"], told["pending_webhooks"]) == (False, 1)
    await _all_arrived(sandbox)
    listed = api.v1.events.retrieve(told["id"])
    assert (listed.type, listed.pending_webhooks) == ("payment_intent.succeeded", 0)


@pytest.mark.parametrize(
    ("method", "kinds"),
    [
        ("pm_card_visa", ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]),
        ("pm_card_chargeDeclined", ["charge.failed", "payment_intent.payment_failed"]),
        ("pm_card_threeDSecure2Required", ["payment_intent.requires_action"]),
    ],
)
async def test_each_outcome_is_told(
    api: stripe.StripeClient, webhooks: WebhookEndpoint, method: str, kinds: list[str]
) -> None:
    intent = an_intent(api)
    try:
        paid(api, intent, method)
    except stripe.CardError:
        assert method == "pm_card_chargeDeclined"

    told = await _told(webhooks, intent.id, set(kinds))

    assert told == set(kinds)


async def test_refunds_fees_and_cancellations_are_told(
    sandbox: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint
) -> None:
    intent, canceled = paid(api, an_intent(api)), an_intent(api)
    api.v1.refunds.create({"payment_intent": intent.id})
    sandbox.control("settlements")
    api.v1.payment_intents.cancel(canceled.id)

    kinds = {"refund.created", "refund.updated", "charge.refunded", "charge.updated"}
    assert await _told(webhooks, intent.id, kinds) == kinds
    assert await webhooks.next(canceled.id, "payment_intent.canceled")


async def test_an_event_that_is_refused_comes_again(api: stripe.StripeClient, webhooks: WebhookEndpoint) -> None:
    webhooks.answers.extend([500, 302, 404])

    intent = an_intent(api)

    first = await webhooks.next(intent.id, "payment_intent.created")
    second = await webhooks.next(intent.id, "payment_intent.created")
    assert second["id"] == first["id"]


def test_the_configured_address_gets_the_events_that_it_wants(own_sandbox: SandboxProcess) -> None:
    own_sandbox.stop()
    connection = open_database(own_sandbox.store)
    everything = DeliveryQueue(connection, Switches(connection), has_configured=True)
    some = replace(everything, configured_events=("charge.updated",))

    assert everything.recipients("charge.succeeded") == [CONFIGURED]
    assert (some.recipients("charge.succeeded"), some.recipients("charge.updated")) == ([], [CONFIGURED])
    connection.close()


def test_pauses_double_and_end_after_three_days(own_sandbox: SandboxProcess) -> None:
    own_sandbox.stop()
    connection = open_database(own_sandbox.store)
    queue = DeliveryQueue(connection, Switches(connection), has_configured=True)
    queue.add("evt_1", queue.recipients("charge.succeeded"), at=1000.0)
    at, pauses = 1000.0, []

    while due := queue.due(at=at, limit=1):
        queue.mark_refused(due[0], at=at)
        next_due = queue.next_due()
        if next_due is not None:
            pauses.append(next_due - at)
            at = next_due
    connection.close()

    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert max(pauses) == 3600
    assert KEEP_TRYING_SECONDS - 3600 < at - 1000 <= KEEP_TRYING_SECONDS


async def test_what_was_pending_at_a_kill_is_posted_by_the_next_process(
    own_sandbox: SandboxProcess, webhooks: WebhookEndpoint
) -> None:
    webhooks.answers.extend([503] * 1000)
    made = own_sandbox.post("/v1/payment_intents", idempotency_key="order:1")(amount=1199, currency="eur").json()
    await webhooks.next(made["id"], "payment_intent.created")

    own_sandbox.kill()
    webhooks.answers.clear()
    own_sandbox.start()

    await webhooks.next(made["id"], "payment_intent.created")
    await _all_arrived(own_sandbox)
    assert own_sandbox.get(f"/v1/payment_intents/{made['id']}").json() == made
    again = own_sandbox.post("/v1/payment_intents", idempotency_key="order:1")(amount=1199, currency="eur")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == made


async def test_a_lost_event_comes_late_when_it_is_sent_for(
    sandbox: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint
) -> None:
    await _all_arrived(sandbox)
    sandbox.control("webhooks", drop="true")
    lost = an_intent(api)
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(sandbox.state))["deliveries"].get("dropped", 0) == 0:
            pass
    sandbox.control("webhooks", drop="false")
    arrived = an_intent(api)
    await webhooks.next(arrived.id, "payment_intent.created")

    sent = await asyncio.to_thread(sandbox.control, "deliveries")

    assert sent["arrived"] >= 1
    assert sent["deliveries"].get("dropped", 0) == 0
    assert await webhooks.next(lost.id, "payment_intent.created")


async def test_an_event_can_be_sent_again_and_each_several_times(
    sandbox: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint
) -> None:
    sandbox.control("webhooks", repeat=3)
    intent = an_intent(api)
    ids = [(await webhooks.next(intent.id, "payment_intent.created"))["id"] for _ in range(3)]
    assert len(set(ids)) == 1
    sandbox.control("webhooks", repeat=1)
    await _all_arrived(sandbox)

    sent = await asyncio.to_thread(sandbox.control, "deliveries", event=ids[0])

    assert (sent["tried"], sent["arrived"]) == (1, 1)
    assert (await webhooks.next(intent.id, "payment_intent.created"))["id"] == ids[0]


def test_an_event_that_is_not_there_cannot_be_sent(sandbox: SandboxProcess) -> None:
    assert sandbox.post("/_sandbox/deliveries")(event="evt_nothing").status_code == 400
    assert sandbox.post("/_sandbox/nothing")().status_code == 404


def test_a_signature_holds_for_its_body_secret_and_time() -> None:
    payload, now = b'{"id": "evt_1", "object": "event"}', int(time.time())
    construct = stripe.Webhook.construct_event

    construct(payload, signature_header(payload, WEBHOOK_SECRET, at=now), WEBHOOK_SECRET)
    for body, secret, at in (
        (payload + b" ", WEBHOOK_SECRET, now),
        (payload, "whsec_other", now),
        (payload, WEBHOOK_SECRET, now - 301),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            construct(body, signature_header(payload, secret, at=at), WEBHOOK_SECRET)


def test_events_are_listed_by_type_and_time(api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api))

    kinds = ["payment_intent.succeeded", "charge.succeeded"]
    listed = api.v1.events.list({"types": kinds, "limit": 2, "created": {"gte": intent.created}}).data

    assert [event.type for event in listed] == kinds
    assert api.v1.events.list({"type": "charge.failed", "created": {"gt": intent.created + 60}}).data == []


async def _told(webhooks: WebhookEndpoint, about: str, kinds: set[str]) -> set[str]:
    """Which of these events came about an intent, in whatever order."""
    missing = set(kinds)
    while missing:
        missing.discard((await webhooks.next(about, *missing))["type"])
    return kinds - missing


async def _all_arrived(sandbox: SandboxProcess) -> None:
    """Wait until the stand-in knows of every delivery that it arrived."""
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(sandbox.state))["deliveries"].get("pending", 0):
            pass
