import pytest
import stripe

from tests.billing.sandbox.purchases import RETURN, an_intent, event_types, paid
from tests.billing.sandbox.sandbox_process import PUBLISHABLE_KEY, SandboxProcess


def test_an_intent_keeps_what_it_was_made_with(api: stripe.StripeClient) -> None:
    customer = api.v1.customers.create({"email": "ada@videothek.example", "preferred_locales": ["de"]})

    made = an_intent(
        api,
        customer=customer.id,
        metadata={"order_id": "1"},
        description="Her (2013), Leihen",
        receipt_email="ada@videothek.example",
    )

    found = api.v1.payment_intents.retrieve(made.id)
    assert found.to_dict() == made.to_dict()
    assert (found.amount, found.currency, found.status) == (1199, "eur", "requires_payment_method")
    assert found.metadata.to_dict() == {"order_id": "1"}
    assert found.description == "Her (2013), Leihen"
    assert found.customer == customer.id
    assert found.capture_method == "automatic_async"
    assert found.client_secret.startswith(f"{made.id}_secret_")
    assert event_types(api, made.id) == ["payment_intent.created"]


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_mastercard"])
def test_a_good_card_pays_and_the_fee_is_not_known_yet(api: stripe.StripeClient, method: str) -> None:
    intent = paid(api, an_intent(api), method)

    assert (intent.status, intent.amount_received) == ("succeeded", 1199)
    assert isinstance(intent.latest_charge, str)
    charge = api.v1.charges.retrieve(intent.latest_charge)
    assert (charge.status, charge.paid, charge.amount_captured) == ("succeeded", True, 1199)
    assert charge.balance_transaction is None
    assert event_types(api, intent.id) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


@pytest.mark.parametrize(
    ("method", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ],
)
def test_a_declined_card_leaves_the_intent_open_for_another(
    api: stripe.StripeClient, method: str, decline_code: str
) -> None:
    intent = an_intent(api)

    with pytest.raises(stripe.CardError) as declined:
        paid(api, intent, method)

    assert declined.value.http_status == 402
    assert (declined.value.code, declined.value.error.decline_code) == ("card_declined", decline_code)
    open_still = api.v1.payment_intents.retrieve(intent.id)
    assert (open_still.status, open_still.amount_received) == ("requires_payment_method", 0)
    assert open_still.last_payment_error.decline_code == decline_code
    assert declined.value.error.payment_intent.to_dict() == open_still.to_dict()
    charge = api.v1.charges.retrieve(open_still.latest_charge)
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, "card_declined")
    assert event_types(api, intent.id) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]

    assert paid(api, intent, "pm_card_visa").status == "succeeded"


def test_an_intent_can_be_made_and_confirmed_in_one_call(api: stripe.StripeClient) -> None:
    intent = an_intent(api, confirm=True, payment_method="pm_card_visa", return_url=RETURN)

    assert intent.status == "succeeded"
    method = api.v1.payment_methods.retrieve(intent.payment_method)
    assert (method.type, method.card.brand, method.card.last4) == ("card", "visa", "4242")


def test_an_intent_made_with_a_method_waits_for_confirmation(api: stripe.StripeClient) -> None:
    intent = an_intent(api, payment_method="pm_card_visa")

    assert intent.status == "requires_confirmation"
    confirmed = api.v1.payment_intents.confirm(intent.id, {"return_url": RETURN})
    assert confirmed.status == "succeeded"


def test_a_method_that_might_lead_away_needs_the_way_back(api: stripe.StripeClient) -> None:
    intent = an_intent(api)

    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        api.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
    stays = an_intent(api, automatic_payment_methods={"enabled": True, "allow_redirects": "never"})
    assert api.v1.payment_intents.confirm(stays.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_a_paid_intent_is_neither_confirmed_again_nor_canceled_nor_repriced(api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api), "pm_card_visa")

    for attempt in (
        lambda: paid(api, intent, "pm_card_visa"),
        lambda: api.v1.payment_intents.cancel(intent.id),
        lambda: api.v1.payment_intents.update(intent.id, {"amount": 100}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            attempt()
        assert refused.value.code == "payment_intent_unexpected_state"

    assert api.v1.payment_intents.retrieve(intent.id).to_dict() == intent.to_dict()
    assert len(event_types(api, intent.id)) == 3


def test_a_canceled_intent_cannot_be_paid(api: stripe.StripeClient) -> None:
    intent = an_intent(api)

    canceled = api.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        paid(api, intent, "pm_card_visa")
    assert refused.value.code == "payment_intent_unexpected_state"
    assert event_types(api, intent.id) == ["payment_intent.created", "payment_intent.canceled"]


def test_amount_and_metadata_change_before_payment(api: stripe.StripeClient) -> None:
    intent = an_intent(api, metadata={"kept": "1", "gone": "1"})

    changed = api.v1.payment_intents.update(
        intent.id, {"amount": 499, "metadata": {"gone": "", "new": "2"}, "description": "Neu"}
    )

    assert (changed.amount, changed.description) == (499, "Neu")
    assert changed.metadata.to_dict() == {"kept": "1", "new": "2"}
    assert paid(api, intent, "pm_card_visa").amount_received == 499


def test_intents_are_listed_by_customer_and_page_by_page(api: stripe.StripeClient) -> None:
    customer = api.v1.customers.create({"name": "Ada"})
    made = [an_intent(api, customer=customer.id).id for _ in range(5)]
    an_intent(api)

    first = api.v1.payment_intents.list({"customer": customer.id, "limit": 2})

    assert [intent.id for intent in first.data] == made[:2:-1]
    assert first.has_more
    assert [intent.id for intent in first.auto_paging_iter()] == made[::-1]
    before = api.v1.payment_intents.list({"customer": customer.id, "ending_before": made[2], "limit": 1})
    assert ([intent.id for intent in before.data], before.has_more) == ([made[3]], True)


def test_lists_are_narrowed_by_time(api: stripe.StripeClient) -> None:
    intent = an_intent(api)

    def listed(**created: int) -> bool:
        page = api.v1.payment_intents.list({"created": created, "limit": 100})
        return intent.id in [found.id for found in page.data]

    assert listed(gte=intent.created)
    assert not listed(gt=intent.created)
    assert listed(lte=intent.created)
    assert not listed(lt=intent.created)


def test_a_customer_confirms_with_the_publishable_key_and_sees_only_what_concerns_them(
    sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    intent = an_intent(api, metadata={"order_id": "1"})
    own = {"key": PUBLISHABLE_KEY, "client_secret": intent.client_secret}

    confirmed = sandbox.post(f"/v1/payment_intents/{intent.id}/confirm", None)(
        own, payment_method="pm_card_visa", return_url=RETURN
    )

    assert confirmed.status_code == 200
    assert confirmed.json()["status"] == "succeeded"
    assert {"metadata", "customer", "latest_charge"}.isdisjoint(confirmed.json())
    read = sandbox.http.get(f"/v1/payment_intents/{intent.id}", params=own)
    assert read.json() == confirmed.json()
    assert api.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_card_kept_for_later_belongs_to_the_customer_afterwards(api: stripe.StripeClient) -> None:
    customer = api.v1.customers.create({"name": "Ada"})

    intent = paid(api, an_intent(api, customer=customer.id, setup_future_usage="off_session"), "pm_card_visa")

    kept = api.v1.customers.payment_methods.list(customer.id)
    assert [method.id for method in kept.data] == [intent.payment_method]
