"""A program on the API: JSON, a bearer token, and the calls that an app of the store makes."""

from dataclasses import dataclass
from typing import Any

import httpx

from auth.ids import new_id
from tests.journeys.running_store import RunningStore
from tests.journeys.staff import demo_code
from tests.journeys.waiting import eventually

CARD = "pm_card_visa"
CONSENTS = {"immediate_performance": True, "withdrawal_loss": True}


@dataclass(slots=True)
class Program:
    """An app; signed in once it has a token."""

    client: httpx.AsyncClient
    store: RunningStore
    token: str = ""
    account_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def get(self, path: str, *, status: int = 200, **query: str) -> Any:
        """The answer's JSON, after its status is what it should be."""
        return _read(await self.client.get(path, params=query, headers=self.headers), status)

    async def post(self, path: str, body: Any = None, *, status: int = 201) -> Any:
        """Send once, under a key of its own; gives the answer's JSON."""
        headers = {**self.headers, "Idempotency-Key": str(new_id())}
        return _read(await self.client.post(path, json=body, headers=headers), status)

    async def sign_in(self, email: str, password: str) -> None:
        """Keep the token that the answer shows once; demo staff also need a code."""
        answer = await self.client.post("/v1/sessions", json={"email": email, "password": password})
        opened = _read(answer, 202 if answer.status_code == 202 else 201)
        if answer.status_code == 202:
            opened = await self.post("/v1/second-steps", {"token": opened["token"], "code": await demo_code(email)})
        self.token, self.account_id = opened["token"], opened["account_id"]

    async def offer(self, kind: str, quality: str = "HD") -> str:
        """Id of an offer of "Her", from the film's page."""
        offers = (await self.get("/v1/titles/her-2013"))["offers"]
        [offer_id] = [offer["id"] for offer in offers if (offer["kind"], offer["quality"]) == (kind, quality)]
        return str(offer_id)

    async def buy(self, kind: str) -> Any:
        """Rent or buy "Her" from the offer to the end; gives the paid order."""
        order = await self.order(await self.offer(kind))
        assert (await self.pay(order["id"])).status_code == 200
        return await self.paid(order["id"])

    async def order(self, offer_id: str) -> Any:
        """Quote an offer and order it; gives the order."""
        quote = await self.post("/v1/quotes", {"offer_id": offer_id})
        return (await self.post("/v1/orders", {"quote_id": quote["id"], "consents": CONSENTS}))["order"]

    async def pay(self, order_id: str, method: str = CARD) -> httpx.Response:
        """Confirm the payment at the payment service, as its SDK does: the store sees no card."""
        payable = await self.post(f"/v1/orders/{order_id}/payments")
        secret = payable["client_secret"]
        fields = {
            "key": payable["publishable_key"],
            "client_secret": secret,
            "payment_method": method,
            "return_url": f"{self.store.web}/de/orders/{order_id}/return",
        }
        intent = secret.partition("_secret_")[0]
        return await self.client.post(f"{self.store.stripe}/v1/payment_intents/{intent}/confirm", data=fields)

    async def paid(self, order_id: str) -> Any:
        """The order once a signed webhook has paid it: reading it asks the payment service nothing."""

        async def look() -> Any:
            detail = await self.get(f"/v1/orders/{order_id}")
            return detail if detail["order"]["state"] == "paid" else None

        return await eventually(look)


def _read(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, f"{answer.request.method} {answer.url}: {answer.text}"
    return answer.json() if answer.content else None
