"""The stand-in as an ASGI application: `uvicorn --factory billing.sandbox.app:create_app --port 8420`."""

import asyncio
import logging
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from billing.sandbox.access_keys import check_customer_may, is_customer
from billing.sandbox.calls import Answer
from billing.sandbox.chaos import befalls, raise_failure
from billing.sandbox.clockwork import Clockwork
from billing.sandbox.configuration import Configuration, UnusableConfiguration
from billing.sandbox.controls import Controls
from billing.sandbox.database import transaction
from billing.sandbox.endpoints import find_endpoint
from billing.sandbox.errors import StripeRefusal, error_body
from billing.sandbox.events import API_VERSION
from billing.sandbox.expansion import expand
from billing.sandbox.form_bodies import read_form
from billing.sandbox.http_messages import (
    Receive,
    Request,
    Response,
    Send,
    json_response,
    read_request,
    send_response,
)
from billing.sandbox.idempotency import checked_key, fingerprint_of, key_in_use
from billing.sandbox.object_store import new_identifier
from billing.sandbox.parameters import check_parameters
from billing.sandbox.stand_in import StandIn
from billing.sandbox.three_d_secure import answer_authentication
from billing.sandbox.webhook_delivery import WebhookDelivery

_log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_SCRIPT = (("stripe_methods.js", "stripe_look.js", "stripe.js"), "text/javascript; charset=utf-8")
_FILES = {
    "/about": (("about.html",), "text/html; charset=utf-8"),
    "/v3": _SCRIPT,
    "/v3/": _SCRIPT,
    "/3d_secure.css": (("three_d_secure.css",), "text/css; charset=utf-8"),
}
_FORM = "application/x-www-form-urlencoded"
# As api.stripe.com: any page may call; a call can do nothing without a key that it must bring itself.
_ANY_PAGE = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": "authorization, content-type, idempotency-key, stripe-version",
    "access-control-expose-headers": "request-id, stripe-version",
    "access-control-max-age": "600",
}


def create_app() -> "StripeStandIn":
    """The application, configured by the environment; the process ends with one line when that is unusable."""
    try:
        return StripeStandIn(Configuration.from_env(os.environ))
    except UnusableConfiguration as fault:
        raise SystemExit(str(fault)) from None


class StripeStandIn:
    """Answers Stripe's API, the browser script, the 3-D Secure page and the controls."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._stand_in: StandIn
        self._delivery: WebhookDelivery
        self._clockwork: Clockwork
        self._controls: Controls

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI: the life of the process, and its HTTP requests."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Open the store and run the two loops from start to stop."""
        await receive()
        try:
            self._stand_in = StandIn.open(self._configuration)
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": f"{self._configuration.store}: {error}"})
            return
        self._delivery = WebhookDelivery(self._stand_in)
        self._clockwork = Clockwork(self._stand_in, self._delivery)
        self._controls = Controls(self._stand_in, self._delivery, self._clockwork)
        loops = [asyncio.create_task(self._delivery.run()), asyncio.create_task(self._clockwork.run())]
        for loop in loops:
            loop.add_done_callback(_report_end)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self._delivery.close()
        self._stand_in.connection.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request_id = new_identifier("req_", 14)
        try:
            request = await read_request(scope, receive)
            response = await self._respond(request, request_id)
        except StripeRefusal as refusal:
            response = json_response(refusal.body, refusal.status)
        except Exception:
            _log.exception("%s %s failed (%s)", scope["method"], scope["path"], request_id)
            body = error_body("An unknown error occurred in the sandbox; its log says more.", kind="api_error")
            response = json_response(body, 500)
        response.headers.setdefault("request-id", request_id)
        if scope["path"].startswith("/v1/"):
            response.headers |= _ANY_PAGE
            response.headers.setdefault("stripe-version", API_VERSION)
            _log.info("%s %s %s (%s)", scope["method"], scope["path"], response.status, request_id)
        await send_response(response, send)

    async def _respond(self, request: Request, request_id: str) -> Response:
        if request.path.startswith("/v1/"):
            return await self._respond_to_api(request, request_id)
        if request.path == "/_sandbox" or request.path.startswith("/_sandbox/"):
            return await self._controls.answer(request)
        if request.path.startswith("/3d_secure/"):
            with transaction(self._stand_in.connection):
                response = answer_authentication(request, self._stand_in.call(request_id=request_id))
            self._wake()
            return response
        if request.path in _FILES and request.method in ("GET", "HEAD"):
            names, media_type = _FILES[request.path]
            body = b"\n".join((_STATIC / name).read_bytes() for name in names)
            if len(names) > 1:  # a block, so that the names of the parts stay among themselves
                body = b"{\n%b\n}\n" % body
            headers = {"content-type": media_type, "cache-control": "no-cache"}
            headers |= {"access-control-allow-origin": "*", "x-content-type-options": "nosniff"}
            return Response(200, body, headers)
        find_endpoint(request.method, request.path)
        raise AssertionError("an address outside /v1/ is never found")

    async def _respond_to_api(self, request: Request, request_id: str) -> Response:
        if request.method == "OPTIONS":
            return Response(204)
        given = _read_parameters(request)
        key_parameter = given.pop("key", None)
        by_customer = is_customer(
            request.headers.get("authorization", ""),
            key_parameter if isinstance(key_parameter, str) else None,
            self._configuration,
        )
        raise_failure(self._stand_in.switches)
        if request.method == "POST":
            response = await self._respond_to_post(request, given, by_customer=by_customer, request_id=request_id)
        else:
            with transaction(self._stand_in.connection):
                answer = self._answer(request, given, by_customer=by_customer, request_id=request_id, key=None)
            await self._take_time()
            response = json_response(answer.body, answer.status)
        response.headers["stripe-version"] = request.headers.get("stripe-version", API_VERSION)
        return response

    async def _respond_to_post(
        self, request: Request, given: dict[str, Any], *, by_customer: bool, request_id: str
    ) -> Response:
        """Under its idempotency key, which is in use until the answer is given."""
        key = checked_key(request.headers.get("idempotency-key", new_identifier("sandbox_")))
        stand_in = self._stand_in
        if key in stand_in.keys_in_use:
            raise key_in_use(key)
        stand_in.keys_in_use.add(key)
        try:
            response = self._answer_once(request, given, by_customer=by_customer, request_id=request_id, key=key)
            await self._take_time()
            if not stand_in.answers_flow.is_set():
                stand_in.held_answers += 1
                try:
                    await stand_in.answers_flow.wait()
                finally:
                    stand_in.held_answers -= 1
        finally:
            stand_in.keys_in_use.discard(key)
        return response

    async def _take_time(self) -> None:
        """As long as a control wants answers to take."""
        slow = self._stand_in.switches.read("answers_slow_ms")
        if slow:
            await asyncio.sleep(slow / 1000)

    def _answer_once(
        self, request: Request, given: dict[str, Any], *, by_customer: bool, request_id: str, key: str
    ) -> Response:
        """Work and its answer under the idempotency key, in one transaction; or the answer of the first time.

        A refusal leaves neither, so that the same key may be tried again.
        """
        stand_in = self._stand_in
        fingerprint = fingerprint_of(request.method, request.path, given)
        with transaction(stand_in.connection):
            kept = stand_in.kept_answers.find(key, fingerprint, at=stand_in.now())
            if kept is None:
                answer = self._answer(request, given, by_customer=by_customer, request_id=request_id, key=key)
                stand_in.kept_answers.keep(key, fingerprint, answer, request_id=request_id, at=stand_in.now())
            lost = befalls(stand_in.switches, "answers_drop")
        self._wake()
        if kept is not None:
            headers = {"idempotent-replayed": "true", "original-request": kept.request_id}
            response = json_response(kept.answer.body, kept.answer.status, **headers)
        else:
            response = json_response(answer.body, answer.status)
        response.headers["idempotency-key"] = key
        response.lost = lost
        return response

    def _answer(
        self, request: Request, given: dict[str, Any], *, by_customer: bool, request_id: str, key: str | None
    ) -> Answer:
        """Find the endpoint, check who calls and what is sent, and let it answer."""
        stand_in = self._stand_in
        endpoint, target = find_endpoint(request.method, request.path)
        if by_customer:
            check_customer_may(endpoint, target, given, stand_in.objects)
        checked = check_parameters(given, endpoint.accepts)
        answer = endpoint.answer(
            stand_in.call(
                given=checked,
                target=target,
                version=request.headers.get("stripe-version", API_VERSION),
                origin=request.origin,
                by_customer=by_customer,
                request_id=request_id,
                idempotency_key=key,
            )
        )
        if "expand" in checked and answer.status == 200:
            return Answer(expand(answer.body, checked["expand"], stand_in.objects), answer.status)
        return answer

    def _wake(self) -> None:
        """After a call's transaction: do what it made due, so that its caller's next call finds that done."""
        self._clockwork.do_due()
        self._clockwork.wake()
        self._delivery.wake()


def _report_end(loop: asyncio.Task[None]) -> None:
    """A loop ends with the process only; say so if an error ended it."""
    if not loop.cancelled() and loop.exception() is not None:
        _log.critical("webhooks or the agenda have stopped", exc_info=loop.exception())


def _read_parameters(request: Request) -> dict[str, Any]:
    """Parameters of the query (GET) or of the form-encoded body (POST)."""
    if request.method != "POST":
        return read_form(request.query)
    media_type = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if request.body and media_type != _FORM:
        raise StripeRefusal(f"Invalid request (check that your POST content type is {_FORM}). You sent {media_type}.")
    return read_form(request.body)
