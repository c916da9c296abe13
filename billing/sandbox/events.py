"""Events: what happened to an object, recorded with it and queued for the webhook; list and retrieve."""

import json
import time

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import choice, text, texts

API_VERSION = "2026-10-28.endive"
"""Version in which objects and events are written: the one that `stripe` 16.1 pins."""


def record_event(call: Call, name: str, subject: JsonObject, *, previously: JsonObject | None = None) -> None:
    """Keep an event with the object as it now is, and queue it for the webhook, in the open transaction.

    `previously` holds the former values of what an `….updated` event changed.
    """
    data: JsonObject = {"object": subject}
    if previously is not None:
        data["previous_attributes"] = previously
    event: JsonObject = {
        "id": new_identifier("evt_"),
        "object": "event",
        "api_version": API_VERSION,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": int(call.deliveries.enabled),
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": name,
    }
    call.objects.put(event)
    # Real time, also when the stand-in's clock was moved: the queue is about the network, not about business.
    call.deliveries.add(event["id"], at=time.time())


def changes(before: JsonObject, after: JsonObject) -> JsonObject:
    """The former values of what changed, as `previously` wants them."""
    return {name: value for name, value in before.items() if value != after[name]}


def retrieve_event(call: Call) -> Answer:
    """GET /v1/events/{id}."""
    return Answer(_with_pending(call, call.objects.get("event", call.target)))


def list_events(call: Call) -> Answer:
    """GET /v1/events, by `type`, `types[]` and `created`."""
    kinds = call.given.get("types")
    answer = list_objects(
        call,
        "event",
        url="/v1/events",
        type=call.given.get("type"),
        types=None if kinds is None else json.dumps(kinds),
    )
    wanted = call.given.get("delivery_success")
    events = [_with_pending(call, event) for event in answer.body["data"]]
    if wanted is not None:
        events = [event for event in events if (event["pending_webhooks"] == 0) == (wanted == "true")]
    return Answer({**answer.body, "data": events})


def _with_pending(call: Call, event: JsonObject) -> JsonObject:
    return {**event, "pending_webhooks": call.deliveries.pending_of(event["id"])}


ENDPOINTS = (
    Endpoint("GET", "/v1/events/{id}", retrieve_event),
    Endpoint(
        "GET",
        "/v1/events",
        list_events,
        {**LIST_PARAMETERS, "type": text(), "types": texts(), "delivery_success": choice("true", "false")},
    ),
)
