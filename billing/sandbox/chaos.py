"""What the network and Stripe do to callers on a bad day, as settings: of the webhooks, and of the answers.

`POST /_sandbox/webhooks` takes any of:

- `delay_ms`: each event is first posted so much later; `scatter_ms`: by up to so much more, at random, so that
  events overtake each other;
- `hold` (true or false): nothing is posted meanwhile; `POST /_sandbox/deliveries` with `order=reversed` then
  brings what waits, the newest first, one after the other (`order=as_happened`: the oldest first);
- `repeat`: each event is posted so many times;
- `drop` (true or false): events are lost for good, until `POST /_sandbox/deliveries` sends for them;
  `drop_percent`: that share of them is;
- `unreachable` (true or false): posts find nobody, as at a dead port, and are tried again later;
- `wrong_secret` (true or false): posts are signed with a secret that is not ours;
- `age_seconds`: the signatures are so old.

`POST /_sandbox/answers` takes any of:

- `drop_next`: so many answers to POSTs are lost after their work is committed; `drop_percent`: that share of them;
- `fail_next`: so many calls are answered with `fail_status` (429, 500, 502, 503 or 409; 500 unless set) and do
  nothing; `fail_percent`: that share of them;
- `slow_ms`: each answer takes so much longer, after its work is committed;
- `hold` (true or false): answers to POSTs wait until it is false (not kept over a restart).

Shares are drawn anew for each call or event. `POST /_sandbox/calm` ends all of it; the clock stays where it is.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from billing.sandbox.errors import JsonObject, StripeRefusal, error_body
from billing.sandbox.parameters import Check, check_parameters, choice, truth, whole_number
from billing.sandbox.switches import Switches

_MOST_REPEATS = 20
_HUNDRED = 100
_DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a control, and how its value is told."""

    check: Check
    told: Callable[[int], object] = int


def _flag() -> Setting:
    return Setting(truth(), bool)


def _number(at_most: int) -> Setting:
    return Setting(whole_number(at_least=0, at_most=at_most))


SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "webhooks": {
        "age_seconds": _number(_DAY_SECONDS),
        "delay_ms": _number(_DAY_SECONDS * 1000),
        "drop": _flag(),
        "drop_percent": _number(_HUNDRED),
        "hold": _flag(),
        "repeat": Setting(whole_number(at_least=1, at_most=_MOST_REPEATS), lambda setting: max(setting, 1)),
        "scatter_ms": _number(_DAY_SECONDS * 1000),
        "unreachable": _flag(),
        "wrong_secret": _flag(),
    },
    "answers": {
        "drop_next": _number(1000),
        "drop_percent": _number(_HUNDRED),
        "fail_next": _number(1000),
        "fail_percent": _number(_HUNDRED),
        "fail_status": Setting(choice("409", "429", "500", "502", "503"), lambda setting: setting or 500),
        "slow_ms": _number(60_000),
    },
}
"""By the last part of the address `/_sandbox/…`; the switch of a field is called `{address}_{field}`."""


def set_chaos(switches: Switches, name: str, given: JsonObject) -> None:
    """Change the settings that are given."""
    settings = SETTINGS[name]
    checked = check_parameters(given, {field: setting.check for field, setting in settings.items()})
    for field, value in checked.items():
        switches.set(f"{name}_{field}", int(value))


def tell_chaos(switches: Switches, name: str) -> JsonObject:
    """All settings of one control."""
    return {field: setting.told(switches.read(f"{name}_{field}")) for field, setting in SETTINGS[name].items()}


def calm(switches: Switches) -> None:
    """End all of it."""
    for name in SETTINGS:
        switches.clear(f"{name}_")


def befalls(switches: Switches, name: str) -> bool:
    """Whether this happens now, by its counter `…_next` or its share `…_percent`."""
    return switches.count_down(f"{name}_next") or _is_drawn(switches.read(f"{name}_percent"))


def loses_webhook(switches: Switches) -> bool:
    """Whether this event never arrives."""
    return bool(switches.read("webhooks_drop")) or _is_drawn(switches.read("webhooks_drop_percent"))


def raise_failure(switches: Switches) -> None:
    """Fail this call, if it is its turn, before it has done anything."""
    if befalls(switches, "answers_fail"):
        raise Outage(switches.read("answers_fail_status") or 500)


class Outage(StripeRefusal):
    """Stripe is overloaded, busy with this object, or out of order."""

    def __init__(self, status: int) -> None:
        message, code = {
            409: (
                "This object cannot be accessed right now because another API request or Stripe process is currently"
                " accessing it.",
                "lock_timeout",
            ),
            429: ("Request rate limit exceeded.", "rate_limit"),
        }.get(status, ("An unknown error occurred.", None))
        super().__init__(message, status=status)
        kind = "invalid_request_error" if code else "api_error"
        self.body = error_body(message, kind=kind, code=code)


def _is_drawn(percent: int) -> bool:
    return percent > 0 and secrets.randbelow(_HUNDRED) < percent
