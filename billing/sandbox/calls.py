"""One call to the stand-in and its answer; what every address is described by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from billing.sandbox.agenda import Agenda
from billing.sandbox.delivery_queue import DeliveryQueue
from billing.sandbox.errors import JsonObject
from billing.sandbox.object_store import ObjectStore
from billing.sandbox.parameters import Check
from billing.sandbox.payout_items import PayoutItems


@dataclass(frozen=True, slots=True)
class Call:
    """What a verb may use: the stores of the open transaction, the time, and what was asked."""

    objects: ObjectStore
    deliveries: DeliveryQueue
    agenda: Agenda
    payout_items: PayoutItems
    now: int
    """Unix seconds by the stand-in's own clock, which the controls can move forward."""
    given: JsonObject = field(default_factory=dict)
    """Parameters, checked against what the address takes."""
    target: str = ""
    """The id in the address."""
    version: str = ""
    """The API version that the caller speaks; the stand-in always answers in its own."""
    origin: str = ""
    """Where the caller reached us, `http://host:port`; addresses of 3-D Secure pages begin with it."""
    by_customer: bool = False
    """Called with the publishable key, from a customer's browser or app."""
    request_id: str | None = None
    """None in what the stand-in does by itself."""
    idempotency_key: str | None = None

    def with_given(self, given: JsonObject) -> Self:
        """The same call with other parameters."""
        return replace(self, given=given)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body; what was done for it is committed, a declined card included."""

    body: JsonObject
    status: int = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One verb at one address."""

    method: str
    path: str
    """At most one `{…}` segment; it becomes `Call.target`."""
    answer: Callable[[Call], Answer]
    accepts: Mapping[str, Check] = field(default_factory=dict)
    for_customers: bool = False
    """May be called with the publishable key by whoever knows the object's client secret."""


def copy_given(document: JsonObject, given: Mapping[str, object], names: tuple[str, ...]) -> None:
    """Set those fields of an object that were sent under the same name."""
    for name in names:
        if name in given:
            document[name] = given[name]
