"""Every operation that changes something: it takes an Idempotency-Key, or is safe to repeat by a rule of its own."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.contract_checks import Contract
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, make_offer, sign_in

CHANGING = ("post", "put", "patch", "delete")

BY_KEY = {
    "POST /v1/quotes",
    "POST /v1/orders",
    "POST /v1/orders/{order_id}/cancellations",
    "POST /v1/orders/{order_id}/withdrawals",
    "POST /v1/withdrawals",
    "POST /v1/staff/incidents",
    "POST /v1/staff/incidents/{incident_id}/approvals",
    "POST /v1/staff/customers/{customer_id}/rental-remedies",
    "POST /v1/staff/customers/{customer_id}/gifts",
    "POST /v1/refunds",
    "POST /v1/refunds/{refund_id}/approvals",
    "POST /v1/refunds/{refund_id}/rejections",
    "POST /v1/refunds/{refund_id}/retries",
    "POST /v1/finance/provider-transactions/{movement_id}/acknowledgements",
    "POST /v1/finance/provider-transactions/{movement_id}/resolutions",
    "POST /v1/finance/resolutions/{resolution_id}/approvals",
    "POST /v1/finance/resolutions/{resolution_id}/rejections",
    "POST /v1/staff/parked-events/{event_id}/replays",
    "POST /v1/staff/parked-jobs/{job_id}/replays",
    "POST /v1/staff/withdrawals/{withdrawal_id}/closures",
}
"""What creates or moves money or rights."""

SECRET = "its answer holds a secret, which is not kept"
STATE = "it sets a state; a second time it is that already"
NO_MONEY = "it moves neither money nor rights, and what it asks for is limited"
ONCE = "what it acts on is used up by it: a second time is refused"

BY_OWN_RULE = {
    "POST /v1/registrations": NO_MONEY,
    "POST /v1/registration-confirmations": ONCE,
    "POST /v1/sessions": SECRET,
    "DELETE /v1/sessions": STATE,
    "DELETE /v1/sessions/current": STATE,
    "DELETE /v1/sessions/{session_id}": STATE,
    "POST /v1/password-resets": NO_MONEY,
    "POST /v1/password-reset-completions": ONCE,
    "POST /v1/data-exports": "it reads; the fourth of a day is refused",
    "POST /v1/account-erasures": "asked for again it is the same one",
    "DELETE /v1/account-erasures/current": STATE,
    "POST /v1/account-erasure-cancellations": ONCE,
    "POST /v1/second-steps": SECRET,
    "POST /v1/second-factor-offers": SECRET,
    "POST /v1/second-factor-confirmations": SECRET,
    "POST /v1/second-factor-removals": STATE,
    "POST /v1/recovery-codes": SECRET,
    "POST /v1/passkey-offers": NO_MONEY,
    "POST /v1/passkeys": ONCE,
    "PATCH /v1/passkeys/{passkey_id}": STATE,
    "DELETE /v1/passkeys/{passkey_id}": STATE,
    "POST /v1/passkey-challenges": NO_MONEY,
    "POST /v1/passkey-sign-ins": ONCE,
    "POST /v1/passkey-second-steps": ONCE,
    "POST /v1/first-passkey-offers": NO_MONEY,
    "POST /v1/first-passkeys": ONCE,
    "POST /v1/passkey-step-ups": ONCE,
    "POST /v1/device-authorisations": NO_MONEY,
    "POST /v1/device-tokens": ONCE,
    "POST /v1/staff/invitations": "a newer one to the same address replaces the one before",
    "DELETE /v1/staff/invitations/{invitation_id}": STATE,
    "POST /v1/staff-invitation-acceptances": ONCE,
    "PUT /v1/staff/colleagues/{colleague_id}/roles": STATE,
    "POST /v1/staff/colleagues/{colleague_id}/departures": STATE,
    "POST /v1/step-ups": SECRET,
    "POST /v1/profiles": NO_MONEY,
    "PATCH /v1/profiles/{profile_id}": STATE,
    "DELETE /v1/profiles/{profile_id}": STATE,
    "PUT /v1/parental-pin": STATE,
    "DELETE /v1/parental-pin": STATE,
    "PUT /v1/viewer": STATE,
    "POST /v1/viewer/unlocks": SECRET,
    "DELETE /v1/viewer/unlocks": STATE,
    "POST /v1/password-changes": SECRET,
    "POST /v1/email-changes": NO_MONEY,
    "POST /v1/email-change-confirmations": ONCE,
    "POST /v1/email-change-undos": ONCE,
    "POST /v1/orders/{order_id}/payments": "its answer holds a secret; the payment's own key opens one intent",
    "POST /v1/orders/{order_id}/payment-checks": "it asks the provider and settles, which is idempotent",
    "POST /v1/mail-checks": NO_MONEY,
    "POST /webhooks/mail": "an event is recorded once by its mail and kind",
    "POST /webhooks/stripe": "an event is recorded once by its key",
    "POST /v1/orders/{order_id}/confirmations": STATE,
    "POST /v1/playback-sessions": SECRET,
    "POST /v1/playback-decisions": NO_MONEY,
    "POST /v1/playback-sessions/{playback_session_id}/heartbeats": STATE,
    "POST /v1/playback-sessions/{playback_session_id}/failures": STATE,
    "POST /v1/playback-sessions/{playback_session_id}/progress-reports": STATE,
    "POST /v1/offline-licences/{download_id}/progress-reports": STATE,
    "DELETE /v1/playback-sessions/{playback_session_id}": STATE,
    "POST /v1/playback-licences/clearkey": SECRET,
    "POST /v1/playback-licences/axinom": SECRET,
    "POST /v1/playback-licences/drmtoday": SECRET,
    "POST /v1/callbacks/drmtoday": SECRET,
    "POST /v1/offline-licences": "its answer holds a secret; a device that asks again gets the same licence",
    "POST /v1/offline-licences/{download_id}/returns": STATE,
    "POST /v1/devices": "a device is its key: the same one is registered once",
    "PATCH /v1/devices/{device_id}": STATE,
    "DELETE /v1/devices/{device_id}": STATE,
    "POST /v1/devices/{device_id}/emergency-removals": ONCE,
    "DELETE /v1/watch-progress/{slug}": STATE,
    "PUT /v1/track-choice": STATE,
    "POST /v1/finance/invariant-checks": "it counts anew",
    "POST /v1/staff/customers/{customer_id}/address-views": NO_MONEY,
    "POST /v1/staff/customers/{customer_id}/password-resets": NO_MONEY,
    "POST /v1/staff/customers/{customer_id}/caller-verifications": NO_MONEY,
    "POST /v1/staff/caller-verifications/{verification_id}/confirmations": ONCE,
    "DELETE /v1/support-actions/{action_id}": STATE,
    "POST /v1/support-action-cancellations": ONCE,
    "POST /v1/staff/customers/{customer_id}/recoveries": "one is under way at a time, a second is refused",
    "POST /v1/staff/recoveries/{recovery_id}/approvals": ONCE,
    "POST /v1/staff/recoveries/{recovery_id}/rejections": ONCE,
    "POST /v1/recovery-completions": ONCE,
    "POST /v1/staff/customers/{customer_id}/securings": STATE,
    "POST /v1/cases": NO_MONEY,
    "POST /v1/cases/{case_id}/messages": NO_MONEY,
    "POST /v1/staff/customers/{customer_id}/cases": NO_MONEY,
    "POST /v1/staff/cases/{case_id}/answers": NO_MONEY,
    "POST /v1/staff/cases/{case_id}/notes": NO_MONEY,
    "POST /v1/staff/cases/{case_id}/closures": ONCE,
    "PUT /v1/staff/cases/{case_id}/assignment": STATE,
    "POST /v1/staff/customers/{customer_id}/device-resets": "a second within its span is refused",
}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def buyer(client: httpx.AsyncClient, database: Database) -> Buyer:
    return Buyer(client, await sign_in(database))


def changing_operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation that may change something, by its method and path."""
    return {
        f"{method.upper()} {path}": item[method]
        for path, item in document["paths"].items()
        for method in CHANGING
        if method in item
    }


def takes_key(operation: dict[str, Any]) -> bool:
    names = [parameter["name"].lower() for parameter in operation.get("parameters", [])]
    return "idempotency-key" in names and "idempotency_key_reused" in str(operation["responses"]["409"])


def test_every_changing_operation_says_why_it_may_be_sent_twice(contract: Contract) -> None:
    operations = changing_operations(contract.document)
    assert set(operations) == BY_KEY | set(BY_OWN_RULE)
    assert {name for name, operation in operations.items() if takes_key(operation)} == BY_KEY


async def send(buyer: Buyer, path: str, body: Any = None, *, key: str = "key-1") -> httpx.Response:
    return await buyer.client.post(path, headers={**buyer.headers, "Idempotency-Key": key}, json=body)


def assert_same_answer(answers: list[httpx.Response], status: int) -> None:
    assert [answer.status_code for answer in answers] == [status] * len(answers)
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == len(answers) - 1


async def test_a_quote_asked_for_twice_is_one(buyer: Buyer, database: Database, owner: asyncpg.Connection) -> None:
    body = {"offer_id": str(await make_offer(database))}
    assert_same_answer([await send(buyer, "/v1/quotes", body) for _ in range(2)], 201)
    assert await owner.fetchval("SELECT count(*) FROM billing.quotes") == 1


async def test_a_cancellation_sent_twice_is_answered_as_before_and_asks_the_provider_once(
    buyer: Buyer, database: Database, gateway: FakeGateway
) -> None:
    order = await buyer.order(await make_offer(database))
    await buyer.payment(order["id"])
    path = f"/v1/orders/{order['id']}/cancellations"

    assert_same_answer([await send(buyer, path) for _ in range(3)], 200)

    assert gateway.calls.count("cancel_intent") == 1
    other = await buyer.order(await make_offer(database))
    refused = await send(buyer, f"/v1/orders/{other['id']}/cancellations")
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    assert (await buyer.get(f"/v1/orders/{other['id']}")).json()["order"]["state"] == "open"


async def test_a_withdrawal_declared_twice_is_received_once_also_at_the_same_instant(
    client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    stranger = Buyer(client, {"Accept-Language": "de"})
    body = {"name": "Anna", "contract": "V-2026-KRMT-4821", "email": "anna@example.org", "declared": True}

    answers = await asyncio.gather(*(send(stranger, "/v1/withdrawals", body) for _ in range(4)))

    assert_same_answer(list(answers), 202)
    assert await owner.fetchval("SELECT count(*) FROM billing.withdrawal_declarations") == 1
    refused = await send(stranger, "/v1/withdrawals", {**body, "name": "Bea"})
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    neighbour = await send(stranger, "/v1/withdrawals", {**body, "email": "bea@example.org"})
    assert neighbour.status_code == 202, "the same key of another mailbox is another key"


async def test_a_payment_asked_for_five_times_at_once_opens_one_intent(
    buyer: Buyer, database: Database, gateway: FakeGateway
) -> None:
    order = await buyer.order(await make_offer(database))
    answers = await asyncio.gather(*(buyer.payment(order["id"]) for _ in range(5)))
    assert len({answer["client_secret"] for answer in [*answers, await buyer.payment(order["id"])]}) == 1
    assert len(gateway.intents) == 1
