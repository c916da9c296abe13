"""Log lines carry a request id and no personal data: neither bodies nor the values of local variables."""

import json
from datetime import UTC, datetime

import asyncpg
import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from auth.ids import new_id
from auth.models import Account
from store.database import Database
from store.logs import configure_logs


def an_account(address: str) -> Account:
    return Account(
        kind="customer",
        email=address,
        email_key=address,
        locale="de",
        residence_country="DE",
        residence_evidence={},
        created_at=datetime.now(UTC),
    )


def test_a_logged_failure_shows_where_it_happened_and_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    password = "ein Passwort, das niemand lesen soll"

    def fail(secret: str) -> None:
        raise RuntimeError(len(secret))

    try:
        fail(password)
    except RuntimeError as fault:
        structlog.get_logger("test").error("failed", exc_info=fault)
    line = capsys.readouterr().out.strip()
    entry = json.loads(line)
    assert entry["exception"][0]["exc_type"] == "RuntimeError"
    assert entry["exception"][0]["frames"][-1]["lineno"] > 0
    assert password not in line


async def test_a_failed_statement_is_logged_without_its_values(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs()
    address = f"anna.{new_id().hex}@beispiel.example"
    async with database.sessions() as session:
        session.add_all([an_account(address), an_account(address)])
        with pytest.raises(IntegrityError) as first:
            await session.flush()
    structlog.get_logger("test").error("failed", exc_info=first.value)
    with pytest.raises(asyncpg.NotNullViolationError) as second:
        await database.reads.execute("INSERT INTO auth.registrations (id, email) VALUES ($1, $2)", new_id(), address)
    structlog.get_logger("test").error("failed", exc_info=second.value)
    lines = capsys.readouterr().out
    assert "uq_accounts_email_key" in lines
    assert "NotNullViolationError" in lines
    assert address not in lines
