"""What is erased of a viewer: progress, choices, devices and all that was only known about them.

Rights stay beside the order lines that they were sold by, and so does what proves that a performance began: licence
events, which name keys and ids only and are deleted when their own period is over (docs/retention.md).
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_ROWS: Final = (
    "DELETE FROM store.watch_progress WHERE account_id = :account_id",
    "DELETE FROM store.track_choices WHERE account_id = :account_id",
    "DELETE FROM store.device_limits WHERE account_id = :account_id",
    "UPDATE store.rental_remedies SET reason = '' WHERE account_id = :account_id",
    "UPDATE store.device_resets SET reason = '' WHERE account_id = :account_id",
    """
    UPDATE store.playback_sessions
       SET position = 0, last_position = NULL, hosted_client = NULL,
           ended_at = coalesce(ended_at, :real_now), end_reason = coalesce(end_reason, 'stopped')
     WHERE account_id = :account_id
    """,
    """
    DELETE FROM store.devices AS d WHERE account_id = :account_id
       AND NOT EXISTS (SELECT FROM store.licence_events AS l WHERE l.device_id = d.id)
       AND NOT EXISTS (SELECT FROM store.playback_sessions AS p WHERE p.device_id = d.id)
       AND NOT EXISTS (SELECT FROM store.offline_licences AS o WHERE o.device_id = d.id)
    """,
    # What licence events point to stays as an empty row: no name, and no key that could prove anything again.
    """
    UPDATE store.devices
       SET name = '', x = '', y = '', jkt = replace(id::text, '-', ''), removed_at = coalesce(removed_at, :real_now)
     WHERE account_id = :account_id
    """,
)


async def erase_viewer(session: AsyncSession, *, account_id: UUID, real_now: datetime) -> None:
    """Erase what is kept of how an account watched."""
    for statement in _ROWS:
        await session.execute(text(statement), {"account_id": account_id, "real_now": real_now})
