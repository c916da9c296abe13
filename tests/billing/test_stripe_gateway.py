"""The door to Stripe, against the stand-in, every call and answer held against Stripe's own description."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import stripe

from auth.ids import new_id
from billing.errors import PaymentOutcomeUnknown, PaymentProviderRefused, PaymentUnknownToProvider
from billing.models import PaymentState, RefundState
from billing.money import Money
from billing.ports import Intent
from billing.stripe_gateway import StripeGateway
from tests.billing.sandbox.sandbox_process import PUBLISHABLE_KEY, SandboxProcess
from tests.billing.stripe_openapi.checked_client import CheckedTransport
from tests.scratch import free_port

PRICE = Money(1199, "EUR")
RETURN = "https://videothek.example/de/orders/1"
EPOCH = datetime.fromtimestamp(0, UTC)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("stripe") / "store.db") as process:
        yield process


@pytest.fixture(scope="module")
async def transport() -> AsyncIterator[CheckedTransport]:
    client = CheckedTransport()
    yield client
    await client.close_async()


@pytest.fixture
async def gateway(stand_in: SandboxProcess, transport: CheckedTransport) -> StripeGateway:
    return StripeGateway(stand_in.sdk(transport), transport, PUBLISHABLE_KEY, ("whsec_test",))


async def opened(
    gateway: StripeGateway, *, key: str | None = None, price: Money = PRICE, allows_debit: bool = False
) -> Intent:
    return await gateway.open_intent(
        price=price,
        idempotency_key=key or f"order:{new_id()}:attempt:1",
        order_id=new_id(),
        payment_id=new_id(),
        description="V-2026-KRMT-4821",
        allows_debit=allows_debit,
    )


def confirm(stand_in: SandboxProcess, intent: Intent, method: str) -> None:
    """The customer confirms in the provider's form, with the publishable key."""
    fields = {"client_secret": intent.client_secret, "payment_method": method, "return_url": RETURN}
    stand_in.post(f"/v1/payment_intents/{intent.id}/confirm", PUBLISHABLE_KEY)(fields)


@pytest.mark.parametrize(("allows_debit", "types"), [(False, ["card"]), (True, ["card", "sepa_debit"])])
async def test_debits_are_excluded_unless_they_are_allowed(
    gateway: StripeGateway, stand_in: SandboxProcess, allows_debit: bool, types: list[str]
) -> None:
    facts = {"order_id": new_id(), "payment_id": new_id(), "description": ""}
    intent = await gateway.open_intent(
        price=PRICE,
        idempotency_key=str(new_id()),
        allows_debit=allows_debit,
        **facts,  # type: ignore[arg-type]
    )

    assert (await gateway.client.v1.payment_intents.retrieve_async(intent.id)).payment_method_types == types


async def test_an_intent_carries_our_ids_and_waits_for_a_method(gateway: StripeGateway) -> None:
    order_id, payment_id = new_id(), new_id()

    intent = await gateway.open_intent(
        price=PRICE, idempotency_key=str(new_id()), order_id=order_id, payment_id=payment_id, description="V-1"
    )

    assert (intent.order_id, intent.payment_id) == (order_id, payment_id)
    assert (intent.amount, intent.received) == (PRICE, Money(0, "EUR"))
    assert intent.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert (intent.client_secret or "").startswith(f"{intent.id}_secret_")
    assert intent.client_secret not in repr(intent)
    assert await gateway.retrieve_intent(intent.id) == intent


async def test_the_same_key_opens_the_same_intent_and_other_facts_under_it_are_refused(
    gateway: StripeGateway, stand_in: SandboxProcess
) -> None:
    facts = {"idempotency_key": str(new_id()), "order_id": new_id(), "payment_id": new_id(), "description": "V-1"}

    first = await gateway.open_intent(price=PRICE, **facts)  # type: ignore[arg-type]
    again = await gateway.open_intent(price=PRICE, **facts)  # type: ignore[arg-type]

    assert again == first
    with pytest.raises(PaymentProviderRefused):
        await gateway.open_intent(price=Money(1, "EUR"), **facts)  # type: ignore[arg-type]


async def test_a_lost_answer_is_an_unknown_outcome_and_the_key_finds_what_was_done(
    gateway: StripeGateway, stand_in: SandboxProcess
) -> None:
    facts = {"idempotency_key": str(new_id()), "order_id": new_id(), "payment_id": new_id(), "description": "V-1"}
    stand_in.control("answers", drop_next=1)

    with pytest.raises(PaymentOutcomeUnknown):
        await gateway.open_intent(price=PRICE, **facts)  # type: ignore[arg-type]
    intent = await gateway.open_intent(price=PRICE, **facts)  # type: ignore[arg-type]

    assert intent.order_id == facts["order_id"]


async def test_nobody_at_the_address_is_an_unknown_outcome(transport: CheckedTransport) -> None:
    client = stripe.StripeClient(
        "sk_test_x", base_addresses={"api": f"http://127.0.0.1:{free_port()}"}, http_client=transport
    )

    with pytest.raises(PaymentOutcomeUnknown):
        await StripeGateway(client, transport, "pk_test_x", ()).retrieve_intent("pi_1")


BROKEN_ANSWERS = {
    "closed before a word": b"",
    "closed amid the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "closed amid the body": b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"id": "pi_1"',
    "closed amid a chunk": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"id": "pi_1"',
    "no HTTP at all": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("said", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
async def test_an_answer_that_breaks_off_is_an_unknown_outcome_and_the_call_is_repeated_once(said: bytes) -> None:
    calls = []

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gateway = StripeGateway.connect(
        secret_key="sk_test_x", publishable_key="pk_test_x", webhook_secrets=(), api_base=f"http://127.0.0.1:{port}"
    )
    with pytest.raises(PaymentOutcomeUnknown):
        await opened(gateway, key="order:1:attempt:1")
    keys = {line for call in calls for line in call.split(b"\r\n") if line.lower().startswith(b"idempotency-key")}
    assert len(calls) == 2
    assert [key.split(b": ")[1] for key in keys] == [b"order:1:attempt:1"]
    await gateway.close()
    server.close()


async def test_a_proxy_of_the_environment_is_asked_and_a_netrc_file_is_nobodys_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.close()

    proxy = await asyncio.start_server(break_off, "127.0.0.1", 0)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine stripe.invalid login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    gateway = StripeGateway.connect(
        secret_key="sk_test_x", publishable_key="pk_test_x", webhook_secrets=(), api_base="http://stripe.invalid"
    )
    with pytest.raises(PaymentOutcomeUnknown):
        await opened(gateway)
    assert all(one.startswith("POST http://stripe.invalid/v1/payment_intents ") for one in asked)
    assert all("Authorization: Bearer sk_test_x" in one for one in asked)
    assert asked
    await gateway.close()
    proxy.close()


async def test_an_unknown_intent_and_a_wrong_key_are_told_apart(
    gateway: StripeGateway, stand_in: SandboxProcess, transport: CheckedTransport
) -> None:
    stranger = StripeGateway(
        stripe.StripeClient("sk_test_wrong", base_addresses={"api": stand_in.url}, http_client=transport),
        transport,
        "pk_test_wrong",
        (),
    )

    with pytest.raises(PaymentUnknownToProvider):
        await gateway.retrieve_intent("pi_unknown")
    with pytest.raises(PaymentProviderRefused):
        await stranger.retrieve_intent("pi_unknown")


async def test_a_good_card_pays(gateway: StripeGateway, stand_in: SandboxProcess) -> None:
    intent = await opened(gateway)
    confirm(stand_in, intent, "pm_card_visa")

    paid = await gateway.retrieve_intent(intent.id)

    assert (paid.state, paid.received, paid.decline) == (PaymentState.SUCCEEDED, PRICE, None)
    assert (await gateway.cancel_intent(intent.id)).state is PaymentState.SUCCEEDED


@pytest.mark.parametrize(
    ("method", "decline"),
    [
        ("pm_card_visa_chargeDeclined", "declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ],
)
async def test_a_declined_card_asks_for_another_one(
    gateway: StripeGateway, stand_in: SandboxProcess, method: str, decline: str
) -> None:
    intent = await opened(gateway)
    confirm(stand_in, intent, method)

    declined = await gateway.retrieve_intent(intent.id)

    assert (declined.state, declined.decline) == (PaymentState.REQUIRES_PAYMENT_METHOD, decline)
    confirm(stand_in, intent, "pm_card_visa")
    assert (await gateway.retrieve_intent(intent.id)).state is PaymentState.SUCCEEDED


async def test_a_card_with_3d_secure_waits_for_the_customer(gateway: StripeGateway, stand_in: SandboxProcess) -> None:
    intent = await opened(gateway)
    confirm(stand_in, intent, "pm_card_threeDSecure2Required")

    assert (await gateway.retrieve_intent(intent.id)).state is PaymentState.REQUIRES_ACTION


async def test_a_debit_names_its_mandate_and_day_and_the_mandate_its_reference(
    gateway: StripeGateway, stand_in: SandboxProcess
) -> None:
    intent = await opened(gateway, allows_debit=True)
    fields = {
        "client_secret": intent.client_secret,
        "return_url": RETURN,
        "payment_method_data[type]": "sepa_debit",
        "payment_method_data[sepa_debit][iban]": "DE89370400440532013000",
        "payment_method_data[billing_details][name]": "Ada",
        "payment_method_data[billing_details][email]": "ada@videothek.example",
        "mandate_data[customer_acceptance][type]": "online",
        "mandate_data[customer_acceptance][online][infer_from_client]": "true",
    }
    stand_in.post(f"/v1/payment_intents/{intent.id}/confirm", PUBLISHABLE_KEY)(fields)

    debited = (await gateway.retrieve_intent(intent.id)).charge

    assert debited is not None
    assert debited.paid_by.kind == "sepa_debit"
    assert debited.paid_by.mandate is not None
    assert date.fromisoformat(debited.paid_by.debited_on or "") >= datetime.now(UTC).date()
    assert await gateway.retrieve_mandate_reference(debited.paid_by.mandate)


async def test_a_cancelled_intent_is_cancelled_however_often(gateway: StripeGateway) -> None:
    intent = await opened(gateway)

    assert (await gateway.cancel_intent(intent.id)).state is PaymentState.CANCELED
    assert (await gateway.cancel_intent(intent.id)).state is PaymentState.CANCELED


async def test_a_refund_is_made_once_per_key_and_found_by_our_id(
    gateway: StripeGateway, stand_in: SandboxProcess
) -> None:
    intent = await opened(gateway)
    confirm(stand_in, intent, "pm_card_visa")
    refund_id = new_id()

    assert await gateway.find_refund(intent_id=intent.id, refund_id=refund_id) is None
    refunds = [
        await gateway.request_refund(
            intent_id=intent.id, amount=PRICE, idempotency_key=f"return:{intent.id}", refund_id=refund_id
        )
        for _ in range(2)
    ]

    assert refunds[0] == refunds[1]
    assert (refunds[0].state, refunds[0].amount) == (RefundState.SUCCEEDED, PRICE)
    assert (refunds[0].refund_id, refunds[0].intent_id) == (refund_id, intent.id)
    assert await gateway.find_refund(intent_id=intent.id, refund_id=refund_id) == refunds[0]
    assert await gateway.retrieve_refund(refunds[0].id) == refunds[0]
    with pytest.raises(PaymentProviderRefused):
        await gateway.request_refund(
            intent_id=intent.id, amount=PRICE, idempotency_key=str(new_id()), refund_id=new_id()
        )


async def test_the_movements_of_a_payout_come_with_it_and_add_up_to_nothing(
    gateway: StripeGateway, stand_in: SandboxProcess
) -> None:
    intent = await opened(gateway)
    confirm(stand_in, intent, "pm_card_visa")
    began = (await anext(gateway.list_notices(since=EPOCH))).happened_at or EPOCH
    stand_in.control("agenda", deed="settle_charge")
    payout = stand_in.control("payouts", early="true")["payout"]

    contents = [movement async for movement in gateway.list_movements(payout_id=payout)]

    charge = (await gateway.retrieve_intent(intent.id)).charge
    assert charge is not None
    of_sale = next(movement for movement in contents if movement.source_id == charge.id)
    assert (of_sale.kind, of_sale.amount, of_sale.fee) == ("charge", PRICE, Money(43, "EUR"))
    assert next(movement for movement in contents if movement.kind == "payout").source_id == payout
    assert sum(movement.amount.minor - movement.fee.minor for movement in contents) == 0
    assert of_sale in [movement async for movement in gateway.list_movements(since=began)]
    assert [movement async for movement in gateway.list_movements(since=began + timedelta(days=1))] == []


async def test_events_are_listed_over_several_pages_as_they_were_told(
    gateway: StripeGateway, stand_in: SandboxProcess
) -> None:
    for number in range(101):
        stand_in.post("/v1/customers")(name=f"Ada {number}").raise_for_status()
    intent = await opened(gateway)

    notices = [notice async for notice in gateway.list_notices(since=EPOCH)]

    assert (notices[0].type, notices[0].object_id) == ("payment_intent.created", intent.id)
    assert sum(notice.type == "customer.created" for notice in notices) == 101
    assert len({notice.event_id for notice in notices}) == len(notices)
    assert [notice async for notice in gateway.list_notices(since=datetime.now(UTC) + timedelta(days=1))] == []


async def test_without_a_webhook_secret_no_webhook_is_believed() -> None:
    gateway = StripeGateway.connect(
        secret_key="sk_test_x", publishable_key="pk_test_x", webhook_secrets=("",), api_base="http://127.0.0.1:1"
    )

    assert gateway.webhook_secrets == ()


def test_only_one_file_imports_stripe() -> None:
    root = Path(__file__).parents[2]
    importers = [
        path.relative_to(root).as_posix()
        for package in ("auth", "billing", "store")
        for path in (root / package).rglob("*.py")
        if "node_modules" not in path.parts and "\nimport stripe" in f"\n{path.read_text()}"
    ]

    assert importers == ["billing/stripe_gateway.py"]
