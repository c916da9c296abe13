"""A database that is away is told as such, however many libraries have wrapped its fault; our own faults are not."""

from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, InterfaceError

from store.errors import DatabaseAway, InternalError
from store.problems import as_refusal

REQUEST = cast(Any, SimpleNamespace(scope={"path_template": "/v1/orders"}))


def because(fault: BaseException, cause: BaseException) -> BaseException:
    """A fault that another one led to."""
    fault.__cause__ = cause
    return fault


def of_driver(cause: BaseException) -> Exception:
    """What SQLAlchemy's layer over the driver makes of the driver's fault."""
    return cast(Exception, because(AsyncAdapt_asyncpg_dbapi.Error("it failed", cause), cause))


CLOSED = asyncpg.InterfaceError("cannot call Transaction.start(): the underlying connection is closed")
GONE = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


@pytest.mark.parametrize(
    "fault",
    [
        GONE,
        CLOSED,
        ConnectionRefusedError(),
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        of_driver(GONE),
        of_driver(CLOSED),
        DBAPIError("SELECT 1", None, of_driver(GONE)),
        DBAPIError("SELECT 1", None, of_driver(ConnectionRefusedError())),
        because(InterfaceError("SELECT 1", None, of_driver(CLOSED)), of_driver(CLOSED)),
    ],
    ids=str,
)
def test_a_database_that_is_away_is_worth_another_try(fault: Exception) -> None:
    refusal = as_refusal(REQUEST, fault)
    assert isinstance(refusal, DatabaseAway)
    assert refusal.status == 503


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError("ours"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        of_driver(asyncpg.UndefinedTableError("no such table")),
    ],
    ids=str,
)
def test_a_fault_of_ours_is_no_passing_one(fault: Exception) -> None:
    assert isinstance(as_refusal(REQUEST, fault), InternalError)
