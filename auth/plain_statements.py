"""Plain statements inside a session's transaction, for what every purchase asks.

Building a statement, tracking its objects and flushing them costs several times what the driver needs to ask it. Rare
paths go on by the session; both share one connection and one transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from itertools import count, groupby
from typing import Any, Final, NamedTuple, TypeVar, cast

import asyncpg
import msgspec
from sqlalchemy import inspect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

Row = TypeVar("Row", bound=DeclarativeBase)

Unless = Mapping[Any, str]
"""By model."""

NEVER: Final[Unless] = {}

_DRIVER: Final = "driver"
"""Under which a session keeps its transaction and the driver's connection in it."""


async def driver_of(session: AsyncSession) -> asyncpg.Connection:
    """The driver's connection in the session's transaction, which it begins; what the session holds is written first.

    Faults of its statements are asyncpg's own, such as `asyncpg.UniqueViolationError`.
    """
    if session.new or session.dirty or session.deleted:
        await session.flush()
    kept = session.info.get(_DRIVER)
    if kept is not None and kept[0] is session.sync_session.get_transaction():
        return cast(asyncpg.Connection, kept[1])
    connection = await (await session.connection()).get_raw_connection()
    driver = cast(asyncpg.Connection, connection.driver_connection)
    if not driver.is_in_transaction():
        # SQLAlchemy would begin with the first statement of its own, which may never come.
        await cast(Any, connection.dbapi_connection)._start_transaction()
    session.info[_DRIVER] = (session.sync_session.get_transaction(), driver)
    return driver


async def add(session: AsyncSession, *rows: DeclarativeBase, unless: Unless = NEVER) -> bool:
    """Insert new rows by one statement; attributes that are not set take their defaults. Whether all were inserted.

    Rows of one table stand together and have the same attributes set. `unless` names, by model, a unique index such as
    `(account_id, subject) WHERE is_open`: a row in whose way another one stands there is left out. The session does not
    know the objects: what is changed in them later is written by `save`.
    """
    insertions: list[_Insertion] = []
    values: list[Any] = []
    for model, group in groupby(rows, type):
        of_model = list(group)
        columns = [column for column in _columns(model) if not column.is_omitted(of_model[0])]
        for row in of_model:
            state = row.__dict__
            for column in columns:
                if column.key not in state:
                    state[column.key] = column.default()
                values.append(column.written(state[column.key]))
        names = tuple(column.name for column in columns)
        insertions.append(_Insertion(model, names, len(of_model), unless.get(model, "")))
    driver = await driver_of(session)
    inserted: int = await driver.fetchval(_insert_all(tuple(insertions)), *values)
    for row in rows:
        make_transient_to_detached(row)
    return inserted == len(rows)


async def save(session: AsyncSession, *rows: DeclarativeBase) -> None:
    """Write by one statement what was changed in rows that are there; if nothing was, nothing is asked."""
    changes: list[_Change] = []
    values: list[Any] = []
    for row in rows:
        changed = tuple(sorted(cast(Any, inspect(row)).committed_state))
        if not changed:
            continue
        columns = {column.key: column for column in _columns(type(row))}
        for key in changed:
            value = getattr(row, key)
            values.append(columns[key].written(value))
            set_committed_value(row, key, value)
        values.extend(getattr(row, key) for key in _primary_key(type(row)))
        changes.append(_Change(type(row), changed))
    if changes:
        driver = await driver_of(session)
        await driver.execute(_update_all(tuple(changes)), *values)


def columns(model: type[DeclarativeBase], table: str = "", *, prefix: str = "") -> str:
    """The columns of a model for a SELECT that `read` reads: by name, so that a new column breaks no old process.

    Of two models in one statement one gets a `prefix`: `p.id AS payment_id`.
    """
    own = f"{table}." if table else ""
    return ", ".join(
        f"{own}{column.name}{f' AS {prefix}{column.name}' if prefix else ''}" for column in _columns(model)
    )


def read(model: type[Row], record: asyncpg.Record, *, prefix: str = "") -> Row:
    """A record of a model's table as an object that no session knows; columns that it lacks must not be asked for."""
    row = model()
    for column in _columns(model):
        name = prefix + column.name
        if name in record:
            row.__dict__[column.key] = column.read(record[name])
    make_transient_to_detached(row)
    return row


def track(session: AsyncSession, row: Row) -> Row:
    """A row that was read plainly, as an object of the session, which writes what is changed in it from now on.

    One that the session has read before is the same object still, and as the row is now.
    """
    known = cast(Row | None, session.sync_session.identity_map.get(cast(Any, inspect(row)).key))
    if known is None:
        session.add(row)
        return row
    for column in _columns(type(row)):
        if column.key in row.__dict__:
            set_committed_value(known, column.key, row.__dict__[column.key])
    return known


class _Column(msgspec.Struct, frozen=True):
    """How the values of a mapped column go to the driver and come from it."""

    key: str
    name: str
    default: Callable[[], Any]
    has_server_default: bool
    written: Callable[[Any], Any]
    read: Callable[[Any], Any]

    def is_omitted(self, row: DeclarativeBase) -> bool:
        """Whether the database is to give the value of a new row."""
        return self.has_server_default and self.key not in row.__dict__


@cache
def _columns(model: type[DeclarativeBase]) -> Sequence[_Column]:
    return tuple(_column(attribute.key, attribute.columns[0]) for attribute in inspect(model).column_attrs)


def _column(key: str, column: Any) -> _Column:
    default = column.default
    make: Callable[[], Any] = _nothing
    if default is not None:
        make = (lambda: default.arg(None)) if default.is_callable else (lambda: default.arg)
    has_server_default = default is None and column.server_default is not None
    written: Callable[[Any], Any] = _as_it_is
    reader: Callable[[Any], Any] = _as_it_is
    enum_class = getattr(column.type, "enum_class", None)
    if isinstance(column.type, JSONB):
        written, reader = _json, _from_json
    elif enum_class is not None and issubclass(enum_class, StrEnum):
        reader = lambda value: enum_class(value) if value is not None else None  # noqa: E731
    return _Column(key, column.name, make, has_server_default, written, reader)


def _nothing() -> None:
    return None


def _as_it_is(value: Any) -> Any:
    return value


def _json(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value is not None else None


def _from_json(value: Any) -> Any:
    """An object, which connections of the session decode and the others leave as text."""
    return msgspec.json.decode(value) if isinstance(value, str) else value


class _Insertion(NamedTuple):
    """New rows of one table."""

    model: type[DeclarativeBase]
    names: Sequence[str]
    rows: int
    unless: str


class _Change(NamedTuple):
    """Changed attributes of one row."""

    model: type[DeclarativeBase]
    keys: Sequence[str]


@cache
def _insert_all(insertions: Sequence[_Insertion]) -> str:
    """One statement that answers how many rows it inserted; foreign keys are checked at its end."""
    places = count(1)
    parts = []
    for model, names, rows, unless in insertions:
        values = ", ".join(f"({', '.join(f'${next(places)}' for _ in names)})" for _ in range(rows))
        otherwise = f" ON CONFLICT {unless} DO NOTHING" if unless else ""
        parts.append(f"INSERT INTO {model.__table__} ({', '.join(names)}) VALUES {values}{otherwise} RETURNING 1")  # noqa: S608
    tables = ", ".join(f"t{number} AS ({part})" for number, part in enumerate(parts))
    return f"WITH {tables} SELECT {' + '.join(f'(SELECT count(*) FROM t{number})' for number in range(len(parts)))}"  # noqa: S608


@cache
def _update_all(changes: Sequence[_Change]) -> str:
    places = count(1)
    parts = []
    for model, keys in changes:
        names = {column.key: column.name for column in _columns(model)}
        new = ", ".join(f"{names[key]} = ${next(places)}" for key in keys)
        mine = " AND ".join(f"{names[key]} = ${next(places)}" for key in _primary_key(model))
        parts.append(f"UPDATE {model.__table__} SET {new} WHERE {mine}")  # noqa: S608
    first = ", ".join(f"t{number} AS ({part})" for number, part in enumerate(parts[:-1]))
    return f"WITH {first} {parts[-1]}" if first else parts[-1]


@cache
def _primary_key(model: type[DeclarativeBase]) -> Sequence[str]:
    mapper = inspect(model)
    return tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)
