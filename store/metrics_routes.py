"""The address that an operator's Prometheus reads."""

import hmac
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency

from auth.authentication import bearer_token
from auth.errors import NotSignedIn
from auth.schemas import problems
from store.database import Database
from store.errors import NotFound
from store.metrics import MEDIA_TYPE, collect, render
from store.settings import Settings


@get(
    "/metrics",
    media_type=MediaType.TEXT,
    exclude_from_auth=True,
    responses=problems(NotFound, NotSignedIn),
    summary="Metrics for Prometheus",
    description="In the text format, for who sends the token of the setting `METRICS_TOKEN` as `Authorization: Bearer "
    "…`. Without the setting there is nothing here.",
    tags=["Health"],
)
async def show_metrics(
    request: Request[Any, Any, Any], settings: NamedDependency[Settings], database: NamedDependency[Database]
) -> Response[str]:
    """Everything that waits for a person or for the worker, and the invariants as they were counted last."""
    if settings.metrics_token is None:
        raise NotFound
    sent = bearer_token(request) or ""
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), settings.metrics_token.encode()):
        raise NotSignedIn
    return Response(render(await collect(database)), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
