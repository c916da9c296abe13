"""Log lines carry a request id and no personal data: neither bodies nor the values of local variables."""

import json

import pytest
import structlog

from store.logs import configure_logs


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
