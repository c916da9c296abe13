"""Events: what happened to an object, recorded with it and queued for the webhook; list and retrieve."""

import json
import time

from billing.sandbox.calls import Answer, Call, Endpoint
from billing.sandbox.errors import JsonObject, missing_object
from billing.sandbox.lists import LIST_PARAMETERS, list_objects
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import text, texts, truth

API_VERSION = "2026-10-28.endive"
"""Version in which objects and events are written: the one that `stripe` 16.1 pins."""
_KEPT_SECONDS = 30 * 24 * 3600


def record_event(call: Call, name: str, subject: JsonObject, *, previously: JsonObject | None = None) -> None:
    """Keep an event with the object as it now is, and queue it for the webhook, in the open transaction.

    `previously` holds the former values of what an `….updated` event changed.
    """
    data: JsonObject = {"object": subject}
    recipients = call.deliveries.recipients(name)
    if previously is not None:
        data["previous_attributes"] = previously
    event: JsonObject = {
        "id": new_identifier("evt_"),
        "object": "event",
        "api_version": API_VERSION,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": len(recipients),
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": name,
    }
    call.objects.put(event)
    # Real time, also when the stand-in's clock was moved: the queue is about the network, not about business.
    call.deliveries.add(event["id"], recipients, at=time.time())


def changes(before: JsonObject, after: JsonObject) -> JsonObject:
    """The former values of what changed, as `previously` wants them."""
    return {name: value for name, value in before.items() if value != after[name]}


def retrieve_event(call: Call) -> Answer:
    """GET /v1/events/{id}."""
    event = call.objects.get("event", call.target)
    if event["created"] < call.now - _KEPT_SECONDS:
        raise missing_object("event", call.target, param="id")
    return Answer(_with_pending(call, event))


def list_events(call: Call) -> Answer:
    """GET /v1/events, by `type` (`charge.*` means all of a group), `types[]`, `created` and success."""
    kinds = call.given.get("types")
    answer = list_objects(
        call,
        "event",
        url="/v1/events",
        type_like=call.given.get("type"),
        types=None if kinds is None else json.dumps(kinds),
        is_delivered=call.given.get("delivery_success"),
        kept_since=call.now - _KEPT_SECONDS,
    )
    return Answer({**answer.body, "data": [_with_pending(call, event) for event in answer.body["data"]]})


def _with_pending(call: Call, event: JsonObject) -> JsonObject:
    return {**event, "pending_webhooks": call.deliveries.pending_of(event["id"])}


ENDPOINTS = (
    Endpoint("GET", "/v1/events/{id}", retrieve_event),
    Endpoint(
        "GET",
        "/v1/events",
        list_events,
        {**LIST_PARAMETERS, "type": text(), "types": texts(), "delivery_success": truth()},
    ),
)
