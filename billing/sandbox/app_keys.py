"""What customers' programs are given to act for themselves: sessions, ephemeral keys, confirmation tokens."""

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject, missing_parameter
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import anything, choice, fields, text
from billing.sandbox.payment_methods import METHOD_DATA, make_payment_method, take_payment_method

_SESSION_SECONDS, _KEY_SECONDS, _TOKEN_SECONDS = 1800, 3600, 12 * 3600
_COMPONENTS = (
    *("active_entitlements", "buy_button", "customer_portal", "customer_sheet", "mobile_payment_element"),
    *("payment_element", "pricing_table"),
)
_WITH_FEATURES = ("customer_sheet", "mobile_payment_element", "payment_element")


def create_customer_session(call: Call) -> Answer:
    """POST /v1/customer_sessions: what the Payment Element may do for this customer."""
    for name in ("components", "customer"):
        if name not in call.given:
            raise missing_parameter(name)
    customer = call.objects.get("customer", call.given["customer"], param="customer")
    asked = call.given["components"]
    components: JsonObject = {name: {"enabled": _is_enabled(asked.get(name))} for name in _COMPONENTS}
    for name in _WITH_FEATURES:
        components[name]["features"] = None
    return Answer(
        {
            "object": "customer_session",
            "client_secret": new_identifier("cuss_secret_", 48),
            "components": components,
            "created": call.now,
            "customer": customer["id"],
            "expires_at": call.now + _SESSION_SECONDS,
            "livemode": False,
        }
    )


def _is_enabled(component: JsonObject | None) -> bool:
    return component is not None and component.get("enabled") == "true"


def create_ephemeral_key(call: Call) -> Answer:
    """POST /v1/ephemeral_keys: lets an app read and change one customer's methods."""
    if "customer" not in call.given:
        raise missing_parameter("customer")
    call.objects.get("customer", call.given["customer"], param="customer")
    return Answer(
        {
            "id": new_identifier("ephkey_1"),
            "object": "ephemeral_key",
            "created": call.now,
            "expires": call.now + _KEY_SECONDS,
            "livemode": False,
            "secret": new_identifier("ek_test_", 48),
        }
    )


def create_confirmation_token(call: Call) -> Answer:
    """POST /v1/test_helpers/confirmation_tokens, in place of the browser that would make one."""
    given = call.given
    if "payment_method_data" in given:
        method = make_payment_method(call, given["payment_method_data"], prefix="payment_method_data")
    elif "payment_method" in given:
        method = take_payment_method(call, given["payment_method"])
    else:
        raise missing_parameter("payment_method_data")
    kind = method["type"]
    preview = {name: method[name] for name in ("allow_redisplay", "billing_details", "customer", "type", kind)}
    token = call.objects.put(
        {
            "id": new_identifier("ctoken_1"),
            "object": "confirmation_token",
            "created": call.now,
            "expires_at": call.now + _TOKEN_SECONDS,
            "livemode": False,
            "mandate_data": None,
            "payment_intent": None,
            "payment_method_options": None,
            "payment_method_preview": preview,
            "return_url": given.get("return_url"),
            "setup_future_usage": given.get("setup_future_usage"),
            "setup_intent": None,
            "shipping": None,
            "use_stripe_sdk": True,
        }
    )
    # The token itself does not tell which method it stands for.
    call.objects.put(
        {
            "id": f"{token['id']}_method",
            "object": "token_method",
            "created": call.now,
            "payment_method": method["id"],
        }
    )
    return Answer(token)


def retrieve_confirmation_token(call: Call) -> Answer:
    """GET /v1/confirmation_tokens/{confirmation_token}."""
    return Answer(call.objects.get("confirmation_token", call.target))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/customer_sessions",
        create_customer_session,
        {"components": fields(**dict.fromkeys(_COMPONENTS, anything())), "customer": text()},
    ),
    Endpoint("POST", "/v1/ephemeral_keys", create_ephemeral_key, {"customer": text(), "nonce": text()}),
    Endpoint(
        "POST",
        "/v1/test_helpers/confirmation_tokens",
        create_confirmation_token,
        {
            "payment_method": text(),
            "payment_method_data": fields(**METHOD_DATA),
            "return_url": text(),
            "setup_future_usage": choice("off_session", "on_session"),
        },
    ),
    Endpoint("GET", "/v1/confirmation_tokens/{confirmation_token}", retrieve_confirmation_token),
)
