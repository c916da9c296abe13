"""Posting events to the store's webhook: signed, at least once, again with pauses until answered with 2xx."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from contextlib import suppress

import httpx

from billing.sandbox.chaos import loses_webhook
from billing.sandbox.delivery_queue import CONFIGURED, Delivery
from billing.sandbox.stand_in import StandIn

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 20.0
_AT_ONCE = 16
_BATCH = 100


def signature_header(payload: bytes, secret: str, *, at: int) -> str:
    """`Stripe-Signature` of a body: HMAC-SHA256 of `t.body`; `at` is the time of sending, not the event's."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class WebhookDelivery:
    """The loop that posts. It keeps no order, as Stripe promises none."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._woken = asyncio.Event()
        self._under_way: dict[int, asyncio.Task[bool]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)
        # The webhook's host is our own machine or network: proxies of the environment do not apply.
        self._client = httpx.AsyncClient(timeout=_PATIENCE_SECONDS, trust_env=False)

    def wake(self) -> None:
        """There may be a new event."""
        self._woken.set()

    async def run(self) -> None:
        """Post for as long as the process lives; what was pending when the last one died comes first."""
        queue = self._stand_in.deliveries
        while True:
            self._woken.clear()
            now = time.time()
            held = self._stand_in.switches.read("webhooks_hold")
            for delivery in () if held else queue.due(at=now, limit=_BATCH):
                if delivery.id not in self._under_way:
                    self._start(delivery, on_demand=False)
            due = None if held else queue.next_due()
            # What is due and still here is under way; its end wakes us.
            pause = None if due is None else due - now if due > now else 1.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)

    async def deliver_now(self, event: str | None, *, order: str | None = None) -> tuple[int, int]:
        """Post all that never arrived (or this one event, again if need be); returns tried and arrived.

        All at once; with an order (`as_happened` or `reversed`), each after the answer to the one before.
        """
        deliveries = self._stand_in.deliveries.undelivered(event)
        if order is None:
            arrived = await asyncio.gather(*(self._on_demand(delivery) for delivery in deliveries))
        else:
            in_order = deliveries if order == "as_happened" else deliveries[::-1]
            arrived = [await self._on_demand(delivery) for delivery in in_order]
        return len(arrived), sum(arrived)

    async def _on_demand(self, delivery: Delivery) -> bool:
        return await (self._under_way.get(delivery.id) or self._start(delivery, on_demand=True))

    async def close(self) -> None:
        """Stop; what is under way stays pending and is posted again by the next process."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _start(self, delivery: Delivery, *, on_demand: bool) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._deliver(delivery, on_demand=on_demand))
        self._under_way[delivery.id] = task

        def forget(_: asyncio.Task[bool]) -> None:
            self._under_way.pop(delivery.id, None)
            self.wake()

        task.add_done_callback(forget)
        return task

    async def _deliver(self, delivery: Delivery, *, on_demand: bool) -> bool:
        stand_in, queue = self._stand_in, self._stand_in.deliveries
        async with self._room:
            if not on_demand and loses_webhook(stand_in.switches):
                queue.mark_dropped(delivery)
                return False
            target = self._target(delivery.endpoint)
            if target is None:
                queue.mark_given_up(delivery)
                return False
            event = stand_in.objects.get("event", delivery.event)
            payload = json.dumps(event, ensure_ascii=False, indent=2).encode()
            times = max(1, stand_in.switches.read("webhooks_repeat"))
            statuses = [await self._post(payload, *target) for _ in range(times)]
        _log.info("webhook %s %s: %s", delivery.event, event["type"], statuses)
        arrived = all(200 <= status < 300 for status in statuses)
        if arrived:
            queue.mark_delivered(delivery)
        else:
            queue.mark_refused(delivery, at=time.time())
        return arrived

    def _target(self, endpoint: str) -> tuple[str, str] | None:
        """Address and secret of an endpoint; None when it is deleted or switched off."""
        stand_in = self._stand_in
        if endpoint == CONFIGURED:
            return stand_in.configuration.webhook_url, stand_in.configuration.webhook_secret
        made = stand_in.objects.find(endpoint, "webhook_endpoint")
        secret = stand_in.objects.find(f"{endpoint}_secret", "webhook_secret")
        if made is None or secret is None or made["status"] != "enabled":
            return None
        return made["url"], secret["secret"]

    async def _post(self, payload: bytes, url: str, secret: str) -> int:
        """Post once; returns the status, 0 when there was no answer."""
        switches = self._stand_in.switches
        if switches.read("webhooks_unreachable"):
            return 0
        if switches.read("webhooks_wrong_secret"):
            secret = f"{secret}_of_another"
        signed_at = int(time.time()) - switches.read("webhooks_age_seconds")
        try:
            response = await self._client.post(
                url,
                content=payload,
                headers={
                    "Content-Type": "application/json; charset=utf-8",
                    "Stripe-Signature": signature_header(payload, secret, at=signed_at),
                    "User-Agent": "Stripe/1.0 (videothek sandbox)",
                },
            )
        except httpx.HTTPError:
            return 0
        return response.status_code
