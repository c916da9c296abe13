"""The controls that make bad days: what callers and the webhook see of each, and that it ends."""

import asyncio
import time

import pytest
import stripe

from tests.billing.sandbox.purchases import an_intent, paid
from tests.billing.sandbox.sandbox_process import WEBHOOK_SECRET, SandboxProcess
from tests.billing.sandbox.webhook_endpoint import WebhookEndpoint

DAY_SECONDS = 24 * 3600


@pytest.fixture
async def quiet(sandbox: SandboxProcess, webhooks: WebhookEndpoint) -> SandboxProcess:
    """The stand-in when everything that happened before has been told."""
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(sandbox.state))["deliveries"].get("pending", 0):
            pass
    webhooks.forget()
    return sandbox


async def test_held_events_come_in_the_order_that_is_asked_for(
    quiet: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint
) -> None:
    quiet.control("webhooks", hold="true")
    intent = paid(api, an_intent(api))
    api.v1.refunds.create({"payment_intent": intent.id})
    happened = [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "refund.created",
        "charge.refunded",
        "refund.updated",
    ]
    assert quiet.state()["deliveries"]["pending"] == len(happened)

    sent = await asyncio.to_thread(quiet.control, "deliveries", order="reversed")

    assert (sent["tried"], sent["arrived"]) == (len(happened), len(happened))
    assert [(await webhooks.next(intent.id, *happened))["type"] for _ in happened] == happened[::-1]


async def test_events_can_come_late(quiet: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint) -> None:
    quiet.control("webhooks", delay_ms=600)
    asked_at = time.monotonic()

    intent = an_intent(api)
    await webhooks.next(intent.id, "payment_intent.created")

    assert time.monotonic() - asked_at >= 0.6


async def test_scattered_events_overtake_each_other(
    quiet: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint
) -> None:
    quiet.control("webhooks", scatter_ms=300)
    made = [an_intent(api).id for _ in range(12)]
    told = [await webhooks.next_of_kind("payment_intent.created") for _ in made]

    arrived = [event["data"]["object"]["id"] for event in told]
    assert sorted(arrived) == sorted(made)
    assert arrived != made


@pytest.mark.parametrize("fault", [{"wrong_secret": "true"}, {"age_seconds": 600}])
async def test_a_delivery_may_be_signed_wrongly_or_too_long_ago(
    quiet: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint, fault: dict[str, object]
) -> None:
    quiet.control("webhooks", **fault)
    intent = an_intent(api)

    with pytest.raises(stripe.SignatureVerificationError):
        await webhooks.next(intent.id, "payment_intent.created")

    quiet.control("calm")
    event = api.v1.events.list({"type": "payment_intent.created", "limit": 1}).data[0]
    await asyncio.to_thread(quiet.control, "deliveries", event=event.id)
    assert (await webhooks.next(intent.id, "payment_intent.created"))["id"] == event.id


async def test_at_a_dead_port_nothing_arrives_and_it_is_tried_again(
    quiet: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint
) -> None:
    quiet.control("webhooks", unreachable="true")
    intent = an_intent(api)
    assert api.v1.events.list({"delivery_success": False, "limit": 1}).data[0].data.object["id"] == intent.id

    quiet.control("calm")

    await webhooks.next(intent.id, "payment_intent.created")


async def test_all_or_a_share_of_the_events_is_lost(
    quiet: SandboxProcess, api: stripe.StripeClient, webhooks: WebhookEndpoint
) -> None:
    quiet.control("webhooks", drop_percent=100)
    an_intent(api)
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(quiet.state))["deliveries"].get("pending", 0):
            pass

    assert quiet.state()["deliveries"]["dropped"] == 1
    assert (await asyncio.to_thread(quiet.control, "deliveries"))["arrived"] == 1


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (409, stripe.APIError, "lock_timeout"),
        (429, stripe.RateLimitError, "rate_limit"),
        (500, stripe.APIError, None),
        (503, stripe.APIError, None),
    ],
)
def test_a_call_may_be_refused_for_the_moment_and_has_done_nothing(
    sandbox: SandboxProcess, api: stripe.StripeClient, status: int, kind: type[stripe.StripeError], code: str | None
) -> None:
    before = sandbox.get("/v1/payment_intents?limit=1").json()
    sandbox.control("answers", fail_next=1, fail_status=status)

    with pytest.raises(kind) as refused:
        an_intent(api)

    assert (refused.value.http_status, refused.value.error.to_dict().get("code")) == (status, code)
    assert sandbox.get("/v1/payment_intents?limit=1").json() == before
    assert an_intent(api).status == "requires_payment_method"


def test_a_share_of_the_calls_fails_until_calm_returns(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    sandbox.control("answers", fail_percent=100, drop_percent=100)
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            an_intent(api)
    sandbox.control("answers", fail_percent=0)
    with pytest.raises(stripe.APIConnectionError):
        an_intent(api)

    state = sandbox.control("calm")

    assert state["answers"] == {
        "drop_next": 0,
        "drop_percent": 0,
        "fail_next": 0,
        "fail_percent": 0,
        "fail_status": 500,
        "slow_ms": 0,
        "hold": False,
        "held": 0,
    }
    assert an_intent(api).status == "requires_payment_method"


def test_answers_can_be_slow(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    sandbox.control("answers", slow_ms=300)
    for call in (lambda: an_intent(api), lambda: api.v1.balance.retrieve()):
        asked_at = time.monotonic()
        call()
        assert time.monotonic() - asked_at >= 0.3


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("webhooks", {"repeat": 21}),
        ("webhooks", {"drop": "perhaps"}),
        ("webhooks", {"drop_percent": 101}),
        ("answers", {"fail_status": 418}),
        ("answers", {"slow_ms": -1}),
        ("answers", {"hold": "perhaps"}),
        ("deliveries", {"order": "shuffled"}),
        ("calm", {"clock": 0}),
    ],
)
def test_a_control_that_makes_no_sense_changes_nothing(
    sandbox: SandboxProcess, name: str, fields: dict[str, object]
) -> None:
    before = sandbox.state()
    assert sandbox.post(f"/_sandbox/{name}")(fields).status_code == 400
    assert {**sandbox.state(), "now": 0} == {**before, "now": 0}


def test_settings_and_their_end_outlive_the_process(own_sandbox: SandboxProcess) -> None:
    set_before = own_sandbox.control("webhooks", drop="true", repeat=3, delay_ms=50)["webhooks"]
    own_sandbox.kill()
    own_sandbox.start()
    assert own_sandbox.state()["webhooks"] == set_before


def test_events_are_kept_for_thirty_days(own_sandbox: SandboxProcess) -> None:
    own_sandbox.post("/v1/customers")(name="Ada").raise_for_status()
    [event] = own_sandbox.get("/v1/events").json()["data"]

    own_sandbox.control("clock", advance=30 * DAY_SECONDS + 5)

    assert own_sandbox.get("/v1/events").json()["data"] == []
    assert own_sandbox.get(f"/v1/events/{event['id']}").status_code == 404


async def test_an_endpoint_made_by_a_call_gets_what_it_wants_under_its_own_secret(
    sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    async with WebhookEndpoint() as another:
        made = api.v1.webhook_endpoints.create({"url": another.url, "enabled_events": ["payment_intent.succeeded"]})
        another.secret = made.secret or ""
        assert another.secret.startswith("whsec_")
        assert another.secret != WEBHOOK_SECRET
        assert "secret" not in api.v1.webhook_endpoints.retrieve(made.id).to_dict()
        intent = paid(api, an_intent(api))

        told = await another.next(intent.id, "payment_intent.created", "payment_intent.succeeded")

        assert (told["type"], told["pending_webhooks"]) == ("payment_intent.succeeded", 2)
        assert api.v1.webhook_endpoints.delete(made.id).deleted
    assert made.id not in [endpoint.id for endpoint in api.v1.webhook_endpoints.list().data]
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.webhook_endpoints.retrieve(made.id)


def test_an_endpoint_is_changed_and_switched_off(api: stripe.StripeClient) -> None:
    made = api.v1.webhook_endpoints.create({"url": "https://videothek.example/hook", "enabled_events": ["*"]})

    changed = api.v1.webhook_endpoints.update(
        made.id, {"disabled": True, "enabled_events": ["charge.failed"], "metadata": {"a": "1"}}
    )

    assert (changed.status, changed.enabled_events) == ("disabled", ["charge.failed"])
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.webhook_endpoints.update(made.id, {"url": "ftp://videothek.example"})
    assert api.v1.webhook_endpoints.retrieve(made.id).url == "https://videothek.example/hook"
    api.v1.webhook_endpoints.delete(made.id)
