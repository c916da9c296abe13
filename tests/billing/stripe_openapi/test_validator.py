from typing import Any

import pytest

from tests.billing.stripe_openapi.validator import ContractBreach, check_event, check_request, check_response

INTENTS = "http://127.0.0.1/v1/payment_intents"


@pytest.mark.parametrize(
    "form",
    [
        "amount=1199&currency=eur",
        "amount=1199&currency=eur&automatic_payment_methods[enabled]=true&metadata[order]=1&expand[0]=customer",
    ],
)
def test_a_call_as_stripe_describes_it_passes(form: str) -> None:
    check_request("post", INTENTS, form)
    check_request("post", INTENTS, form.encode())


@pytest.mark.parametrize(
    "form",
    [
        "amount=1199",
        "amount=11.99&currency=eur",
        "amount=1199&currency=eur&order=1",
        "amount=1199&currency=eur&automatic_payment_methods[enabled]=yes",
        "amount=1199&currency=eur&capture_method=later",
        "amount=1199&currency=eur&payment_method_types[0]=card",
    ],
)
def test_any_other_call_is_a_breach(form: str) -> None:
    with pytest.raises(ContractBreach):
        check_request("post", INTENTS, form)


def test_queries_are_held_against_the_description_too() -> None:
    check_request("get", f"{INTENTS}?limit=3&created[gte]=1", "")
    for query in ("limit=many", "created[since]=1", "order=1"):
        with pytest.raises(ContractBreach):
            check_request("get", f"{INTENTS}?{query}", "")


@pytest.mark.parametrize(
    "change", [{"amount": "499"}, {"currency": None}, {"reason": "regret"}, {"amont": 1}, {"id": None}]
)
def test_an_answer_with_a_wrong_missing_or_unknown_field_is_a_breach(change: dict[str, Any]) -> None:
    refund: dict[str, Any] = {"id": "re_1", "object": "refund", "amount": 499, "created": 1, "currency": "eur"}
    check_response("post", "/v1/refunds", 200, refund | {"reason": None, "status": "succeeded"})

    with pytest.raises(ContractBreach):
        check_response("post", "/v1/refunds", 200, refund | change)


def test_an_address_that_stripe_does_not_have_is_a_breach() -> None:
    with pytest.raises(ContractBreach):
        check_request("post", "/v1/films", "")


def test_an_events_object_is_held_against_its_own_description() -> None:
    event = {"id": "evt_1", "object": "event", "created": 1, "livemode": False, "pending_webhooks": 1, "type": "x"}
    refund = {"id": "re_1", "object": "refund", "amount": 1, "created": 1, "currency": "eur"}
    check_event(event | {"data": {"object": refund}})
    with pytest.raises(ContractBreach):
        check_event(event | {"data": {"object": refund | {"amount": 1.5}}})
