"""Webhook endpoints made by a call, beside the one of the configuration; each has a secret that is told once."""

from billing.sandbox.calls import Answer, Call, Endpoint, copy_given
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_parameter
from billing.sandbox.events import API_VERSION
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import merged_metadata, metadata, text, texts, truth, unsettable

_MOST = 16


def create_webhook_endpoint(call: Call) -> Answer:
    """POST /v1/webhook_endpoints: the only answer with the secret."""
    given = call.given
    for name in ("enabled_events", "url"):
        if name not in given:
            raise missing_parameter(name)
    _check_url(given["url"])
    if len(list_objects(call, "webhook_endpoint", url="").body["data"]) >= _MOST:
        raise StripeRefusal(f"You have reached the maximum of {_MOST} test webhook endpoints.")
    endpoint: JsonObject = {
        "id": new_identifier("we_1"),
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": call.now,
        "description": given.get("description"),
        "enabled_events": given["enabled_events"],
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata", {})),
        "status": "enabled",
        "url": given["url"],
    }
    secret = new_identifier("whsec_", 32)
    call.objects.put(endpoint)
    call.objects.put(
        {"id": f"{endpoint['id']}_secret", "object": "webhook_secret", "created": call.now, "secret": secret}
    )
    return Answer({**endpoint, "secret": secret})


def retrieve_webhook_endpoint(call: Call) -> Answer:
    """GET /v1/webhook_endpoints/{webhook_endpoint}."""
    return Answer(call.objects.get("webhook_endpoint", call.target))


def update_webhook_endpoint(call: Call) -> Answer:
    """POST /v1/webhook_endpoints/{webhook_endpoint}: another address, other events, on or off."""
    given = call.given
    endpoint = call.objects.get("webhook_endpoint", call.target)
    if "url" in given:
        _check_url(given["url"])
    copy_given(endpoint, given, ("description", "enabled_events", "url"))
    if "disabled" in given:
        endpoint["status"] = "disabled" if given["disabled"] else "enabled"
    if "metadata" in given:
        endpoint["metadata"] = merged_metadata(endpoint["metadata"], given["metadata"])
    return Answer(call.objects.put(endpoint))


def delete_webhook_endpoint(call: Call) -> Answer:
    """DELETE /v1/webhook_endpoints/{webhook_endpoint}; what is on its way to it is given up."""
    call.objects.get("webhook_endpoint", call.target)
    call.objects.remove(call.target)
    call.objects.remove(f"{call.target}_secret")
    return Answer({"id": call.target, "object": "webhook_endpoint", "deleted": True})


def list_webhook_endpoints(call: Call) -> Answer:
    """GET /v1/webhook_endpoints."""
    return list_objects(call, "webhook_endpoint", url="/v1/webhook_endpoints")


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise StripeRefusal("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")


_EVENTS = texts()

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/webhook_endpoints",
        create_webhook_endpoint,
        {
            "api_version": text(),
            "description": unsettable(text()),
            "enabled_events": _EVENTS,
            "metadata": metadata(),
            "url": text(),
        },
    ),
    Endpoint(
        "GET",
        "/v1/webhook_endpoints",
        list_webhook_endpoints,
        {name: check for name, check in LIST_PARAMETERS.items() if name != "created"},
    ),
    Endpoint("GET", "/v1/webhook_endpoints/{webhook_endpoint}", retrieve_webhook_endpoint),
    Endpoint(
        "POST",
        "/v1/webhook_endpoints/{webhook_endpoint}",
        update_webhook_endpoint,
        {
            "description": unsettable(text()),
            "disabled": truth(),
            "enabled_events": _EVENTS,
            "metadata": metadata(),
            "url": text(),
        },
    ),
    Endpoint("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}", delete_webhook_endpoint),
)
