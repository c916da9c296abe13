from typing import Any

import pytest
import stripe

from billing.sandbox.configuration import Configuration, UnusableConfiguration
from billing.sandbox.errors import StripeRefusal
from billing.sandbox.form_bodies import read_form
from tests.billing.sandbox.purchases import RETURN, an_intent, event_types, paid
from tests.billing.sandbox.sandbox_process import PUBLISHABLE_KEY, SECRET_KEY, SandboxProcess
from tests.billing.stripe_openapi import validator


def refusal(response: Any) -> tuple[int, str | None, str | None]:
    """Status, code and parameter of a refusal, held against Stripe's description of errors."""
    method, url = response.request.method, str(response.request.url)
    if validator.knows(method, url):
        validator.check_response(method, url, response.status_code, response.json())
    error = response.json()["error"]
    return response.status_code, error.get("code"), error.get("param")


MONEY: dict[str, object] = {"amount": 1199, "currency": "eur"}


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"currency": "eur"}, "parameter_missing", "amount"),
        ({"amount": 1199}, "parameter_missing", "currency"),
        (MONEY | {"amount": "11.99"}, "parameter_invalid_integer", "amount"),
        (MONEY | {"amount": "eleven"}, "parameter_invalid_integer", "amount"),
        (MONEY | {"amount": -1}, "parameter_invalid_integer", "amount"),
        (MONEY | {"amount": 49}, "amount_too_small", "amount"),
        (MONEY | {"amount": 100_000_000}, "amount_too_large", "amount"),
        (MONEY | {"currency": "xxx"}, None, "currency"),
        (MONEY | {"amont": 1}, "parameter_unknown", "amont"),
        (MONEY | {"payment_method_types[]": "card"}, "parameter_unknown", "payment_method_types"),
        (MONEY | {"metadata": "text"}, None, "metadata"),
        (MONEY | {"metadata": "1", "metadata[a]": "1"}, None, "metadata[a]"),
        (MONEY | {"confirm": "perhaps"}, None, "confirm"),
        (MONEY | {"automatic_payment_methods[on]": 1}, "parameter_unknown", "automatic_payment_methods[on]"),
        (MONEY | {"customer": "cus_nobody"}, "resource_missing", "customer"),
        (MONEY | {"payment_method": "pm_nothing"}, "resource_missing", "payment_method"),
        (MONEY | {"description": "x" * 1001}, "parameter_invalid_string_too_long", "description"),
    ],
)
def test_a_wrong_parameter_is_named_and_nothing_is_made(
    sandbox: SandboxProcess, fields: dict[str, object], code: str | None, param: str
) -> None:
    before = sandbox.get("/v1/payment_intents?limit=1").json()

    response = sandbox.post("/v1/payment_intents")(fields)

    assert refusal(response) == (400, code, param)
    assert sandbox.get("/v1/payment_intents?limit=1").json() == before


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/payment_intents/pi_nothing", (404, "resource_missing", "intent")),
        ("/v1/customers/cus_nobody", (404, "resource_missing", "customer")),
        ("/v1/charges/ch_nothing", (404, "resource_missing", "charge")),
        ("/v1/refunds/re_nothing", (404, "resource_missing", "refund")),
        ("/v1/events/evt_nothing", (404, "resource_missing", "id")),
        ("/v1/payment_intents?starting_after=pi_nothing", (400, "resource_missing", "starting_after")),
        ("/v1/payment_intents?limit=many", (400, "parameter_invalid_integer", "limit")),
        ("/v1/payment_intents?created[at]=1", (400, "parameter_unknown", "created[at]")),
        ("/v1/films", (404, None, None)),
        ("/v1/payment_intents/", (404, None, None)),
        ("/v2/payment_intents", (404, None, None)),
        ("/", (404, None, None)),
    ],
)
def test_what_is_not_there_is_answered_in_stripes_words(
    sandbox: SandboxProcess, path: str, expected: tuple[int, str | None, str | None]
) -> None:
    assert refusal(sandbox.get(path)) == expected


@pytest.mark.parametrize("key", [None, "", "sk_test_of_another", "pk_test_of_another", "Bearer"])
def test_a_call_without_a_key_of_ours_is_refused(sandbox: SandboxProcess, key: str | None) -> None:
    assert sandbox.get("/v1/payment_intents", key).status_code == 401
    assert sandbox.get("/_sandbox", key).status_code == 401
    assert sandbox.post("/v1/payment_intents", key)(amount=1199, currency="eur").status_code == 401


def test_the_key_may_come_as_the_user_of_basic_authentication(sandbox: SandboxProcess) -> None:
    assert sandbox.http.get("/v1/customers", auth=(SECRET_KEY, "")).status_code == 200
    assert sandbox.http.get("/v1/customers", auth=("sk_other", "")).status_code == 401


def test_the_publishable_key_does_nothing_without_the_right_client_secret(
    sandbox: SandboxProcess, api: stripe.StripeClient
) -> None:
    mine, other = an_intent(api), an_intent(api)
    confirm = sandbox.post(f"/v1/payment_intents/{mine.id}/confirm", PUBLISHABLE_KEY)
    fields = {"payment_method": "pm_card_visa", "return_url": RETURN}

    assert confirm(fields).status_code == 401
    assert confirm(fields, client_secret=other.client_secret).status_code == 401
    assert sandbox.get(f"/v1/payment_intents/{mine.id}", PUBLISHABLE_KEY).status_code == 401
    assert sandbox.get("/v1/payment_intents", PUBLISHABLE_KEY).status_code == 401
    assert sandbox.get("/_sandbox", PUBLISHABLE_KEY).status_code == 401
    cancel = sandbox.post(f"/v1/payment_intents/{mine.id}/cancel", PUBLISHABLE_KEY)
    assert cancel(client_secret=mine.client_secret).status_code == 401
    assert api.v1.payment_intents.retrieve(mine.id).status == "requires_payment_method"


def test_a_secret_key_is_not_taken_from_a_parameter(sandbox: SandboxProcess) -> None:
    assert sandbox.http.get("/v1/customers", params={"key": SECRET_KEY}).status_code == 401


@pytest.mark.parametrize("name", ["card[number]", "payment_method_data[card][number]", "source[number]", "card[cvc]"])
def test_card_data_is_refused_before_anything_is_kept(sandbox: SandboxProcess, name: str) -> None:
    key = f"key-{name}"
    confirm = sandbox.post("/v1/payment_intents", idempotency_key=key)
    before = sandbox.get("/v1/payment_intents?limit=1").json()

    response = confirm({"amount": 1199, "currency": "eur", name: "4" + "0" * 14 + "2"})

    assert response.status_code == 402
    assert "4000" not in response.text
    assert sandbox.get("/v1/payment_intents?limit=1").json() == before


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data; boundary=x"])
def test_only_form_encoded_bodies_are_read(sandbox: SandboxProcess, media_type: str) -> None:
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Content-Type": media_type}
    assert sandbox.http.post("/v1/customers", content=b'{"a":1}', headers=headers).status_code == 400


@pytest.mark.parametrize(
    "body", [b"\xff=1", b"a=%ff", b"a[=1", b"a[b]]=1", b"a=1&a[b]=2", b"a[b]=1&a=2", b"a=%00", b"[a]=1"]
)
def test_malformed_parameters_are_a_client_error(body: bytes) -> None:
    with pytest.raises(StripeRefusal) as refused:
        read_form(body)
    assert refused.value.status == 400


def test_nested_parameters_become_nested_objects() -> None:
    read = read_form(b"a[b][c]=1&list[]=x&list[]=y&more[0]=p&more[1]=q&empty=&objects[0][k]=v")
    assert read == {
        "a": {"b": {"c": "1"}},
        "list": ["x", "y"],
        "more": ["p", "q"],
        "empty": "",
        "objects": [{"k": "v"}],
    }


def test_deep_and_many_parameters_are_refused() -> None:
    with pytest.raises(StripeRefusal):
        read_form(b"a" + b"[b]" * 100 + b"=1")
    with pytest.raises(StripeRefusal):
        read_form(b"&".join(b"a%d=1" % number for number in range(2000)))


def test_an_oversized_body_is_refused(sandbox: SandboxProcess) -> None:
    assert sandbox.post("/v1/customers")(description="x" * 600_000).status_code == 413


def test_every_answer_names_its_request_and_version(sandbox: SandboxProcess) -> None:
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Stripe-Version": "2026-08-26.dahlia"}
    answered = sandbox.http.get("/v1/customers", headers=headers)
    refused = sandbox.get("/v1/customers", None)

    assert answered.headers["stripe-version"] == "2026-08-26.dahlia"
    assert answered.headers["request-id"].startswith("req_")
    assert refused.headers["request-id"].startswith("req_")
    assert refused.headers["request-id"] != answered.headers["request-id"]


def test_the_event_of_a_call_names_the_call(sandbox: SandboxProcess) -> None:
    made = sandbox.post("/v1/customers", idempotency_key="an-order")(email="ada@videothek.example")

    event = sandbox.get("/v1/events?type=customer.created&limit=1").json()["data"][0]

    assert event["request"] == {"id": made.headers["request-id"], "idempotency_key": "an-order"}
    assert event["data"]["object"]["id"] == made.json()["id"]


def test_ids_are_expanded_where_asked_for(api: stripe.StripeClient) -> None:
    customer = api.v1.customers.create({"name": "Ada"})
    intent = paid(api, an_intent(api, customer=customer.id, capture_method="automatic"))

    found = api.v1.payment_intents.retrieve(
        intent.id, {"expand": ["latest_charge.balance_transaction", "customer", "payment_method"]}
    )

    assert isinstance(intent.latest_charge, str)
    assert found.latest_charge.id == intent.latest_charge
    assert found.latest_charge.balance_transaction.net == 1199 - (18 + 25)
    assert found.customer.name == "Ada"
    assert found.payment_method.card.last4 == "4242"
    listed = api.v1.payment_intents.list({"customer": customer.id, "expand": ["data.latest_charge.refunds"]})
    assert listed.data[0].latest_charge.refunds.data == []


def test_what_cannot_be_expanded_is_refused(api: stripe.StripeClient) -> None:
    intent = an_intent(api)
    for path in ("amount", "nothing", "customer.nothing.at.all.here"):
        with pytest.raises(stripe.InvalidRequestError):
            api.v1.payment_intents.retrieve(intent.id, {"expand": [path]})


def test_any_page_may_call_but_controls_are_not_for_pages(sandbox: SandboxProcess) -> None:
    allowed = sandbox.http.options("/v1/payment_intents")
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert sandbox.get("/v1/customers", None).headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in sandbox.get("/_sandbox").headers


def test_customers_keep_what_is_known_of_them(api: stripe.StripeClient) -> None:
    made = api.v1.customers.create(
        {
            "email": "ada@videothek.example",
            "address": {"country": "AT", "city": "Wien"},
            "preferred_locales": ["de"],
            "metadata": {"account": "1"},
        }
    )
    changed = api.v1.customers.update(made.id, {"email": "", "name": "Ada"})

    assert (changed.email, changed.name) == (None, "Ada")
    assert changed.address.country == "AT"
    assert changed.preferred_locales == ["de"]
    assert api.v1.customers.retrieve(made.id).to_dict() == changed.to_dict()
    assert event_types(api, made.id) == ["customer.created", "customer.updated"]


def test_a_start_without_what_it_needs_names_every_variable_and_no_value() -> None:
    with pytest.raises(UnusableConfiguration) as refused:
        Configuration.from_env({"STRIPE_SECRET_KEY": "wrong", "STRIPE_WEBHOOK_URL": "http://127.0.0.1/"})
    names = ["STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_SANDBOX_STORE", "STRIPE_WEBHOOK_SECRET"]
    assert all(name in str(refused.value) for name in names)
    assert "wrong" not in str(refused.value)


def test_a_page_tells_a_person_what_it_is_and_how_to_call_the_controls(sandbox: SandboxProcess) -> None:
    page = sandbox.http.get("/about")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "/_sandbox" in page.text
    assert sandbox.http.get("/3d_secure.css").status_code == 200
