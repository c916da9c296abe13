"""Licences: the content keys of a film for a device that proved itself, as far as the right goes (W3C Clear Key)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from auth.ids import new_id
from store.database import Database
from store.entitlement.base64url import decode
from store.entitlement.decision import is_live
from store.entitlement.dpop import Proof, forgotten_at, read_proof, refuse_copy, use_once
from store.entitlement.errors import (
    DeviceNotRegistered,
    EntitlementError,
    ForeignKeyAsked,
    LicenceRequestMalformed,
    NothingGranted,
    PlaybackEnded,
    ProofInvalid,
    StartNotConfirmed,
    TokenInvalid,
)
from store.entitlement.keys import KEY_BYTES, KeySeal, SealedKey
from store.entitlement.record import Question
from store.entitlement.rights import RIGHT_COLUMNS, TRACKS, RightRow, ending, needs_start, obstacles
from store.entitlement.tokens import Permission, PlaybackTokens

log = structlog.get_logger("licences")

MOST_KIDS: Final = 16
"""Key ids in one request; a film has three or four."""


_GROUND: Final = f"""
    SELECT playback.account_id, playback.title_id, playback.entitlement_id, playback.device_id, playback.asset_id,
           playback.start_confirmed, playback.beat_at, playback.ended_at, playback.end_reason, {RIGHT_COLUMNS},
           playback.xmin AS playback_version, entitlement.xmin AS right_version,
           device.jkt, device.removed_at, account.status, film.*
      FROM store.playback_sessions AS playback
      JOIN store.entitlements AS entitlement ON entitlement.id = playback.entitlement_id
      JOIN store.devices AS device ON device.id = playback.device_id
      JOIN auth.accounts AS account ON account.id = playback.account_id
     CROSS JOIN LATERAL (
        SELECT array_agg(kid) AS kids, array_agg(track) AS tracks, array_agg(sealed) AS sealed,
               array_agg(sealed_with) AS sealed_with
          FROM store.content_keys WHERE asset_id = playback.asset_id
     ) AS film
     WHERE playback.id = $1
"""  # noqa: S608
"""What a licence rests on, and which versions of the rows it was read from."""

_ISSUE: Final = """
    WITH proof AS (
        INSERT INTO store.dpop_proofs (jkt, jti, expires_at) VALUES ($2, $3, $4) ON CONFLICT DO NOTHING RETURNING jti
    ), held AS (
        SELECT playback.*, entitlement.id AS right_id
          FROM store.playback_sessions AS playback
          JOIN store.entitlements AS entitlement ON entitlement.id = playback.entitlement_id
         WHERE playback.id = $1 AND playback.xmin = $5 AND entitlement.xmin = $6
           AND ($7 OR EXISTS (SELECT FROM proof))
           FOR NO KEY UPDATE OF playback, entitlement
    ), begun AS (
        UPDATE store.entitlements AS entitlement SET first_played_at = $8, ends_at = $9, started_by = $1
          FROM held WHERE $10 AND entitlement.id = held.right_id
    ), recorded AS (
        INSERT INTO store.licence_events (id, at, recorded_at, step, outcome, account_id, title_id, entitlement_id,
                                          device_id, playback_session_id, kids, started_clock)
        SELECT $11, $8, $12, 'licence', 'granted', account_id, title_id, right_id, device_id, id, $13, $10 FROM held
     RETURNING id
    )
    SELECT EXISTS (SELECT FROM proof) AS is_first, EXISTS (SELECT FROM recorded) AS is_issued
"""
"""Uses up the proof and, while playback and right are locked and are still what the decision saw, begins the rental's
hours (if it is the first licence) and records the licence. One statement: a transaction of its own."""

_TRIES: Final = 5
"""How often a licence is decided, if its ground changes meanwhile: twice a minute by heartbeats, once by its start."""


@dataclass(frozen=True, slots=True)
class LicenceQuestion:
    """A licence request as it came in."""

    authorization: str | None
    """The header `Authorization: DPoP <token>`."""
    proof: str | None
    """The header `DPoP`."""
    method: str
    url: str
    """The public address that was asked, which the proof must name."""
    kids: Sequence[str]
    """Key ids, 16 bytes each, base64url without padding."""
    kind: str
    """`temporary`: Clear Key knows no licence that stays."""


@dataclass(frozen=True, slots=True)
class _Decision:
    """The keys that a licence may give, and whether it begins the rental's hours."""

    keys: Sequence[tuple[UUID, bytes]]
    begins: bool
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Licences:
    """Issues licences."""

    database: Database
    tokens: PlaybackTokens
    seal: KeySeal

    async def issue(self, asked: LicenceQuestion, *, at: datetime, real_now: datetime) -> Sequence[tuple[UUID, bytes]]:
        """The keys of a licence, as (key id, key of 16 bytes): those asked for that the paid quality opens.

        The first licence of a playback that the customer started explicitly begins the rental's hours, once. A
        refused one never does. Grants and refusals are recorded; only requests without a token of ours are not,
        for nobody could say whose they were. Raises the refusals of this package.

        What was decided counts only if playback and right are still the same when they are locked: a withdrawal, a
        refund, a failure or another first licence at the same instant comes before it or after it, never in between.
        """
        permission = self._permission(asked.authorization, real_now=real_now)
        proof = _proof_of(asked, permission, real_now=real_now)
        unused = proof if isinstance(proof, Proof) else None
        for _ in range(_TRIES):
            ground = await self.database.reads.fetchrow(_GROUND, permission.playback_session_id)
            if ground is None:
                raise TokenInvalid
            question = _question(ground, permission, at=at, real_now=real_now)
            try:
                if isinstance(proof, EntitlementError):
                    raise proof
                decision = self._decide(ground, permission, _key_ids(asked), at=at, real_now=real_now)
                issued = await self._issue(question, ground, proof, decision, is_used_up=unused is None)
                refuse_copy(is_first=unused is None or issued["is_first"])
            except EntitlementError as refusal:
                raise await self._refused(question, unused, refusal) from None
            if issued["is_issued"]:
                return decision.keys
            unused = None
        raise asyncpg.SerializationError("the ground of a licence kept changing")

    def _permission(self, authorization: str | None, *, real_now: datetime) -> Permission:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "dpop" or not token:
            log.info("licence refused", code=TokenInvalid.code)
            raise TokenInvalid
        return self.tokens.read(token.strip(), real_now=real_now)

    def _decide(
        self,
        ground: asyncpg.Record,
        permission: Permission,
        kids: Sequence[UUID],
        *,
        at: datetime,
        real_now: datetime,
    ) -> _Decision:
        right = RightRow.of(ground)
        if ground["status"] != "active":
            raise TokenInvalid
        if ground["removed_at"] is not None or ground["jkt"] != permission.jkt:
            raise DeviceNotRegistered
        if not is_live(ended_at=ground["ended_at"], beat_at=ground["beat_at"], real_now=real_now):
            raise PlaybackEnded(end_reason=ground["end_reason"] or "silent")
        against = obstacles(right, at=at)
        if against:
            raise against[0]
        opened = [key for key in _keys(ground, kids) if key.track in TRACKS[right.quality]]
        if not opened:
            raise NothingGranted
        begins = needs_start(right)
        if begins and not ground["start_confirmed"]:
            raise StartNotConfirmed
        keys = [(key.kid, self.seal.open(key)) for key in opened]
        return _Decision(keys, begins, ending(right, at=at).ends_at)

    async def _issue(
        self,
        question: Question,
        ground: asyncpg.Record,
        proof: Proof,
        decision: _Decision,
        *,
        is_used_up: bool,
    ) -> asyncpg.Record:
        """Whether the proof was used for the first time, and whether the licence is issued.

        `is_used_up`: an attempt before this one did that already.
        """
        [issued] = await self.database.reads.fetch(
            _ISSUE,
            question.playback_session_id,
            proof.key.jkt,
            proof.jti,
            forgotten_at(proof),
            ground["playback_version"],
            ground["right_version"],
            is_used_up,
            question.at,
            decision.ends_at,
            decision.begins,
            new_id(),
            question.real_now,
            [kid for kid, _ in decision.keys],
        )
        return issued

    async def _refused(self, question: Question, unused: Proof | None, refusal: EntitlementError) -> EntitlementError:
        """The refusal, once it is recorded and the proof used up; that it is a copy weighs more than anything else."""
        if unused is not None:
            try:
                await use_once(self.database, unused)
            except ProofInvalid as copy:
                refusal = copy
        await question.refused(self.database, refusal)
        log.info("licence refused", code=refusal.code, playback=str(question.playback_session_id))
        return refusal


def _question(ground: asyncpg.Record, permission: Permission, *, at: datetime, real_now: datetime) -> Question:
    return Question(
        "licence",
        at,
        real_now,
        ground["account_id"],
        title_id=ground["title_id"],
        entitlement_id=ground["entitlement_id"],
        device_id=ground["device_id"],
        playback_session_id=permission.playback_session_id,
    )


def _keys(ground: asyncpg.Record, kids: Sequence[UUID]) -> Sequence[SealedKey]:
    """The film's keys of these ids, in their order; one that is unknown or another film's refuses them all."""
    columns = (ground[name] or () for name in ("kids", "tracks", "sealed", "sealed_with"))
    by_kid = {
        kid: SealedKey(kid, ground["asset_id"], track, sealed, sealed_with)
        for kid, track, sealed, sealed_with in zip(*columns, strict=True)
    }
    if not by_kid.keys() >= set(kids):
        raise ForeignKeyAsked
    return [by_kid[kid] for kid in kids]


def _proof_of(asked: LicenceQuestion, permission: Permission, *, real_now: datetime) -> Proof | EntitlementError:
    """The proof of the key that the token is bound to, or what is wrong with it."""
    token = (asked.authorization or "").partition(" ")[2].strip()
    try:
        proof = read_proof(asked.proof, method=asked.method, url=asked.url, real_now=real_now, token=token)
    except EntitlementError as fault:
        return fault
    return proof if proof.key.jkt == permission.jkt else TokenInvalid()


def _key_ids(asked: LicenceQuestion) -> list[UUID]:
    if asked.kind != "temporary":
        raise LicenceRequestMalformed(place="type must be temporary")
    if not 1 <= len(asked.kids) <= MOST_KIDS:
        raise LicenceRequestMalformed(place=f"kids must name 1 to {MOST_KIDS} keys")
    try:
        kids = [UUID(bytes=decode(kid, length=KEY_BYTES)) for kid in asked.kids]
    except ValueError as fault:
        raise LicenceRequestMalformed(place="a key id is not 16 bytes in base64url") from fault
    if len(set(kids)) < len(kids):
        raise LicenceRequestMalformed(place="a key id is named twice")
    return kids
