"""Licences: the content keys of a film for a device that proved itself, as far as the right goes.

One decision for every system: the embedded Clear Key server gives the keys themselves, hosted services are told by
`hosted_drm` which keys to give.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from litestar.status_codes import HTTP_401_UNAUTHORIZED

from auth.ids import new_id
from store.database import Database
from store.entitlement.decision import is_live
from store.entitlement.device_errors import DeviceNotRegistered
from store.entitlement.dpop import Proof, forgotten_at, refuse_copy, use_once
from store.entitlement.errors import EntitlementError, PlaybackEnded
from store.entitlement.keys import KeySeal, SealedKey
from store.entitlement.licence_errors import (
    ClearKeyNotAllowed,
    ForeignKeyAsked,
    NothingGranted,
    ProofInvalid,
    StartNotConfirmed,
    TokenInvalid,
)
from store.entitlement.licence_policy import PROTECTIONS, LicencePolicy, streaming_policy
from store.entitlement.licence_requests import HostedDevice, LicenceQuestion, key_ids, proof_of
from store.entitlement.models import Track
from store.entitlement.record import Question, System
from store.entitlement.rights import RIGHT_COLUMNS, TRACKS, RightRow, ending, needs_start, obstacles
from store.entitlement.tokens import Permission, PlaybackTokens

log = structlog.get_logger("licences")

_GROUND: Final = f"""
    SELECT playback.account_id, playback.title_id, playback.entitlement_id, playback.device_id, playback.asset_id,
           playback.start_confirmed, playback.beat_at, playback.ended_at, playback.end_reason,
           playback.hosted_client, {RIGHT_COLUMNS},
           playback.xmin AS playback_version, entitlement.xmin AS right_version,
           device.jkt, device.removed_at, account.status, asset.clear_key, film.*
      FROM store.playback_sessions AS playback
      JOIN store.entitlements AS entitlement ON entitlement.id = playback.entitlement_id
      JOIN store.devices AS device ON device.id = playback.device_id
      JOIN auth.accounts AS account ON account.id = playback.account_id
      JOIN store.media_assets AS asset ON asset.id = playback.asset_id
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
        INSERT INTO store.dpop_proofs (jkt, jti, expires_at)
        SELECT $2::text, $3::text, $4::timestamptz WHERE $3::text IS NOT NULL
            ON CONFLICT DO NOTHING RETURNING jti
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
    ), bound AS (
        UPDATE store.playback_sessions AS playback SET hosted_client = $15
          FROM held WHERE $15::bytea IS NOT NULL AND held.hosted_client IS NULL AND playback.id = held.id
    ), recorded AS (
        INSERT INTO store.licence_events (id, at, recorded_at, step, outcome, account_id, title_id, entitlement_id,
                                          device_id, playback_session_id, kids, started_clock, system)
        SELECT $11, $8, $12, 'licence', 'granted', account_id, title_id, right_id, device_id, id, $13, $10, $14
          FROM held
     RETURNING id
    )
    SELECT EXISTS (SELECT FROM proof) AS is_first, EXISTS (SELECT FROM recorded) AS is_issued
"""
"""Uses up the proof and, while playback and right are locked and are still what the decision saw, begins the rental's
hours (if it is the first licence), binds the playback to the hosted service's device (if it is the first one) and
records the licence. One statement: a transaction of its own."""

_TRIES: Final = 5
"""How often a licence is decided, if its ground changes meanwhile: twice a minute by heartbeats, once by its start."""


@dataclass(frozen=True, slots=True)
class LicensedKey:
    """A content key of a licence."""

    kid: UUID
    track: str
    key: bytes = field(repr=False)
    """16 bytes."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What a device may be given, and under which limits."""

    reference: UUID
    """Of the playback, or of the licence that stays on the device."""
    asset_id: UUID
    keys: Sequence[LicensedKey]
    policy: LicencePolicy

    @property
    def tracks(self) -> Sequence[str]:
        """Of which tracks there is a key, the sound first and the best picture last."""
        present = {key.track for key in self.keys}
        return [track for track in TRACKS["UHD"] if track in present]


@dataclass(frozen=True, slots=True)
class _Decision:
    """The licence that may be issued, and whether it begins the rental's hours."""

    licence: Licence
    begins: bool
    ends_at: datetime | None
    hosted_client: bytes | None
    """To which device of a hosted service the playback is bound by it."""


@dataclass(frozen=True, slots=True)
class Licences:
    """Issues licences."""

    database: Database
    tokens: PlaybackTokens
    seal: KeySeal

    async def issue(
        self, asked: LicenceQuestion, device: HostedDevice | None = None, *, at: datetime, real_now: datetime
    ) -> Licence:
        """A licence for the device that proved itself: of the keys asked for those that the paid quality opens.

        The first licence of a playback that the customer started explicitly begins the rental's hours, once. A
        refused one never does. Grants and refusals are recorded, those of an expired token once a minute; only requests
        without a token of ours are not, for nobody could say whose they were. Raises the refusals of this package.

        What was decided counts only if playback and right are still the same when they are locked: a withdrawal, a
        refund, a failure or another first licence at the same instant comes before it or after it, never in between.
        """
        permission = self._permission(asked.authorization, real_now=real_now)
        proof = proof_of(asked, permission, real_now=real_now)
        return await self._issue(asked, permission, proof, device, at=at, real_now=real_now)

    async def issue_for_service(
        self, token: str, device: HostedDevice, *, system: System, at: datetime, real_now: datetime
    ) -> Licence:
        """A licence for a device that a hosted service speaks for, which was given our playback token to pass on.

        The token holds for a minute; there is no proof by the device's key. Instead the first device by its id of the
        DRM that is given a licence is the only one that this playback's tokens are good for. Raises as `issue` does.
        """
        permission = self.tokens.read(token, real_now=real_now)
        asked = LicenceQuestion(authorization=None, proofs=(), method="", url="", system=system)
        fault = TokenInvalid() if permission.has_expired else None
        return await self._issue(asked, permission, fault, device, at=at, real_now=real_now)

    async def _issue(
        self,
        asked: LicenceQuestion,
        permission: Permission,
        proof: Proof | EntitlementError | None,
        device: HostedDevice | None,
        *,
        at: datetime,
        real_now: datetime,
    ) -> Licence:
        unused = proof if isinstance(proof, Proof) else None
        for _ in range(_TRIES):
            ground = await self.database.reads.fetchrow(_GROUND, permission.playback_session_id)
            if ground is None:
                raise TokenInvalid
            question = _question(ground, permission, asked.system, at=at, real_now=real_now)
            try:
                if isinstance(proof, EntitlementError):
                    raise proof
                decision = self._decide(ground, permission, asked, device, at=at, real_now=real_now)
                issued = await self._record(question, ground, proof, decision, is_used_up=unused is None)
                refuse_copy(is_first=unused is None or issued["is_first"])
            except EntitlementError as refusal:
                raise await self._refused(question, unused, refusal) from None
            if issued["is_issued"]:
                return decision.licence
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
        asked: LicenceQuestion,
        device: HostedDevice | None,
        *,
        at: datetime,
        real_now: datetime,
    ) -> _Decision:
        right, kids = RightRow.of(ground), key_ids(asked)
        if ground["status"] != "active":
            raise TokenInvalid
        if ground["removed_at"] is not None or ground["jkt"] != permission.jkt:
            raise DeviceNotRegistered
        if not is_live(ended_at=ground["ended_at"], beat_at=ground["beat_at"], real_now=real_now):
            raise PlaybackEnded(end_reason=ground["end_reason"] or "silent")
        against = obstacles(right, at=at)
        if against:
            raise against[0]
        if asked.system == "clearkey" and not ground["clear_key"]:
            raise ClearKeyNotAllowed
        opened = [key for key in _keys(ground, kids) if key.track in TRACKS[right.quality]]
        if device is not None:
            opened = _for_device(device, permission, ground, opened)
        # Sound alone would begin the hours of a rental that shows nothing. Asked for it may be: each track has its key.
        has_picture = any(track != Track.AUDIO for track in ground["tracks"] or () if track in TRACKS[right.quality])
        if not opened or not has_picture:
            raise NothingGranted
        begins = needs_start(right)
        if begins and not ground["start_confirmed"]:
            raise StartNotConfirmed
        licence = Licence(
            permission.playback_session_id,
            ground["asset_id"],
            [LicensedKey(key.kid, key.track, self.seal.open(key)) for key in opened],
            streaming_policy(right, at=at),
        )
        mark = device.mark(permission.playback_session_id) if device is not None else None
        return _Decision(licence, begins, ending(right, at=at).ends_at, mark)

    async def _record(
        self,
        question: Question,
        ground: asyncpg.Record,
        proof: Proof | None,
        decision: _Decision,
        *,
        is_used_up: bool,
    ) -> asyncpg.Record:
        """Whether the proof was used for the first time, and whether the licence is issued.

        `is_used_up`: an attempt before this one did that already, or there is none.
        """
        [issued] = await self.database.reads.fetch(
            _ISSUE,
            question.playback_session_id,
            proof.key.jkt if proof else None,
            proof.jti if proof else None,
            forgotten_at(proof) if proof else None,
            ground["playback_version"],
            ground["right_version"],
            is_used_up,
            question.at,
            decision.ends_at,
            decision.begins,
            new_id(),
            question.real_now,
            [key.kid for key in decision.licence.keys],
            question.system,
            decision.hosted_client,
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
        # By the time that is told with a 401 a device sets the clock of its proofs: real time, and only then.
        return refusal if refusal.status == HTTP_401_UNAUTHORIZED else refusal.with_details(server_time=question.at)


def _question(
    ground: asyncpg.Record, permission: Permission, system: System, *, at: datetime, real_now: datetime
) -> Question:
    return Question(
        "licence",
        at,
        real_now,
        ground["account_id"],
        title_id=ground["title_id"],
        entitlement_id=ground["entitlement_id"],
        device_id=ground["device_id"],
        playback_session_id=permission.playback_session_id,
        system=system,
        once_a_minute=permission.has_expired,
    )


def _keys(ground: asyncpg.Record, kids: Sequence[UUID] | None) -> Sequence[SealedKey]:
    """The film's keys of these ids (None: all), in their order; one that is another film's refuses them all."""
    columns = (ground[name] or () for name in ("kids", "tracks", "sealed", "sealed_with"))
    by_kid = {
        kid: SealedKey(kid, ground["asset_id"], track, sealed, sealed_with)
        for kid, track, sealed, sealed_with in zip(*columns, strict=True)
    }
    if kids is None:
        return list(by_kid.values())
    if not by_kid.keys() >= set(kids):
        raise ForeignKeyAsked
    return [by_kid[kid] for kid in kids]


def _for_device(
    device: HostedDevice, permission: Permission, ground: asyncpg.Record, keys: Sequence[SealedKey]
) -> list[SealedKey]:
    """Those of the keys that a device of a hosted service may have; none if it asks for a better picture.

    Raises `TokenInvalid` if another playback's token, another film's or another device's was passed on.
    """
    is_of_playback = device.playback in (None, str(permission.playback_session_id))
    if not is_of_playback or device.asset not in (None, str(ground["asset_id"])):
        raise TokenInvalid
    mark = device.mark(permission.playback_session_id)
    if mark is not None and ground["hosted_client"] not in (None, mark):
        raise TokenInvalid
    kept = [key for key in keys if device.is_strong or not PROTECTIONS[key.track].needs_hardware]
    pictures = {key.track for key in kept} - {Track.AUDIO}
    is_there = device.picture in pictures if device.picture is not None else bool(pictures)
    return kept if is_there else []
