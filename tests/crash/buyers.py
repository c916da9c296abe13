"""Buyers: each an app on a bad line that repeats a request until it is answered, and does as the answer says."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import httpx

from auth.ids import new_id

CARD: Final = "pm_card_visa"
BLOCKED_CARD: Final = "pm_card_mastercard"
"""Its owner reported it: what is paid by it goes back."""

DECLINED_CARD: Final = "pm_card_visa_chargeDeclined"
CONSENTS: Final = {"immediate_performance": True, "withdrawal_loss": True}

PASSWORD: Final = "sieben Kegel rollen bergab"

PATIENCE: Final = 240.0
"""Seconds for which an app repeats a request; a busy machine is slow, what is broken never answers."""

LOOKS: Final = 5
"""How often an app looks whether its order is paid, before its owner puts it away."""


class Manner(StrEnum):
    """How somebody buys."""

    RETURNS = "returns to the store and waits for the film"
    LEAVES = "closes the app as soon as the card is charged"
    WATCHES = "looks at the order again and again"
    CLICKS_TWICE = "sends everything twice at the same moment"
    TRIES_TWO_CARDS = "has one card declined and pays with another"
    PAYS_BY_BLOCKED_CARD = "pays with a card whose money goes back"
    REGRETS = "withdraws from the contract"
    CANCELS = "cancels the order instead of paying"
    PAYS_WHILE_CANCELLING = "cancels on one device while paying on another"
    FORGETS = "never pays"


PAID: Final = "paid"
ENDS: Final[dict[Manner, frozenset[str]]] = {
    Manner.RETURNS: frozenset({PAID}),
    Manner.LEAVES: frozenset({PAID}),
    Manner.WATCHES: frozenset({PAID}),
    Manner.CLICKS_TWICE: frozenset({PAID}),
    Manner.TRIES_TWO_CARDS: frozenset({PAID}),
    Manner.PAYS_BY_BLOCKED_CARD: frozenset({"refunded"}),
    Manner.REGRETS: frozenset({"refunded"}),
    Manner.CANCELS: frozenset({"cancelled"}),
    Manner.PAYS_WHILE_CANCELLING: frozenset({PAID, "cancelled"}),
    Manner.FORGETS: frozenset({"open"}),
}
"""The state in which the order must be at the end."""


@dataclass(slots=True)
class Line:
    """The network between the apps and the servers; it counts what happens on it."""

    client: httpx.AsyncClient
    web: Sequence[str]
    """Addresses of the store's web processes; an app reaches any of them."""
    stripe: str
    draw: random.Random
    answered: Callable[[], None]
    """Called with every answer of the store."""
    tally: Counter[str] = field(default_factory=Counter)

    async def ask_store(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> httpx.Response:
        """The store's answer; lost connections, faults and refusals for the moment are what repeating is for."""
        pauses = self._pauses()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    answer = await self.client.request(
                        method, self.draw.choice(self.web) + path, json=body, headers=headers
                    )
                except httpx.TransportError:
                    self.tally["connections lost"] += 1
                else:
                    self.answered()
                    if not _is_for_the_moment(answer):
                        return answer
                    self.tally[f"answers {answer.status_code}"] += 1
                self.tally["requests repeated"] += 1
                await asyncio.sleep(next(pauses))

    async def ask_stripe(self, path: str, fields: dict[str, str]) -> httpx.Response:
        """The payment service's answer."""
        pauses = self._pauses()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    answer = await self.client.post(self.stripe + path, data=fields)
                except httpx.TransportError:
                    self.tally["connections to the payment service lost"] += 1
                else:
                    if answer.status_code < 500 and answer.status_code not in (409, 429):
                        return answer
                    self.tally["the payment service could not answer"] += 1
                await asyncio.sleep(next(pauses))

    def _pauses(self) -> Iterator[float]:
        """Seconds to wait before each next try: short at first, later up to a second."""
        longest = 0.1
        while True:
            yield self.draw.uniform(0.02, longest)
            longest = min(2 * longest, 1.0)


def _is_for_the_moment(answer: httpx.Response) -> bool:
    if answer.status_code >= 500 or answer.status_code == 429:
        return True
    return answer.status_code == 409 and answer.json()["code"] == "concurrent_change"


@dataclass(slots=True)
class Buyer:
    """A customer with an app."""

    line: Line
    headers: dict[str, str]
    email: str = ""
    signing_in: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def buy(self, offer_id: str, manner: Manner) -> str:
        """Buy one film in this manner; gives the order's id."""
        await self._sign_in_once()
        times = 2 if manner is Manner.CLICKS_TWICE else 1
        order_id = await self.order(offer_id, times=times)
        await self._go_on(order_id, await self.open_payment(order_id, times=times), manner)
        return order_id

    async def _sign_in_once(self) -> None:
        async with self.signing_in:
            if "Authorization" not in self.headers:
                opened = await self._post("/v1/sessions", {"email": self.email, "password": PASSWORD})
                self.headers["Authorization"] = f"Bearer {opened['token']}"

    async def order(self, offer_id: str, *, times: int = 1) -> str:
        """Order a film; gives the order's id."""
        quote = await self._post("/v1/quotes", {"offer_id": offer_id})
        wish = {"quote_id": quote["id"], "consents": CONSENTS}
        return str((await self._post("/v1/orders", wish, times=times))["order"]["id"])

    async def open_payment(self, order_id: str, *, times: int = 1) -> Any:
        """What the payment service's form needs."""
        return await self._post(f"/v1/orders/{order_id}/payments", times=times)

    async def check(self, order_id: str, *, times: int = 1) -> Any:
        """Come back from the payment service; gives what became of the order."""
        return await self._post(f"/v1/orders/{order_id}/payment-checks", status=200, times=times)

    async def _go_on(self, order_id: str, payable: dict[str, Any], manner: Manner) -> None:
        match manner:
            case Manner.FORGETS:
                return
            case Manner.CANCELS:
                await self._post(f"/v1/orders/{order_id}/cancellations", status=200)
                return
            case Manner.PAYS_WHILE_CANCELLING:
                await asyncio.gather(self.pay(payable), self._try_to_cancel(order_id))
                return
            case Manner.TRIES_TWO_CARDS:
                await self.pay(payable, DECLINED_CARD)
        await self.pay(payable, BLOCKED_CARD if manner is Manner.PAYS_BY_BLOCKED_CARD else CARD)
        match manner:
            case Manner.RETURNS | Manner.REGRETS | Manner.CLICKS_TWICE:
                times = 3 if manner is Manner.CLICKS_TWICE else 1
                checked = await self.check(order_id, times=times)
                assert checked["order_state"] == PAID, checked
            case Manner.WATCHES:
                await self._watch(order_id)
        if manner is Manner.REGRETS:
            await self._post(f"/v1/orders/{order_id}/withdrawals", {"declared": True})

    async def pay(self, payable: dict[str, Any], method: str = CARD) -> None:
        """Confirm at the payment service, as its SDK does; a second time it says in which state the intent is."""
        secret = payable["client_secret"]
        fields = {
            "key": payable["publishable_key"],
            "client_secret": secret,
            "payment_method": method,
            "return_url": "https://app.example/return",
        }
        intent = secret.partition("_secret_")[0]
        answer = await self.line.ask_stripe(f"/v1/payment_intents/{intent}/confirm", fields)
        assert answer.status_code in (200, 400, 402), answer.text

    async def _try_to_cancel(self, order_id: str) -> None:
        answer = await self._ask("POST", f"/v1/orders/{order_id}/cancellations")
        assert answer.status_code == 200 or answer.json()["code"] in ("order_already_paid", "payment_under_way")

    async def _watch(self, order_id: str) -> None:
        for _ in range(LOOKS):
            answer = await self._ask("GET", f"/v1/orders/{order_id}")
            assert answer.status_code == 200, answer.text
            if answer.json()["order"]["state"] == PAID:
                return
            await asyncio.sleep(0.1)

    async def _post(self, path: str, body: Any = None, *, status: int = 201, times: int = 1) -> Any:
        """The answer's body; sent `times` times at once with one key, all answers must say the same."""
        key = str(new_id())
        answers = await asyncio.gather(*(self._ask("POST", path, body, key=key) for _ in range(times)))
        for answer in answers:
            assert answer.status_code == status, f"{path}: {answer.text}"
        return answers[0].json()

    async def _ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        headers = {**self.headers, "Idempotency-Key": key or str(new_id())}
        return await self.line.ask_store(method, path, headers, body)
