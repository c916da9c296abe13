"""The SQLite file of the stand-in: its tables, and transactions that survive the end of the process."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# One process owns the file: the lock is held until it ends, so that a second stand-in on the same file stops
# at its start instead of delivering every webhook twice. A process that was killed leaves no lock behind.
# In WAL mode a commit is in the operating system's hands when it returns: kill -9 loses nothing.
_SETTINGS = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
"""

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL,
    customer TEXT GENERATED ALWAYS AS (json_extract(body, '$.customer')) VIRTUAL,
    payment_intent TEXT GENERATED ALWAYS AS (json_extract(body, '$.payment_intent')) VIRTUAL,
    charge TEXT GENERATED ALWAYS AS (json_extract(body, '$.charge')) VIRTUAL,
    source TEXT GENERATED ALWAYS AS (json_extract(body, '$.source')) VIRTUAL,
    type TEXT GENERATED ALWAYS AS (json_extract(body, '$.type')) VIRTUAL,
    email TEXT GENERATED ALWAYS AS (json_extract(body, '$.email')) VIRTUAL,
    currency TEXT GENERATED ALWAYS AS (json_extract(body, '$.currency')) VIRTUAL
);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, sequence);
CREATE INDEX IF NOT EXISTS objects_by_customer ON objects (kind, customer, sequence);
CREATE INDEX IF NOT EXISTS objects_by_payment_intent ON objects (kind, payment_intent, sequence);
CREATE INDEX IF NOT EXISTS objects_by_charge ON objects (kind, charge, sequence);
CREATE INDEX IF NOT EXISTS objects_by_source ON objects (kind, source, sequence);
CREATE TABLE IF NOT EXISTS answers (
    idempotency_key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS postings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dropped', 'given_up')),
    attempts INTEGER NOT NULL DEFAULT 0,
    first_due REAL NOT NULL,
    due REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS postings_due ON postings (state, due);
CREATE INDEX IF NOT EXISTS postings_of_event ON postings (event);
CREATE TABLE IF NOT EXISTS agenda (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    deed TEXT NOT NULL,
    subject TEXT NOT NULL,
    due INTEGER NOT NULL,
    UNIQUE (deed, subject, due)
);
CREATE INDEX IF NOT EXISTS agenda_due ON agenda (due);
CREATE TABLE IF NOT EXISTS payout_items (
    balance_transaction TEXT PRIMARY KEY,
    payout TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS payout_items_of_payout ON payout_items (payout);
CREATE VIEW IF NOT EXISTS not_paid_out AS
    SELECT id, currency, json_extract(body, '$.net') AS net, json_extract(body, '$.available_on') AS available_on
    FROM objects
    WHERE kind = 'balance_transaction' AND id NOT IN (SELECT balance_transaction FROM payout_items);
CREATE TABLE IF NOT EXISTS switches (
    name TEXT PRIMARY KEY,
    setting INTEGER NOT NULL
);
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make the file. Raises sqlite3.OperationalError after 5 s when another process owns it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=5, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.executescript(_SETTINGS)
    connection.executescript(_TABLES)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing: committed at the end, rolled back on any error. Holds no `await`, so calls never mix."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
