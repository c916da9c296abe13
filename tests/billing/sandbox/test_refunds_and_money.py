import pytest
import stripe

from tests.billing.sandbox.purchases import an_intent, event_types, paid
from tests.billing.sandbox.sandbox_process import SandboxProcess


def test_a_charge_is_refunded_in_parts_and_never_over(api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api))

    part = api.v1.refunds.create({"payment_intent": intent.id, "amount": 200, "reason": "requested_by_customer"})
    with pytest.raises(stripe.InvalidRequestError) as over:
        api.v1.refunds.create({"payment_intent": intent.id, "amount": 1000})
    rest = api.v1.refunds.create({"charge": intent.latest_charge})
    with pytest.raises(stripe.InvalidRequestError) as again:
        api.v1.refunds.create({"charge": intent.latest_charge})

    assert (part.amount, part.status, part.reason) == (200, "succeeded", "requested_by_customer")
    assert over.value.param == "amount"
    assert rest.amount == 999
    assert again.value.code == "charge_already_refunded"
    charge = api.v1.charges.retrieve(intent.latest_charge)
    assert (charge.amount_refunded, charge.refunded) == (1199, True)
    assert api.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    refunds = api.v1.refunds.list({"payment_intent": intent.id}).data
    assert [refund.id for refund in refunds] == [rest.id, part.id]
    assert event_types(api, part.id) == ["refund.created", "refund.updated"]
    assert event_types(api, charge.id) == ["charge.succeeded", "charge.refunded", "charge.refunded"]


def test_what_was_not_paid_is_not_refunded(api: stripe.StripeClient) -> None:
    intent = an_intent(api)
    with pytest.raises(stripe.CardError):
        paid(api, intent, "pm_card_chargeDeclined")
    failed = api.v1.payment_intents.retrieve(intent.id).latest_charge

    with pytest.raises(stripe.InvalidRequestError):
        api.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.refunds.create({"charge": failed})
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.refunds.create({"amount": 100})

    assert api.v1.refunds.list({"charge": failed}).data == []


def test_a_refunds_metadata_can_be_changed(api: stripe.StripeClient) -> None:
    refund = api.v1.refunds.create({"payment_intent": paid(api, an_intent(api)).id, "metadata": {"a": "1"}})
    changed = api.v1.refunds.update(refund.id, {"metadata": {"b": "2"}})
    assert changed.metadata.to_dict() == {"a": "1", "b": "2"}
    assert api.v1.refunds.retrieve(refund.id).to_dict() == changed.to_dict()


def test_the_fee_becomes_known_after_the_charge(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api))
    assert api.v1.charges.retrieve(intent.latest_charge).balance_transaction is None

    settled = sandbox.control("agenda", deed="settle_charge", subject=intent.latest_charge)

    charge = api.v1.charges.retrieve(intent.latest_charge, {"expand": ["balance_transaction"]})
    booked = charge.balance_transaction
    assert (booked.amount, booked.fee, booked.net) == (1199, 43, 1156)
    assert (booked.type, booked.source, booked.status) == ("charge", charge.id, "pending")
    assert [detail.amount for detail in booked.fee_details] == [43]
    assert event_types(api, charge.id) == ["charge.succeeded", "charge.updated"]
    updated = api.v1.events.list({"type": "charge.updated", "limit": 1}).data[0]
    assert updated.data.previous_attributes.to_dict() == {"balance_transaction": None}
    assert settled["done"] == 1


def test_charges_settle_by_themselves_when_their_time_has_come(own_sandbox: SandboxProcess) -> None:
    made = own_sandbox.post("/v1/payment_intents")(
        amount=1199,
        currency="eur",
        confirm="true",
        payment_method="pm_card_visa",
        return_url="https://x.example",
    ).json()
    assert own_sandbox.state()["unsettled"] == 1

    own_sandbox.control("clock", advance=3600)

    charge = own_sandbox.get(f"/v1/charges/{made['latest_charge']}").json()
    assert charge["balance_transaction"].startswith("txn_")


def test_a_refund_takes_its_money_and_the_fee_stays_with_stripe(api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api, capture_method="automatic"))

    refund = api.v1.refunds.create({"payment_intent": intent.id, "amount": 500, "expand": ["balance_transaction"]})

    booked = refund.balance_transaction
    assert (booked.amount, booked.fee, booked.net, booked.type) == (-500, 0, -500, "refund")
    of_refund = api.v1.balance_transactions.list({"source": refund.id}).data
    assert [found.id for found in of_refund] == [booked.id]
    of_charge = api.v1.balance_transactions.list({"source": intent.latest_charge, "type": "charge"}).data
    assert [found.net for found in of_charge] == [1156]
    assert api.v1.balance_transactions.retrieve(booked.id).net == -500


def test_money_is_available_after_some_days(own_sandbox: SandboxProcess) -> None:
    own_sandbox.post("/v1/payment_intents")(
        amount=1199,
        currency="eur",
        confirm="true",
        payment_method="pm_card_visa",
        return_url="https://x.example",
        capture_method="automatic",
    ).raise_for_status()

    assert own_sandbox.get("/v1/balance_transactions").json()["data"][0]["status"] == "pending"
    own_sandbox.control("clock", advance=3 * 24 * 3600)
    assert own_sandbox.get("/v1/balance_transactions").json()["data"][0]["status"] == "available"


def test_charges_are_listed_by_intent_and_updated(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api))
    listed = sandbox.get(f"/v1/charges?payment_intent={intent.id}").json()
    assert [charge["id"] for charge in listed["data"]] == [intent.latest_charge]
    changed = api.v1.charges.update(intent.latest_charge, {"description": "Her (2013)", "metadata": {"a": "1"}})
    assert (changed.description, changed.metadata.to_dict()) == ("Her (2013)", {"a": "1"})
