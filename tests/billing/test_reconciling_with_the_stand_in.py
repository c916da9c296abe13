"""The books against the stand-in's own account: all that its lists tell is taken in, matched and paid out."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from auth.models import Account
from billing.lost_events import LostEvents
from billing.models import Order
from billing.stripe_gateway import StripeGateway
from store.database import Database
from tests.billing.sandbox.sandbox_process import PUBLISHABLE_KEY, SandboxProcess
from tests.billing.stripe_openapi.checked_client import CheckedTransport
from tests.billing.test_sale_refunds import sums, withdraw
from tests.billing.tills import NOON, Till, books_balance, count, jobs_named

FEES = 175 + 32 + 31 + 34 + 35 + 35
"""Of the six sales below."""

RETURN = "https://videothek.example/de/orders/1"


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[SandboxProcess]:
    """An account of the test's own; nobody is told of its events."""
    with SandboxProcess(tmp_path / "store.db") as process:
        yield process


@pytest.fixture
async def transport() -> AsyncIterator[CheckedTransport]:
    client = CheckedTransport()
    yield client
    await client.close_async()


@pytest.fixture
def till(database: Database, stand_in: SandboxProcess, transport: CheckedTransport) -> Till:
    gateway = StripeGateway(stand_in.sdk(transport), transport, PUBLISHABLE_KEY, ("whsec_test",))
    return Till(database, cast(Any, gateway), takes_debits=True)


async def search(till: Till) -> int:
    """Take in all that happened, by a clock for which nothing is on its way any more."""
    soon = datetime.now(UTC) + timedelta(minutes=5)
    return await LostEvents(till.database, till.gateway, till.webhooks).search(at=soon)


CARD = {"payment_method": "pm_card_visa"}
DEBIT = {
    "payment_method_data[type]": "sepa_debit",
    "payment_method_data[sepa_debit][iban]": "DE89370400440532013000",
    "payment_method_data[billing_details][name]": "Ada",
    "payment_method_data[billing_details][email]": "ada@videothek.example",
    "mandate_data[customer_acceptance][type]": "offline",
}


async def confirmed(
    till: Till, stand_in: SandboxProcess, *, price: int, by: dict[str, str] = CARD, known: Order | None = None
) -> tuple[Order, str]:
    """An order whose customer has paid at the provider and never came back, and its intent.

    With `known`, a later order of that one's customer.
    """
    if known is None:
        order = await till.open_order(price=price, kind="buy")
        intent = await till.payable(order)
    else:
        later = datetime.now(UTC) + timedelta(days=31)
        async with till.database.sessions() as session:
            account = await session.get_one(Account, known.account_id)
        order = await till.order(account, await till.quote(account, price=price, kind="buy", at=later), at=later)
        intent = await till.payable(order, at=later)
    fields = {"client_secret": intent.client_secret, "return_url": RETURN, **by}
    stand_in.post(f"/v1/payment_intents/{intent.id}/confirm", PUBLISHABLE_KEY)(fields).raise_for_status()
    return order, intent.id


def dispute(stand_in: SandboxProcess, intent_id: str, *, evidence: str) -> None:
    """The customer's bank takes the money back and decides about it."""
    disputed = stand_in.control("disputes", payment_intent=intent_id)["dispute"]
    fields: dict[str, object] = {"evidence[uncategorized_text]": evidence, "submit": "true"}
    stand_in.post(f"/v1/disputes/{disputed}")(fields).raise_for_status()
    stand_in.control("agenda", deed="end_dispute", subject=disputed)


async def test_sales_fees_refunds_disputes_and_the_payout_of_it_all_are_matched_and_nothing_is_left(
    till: Till, stand_in: SandboxProcess, owner: asyncpg.Connection
) -> None:
    await confirmed(till, stand_in, price=9999)
    withdrawn, _ = await confirmed(till, stand_in, price=499)
    failing, _ = await confirmed(till, stand_in, price=399)
    _, won = await confirmed(till, stand_in, price=599)
    known, lost = await confirmed(till, stand_in, price=699)
    await search(till)
    debited, debit = await confirmed(till, stand_in, price=799, by=DEBIT, known=known)
    assert await search(till) > 0
    assert await count(owner, "billing.orders", state="paid") == 5
    stand_in.control("debits", payment_intent=debit, outcome="succeeded")
    await search(till)
    assert await count(owner, "billing.orders", state="paid") == 6
    for order in (withdrawn, failing, debited):
        await till.refunds.request(refund_id=(await withdraw(till, order)).id, at=NOON)
    key = await owner.fetchval("SELECT provider_refund_id FROM billing.refunds WHERE order_id = $1", failing.id)
    stand_in.control("refund_failures", refund=key)
    dispute(stand_in, won, evidence="winning_evidence")
    dispute(stand_in, lost, evidence="losing_evidence")
    stand_in.control("agenda", deed="settle_charge")
    assert await search(till) > 0
    assert (await sums(owner))["fees:stripe"] == FEES  # told of by charge.updated

    stand_in.control("payouts", early="true")
    stand_in.control("agenda", deed="reconcile_payout")
    assert await search(till) > 0
    assert await jobs_named(owner, "reconcile") == 1
    assert await till.reconciliation.run(at=NOON) == 0

    balances = await sums(owner)
    assert balances["bank:payouts"] == 9999 + 399 + 599 - FEES - 2 * 1500
    assert "clearing:stripe" not in balances
    assert await books_balance(owner)
    assert await search(till) == 0


async def test_a_payout_that_fails_comes_back_to_the_account_and_goes_out_with_the_next_one(
    till: Till, stand_in: SandboxProcess, owner: asyncpg.Connection
) -> None:
    await confirmed(till, stand_in, price=1199)
    stand_in.control("agenda", deed="settle_charge")
    await search(till)
    failed = stand_in.control("payouts", early="true")["payout"]
    stand_in.control("payout_failures", payout=failed)
    assert await till.reconciliation.run(at=NOON) == 0
    assert (await sums(owner))["clearing:stripe"] == 1199 - 43

    stand_in.control("payouts", early="true")

    assert await till.reconciliation.run(at=NOON) == 0
    balances = await sums(owner)
    assert (balances.get("clearing:stripe", 0), balances["bank:payouts"]) == (0, 1199 - 43)
