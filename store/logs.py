"""Structured logs: one JSON line an event, with a request id and without personal data, bodies or secrets."""

import logging
import re
import sys
from typing import Final

import structlog

_DETAIL: Final = re.compile(r"\nDETAIL:.*?(?=\n\[|\nHINT:|\Z)", re.DOTALL)
"""What PostgreSQL adds to an error: the key that was there already, the row that broke a rule."""


def configure_logs(*, level: int = logging.INFO) -> None:
    """Send our own and the libraries' log lines to standard output as JSON, one line each."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without the values of local variables: they may be passwords, tokens or addresses.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        _drop_database_details,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _drop_database_details(
    _logger: object, _name: str, entry: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Take the values of rows out of the database's errors."""
    for fault in entry.get("exception", ()):
        fault["exc_value"] = _DETAIL.sub("", fault["exc_value"])
    return entry
