"""A player's signs of life: what keeps the place of a playback, and what tells the player to stop.

Every stream sends one each half minute, so it is one statement and no more. It finds the session, the playback and its
right, uses up the proof, and keeps place and progress, each only if the one before is as it should be. What it found is
judged here, by the same rules as everything else; then the player goes on or stops.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from auth.authentication import LIVING, note_seen, refuse_all_but_customers
from store.database import Database
from store.entitlement.decision import SILENCE, is_live
from store.entitlement.dpop import Proof, forgotten_at, refuse_copy
from store.entitlement.errors import PlaybackEnded, PlaybackNotFound
from store.entitlement.progress import MERGE, WATCHED
from store.entitlement.rights import RIGHT_COLUMNS, Ending, RightRow, ending, obstacles
from store.entitlement.tokens import PlaybackToken, PlaybackTokens

HEARTBEAT: Final = timedelta(seconds=30)
"""How often a player says that it is still there."""

PICTURE_SEEN: Final = 0.5
"""Seconds of media time from which a film counts as having been seen."""

_BEAT: Final = f"""
    WITH unhurried AS MATERIALIZED (
        SELECT set_config('synchronous_commit', 'off', true)
    ), who AS (
        SELECT s.id, s.kind AS session_kind, s.last_seen_at, a.id AS account_id, a.kind
          FROM auth.sessions s JOIN auth.accounts a ON a.id = s.account_id WHERE {LIVING}
    ), ground AS (
        SELECT playback.id AS playback_id, playback.beat_at, playback.ended_at, playback.end_reason,
               playback.last_position, {RIGHT_COLUMNS}
          FROM who
          JOIN store.playback_sessions AS playback ON playback.account_id = who.account_id
          JOIN store.entitlements AS entitlement ON entitlement.id = playback.entitlement_id
          JOIN store.devices AS device ON device.id = playback.device_id
         WHERE playback.id = $3 AND device.jkt = $4
    ), proof AS (
        INSERT INTO store.dpop_proofs (jkt, jti, expires_at) SELECT $4, $5, $6 FROM who WHERE who.kind = 'customer'
            ON CONFLICT DO NOTHING RETURNING jti
    ), playback AS (
        UPDATE store.playback_sessions AS playback
           SET beat_at = $2, position = greatest(playback.position, $7), last_position = $7
          FROM ground, proof
         WHERE playback.id = ground.playback_id AND playback.ended_at IS NULL AND playback.beat_at > $8
           AND ground.right_revoked_at IS NULL AND ground.right_paused_at IS NULL
           AND coalesce(ground.right_ends_at, ground.right_start_by, 'infinity') > $9
     RETURNING playback.id, playback.account_id, playback.title_id, playback.asset_id
    ), progress AS (
        {
    MERGE.format(
        playback="playback",
        condition="$7::float8 >= $13::float8 AND NOT EXISTS (SELECT FROM ground WHERE last_position = $7)",
        sequence="$10::bigint",
        position="$7::float8",
        watched="$12::float8",
        seen_at="$2::timestamptz",
        sought="$11::boolean",
    )
}
    )
    SELECT who.id, who.kind, who.session_kind, who.last_seen_at, ground.*,
           EXISTS (SELECT FROM proof) AS is_first, EXISTS (SELECT FROM playback) AS is_kept
      FROM unhurried LEFT JOIN who ON true LEFT JOIN ground ON true
"""  # noqa: S608
"""That the right holds is asked here only so that a refused sign of life changes nothing; `obstacles` has the say.

The commit does not wait for the disk (`docs/decisions/`): what a crash of the database may lose is the last half second
of signs of life, and a place outlives two of them.
"""


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a sign of life."""

    start_by: datetime | None
    """Rentals: until when they had to be begun."""
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
        session_hash: bytes,
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

        Raises `NotSignedIn`, `CustomersOnly`, `ProofInvalid` for a proof that was used before, `PlaybackNotFound`,
        `PlaybackEnded`, or what now stands against the right: then the player stops. The proof of a customer is used
        up in any case.
        """
        jkt = proof.key.jkt
        [found] = await self.database.reads.fetch(
            _BEAT,
            session_hash,
            real_now,
            playback_session_id,
            jkt,
            proof.jti,
            forgotten_at(proof),
            position,
            real_now - SILENCE,
            at,
            sequence if sequence is not None else int(real_now.timestamp() * 1000),
            sought,
            WATCHED,
            PICTURE_SEEN,
        )
        refuse_all_but_customers(found["kind"])
        await note_seen(self.database, found, at=real_now)
        refuse_copy(is_first=found["is_first"])
        right = _right_of(found, at=at, real_now=real_now)
        against = obstacles(right, at=at)
        if against:
            raise against[0].with_details(server_time=at)
        if not found["is_kept"]:
            raise PlaybackEnded(end_reason=await self._end_reason(playback_session_id), server_time=at)
        until = ending(right, at=at)
        token = self.tokens.sign(
            playback_session_id=playback_session_id, jkt=jkt, ends_at=until.ends_at, at=at, real_now=real_now
        )
        return Beat(right.start_by, until, token)

    async def _end_reason(self, playback_session_id: UUID) -> str:
        """Why a playback ended that was running a moment ago."""
        query = "SELECT coalesce(end_reason, 'silent') FROM store.playback_sessions WHERE id = $1"
        return str(await self.database.reads.fetchval(query, playback_session_id))


def _right_of(found: asyncpg.Record, *, at: datetime, real_now: datetime) -> RightRow:
    """The right of a playback of this account and device that still has its place."""
    if found["playback_id"] is None:
        raise PlaybackNotFound
    if not is_live(ended_at=found["ended_at"], beat_at=found["beat_at"], real_now=real_now):
        raise PlaybackEnded(end_reason=found["end_reason"] or "silent", server_time=at)
    return RightRow.of(found)
