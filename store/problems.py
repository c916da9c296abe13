"""Turns every refusal and every fault into an answer: problem+json (RFC 9457) for programs, a page for people."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
import structlog
from asyncpg import exceptions as postgres
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import DBAPIError

from auth.errors import Refusal
from auth.headers import header_of
from billing.idempotency import AnsweredBefore
from store.database import DATABASE_AWAY
from store.errors import (
    BodyTooLarge,
    ConcurrentChange,
    DatabaseAway,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
)

log = structlog.get_logger("problems")

PROGRAM_PATHS = ("/v1/", "/webhooks/", "/health/", "/metrics", "/media/", "/posters/")
"""Below these, a refusal is problem+json; anywhere else it is a page."""

LONGEST_LANGUAGES: Final = 256
"""Characters of an Accept-Language header that are read."""

ErrorPage = Callable[[Request[Any, Any, Any], Refusal], Response[Any]]

_ENUM = "Invalid enum value"
"""What msgspec says of a word that is none of those allowed; it adds the word."""

_PASSING_FAULTS = (
    postgres.DeadlockDetectedError,
    postgres.SerializationError,
    postgres.LockNotAvailableError,
)


_OF_DATABASE = (postgres.PostgresError, postgres.InterfaceError, ConnectionError)


def exception_handlers(error_page: ErrorPage) -> ExceptionHandlersMap:
    """The handlers of the application; `error_page` draws a refusal for people."""

    def answer(request: Request[Any, Any, Any], fault: Exception) -> Response[Any]:
        if isinstance(fault, AnsweredBefore):
            return answer_again(fault)
        refusal = as_refusal(request, fault)
        # A person may follow a link to a program's address (an export), and then has to prove who they are on a page.
        is_person = refusal.code == "step_up_required" and request.headers.get("sec-fetch-mode") == "navigate"
        if request.scope["path"].startswith(PROGRAM_PATHS) and not is_person:
            return problem(request, refusal)
        return error_page(request, refusal)

    return {Exception: answer}


def answer_again(before: AnsweredBefore) -> Response[bytes]:
    """The answer to a request that came again with its Idempotency-Key."""
    headers = {"Idempotent-Replayed": "true"}
    return Response(before.body, status_code=before.status, media_type="application/json", headers=headers)


def problem(request: Request[Any, Any, Any], refusal: Refusal) -> Response[bytes]:
    """A refusal as `application/problem+json`, in the language asked for."""
    locale = locale_of(request)
    body = problem_body(refusal, locale=locale, request_id=request.scope["state"].get("request_id"))
    headers = {"Content-Language": locale, **refusal.headers}
    return Response(
        msgspec.json.encode(body),
        status_code=refusal.status,
        media_type="application/problem+json",
        headers=headers,
    )


def problem_body(refusal: Refusal, *, locale: str, request_id: str | None) -> dict[str, object]:
    """The members of a problem (RFC 9457, 3); `instance` is the request's id, which is also in the log."""
    return {
        "type": f"/problems/{refusal.code}",
        "title": refusal.code.replace("_", " ").capitalize(),
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.sentence(locale),
        "instance": request_id,
        **refusal.details,
    }


def as_refusal(request: Request[Any, Any, Any], fault: Exception) -> Refusal:
    """The refusal that a fault amounts to; what is our own fault is logged with its traceback."""
    match fault:
        case Refusal():
            return fault
        case ValidationException():
            return MalformedRequest(**_places(fault))
        case NotFoundException():
            return NotFound()
        case MethodNotAllowedException():
            return MethodNotAllowed(method=request.scope["method"], allow=(fault.headers or {}).get("allow", ""))
        case HTTPException(status_code=413):
            return BodyTooLarge()
        case ClientException():
            return MalformedRequest(place=fault.detail)
        case RecursionError():
            return MalformedRequest(place="the body is nested too deeply")
        case UnicodeDecodeError():
            return MalformedRequest(place=f"byte {fault.start} is not UTF-8")
        case InternalServerException() if place := _place_in_body(fault):
            return MalformedRequest(place=place)
    match _cause(fault):
        case postgres.CharacterNotInRepertoireError():
            return MalformedRequest(place="a text contains a character that cannot be stored")
        case cause if isinstance(cause, _PASSING_FAULTS):
            return ConcurrentChange()
        case cause if isinstance(cause, DATABASE_AWAY):
            log.error("database_away", route=request.scope.get("path_template", "-"), kind=type(cause).__name__)
            return DatabaseAway()
    log.error("failed", route=request.scope.get("path_template", "-"), exc_info=fault)
    return InternalError()


def locale_of(request: Request[Any, Any, Any]) -> str:
    """`de` or `en`: from the page's path, else from Accept-Language; German where nothing is asked for."""
    path = request.scope["path"]
    if path.startswith(("/de/", "/en/")) or path in ("/de", "/en"):
        return path[1:3]
    return preferred_locale(header_of(request.scope, b"accept-language"))


def preferred_locale(accept_language: str) -> str:
    """The better liked of German and English in an Accept-Language header (RFC 9110, 12.5.4).

    Browsers send some fifty characters. What stands beyond the first few hundred is not read, so that nobody fills
    the memory with headers that are remembered.
    """
    return _better_liked(accept_language[:LONGEST_LANGUAGES])


@lru_cache(maxsize=1024)
def _better_liked(accept_language: str) -> str:
    best, best_weight = "de", 0.0
    for choice in accept_language.split(","):
        tag, _, parameter = choice.strip().partition(";q=")
        locale = tag.strip().lower()[:2]
        try:
            weight = float(parameter) if parameter else 1.0
        except ValueError:
            continue
        if locale in ("de", "en") and weight > best_weight:
            best, best_weight = locale, weight
    return best


def _places(fault: ValidationException) -> Mapping[str, Any]:
    """The faulty places of a request, by their names and rules; never the values that were sent."""
    errors = []
    for entry in fault.extra or []:
        if isinstance(entry, Mapping):
            source = entry.get("source", "body")
            place = ".".join(filter(None, (str(getattr(source, "value", source)), str(entry.get("key", "")))))
            rule = str(entry.get("message", ""))
            errors.append({"place": place, "rule": _ENUM if rule.startswith(_ENUM) else rule})
    if not errors:
        return {"place": fault.detail}
    return {"place": ", ".join(error["place"] for error in errors), "errors": errors}


def _place_in_body(fault: InternalServerException) -> str | None:
    """The field of the body that a fault of Litestar's speaks of.

    Litestar takes a wrong field for a fault of the server where one of our dependencies has the same name (`locale`).
    """
    found = re.search(r"`\$\.data\.([^`]+)`$", str(fault.__cause__))
    return f"body.{found[1]}" if found else None


def _cause(fault: BaseException) -> BaseException | None:
    """The database's own fault below those that wrap it (SQLAlchemy's, its driver's), or the fault itself."""
    below: BaseException | None = fault
    while below is not None and not isinstance(below, _OF_DATABASE):
        below = below.orig if isinstance(below, DBAPIError) else below.__cause__
    if isinstance(below, postgres.InterfaceError) and "connection is closed" in str(below):
        return ConnectionError()  # asyncpg has no class for it
    return below or fault
