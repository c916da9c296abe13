"""Controls under `/_sandbox/` by which tests and demos make happen what happens now and then.

All but `/_sandbox/health` want the secret key; parameters are form-encoded, answers JSON. `GET /_sandbox` tells the
state; each `POST` changes one thing and tells the state:

- `webhooks`, `answers`, `calm`: bad days, described in `chaos.py`;
- `deliveries`: post now all that never arrived, or one `event`; one after the other with `order`;
- `clock` with `advance`: seconds by which the stand-in's clock goes forward; what is due then is done (after 24 h an
  idempotency key is forgotten, after three days money is available, after five SEPA debits succeed or fail);
- `agenda`: do now what would be done later, all or one `deed` of `deeds.py` (for one `subject`);
- `settlements`: the fees of all charges become known now;
- the rest makes banks act, and is described in `happenings.py`.
"""

from billing.sandbox.access_keys import is_customer
from billing.sandbox.chaos import calm, set_chaos, tell_chaos
from billing.sandbox.clockwork import Clockwork
from billing.sandbox.configuration import Configuration
from billing.sandbox.database import transaction
from billing.sandbox.errors import JsonObject, StripeRefusal, missing_object
from billing.sandbox.form_bodies import read_form
from billing.sandbox.happenings import HAPPENINGS, make_happen
from billing.sandbox.http_messages import Request, Response, json_response
from billing.sandbox.parameters import check_parameters, choice, text, truth, whole_number
from billing.sandbox.stand_in import StandIn
from billing.sandbox.webhook_delivery import WebhookDelivery


class Controls:
    """What the addresses under `/_sandbox/` do."""

    def __init__(self, stand_in: StandIn, delivery: WebhookDelivery, clockwork: Clockwork) -> None:
        self._stand_in = stand_in
        self._delivery = delivery
        self._clockwork = clockwork

    async def answer(self, request: Request) -> Response:
        """Do what was asked for; 401 without the secret key, 404 for an unknown control."""
        if request.path == "/_sandbox/health":
            return json_response({"status": "ok"})
        _check_secret_key(request, self._stand_in.configuration)
        name = request.path.removeprefix("/_sandbox").removeprefix("/")
        if request.method == "POST":
            result = await self._do(name, read_form(request.body))
        elif request.method == "GET" and not name:
            result = {}
        else:
            raise _unknown(request.method, name)
        return json_response({**self._state(), **result})

    async def _do(self, name: str, given: JsonObject) -> JsonObject:
        match name:
            case "answers":
                self._set_answers(given)
            case "webhooks":
                set_chaos(self._stand_in.switches, name, given)
                self._delivery.wake()
            case "calm":
                check_parameters(given, {})
                calm(self._stand_in.switches)
                self._stand_in.answers_flow.set()
                self._delivery.wake()
            case "deliveries":
                return await self._deliver(given)
            case "clock":
                self._advance_clock(given)
            case "agenda":
                checked = check_parameters(given, {"deed": text(), "subject": text()})
                return {"done": self._clockwork.do_now(checked.get("deed"), checked.get("subject"))}
            case "settlements":
                check_parameters(given, {})
                return {"settled": self._clockwork.do_now("settle_charge")}
            case _ if name in HAPPENINGS:
                return self._make_happen(name, given)
            case _:
                raise _unknown("POST", name)
        return {}

    def _set_answers(self, given: JsonObject) -> None:
        """`hold` lives in the process, the others in the store."""
        hold = check_parameters({"hold": given["hold"]}, {"hold": truth()})["hold"] if "hold" in given else None
        set_chaos(self._stand_in.switches, "answers", {key: part for key, part in given.items() if key != "hold"})
        if hold is True:
            self._stand_in.answers_flow.clear()
        elif hold is False:
            self._stand_in.answers_flow.set()

    async def _deliver(self, given: JsonObject) -> JsonObject:
        """Post now all that never arrived, lost ones too; with `event`, that one, even if it did arrive."""
        checked = check_parameters(given, {"event": text(), "order": choice("as_happened", "reversed")})
        event = checked.get("event")
        if event is not None and self._stand_in.objects.find(event, "event") is None:
            raise missing_object("event", event, param="event", status=400)
        tried, arrived = await self._delivery.deliver_now(event, order=checked.get("order"))
        return {"tried": tried, "arrived": arrived}

    def _make_happen(self, name: str, given: JsonObject) -> JsonObject:
        with transaction(self._stand_in.connection):
            result = make_happen(name, self._stand_in.call(), given)
        self._delivery.wake()
        self._clockwork.wake()
        return result

    def _advance_clock(self, given: JsonObject) -> None:
        checked = check_parameters(given, {"advance": whole_number(at_least=0)})
        switches = self._stand_in.switches
        switches.set("clock_offset", switches.read("clock_offset") + checked.get("advance", 0))
        self._clockwork.do_due()
        self._clockwork.wake()

    def _state(self) -> JsonObject:
        stand_in = self._stand_in
        return {
            "now": stand_in.now(),
            "webhooks": tell_chaos(stand_in.switches, "webhooks"),
            "deliveries": stand_in.deliveries.counts(),
            "answers": {
                **tell_chaos(stand_in.switches, "answers"),
                "hold": not stand_in.answers_flow.is_set(),
                "held": stand_in.held_answers,
            },
            "unsettled": len(stand_in.agenda.waiting("settle_charge")),
        }


def _unknown(method: str, name: str) -> StripeRefusal:
    return StripeRefusal(f"Unrecognized request URL ({method}: /_sandbox/{name}).", status=404)


def _check_secret_key(request: Request, configuration: Configuration) -> None:
    if is_customer(request.headers.get("authorization", ""), None, configuration):
        raise StripeRefusal("The controls want the secret key.", status=401)
