import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import stripe

from tests.billing.sandbox.purchases import an_intent, paid
from tests.billing.sandbox.sandbox_process import PATIENCE_SECONDS, SECRET_KEY, SandboxProcess
from tests.billing.stripe_openapi.checked_client import CheckedHTTPXClient

DAY_SECONDS = 24 * 3600


@pytest.fixture
async def caller(sandbox: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {SECRET_KEY}"}
    async with httpx.AsyncClient(
        base_url=sandbox.url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
    ) as client:
        yield client


def intents(api: stripe.StripeClient, order: str) -> int:
    """How many of the latest intents belong to an order."""
    latest = api.v1.payment_intents.list({"limit": 100}).data
    return sum(intent.metadata.to_dict().get("order") == order for intent in latest)


def test_the_same_key_and_body_give_the_same_answer(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    call = sandbox.post("/v1/payment_intents", idempotency_key="order:1:attempt:1")
    fields = {"amount": 1199, "currency": "eur", "metadata[order]": "same"}

    first, second = call(fields), call(fields)

    assert second.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["original-request"] == first.headers["request-id"]
    assert intents(api, "same") == 1


def test_the_same_key_with_another_body_is_refused(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    call = sandbox.post("/v1/payment_intents", idempotency_key="order:2:attempt:1")
    call(amount=1199, currency="eur")

    refused = call({"amount": 1299, "currency": "eur", "metadata[order]": "other"})

    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "idempotency_error"
    assert intents(api, "other") == 0


def test_the_same_key_at_another_address_is_refused(sandbox: SandboxProcess) -> None:
    sandbox.post("/v1/customers", idempotency_key="order:3:attempt:1")().raise_for_status()
    refused = sandbox.post("/v1/payment_intents", idempotency_key="order:3:attempt:1")()
    assert refused.json()["error"]["type"] == "idempotency_error"


def test_a_refused_call_does_not_use_up_its_key(sandbox: SandboxProcess) -> None:
    call = sandbox.post("/v1/payment_intents", idempotency_key="order:4:attempt:1")
    assert call(amount=49, currency="eur").status_code == 400
    assert call(amount=50, currency="eur").status_code == 200


def test_a_decline_is_repeated_and_charges_no_second_time(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = an_intent(api)
    call = sandbox.post(f"/v1/payment_intents/{intent.id}/confirm", idempotency_key="order:5:attempt:1")
    fields = {"payment_method": "pm_card_chargeDeclined", "return_url": "https://videothek.example"}

    first, second = call(fields), call(fields)

    assert (first.status_code, second.status_code) == (402, 402)
    assert second.content == first.content
    assert sandbox.get(f"/v1/charges?payment_intent={intent.id}").json()["data"][1:] == []


def test_a_refund_with_the_same_key_pays_back_once(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api))
    call = sandbox.post("/v1/refunds", idempotency_key="refund:1")

    first, second = (
        call(payment_intent=intent.id, amount=200),
        call(payment_intent=intent.id, amount=200),
    )

    assert second.json()["id"] == first.json()["id"]
    assert api.v1.charges.retrieve(intent.latest_charge).amount_refunded == 200


async def test_a_key_is_in_use_until_its_answer_is_given(sandbox: SandboxProcess, caller: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order:6:attempt:1"}
    fields = {"amount": "1199", "currency": "eur"}
    sandbox.control("answers", hold="true")
    first = asyncio.create_task(caller.post("/v1/payment_intents", data=fields, headers=headers))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await caller.get("/_sandbox")).json()["answers"]["held"] == 0:
            pass

    second = await caller.post("/v1/payment_intents", data=fields, headers=headers)
    sandbox.control("answers", hold="false")

    assert second.status_code == 409
    assert second.json()["error"]["code"] == "idempotency_key_in_use"
    assert (await first).status_code == 200
    third = await caller.post("/v1/payment_intents", data=fields, headers=headers)
    assert third.json() == (await first).json()


async def test_the_same_call_many_times_at_once_makes_one_intent(
    caller: httpx.AsyncClient, api: stripe.StripeClient
) -> None:
    fields = {"amount": "1199", "currency": "eur", "metadata[order]": "at once"}
    headers = {"Idempotency-Key": "order:7:attempt:1"}

    answers = await asyncio.gather(
        *(caller.post("/v1/payment_intents", data=fields, headers=headers) for _ in range(8))
    )

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert intents(api, "at once") == 1


def test_a_lost_answer_is_found_again_under_the_same_key(
    sandbox: SandboxProcess, sdk_transport: CheckedHTTPXClient
) -> None:
    api = sandbox.sdk(sdk_transport)
    sandbox.control("answers", drop_next=1)
    order: stripe.params.PaymentIntentCreateParams = {
        "amount": 1199,
        "currency": "eur",
        "metadata": {"order": "lost"},
    }

    with pytest.raises(stripe.APIConnectionError):
        api.v1.payment_intents.create(order, {"idempotency_key": "order:8:attempt:1"})

    assert intents(api, "lost") == 1
    again = api.v1.payment_intents.create(order, {"idempotency_key": "order:8:attempt:1"})
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert intents(api, "lost") == 1


def test_the_sdk_repeats_a_lost_call_by_itself(sandbox: SandboxProcess, sdk_transport: CheckedHTTPXClient) -> None:
    api = sandbox.sdk(sdk_transport, retries=2)
    sandbox.control("answers", drop_next=1)

    intent = an_intent(api, metadata={"order": "repeated"})

    assert intent.last_response.headers["idempotent-replayed"] == "true"
    assert intents(api, "repeated") == 1


def test_a_key_is_forgotten_after_a_day(own_sandbox: SandboxProcess) -> None:
    call = own_sandbox.post("/v1/customers", idempotency_key="order:9:attempt:1")
    first = call(name="Ada").json()["id"]

    own_sandbox.control("clock", advance=DAY_SECONDS - 60)
    assert call(name="Ada").json()["id"] == first
    own_sandbox.control("clock", advance=60)

    assert call(name="Ada").json()["id"] != first
    assert len(own_sandbox.get("/v1/customers").json()["data"]) == 2


def test_an_overlong_key_is_refused(sandbox: SandboxProcess) -> None:
    assert sandbox.post("/v1/customers", idempotency_key="k" * 256)().status_code == 400
