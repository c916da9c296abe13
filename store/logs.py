"""Structured logs: one JSON line an event, with a request id and without personal data, bodies or secrets."""

import logging
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, TextIO

import msgspec
import structlog
from asyncpg import PostgresError

_SPEAKS_OF_CODE: Final = frozenset(
    {"AttributeError", "ConnectionRefusedError", "ImportError", "ModuleNotFoundError", "NameError", "UndefinedError"}
)
"""Kinds of faults whose text names code or a server. Any other text may repeat a value that somebody sent."""

_SERVER_LOGGERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""Loggers that the server has given handlers of their own by now, which write plain text."""


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to what standard output is at that moment, as our own logger does."""

    @property
    def stream(self) -> TextIO:
        """Standard output."""
        return sys.stdout

    @stream.setter
    def stream(self, _stream: TextIO) -> None:
        """What the handler was made with is not kept."""


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="answered"):
    """The line of a request.

    Every request pays for it, so it is a struct of its own: an event with free members through the processors below
    takes ten times as long.
    """

    method: str
    route: str
    status: int
    milliseconds: float
    request_id: str
    level: str = "info"
    timestamp: datetime


_encoder: Final = msgspec.json.Encoder()


def log_answer(line: Answered) -> None:
    """Write the line of a request."""
    sys.stdout.write(_encoder.encode(line).decode() + "\n")
    sys.stdout.flush()


def configure_logs(*, level: int = logging.INFO) -> None:
    """Send our own and the libraries' log lines to standard output as JSON, one line each."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_broken_rule,
        # Without the values of local variables: they may be passwords, tokens or addresses.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        _drop_texts,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = _StandardOutput()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _keep_first_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _SERVER_LOGGERS:
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate = True


def _name_broken_rule(_logger: object, _name: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add which rule of the database was broken: the names of things, never a row's values."""
    fault = _fault_of(entry.get("exc_info"))
    while fault is not None and not isinstance(fault, PostgresError):
        fault = fault.__cause__ or fault.__context__
    if fault is not None:
        names = ("sqlstate", "table_name", "column_name", "constraint_name")
        entry["database"] = {name: getattr(fault, name, None) for name in names}
    return entry


def _fault_of(exc_info: object) -> BaseException | None:
    """The fault that a line was given, in each of the forms that logging knows."""
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as fault, _):
            return fault
    return sys.exception() if exc_info else None


def _drop_texts(_logger: object, _name: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep of a fault where and of which kind it is, and its text only if no value can be in it."""
    _drop_texts_of(entry.get("exception", ()))
    return entry


def _drop_texts_of(faults: Iterable[dict[str, Any]]) -> None:
    for fault in faults:
        for told in ("exc_notes", "syntax_error"):
            fault.pop(told, None)
        if fault["exc_type"] not in _SPEAKS_OF_CODE:
            del fault["exc_value"]
        for group in fault.get("exceptions", ()):
            _drop_texts_of(group)


def _keep_first_line(_logger: object, _name: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut a library's line to its first: asyncio adds the fault's text below."""
    entry["event"] = str(entry["event"]).partition("\n")[0]
    return entry
