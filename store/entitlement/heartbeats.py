"""A player's signs of life: what keeps the place of a playback, and what tells the player to stop.

Every stream sends one each half minute, so it is two statements and no more: the first uses up the proof (also if the
rest is refused) and reads the ground, the second keeps the place and the progress. What happens in between stops the
player by its next sign of life.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from store.database import Database
from store.entitlement.decision import SILENCE
from store.entitlement.dpop import Proof, forgotten_at, refuse_copy
from store.entitlement.errors import PlaybackEnded, PlaybackNotFound
from store.entitlement.models import Entitlement
from store.entitlement.progress import MERGE, WATCHED
from store.entitlement.rights import Ending, ending, obstacles
from store.entitlement.tokens import PlaybackToken, PlaybackTokens

HEARTBEAT: Final = timedelta(seconds=30)
"""How often a player says that it is still there."""

PICTURE_SEEN: Final = 0.5
"""Seconds of media time from which a film counts as having been seen."""

_RIGHT: Final = ("kind", "start_by", "watch_hours", "near_end", "ends_at", "paused_at", "pause_reason", "revoked_at")
"""Columns by which it is decided whether a right holds, and until when."""

_FIND: Final = f"""
    WITH proof AS (
        INSERT INTO store.dpop_proofs (jkt, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING jti
    )
    SELECT EXISTS (SELECT FROM proof) AS is_first, found.*
      FROM (SELECT) AS always LEFT JOIN (
        SELECT playback.id, playback.beat_at, playback.ended_at, playback.end_reason,
               {", ".join(f"entitlement.{column}" for column in _RIGHT)}
          FROM store.playback_sessions AS playback
          JOIN store.entitlements AS entitlement ON entitlement.id = playback.entitlement_id
          JOIN store.devices AS device ON device.id = playback.device_id
         WHERE playback.id = $4 AND playback.account_id = $5 AND device.jkt = $1
      ) AS found ON true
"""  # noqa: S608

_KEEP: Final = f"""
    WITH playback AS (
        UPDATE store.playback_sessions SET beat_at = $2, position = greatest(position, $3)
         WHERE id = $1 AND ended_at IS NULL AND beat_at > $4
     RETURNING id, account_id, title_id, asset_id
    ), progress AS (
        {
    MERGE.format(
        playback="playback",
        condition="$3::float8 >= $8::float8",
        sequence="$5::bigint",
        position="$3::float8",
        watched="$7::float8",
        seen_at="$2::timestamptz",
        sought="$6::boolean",
    )
}
    )
    SELECT id FROM playback
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a sign of life."""

    ending: Ending
    token: PlaybackToken


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """Takes signs of life."""

    database: Database
    tokens: PlaybackTokens

    async def take(
        self,
        *,
        account_id: UUID,
        proof: Proof,
        playback_session_id: UUID,
        position: float,
        sequence: int | None = None,
        sought: bool = False,
        at: datetime,
        real_now: datetime,
    ) -> Beat:
        """Take a sign of life with the media time reached (seconds); gives a fresh token.

        A player that numbers its reports gives `sequence`; the others are numbered by when they arrive.

        Raises `ProofInvalid` for a proof that was used before, `PlaybackNotFound`, `PlaybackEnded`, or what now stands
        against the right: then the player stops.
        """
        jkt = proof.key.jkt
        [found] = await self.database.reads.fetch(
            _FIND, jkt, proof.jti, forgotten_at(proof), playback_session_id, account_id
        )
        right = _right_of(found, real_now=real_now)
        against = obstacles(right, at=at)
        if against:
            raise against[0]
        number = sequence if sequence is not None else int(real_now.timestamp() * 1000)
        place = (real_now, position, real_now - SILENCE, number, sought, WATCHED, PICTURE_SEEN)
        if await self.database.reads.fetchval(_KEEP, playback_session_id, *place) is None:
            raise PlaybackEnded(end_reason=await self._end_reason(playback_session_id))
        until = ending(right, at=at)
        token = self.tokens.sign(
            playback_session_id=playback_session_id, jkt=jkt, ends_at=until.ends_at, at=at, real_now=real_now
        )
        return Beat(ending=until, token=token)

    async def _end_reason(self, playback_session_id: UUID) -> str:
        """Why a playback ended that was running a moment ago."""
        query = "SELECT coalesce(end_reason, 'silent') FROM store.playback_sessions WHERE id = $1"
        return str(await self.database.reads.fetchval(query, playback_session_id))


def _right_of(found: asyncpg.Record, *, real_now: datetime) -> Entitlement:
    """The right of a playback of this account and device that still has its place."""
    refuse_copy(is_first=found["is_first"])
    if found["id"] is None:
        raise PlaybackNotFound
    if found["ended_at"] is not None or real_now - found["beat_at"] >= SILENCE:
        raise PlaybackEnded(end_reason=found["end_reason"] or "silent")
    return Entitlement(**{column: found[column] for column in _RIGHT})
