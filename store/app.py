"""The map of the web process: which routes there are and what every request passes through."""

import gc
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from litestar import Litestar, Request, get
from litestar.di import NamedDependency
from litestar.middleware import DefineMiddleware
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

import auth.credential_routes
import auth.recovery.routes
import auth.recovery.staff_routes
import auth.routes
import billing.provider_account_routes
import billing.refund_routes
import billing.resolution_routes
import billing.routes
import billing.withdrawal_routes
import store.case_desk_routes
import store.cases.routes
import store.catalogue.routes
import store.entitlement.routes
import store.incident_routes
import store.invariant_routes
import store.mail_routes
import store.mail_webhook
import store.metrics_routes
import store.privacy_routes
import store.purchase_routes
import store.staff_work_routes
import store.support_routes
import store.tv_sign_in_routes
import store.web.routes
from auth.authentication import AuthenticationMiddleware
from auth.csrf import check_csrf
from auth.headers import header_of
from billing.ports import PaymentGateway
from store.clock import Clock
from store.composition import Parts, assemble
from store.contract import ContractConfig
from store.database import Database
from store.dependencies import dependencies, playback_means_of, view_of
from store.envelope import Envelope
from store.errors import UnsupportedMediaType
from store.forward_clock import ForwardClock
from store.json_bodies import StrictRequest
from store.legal_texts import samples
from store.logs import configure_logs
from store.problems import exception_handlers
from store.settings import Settings
from store.web.pages import error_page

log = structlog.get_logger("app")

LARGEST_BODY = 65_536
"""Bytes of a request's body, unless a route says otherwise."""


@get("/health/live", summary="Is the process there?", tags=["Health"], exclude_from_auth=True, sync_to_thread=False)
def live() -> dict[str, str]:
    """Answer as long as the process can answer at all."""
    return {"status": "live"}


@get("/health/ready", summary="Can it serve?", tags=["Health"], exclude_from_auth=True)
async def ready(database: NamedDependency[Database]) -> dict[str, str]:
    """Answer 200 when the database answers; Redis is no condition, for nothing depends on it alone."""
    await database.reads.fetchval("SELECT 1")
    return {"status": "ready"}


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    database: Database | None = None,
    gateway: PaymentGateway | None = None,
    extra_routes: Sequence[ControllerRouterHandler] = (),
) -> Litestar:
    """Wire the web process. Tests hand in a clock, open pools or a gateway; `extra_routes` are the sandbox's own."""
    settings = settings or Settings.from_env(os.environ)
    configure_logs()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        pools = database or await Database.connect(settings.database_url)
        parts = await assemble(settings, database=pools, clock=clock or ForwardClock(pools), gateway=gateway)
        attach(app, parts)
        if settings.mode == "production" and (left := samples()):
            log.warning("legal texts are samples", names=left)
        await store.web.routes.warm_up(app.state, pools, markets=parts.markets, at=await parts.clock.now())
        # What is there by now stays until the end: the collector need not look through it with every few requests.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            await parts.close()
            if database is None:
                await pools.close()

    app = Litestar(
        route_handlers=[
            live,
            ready,
            store.metrics_routes.show_metrics,
            auth.routes.router,
            auth.credential_routes.router,
            auth.recovery.routes.router,
            auth.recovery.staff_routes.router,
            billing.routes.router,
            billing.refund_routes.router,
            billing.provider_account_routes.router,
            billing.resolution_routes.router,
            billing.withdrawal_routes.router,
            store.catalogue.routes.router,
            store.entitlement.routes.router,
            store.purchase_routes.router,
            store.privacy_routes.router,
            store.tv_sign_in_routes.router,
            store.mail_routes.router,
            store.mail_webhook.receive_mail_event,
            store.invariant_routes.router,
            store.support_routes.router,
            store.incident_routes.router,
            store.cases.routes.router,
            store.case_desk_routes.router,
            store.staff_work_routes.router,
            *store.web.routes.routers(),
            *extra_routes,
        ],
        lifespan=[lifespan],
        dependencies=dependencies(),
        middleware=[DefineMiddleware(AuthenticationMiddleware)],
        exception_handlers=exception_handlers(error_page),
        before_request=check_request,
        request_class=StrictRequest,
        request_max_body_size=LARGEST_BODY,
        openapi_config=_openapi(settings),
        debug=False,
        logging_config=None,
    )
    resolve_in_turn(app)
    app.asgi_handler = Envelope(
        app.asgi_handler,
        allowed_hosts=frozenset(settings.allowed_hosts),
        secure=settings.secure,
    )
    return app


def resolve_in_turn(app: Litestar) -> None:
    """Have each request's dependencies made one after the other.

    Litestar makes those that do not need each other in tasks of their own. Ours share one transaction, so that none may
    run beside another, and hardly one waits for anything: the tasks were a tenth of a small request's cost.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for _, parameters in route.route_handler_map.values():
                parameters.dependency_batches = [
                    {one} for batch in parameters.dependency_batches for one in sorted(batch, key=lambda one: one.key)
                ]


def attach(app: Litestar, parts: Parts) -> None:
    """Give the application the parts that its requests work with."""
    app.state.parts, app.state.database, app.state.settings = parts, parts.database, parts.settings
    app.state.countries, app.state.view_of = parts.countries, view_of
    app.state.hasher = parts.hasher
    app.state.playback_means = partial(playback_means_of, app.state)


async def check_request(request: Request[Any, Any, Any]) -> None:
    """What every request must pass before its body is read: its content type, then its origin."""
    require_json(request)
    await check_csrf(request)


def require_json(request: Request[Any, Any, Any]) -> None:
    """Refuse bodies under /v1 that are not declared as JSON, unless the route takes others (ASVS 5.0, 3.5.2)."""
    scope = request.scope
    if scope["method"] in ("GET", "HEAD", "OPTIONS") or not scope["path"].startswith("/v1/"):
        return
    declared = header_of(scope, b"content-type")
    if declared == "application/json" or scope["route_handler"].opt.get("any_content_type"):
        return
    has_body = header_of(scope, b"content-length") not in ("", "0") or header_of(scope, b"transfer-encoding") != ""
    if has_body and declared.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType()


def _openapi(settings: Settings) -> ContractConfig:
    """The API's contract at /schema/openapi.json; in the sandbox also as pages at /schema."""
    pages = SwaggerRenderPlugin(
        favicon='<link rel="icon" href="/static/icon.svg" type="image/svg+xml">',
        js_url="/static/vendor/swagger-ui-bundle.js",
        css_url="/static/vendor/swagger-ui.css",
        standalone_preset_js_url="/static/vendor/swagger-ui-standalone-preset.js",
    )
    return ContractConfig(
        title="Videothek",
        version="1.0.0",
        description="The open backend of a film store without subscription.",
        use_handler_docstrings=True,
        path="/schema",
        render_plugins=[pages, JsonRenderPlugin()] if settings.mode == "sandbox" else [JsonRenderPlugin()],
    )
