"""Forgets, every night and in small batches, what is past its period: the store's own periods and those below it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

import auth.retention
import billing.retention
from auth.ports import OpenDatabase
from auth.retention import Period

log = structlog.get_logger("retention")

BATCH: Final = 1000
"""Rows of one transaction."""

PERIODS: Final = (
    Period(
        "log of jobs",
        timedelta(days=30),
        # What a job failed with stays as long as the job waits for a person.
        """
        DELETE FROM jobs.pgqueuer_log WHERE id IN (
            SELECT l.id FROM jobs.pgqueuer_log AS l
             WHERE l.created < $1 AND NOT EXISTS (SELECT FROM jobs.pgqueuer AS j WHERE j.id = l.job_id) LIMIT $2)
        """,
    ),
    Period(
        "reports about mails",
        timedelta(days=30),
        """
        DELETE FROM store.mail_reports WHERE id IN (
            SELECT id FROM store.mail_reports WHERE received_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "mails that prove nothing",
        timedelta(days=180),
        """
        DELETE FROM store.mails WHERE id IN (
            SELECT id FROM store.mails
             WHERE created_at < $1 AND status <> 'queued'
               AND kind NOT IN ('order_confirmation', 'refund', 'withdrawal', 'withdrawal_receipt')
             LIMIT $2)
        """,
    ),
    Period(
        "mails that prove a contract's confirmation",
        timedelta(days=1461),
        """
        DELETE FROM store.mails WHERE id IN (
            SELECT id FROM store.mails WHERE created_at < $1 AND status <> 'queued' LIMIT $2)
        """,
    ),
    Period(
        "cases that are done",
        timedelta(days=1461),
        "DELETE FROM store.cases WHERE id IN (SELECT id FROM store.cases WHERE closed_at < $1 LIMIT $2)",
    ),
    Period(
        "licences and playbacks that were asked for",
        timedelta(days=1461),
        """
        DELETE FROM store.licence_events WHERE id IN (
            SELECT id FROM store.licence_events WHERE recorded_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "playbacks",
        timedelta(days=1461),
        """
        DELETE FROM store.playback_sessions WHERE id IN (
            SELECT p.id FROM store.playback_sessions AS p
             WHERE p.beat_at < $1
               AND NOT EXISTS (SELECT FROM store.licence_events AS l WHERE l.playback_session_id = p.id)
               AND NOT EXISTS (SELECT FROM store.watch_progress AS w WHERE w.playback_session_id = p.id)
             LIMIT $2)
        """,
    ),
)
"""Measured by real time; in their order, for a playback waits until its licences are gone."""


async def forget_what_is_past(
    database: OpenDatabase, *, at: datetime, real_now: datetime, batch: int = BATCH
) -> Mapping[str, int]:
    """Forget everything whose period is over at `at` (business time) or `real_now`; answers how many rows of each.

    Safe to repeat and to break off: each batch stands alone, and the next night goes on.
    """
    due = [
        *((period, real_now) for period in auth.retention.PERIODS),
        *((period, at) for period in billing.retention.PERIODS),
        *((period, real_now) for period in PERIODS),
    ]
    forgotten = {period.name: await _forget(database, period, now - period.keep, batch) for period, now in due}
    log.info("forgotten", **{name.replace(" ", "_"): count for name, count in forgotten.items() if count})
    return forgotten


async def _forget(database: OpenDatabase, period: Period, before: datetime, batch: int) -> int:
    total = 0
    while True:
        done: str = await database.reads.execute(period.statement, before, batch)
        count = int(done.rpartition(" ")[2])
        total += count
        if count < batch:
            return total
