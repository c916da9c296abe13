"""Posting events to the store's webhook: signed, at least once, again with pauses until answered with 2xx."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from contextlib import suppress

import httpx

from billing.sandbox.delivery_queue import Delivery
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
            for delivery in queue.due(at=now, limit=_BATCH):
                if delivery.id not in self._under_way:
                    self._start(delivery, despite_drop=False)
            due = queue.next_due()
            # What is due and still here is under way; its end wakes us.
            pause = None if due is None else due - now if due > now else 1.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)

    async def deliver_now(self, event: str | None) -> tuple[int, int]:
        """Post all that never arrived (or this one event, again if need be); returns tried and arrived."""
        tasks = [
            self._under_way.get(delivery.id) or self._start(delivery, despite_drop=True)
            for delivery in self._stand_in.deliveries.undelivered(event)
        ]
        arrived = await asyncio.gather(*tasks)
        return len(arrived), sum(arrived)

    async def close(self) -> None:
        """Stop; what is under way stays pending and is posted again by the next process."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _start(self, delivery: Delivery, *, despite_drop: bool) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._deliver(delivery, despite_drop=despite_drop))
        self._under_way[delivery.id] = task

        def forget(_: asyncio.Task[bool]) -> None:
            self._under_way.pop(delivery.id, None)
            self.wake()

        task.add_done_callback(forget)
        return task

    async def _deliver(self, delivery: Delivery, *, despite_drop: bool) -> bool:
        stand_in, queue = self._stand_in, self._stand_in.deliveries
        async with self._room:
            if not despite_drop and stand_in.switches.read("drop_webhooks"):
                queue.mark_dropped(delivery)
                return False
            event = stand_in.objects.get("event", delivery.event)
            payload = json.dumps(event, ensure_ascii=False, indent=2).encode()
            statuses = [await self._post(payload) for _ in range(1 + stand_in.switches.read("repeat_webhooks"))]
        _log.info("webhook %s %s: %s", delivery.event, event["type"], statuses)
        arrived = all(200 <= status < 300 for status in statuses)
        if arrived:
            queue.mark_delivered(delivery)
        else:
            queue.mark_refused(delivery, at=time.time())
        return arrived

    async def _post(self, payload: bytes) -> int:
        """Post once; returns the status, 0 when there was no answer."""
        configuration = self._stand_in.configuration
        try:
            response = await self._client.post(
                configuration.webhook_url,
                content=payload,
                headers={
                    "Content-Type": "application/json; charset=utf-8",
                    "Stripe-Signature": signature_header(payload, configuration.webhook_secret, at=int(time.time())),
                    "User-Agent": "Stripe/1.0 (videothek sandbox)",
                },
            )
        except httpx.HTTPError:
            return 0
        return response.status_code
