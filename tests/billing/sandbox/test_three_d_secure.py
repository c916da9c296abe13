from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import stripe

from tests.billing.sandbox.purchases import RETURN, an_intent, event_types, paid
from tests.billing.sandbox.sandbox_process import SandboxProcess

METHODS = ["pm_card_threeDSecure2Required", "pm_card_authenticationRequired"]


def bank_page(intent: stripe.PaymentIntent) -> str:
    """Address of the page that the customer is sent to."""
    return intent.next_action.redirect_to_url.url


def way_back(response: httpx.Response) -> tuple[str, dict[str, str]]:
    """Where the customer is sent back to, and with which parameters."""
    assert response.status_code == 303
    address = urlsplit(response.headers["location"])
    parameters = {name: value for name, [value] in parse_qs(address.query).items()}
    return address._replace(query="").geturl(), parameters


@pytest.mark.parametrize("method", METHODS)
def test_a_payment_that_the_bank_asks_about_waits_for_the_customer(api: stripe.StripeClient, method: str) -> None:
    intent = paid(api, an_intent(api), method)

    assert (intent.status, intent.latest_charge) == ("requires_action", None)
    assert intent.next_action.type == "redirect_to_url"
    assert intent.next_action.redirect_to_url.return_url == RETURN
    assert event_types(api, intent.id) == ["payment_intent.created", "payment_intent.requires_action"]


def test_approving_pays_and_leads_back(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api), METHODS[0])

    back = sandbox.http.post(bank_page(intent), data={"outcome": "complete"})

    address, parameters = way_back(back)
    assert address == RETURN
    assert parameters == {
        "payment_intent": intent.id,
        "payment_intent_client_secret": intent.client_secret,
        "redirect_status": "succeeded",
    }
    now = api.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert (now.status, now.amount_received, now.next_action) == ("succeeded", 1199, None)
    assert now.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"


def test_declining_leads_back_and_leaves_the_intent_open(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api), METHODS[0])

    back = sandbox.http.post(bank_page(intent), data={"outcome": "fail"})

    assert way_back(back)[1]["redirect_status"] == "failed"
    now = api.v1.payment_intents.retrieve(intent.id)
    assert (now.status, now.latest_charge) == ("requires_payment_method", None)
    assert now.last_payment_error.code == "payment_intent_authentication_failure"
    assert event_types(api, intent.id)[-1] == "payment_intent.payment_failed"
    assert paid(api, intent).status == "succeeded"


def test_abandoning_decides_nothing(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api), METHODS[0])

    back = sandbox.http.post(bank_page(intent), data={"outcome": "abandon"})

    assert way_back(back)[1]["redirect_status"] == "failed"
    assert api.v1.payment_intents.retrieve(intent.id).to_dict() == intent.to_dict()
    assert way_back(sandbox.http.post(bank_page(intent), data={"outcome": "complete"}))[1]["redirect_status"] == (
        "succeeded"
    )


def test_the_first_decision_stands_and_later_ones_only_lead_back(
    sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    intent = paid(api, an_intent(api), METHODS[0])
    page = bank_page(intent)
    sandbox.http.post(page, data={"outcome": "complete"})

    again = sandbox.http.post(page, data={"outcome": "fail"})

    assert way_back(again)[1]["redirect_status"] == "succeeded"
    assert way_back(sandbox.http.get(page))[1]["redirect_status"] == "succeeded"
    assert event_types(api, intent.id).count("charge.succeeded") == 1


def test_a_page_that_is_out_of_date_pays_nothing(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api), METHODS[0])
    page = bank_page(intent)
    api.v1.payment_intents.cancel(intent.id)

    back = sandbox.http.post(page, data={"outcome": "complete"})

    assert way_back(back)[1]["redirect_status"] == "failed"
    assert api.v1.payment_intents.retrieve(intent.id).status == "canceled"


def test_the_page_asks_in_the_customers_language(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    page = bank_page(paid(api, an_intent(api, description="<Her>"), METHODS[0]))

    german = sandbox.http.get(page, headers={"Accept-Language": "de-AT,de;q=0.9"})
    english = sandbox.http.get(page, headers={"Accept-Language": "fr"})

    assert '<html lang="de">' in german.text
    assert "11,99 €" in german.text
    assert "Zahlung freigeben" in german.text
    assert "Approve the payment" in english.text
    assert "&lt;Her&gt;" in german.text
    assert "default-src 'none'" in german.headers["content-security-policy"]
    assert sandbox.http.get("/3d_secure.css").status_code == 200


def test_an_unknown_page_or_outcome_is_refused(sandbox: SandboxProcess, api: stripe.StripeClient) -> None:
    intent = paid(api, an_intent(api), METHODS[0])

    assert sandbox.http.get("/3d_secure/auth_nothing").status_code == 404
    assert sandbox.http.get(f"/3d_secure/{intent.id}").status_code == 404
    assert sandbox.http.post(bank_page(intent), data={"outcome": "perhaps"}).status_code == 400
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_action"


@pytest.mark.parametrize("more", [{"off_session": True}, {"error_on_requires_action": True}])
def test_without_the_customer_the_payment_fails_at_once(api: stripe.StripeClient, more: dict[str, bool]) -> None:
    intent = an_intent(api)

    with pytest.raises(stripe.CardError) as declined:
        api.v1.payment_intents.confirm(
            intent.id,
            {"payment_method": METHODS[1], "return_url": RETURN, **more},
        )

    assert declined.value.code == "authentication_required"
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "somewhere"])
def test_an_unusable_way_back_is_refused(api: stripe.StripeClient, address: str) -> None:
    intent = an_intent(api)
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.payment_intents.confirm(intent.id, {"payment_method": METHODS[0], "return_url": address})
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
