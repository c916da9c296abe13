"""Every path of Stripe's description that we hold: walked with valid calls through the SDK, and refused in words."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from tests.billing.sandbox.purchases import RETURN, an_intent, event_types, paid
from tests.billing.sandbox.sandbox_process import SECRET_KEY, SandboxProcess
from tests.billing.stripe_openapi import validator
from tests.billing.stripe_openapi.checked_client import CheckedHTTPXClient

OPERATIONS = list(validator.operations())
LISTS = [path for method, path in OPERATIONS if method == "GET" and "{" not in path and path != "/v1/balance"]
OF_AN_OBJECT = [(method, path) for method, path in OPERATIONS if "{" in path]
METADATA: Any = {"metadata": {"order": "1"}}


@pytest.fixture
def recording() -> Iterator[CheckedHTTPXClient]:
    client = CheckedHTTPXClient()
    yield client
    client.close()


def test_all_paths_are_walked_and_calls_and_answers_are_as_stripe_describes_them(
    own_sandbox: SandboxProcess, recording: CheckedHTTPXClient
) -> None:
    api = own_sandbox.sdk(recording)

    walk_customers(api)
    walk_payments(api)
    walk_setups(api)
    walk_disputes(own_sandbox, api)
    walk_money(own_sandbox, api)
    walk_checkout(own_sandbox, api)
    walk_events(api)

    assert sorted(set(OPERATIONS) - recording.called) == []


def walk_customers(api: stripe.StripeClient) -> None:
    customer = api.v1.customers.create({"email": "ada@videothek.example", **METADATA})
    api.v1.customers.retrieve(customer.id)
    api.v1.customers.update(customer.id, {"name": "Ada"})
    api.v1.customers.list({"email": "ada@videothek.example"})
    found = api.v1.customers.search({"query": "email:'ada@videothek.example' AND metadata['order']:'1'"})
    assert [match.id for match in found.data] == [customer.id]
    method = api.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    api.v1.customers.payment_methods.list(customer.id)
    api.v1.payment_methods.list({"customer": customer.id})
    api.v1.payment_methods.retrieve(method.id)
    api.v1.payment_methods.update(method.id, METADATA)
    api.v1.payment_methods.detach(method.id)
    session = api.v1.customer_sessions.create(
        {"customer": customer.id, "components": {"payment_element": {"enabled": True}}}
    )
    assert session.client_secret.startswith("cuss_secret_")
    assert session.components is not None
    assert (session.components.payment_element.enabled, session.components.buy_button.enabled) == (True, False)
    key = api.v1.ephemeral_keys.create({"customer": customer.id}, {"stripe_version": "2026-10-28.endive"})
    assert (key.secret or "").startswith("ek_test_")
    assert api.v1.customers.delete(customer.id).deleted
    assert api.v1.customers.retrieve(customer.id).to_dict() == {
        "id": customer.id,
        "object": "customer",
        "deleted": True,
    }
    assert api.v1.customers.list().data == []
    assert event_types(api, customer.id)[-1] == "customer.deleted"


def walk_payments(api: stripe.StripeClient) -> None:
    account: Any = {
        "type": "sepa_debit",
        "sepa_debit": {"iban": "DE89370400440532013000"},
        "billing_details": {"name": "Ada", "email": "ada@videothek.example"},
    }
    saved = api.v1.payment_methods.create(account)
    assert saved.sepa_debit.last4 == "3000"
    offline: Any = {"mandate_data": {"customer_acceptance": {"type": "offline"}}, "expand": ["latest_charge"]}
    debited = api.v1.payment_intents.confirm(
        an_intent(api, amount=100).id, {"payment_method": saved.id, "return_url": RETURN, **offline}
    )
    mandate_id = debited.latest_charge.payment_method_details.sepa_debit.mandate
    assert api.v1.mandates.retrieve(mandate_id).payment_method_details.sepa_debit.reference
    intent = an_intent(api, **METADATA)
    api.v1.payment_intents.update(intent.id, {"description": "Her (2013)"})
    token = api.v1.test_helpers.confirmation_tokens.create({"payment_method": "pm_card_visa", "return_url": RETURN})
    confirmed = api.v1.payment_intents.confirm(intent.id, {"confirmation_token": token.id, "return_url": RETURN})
    assert confirmed.status == "succeeded"
    assert api.v1.confirmation_tokens.retrieve(token.id).payment_intent == intent.id
    found = api.v1.payment_intents.search({"query": "metadata['order']:'1' AND status:'succeeded'"})
    assert [match.id for match in found.data] == [intent.id]
    api.v1.payment_intents.list()
    api.v1.payment_intents.cancel(an_intent(api).id)
    held = paid(api, an_intent(api, capture_method="manual"))
    assert api.v1.payment_intents.capture(held.id).status == "succeeded"
    assert api.v1.payment_intents.retrieve(held.id).amount_received == 1199
    charge = str(confirmed.latest_charge)
    api.v1.charges.retrieve(charge)
    api.v1.charges.update(charge, METADATA)
    assert len(api.v1.charges.search({"query": "amount>1198 AND refunded:'false'"}).data) == 2
    assert len(api.v1.charges.list({"payment_intent": intent.id}).data) == 1
    refund = api.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    api.v1.refunds.update(refund.id, METADATA)
    api.v1.refunds.retrieve(refund.id)
    assert [match.id for match in api.v1.refunds.list({"charge": charge}).data] == [refund.id]


def walk_setups(api: stripe.StripeClient) -> None:
    customer = api.v1.customers.create({"name": "Ada"})
    intent = api.v1.setup_intents.create({"customer": customer.id, "automatic_payment_methods": {"enabled": True}})
    api.v1.setup_intents.update(intent.id, METADATA)
    done = api.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa", "return_url": RETURN})
    assert done.status == "succeeded"
    assert api.v1.payment_methods.retrieve(str(done.payment_method)).customer == customer.id
    assert api.v1.setup_intents.retrieve(intent.id).to_dict() == done.to_dict()
    assert [match.id for match in api.v1.setup_intents.list({"customer": customer.id}).data] == [intent.id]
    api.v1.setup_intents.cancel(api.v1.setup_intents.create({}).id, {"cancellation_reason": "abandoned"})
    with pytest.raises(stripe.CardError):
        api.v1.setup_intents.create({"confirm": True, "payment_method": "pm_card_chargeDeclined", "return_url": RETURN})


def walk_disputes(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    charge = str(paid(api, an_intent(api)).latest_charge)
    warning = sandbox.control("fraud_warnings", charge=charge)["fraud_warning"]
    assert [match.id for match in api.v1.radar.early_fraud_warnings.list({"charge": charge}).data] == [warning]
    api.v1.radar.early_fraud_warnings.retrieve(warning)
    dispute = sandbox.control("disputes", charge=charge)["dispute"]
    assert [match.id for match in api.v1.disputes.list({"charge": charge}).data] == [dispute]
    api.v1.disputes.update(dispute, {"evidence": {"customer_name": "Ada"}, "submit": False})
    api.v1.disputes.close(dispute)
    assert api.v1.disputes.retrieve(dispute).status == "lost"


def walk_money(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    sandbox.control("settlements")
    payout = sandbox.control("payouts", early="true")["payout"]
    contents = api.v1.balance_transactions.list({"payout": payout})
    api.v1.balance_transactions.retrieve(contents.data[0].id)
    api.v1.payouts.retrieve(payout)
    sandbox.control("payout_failures", payout=payout)
    assert api.v1.balance.retrieve().available[0].amount > 500
    by_hand = api.v1.payouts.create({"amount": 500, "currency": "eur"})
    api.v1.payouts.update(by_hand.id, METADATA)
    api.v1.payouts.cancel(by_hand.id)
    assert len(api.v1.payouts.list().data) == 2


def walk_checkout(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    price: Any = {"currency": "eur", "unit_amount": 1199, "product_data": {"name": "Her (2013)"}}
    asked: Any = {
        "mode": "payment",
        "success_url": RETURN,
        "line_items": [{"price_data": price, "quantity": 2}],
    }
    session = api.v1.checkout.sessions.create(asked)
    assert (session.amount_total, session.currency, session.status) == (2398, "eur", "open")
    api.v1.checkout.sessions.update(session.id, METADATA)
    sandbox.control("checkouts", session=session.id, payment_method="pm_card_visa")
    done = api.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (done.status, done.payment_status, done.payment_intent.amount_received) == ("complete", "paid", 2398)
    expired = api.v1.checkout.sessions.expire(api.v1.checkout.sessions.create(asked).id)
    assert [match.id for match in api.v1.checkout.sessions.list({"status": "expired"}).data] == [expired.id]
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.checkout.sessions.expire(session.id)
    assert event_types(api, session.id) == ["checkout.session.completed"]


def walk_events(api: stripe.StripeClient) -> None:
    event = api.v1.events.list({"type": "checkout.session.*"}).data[0]
    assert api.v1.events.retrieve(event.id).to_dict() == event.to_dict()
    endpoint = api.v1.webhook_endpoints.create({"url": "https://videothek.example/hook", "enabled_events": ["*"]})
    api.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    api.v1.webhook_endpoints.retrieve(endpoint.id)
    assert [match.id for match in api.v1.webhook_endpoints.list().data] == [endpoint.id]
    api.v1.webhook_endpoints.delete(endpoint.id)


def asked(sandbox: SandboxProcess, method: str, path: str, fields: dict[str, str], key: str | None) -> httpx.Response:
    """A raw call with the fields where the method wants them; what is answered is held against the description."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    where: dict[str, Any] = {"data": fields} if method == "POST" else {"params": fields}
    response = sandbox.http.request(method, path, headers=headers, **where)
    validator.check_response(method, path, response.status_code, response.json())
    return response


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_each_path_wants_a_key_and_refuses_what_it_does_not_know(
    sandbox: SandboxProcess, method: str, path: str
) -> None:
    path = re.sub(r"{[^}]+}", "nothing_1", path)
    before = sandbox.get("/v1/events?limit=1").json()

    assert asked(sandbox, method, path, {}, None).status_code == 401
    refused = asked(sandbox, method, path, {"film": "Her"}, SECRET_KEY)

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "film")
    assert refused.json()["error"]["code"] == "parameter_unknown"
    assert sandbox.get("/v1/events?limit=1").json() == before


@pytest.mark.parametrize(("method", "path"), OF_AN_OBJECT)
def test_each_path_of_an_object_says_when_there_is_none(sandbox: SandboxProcess, method: str, path: str) -> None:
    fields = {"customer": "cus_1"} if path.endswith("/attach") else {}
    refused = asked(sandbox, method, re.sub(r"{[^}]+}", "nothing_1", path), fields, SECRET_KEY)

    assert refused.json()["error"]["code"] == "resource_missing"
    assert refused.status_code == (400 if path.endswith("/attach") else 404)


@pytest.mark.parametrize("path", LISTS)
def test_each_list_wants_a_whole_number_of_things(sandbox: SandboxProcess, path: str) -> None:
    for limit in ("many", "1.5", "0"):
        refused = asked(sandbox, "GET", path, {"limit": limit, "query": "amount>1"}, SECRET_KEY)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "limit")


@pytest.mark.parametrize(
    ("path", "fields", "code", "param"),
    [
        ("/v1/payouts", {"amount": "1.5", "currency": "eur"}, "parameter_invalid_integer", "amount"),
        ("/v1/payouts", {"amount": "100"}, "parameter_missing", "currency"),
        ("/v1/setup_intents", {"customer": "cus_nobody"}, "resource_missing", "customer"),
        ("/v1/setup_intents", {"usage": "sometimes"}, None, "usage"),
        ("/v1/setup_intents", {"payment_method_types[]": "card"}, "parameter_unknown", "payment_method_types"),
        ("/v1/customer_sessions", {"customer": "cus_nobody"}, "parameter_missing", "components"),
        ("/v1/ephemeral_keys", {}, "parameter_missing", "customer"),
        ("/v1/payment_methods", {}, "parameter_missing", "type"),
        ("/v1/payment_methods", {"type": "card"}, None, "card"),
        ("/v1/test_helpers/confirmation_tokens", {}, "parameter_missing", "payment_method_data"),
        ("/v1/checkout/sessions", {"mode": "payment"}, "parameter_missing", "line_items"),
        ("/v1/webhook_endpoints", {"url": RETURN}, "parameter_missing", "enabled_events"),
        ("/v1/webhook_endpoints", {"url": "here", "enabled_events[]": "*"}, None, "url"),
        ("/v1/refunds", {"charge": "ch_nothing"}, "resource_missing", "charge"),
        ("/v1/refunds", {"payment_intent": "pi_1", "reason": "regret"}, None, "reason"),
    ],
)
def test_a_wrong_or_missing_value_is_named(
    sandbox: SandboxProcess, path: str, fields: dict[str, str], code: str | None, param: str
) -> None:
    refused = asked(sandbox, "POST", path, fields, SECRET_KEY)
    error = refused.json()["error"]
    assert (refused.status_code, error.get("code"), error.get("param")) == (400, code, param)


@pytest.mark.parametrize(
    "query", ["email", "amount:'1'", "email:'a' AND name:'b' OR phone:'c'", "metadata[order]:'1'", "email::'a'"]
)
def test_a_search_that_makes_no_sense_is_refused(sandbox: SandboxProcess, query: str) -> None:
    refused = asked(sandbox, "GET", "/v1/customers/search", {"query": query}, SECRET_KEY)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "query")


def test_a_search_finds_parts_shares_and_the_rest_page_by_page(api: stripe.StripeClient) -> None:
    made = [api.v1.customers.create({"name": f"Grace {number}", **METADATA}).id for number in range(3)]

    def found(query: str, **more: Any) -> list[str]:
        return [match.id for match in api.v1.customers.search({"query": query, **more}).auto_paging_iter()]

    assert found("name~'grace'", limit=2) == made[::-1]
    assert found("name:'Grace 0' OR name:'Grace 2'") == [made[2], made[0]]
    assert found("name~'grace' AND -name:'Grace 1'") == [made[2], made[0]]
    assert found("name~'grace' AND email:null", limit=100) == made[::-1]


def test_a_setup_asks_the_bank_where_the_card_wants_it(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    customer = api.v1.customers.create({"name": "Ada"})
    for outcome, status in (("complete", "succeeded"), ("fail", "requires_payment_method")):
        intent = api.v1.setup_intents.create(
            {
                "customer": customer.id,
                "confirm": True,
                "payment_method": "pm_card_authenticationRequired",
                "return_url": RETURN,
            }
        )
        assert intent.status == "requires_action"
        back = sandbox.http.post(intent.next_action.redirect_to_url.url, data={"outcome": outcome})
        assert f"setup_intent={intent.id}" in back.headers["location"]
        assert api.v1.setup_intents.retrieve(intent.id).status == status
    assert len(api.v1.customers.payment_methods.list(customer.id).data) == 1
