"""Controls under `/_sandbox/` by which tests and demos make happen what the network does now and then.

All but `/_sandbox/health` want the secret key; parameters are form-encoded, answers JSON.
"""

from billing.sandbox.access_keys import is_customer
from billing.sandbox.clockwork import Clockwork
from billing.sandbox.configuration import Configuration
from billing.sandbox.database import transaction
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_object
from billing.sandbox.form_bodies import read_form
from billing.sandbox.happenings import HAPPENINGS, make_happen
from billing.sandbox.http_messages import Request, Response, json_response
from billing.sandbox.parameters import check_parameters, text, truth, whole_number
from billing.sandbox.stand_in import StandIn
from billing.sandbox.webhook_delivery import WebhookDelivery

_MOST_REPEATS = 20


class Controls:
    """`GET /_sandbox` tells the state; each `POST` changes one thing and tells the state."""

    def __init__(self, stand_in: StandIn, delivery: WebhookDelivery, clockwork: Clockwork) -> None:
        self._stand_in = stand_in
        self._delivery = delivery
        self._clockwork = clockwork

    async def answer(self, request: Request) -> Response:
        """Do what was asked for; 401 without the secret key, 404 for an unknown control."""
        if request.path == "/_sandbox/health":
            return json_response({"status": "ok"})
        _check_secret_key(request, self._stand_in.configuration)
        given = read_form(request.body)
        result: JsonObject = {}
        match request.method, request.path:
            case "GET", "/_sandbox":
                pass
            case "POST", "/_sandbox/webhooks":
                self._set_webhooks(given)
            case "POST", "/_sandbox/deliveries":
                result = await self._deliver(given)
            case "POST", "/_sandbox/answers":
                self._set_answers(given)
            case "POST", "/_sandbox/settlements":
                check_parameters(given, {})
                result = {"settled": self._clockwork.do_now("settle_charge")}
            case "POST", "/_sandbox/agenda":
                checked = check_parameters(given, {"deed": text(), "subject": text()})
                result = {"done": self._clockwork.do_now(checked.get("deed"), checked.get("subject"))}
            case "POST", path if path.removeprefix("/_sandbox/") in HAPPENINGS:
                result = self._make_happen(path.removeprefix("/_sandbox/"), given)
            case "POST", "/_sandbox/clock":
                self._advance_clock(given)
            case _:
                raise StripeRefusal(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)
        return json_response({**self._state(), **result})

    def _set_webhooks(self, given: JsonObject) -> None:
        """`drop`: deliveries are lost while it is true. `repeat`: each is posted so many times (1 to 20)."""
        checked = check_parameters(given, {"drop": truth(), "repeat": whole_number(at_least=1)})
        if "drop" in checked:
            self._stand_in.switches.set("drop_webhooks", int(checked["drop"]))
        if "repeat" in checked:
            self._stand_in.switches.set("repeat_webhooks", min(checked["repeat"], _MOST_REPEATS) - 1)

    async def _deliver(self, given: JsonObject) -> JsonObject:
        """Post now all that never arrived, lost ones too; with `event`, that one, even if it did arrive."""
        event = check_parameters(given, {"event": text()}).get("event")
        if event is not None and self._stand_in.objects.find(event, "event") is None:
            raise missing_object("event", event, param="event", status=400)
        tried, arrived = await self._delivery.deliver_now(event)
        return {"tried": tried, "arrived": arrived}

    def _set_answers(self, given: JsonObject) -> None:
        """`drop_next`: so many answers to POSTs are lost after their work is done. `hold`: answers wait."""
        checked = check_parameters(given, {"drop_next": whole_number(at_least=0), "hold": truth()})
        if "drop_next" in checked:
            self._stand_in.switches.set("drop_answers", checked["drop_next"])
        if checked.get("hold") is True:
            self._stand_in.answers_flow.clear()
        elif checked.get("hold") is False:
            self._stand_in.answers_flow.set()

    def _make_happen(self, name: str, given: JsonObject) -> JsonObject:
        """What is described in `happenings.py`."""
        with transaction(self._stand_in.connection):
            result = make_happen(name, self._stand_in.call(), given)
        self._delivery.wake()
        self._clockwork.wake()
        return result

    def _advance_clock(self, given: JsonObject) -> None:
        """`advance`: seconds by which the stand-in's clock goes forward."""
        checked = check_parameters(given, {"advance": whole_number(at_least=0)})
        switches = self._stand_in.switches
        switches.set("clock_offset", switches.read("clock_offset") + checked.get("advance", 0))
        self._clockwork.wake()

    def _state(self) -> JsonObject:
        stand_in = self._stand_in
        return {
            "now": stand_in.now(),
            "webhooks": {
                "drop": bool(stand_in.switches.read("drop_webhooks")),
                "repeat": 1 + stand_in.switches.read("repeat_webhooks"),
            },
            "deliveries": stand_in.deliveries.counts(),
            "answers": {
                "drop_next": stand_in.switches.read("drop_answers"),
                "hold": not stand_in.answers_flow.is_set(),
                "held": stand_in.held_answers,
            },
            "unsettled": len(stand_in.agenda.waiting("settle_charge")),
        }


def _check_secret_key(request: Request, configuration: Configuration) -> None:
    if is_customer(request.headers.get("authorization", ""), None, configuration):
        raise StripeRefusal("The controls want the secret key.", status=401)
