"""How long auth keeps what: periods as data, each with the statement that forgets one batch of what is past it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Period:
    """One kind of row, and for how long it is kept. docs/retention.md says why."""

    name: str
    keep: timedelta
    statement: str
    """Forgets rows older than $1, at most $2 of them: a small transaction that nobody waits for."""


PERIODS: Final = (
    Period(
        "addresses of audited deeds",
        timedelta(days=30),
        """
        DELETE FROM auth.audit_addresses WHERE audit_event_id IN (
            SELECT audit_event_id FROM auth.audit_addresses WHERE at < $1 LIMIT $2)
        """,
    ),
    Period(
        "ended sign-ins",
        timedelta(days=180),
        """
        DELETE FROM auth.sessions WHERE id IN (
            SELECT id FROM auth.sessions WHERE least(revoked_at, idle_expires_at, expires_at) < $1 LIMIT $2)
        """,
    ),
    Period(
        "what erased accounts had agreed to at registration",
        timedelta(days=1461),
        """
        DELETE FROM auth.consents WHERE id IN (
            SELECT c.id FROM auth.consents AS c JOIN auth.erasures AS e ON e.account_id = c.account_id
             WHERE e.erased_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "removed passkeys",
        timedelta(days=180),
        """
        DELETE FROM auth.passkeys WHERE id IN (
            SELECT id FROM auth.passkeys WHERE removed_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "changes of address",
        timedelta(days=180),
        """
        DELETE FROM auth.email_changes WHERE id IN (
            SELECT id FROM auth.email_changes WHERE requested_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "codes read out by callers",
        timedelta(days=180),
        """
        DELETE FROM auth.caller_verifications WHERE id IN (
            SELECT id FROM auth.caller_verifications WHERE requested_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "recoveries by support",
        timedelta(days=180),
        """
        DELETE FROM auth.recoveries WHERE id IN (
            SELECT id FROM auth.recoveries WHERE ended_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "password resets",
        timedelta(days=180),
        """
        DELETE FROM auth.password_resets WHERE id IN (
            SELECT id FROM auth.password_resets WHERE requested_at < $1 LIMIT $2)
        """,
    ),
)
"""Measured by real time."""
