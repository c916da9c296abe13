import pytest
import stripe

from tests.billing.sandbox.purchases import an_intent, event_types, paid
from tests.billing.sandbox.sandbox_process import SandboxProcess
from tests.billing.stripe_openapi.checked_client import CheckedHTTPXClient

DAY_SECONDS = 24 * 3600


@pytest.fixture
def api(own_sandbox: SandboxProcess, sdk_transport: CheckedHTTPXClient) -> stripe.StripeClient:
    """The official SDK against an account of the test's own, on which nothing has happened yet."""
    return own_sandbox.sdk(sdk_transport)


def balance(api: stripe.StripeClient) -> tuple[int, int]:
    """What is available and what is pending, in cents."""
    found = api.v1.balance.retrieve()
    return found.available[0].amount, found.pending[0].amount


def settled_sale(sandbox: SandboxProcess, api: stripe.StripeClient) -> stripe.PaymentIntent:
    intent = paid(api, an_intent(api))
    sandbox.control("agenda", deed="settle_charge")
    return intent


def test_money_is_pending_at_first_and_paid_out_by_itself_when_it_is_available(
    own_sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    assert balance(api) == (0, 0)
    sale = settled_sale(own_sandbox, api)
    refund = api.v1.refunds.create({"payment_intent": sale.id, "amount": 200})
    assert balance(api) == (0, 1199 - 43 - 200)

    own_sandbox.control("clock", advance=3 * DAY_SECONDS)

    [payout] = api.v1.payouts.list().data
    assert (payout.amount, payout.currency, payout.automatic) == (956, "eur", True)
    assert (payout.status, payout.reconciliation_status) == ("pending", "in_progress")
    assert balance(api) == (0, 0)
    contents = api.v1.balance_transactions.list({"payout": payout.id}).data
    assert [(booked.type, booked.net, booked.source) for booked in contents] == [
        ("payout", -956, payout.id),
        ("refund", -200, refund.id),
        ("charge", 1156, sale.latest_charge),
    ]
    assert sum(booked.net for booked in contents) == 0


def test_a_payout_is_reconciled_then_paid_and_each_is_told(
    own_sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    settled_sale(own_sandbox, api)
    made = own_sandbox.control("payouts", early="true")["payout"]

    own_sandbox.control("agenda", deed="reconcile_payout")
    own_sandbox.control("clock", advance=DAY_SECONDS)

    payout = api.v1.payouts.retrieve(made)
    assert (payout.status, payout.reconciliation_status) == ("paid", "completed")
    assert event_types(api, made) == ["payout.created", "payout.reconciliation_completed", "payout.paid"]
    in_time = {"gte": payout.arrival_date, "lte": payout.arrival_date}
    assert [found.id for found in api.v1.payouts.list({"arrival_date": in_time, "status": "paid"}).data] == [made]
    assert api.v1.payouts.list({"status": "failed"}).data == []


def test_no_transaction_is_in_two_payouts_and_without_money_there_is_none(
    own_sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    settled_sale(own_sandbox, api)
    first = own_sandbox.control("payouts", early="true")["payout"]
    assert own_sandbox.control("payouts", early="true")["payout"] is None
    later = settled_sale(own_sandbox, api)
    second = own_sandbox.control("payouts", early="true")["payout"]

    contents = api.v1.balance_transactions.list({"payout": second}).data

    assert [booked.source for booked in contents] == [second, later.latest_charge]
    assert len(api.v1.balance_transactions.list({"payout": first}).data) == 2
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        api.v1.balance_transactions.list({"payout": "po_nothing"})
    assert unknown.value.code == "resource_missing"


def test_a_payout_that_fails_comes_back_and_is_in_the_next_one(
    own_sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    settled_sale(own_sandbox, api)
    made = own_sandbox.control("payouts", early="true")["payout"]

    own_sandbox.control("payout_failures", payout=made)

    failed = api.v1.payouts.retrieve(made, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_code) == ("failed", "account_closed")
    assert (failed.failure_balance_transaction.type, failed.failure_balance_transaction.net) == ("payout_failure", 1156)
    assert balance(api) == (1156, 0)
    assert event_types(api, made)[-1] == "payout.failed"
    again = own_sandbox.control("payouts")["payout"]
    assert api.v1.payouts.retrieve(again).amount == 1156


def test_a_payout_by_hand_takes_what_is_available_and_can_be_cancelled(
    own_sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    settled_sale(own_sandbox, api)
    settled_sale(own_sandbox, api)
    with pytest.raises(stripe.InvalidRequestError) as too_early:
        api.v1.payouts.create({"amount": 500, "currency": "eur"})
    assert too_early.value.code == "balance_insufficient"
    own_sandbox.control("payouts", early="true")
    own_sandbox.control("payout_failures", payout=api.v1.payouts.list().data[0].id)

    made = api.v1.payouts.create({"amount": 500, "currency": "eur", "metadata": {"a": "1"}})
    assert (made.automatic, made.reconciliation_status) == (False, "not_applicable")
    assert balance(api) == (2 * 1156 - 500, 0)
    assert api.v1.payouts.update(made.id, {"metadata": {"b": "2"}}).metadata.to_dict() == {"a": "1", "b": "2"}
    assert api.v1.payouts.cancel(made.id).status == "canceled"

    assert balance(api) == (2 * 1156, 0)
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.payouts.cancel(made.id)
    assert event_types(api, made.id) == ["payout.created", "payout.updated", "payout.canceled"]


def test_transactions_are_narrowed_by_type_and_time(own_sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    sale = settled_sale(own_sandbox, api)
    charge = api.v1.balance_transactions.list({"type": "charge", "source": sale.latest_charge}).data[0]

    page = api.v1.balance_transactions.list
    assert page({"created": {"gte": charge.created}, "currency": "eur"}).data[0].id == charge.id
    assert page({"created": {"lt": charge.created}}).data == []
    assert page({"type": "payout"}).data == []
    assert page({"currency": "usd"}).data == []
