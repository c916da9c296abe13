"""Licences: the content keys of a film for a device that proved itself, as far as the right goes (W3C Clear Key)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from store.database import Database
from store.entitlement.dpop import Proof, decode, forgotten_at, read_proof, refuse_copy
from store.entitlement.errors import (
    DeviceNotRegistered,
    EntitlementError,
    ForeignKeyAsked,
    LicenceRequestMalformed,
    NothingGranted,
    PlaybackEnded,
    StartNotConfirmed,
    TokenInvalid,
)
from store.entitlement.grants import begin_clock
from store.entitlement.keys import KEY_BYTES, KeySeal
from store.entitlement.models import ContentKey, Device, Entitlement, PlaybackSession
from store.entitlement.playback import is_live
from store.entitlement.record import Question
from store.entitlement.rights import TRACKS, needs_start, obstacles
from store.entitlement.tokens import Permission, PlaybackTokens

log = structlog.get_logger("licences")

MOST_KIDS: Final = 16
"""Key ids in one request; a film has three or four."""


_ASKED: Final = """
    WITH proof AS (
        INSERT INTO store.dpop_proofs (jkt, jti, expires_at)
        SELECT $2::text, $3::text, $4::timestamptz
         WHERE $2::text IS NOT NULL AND EXISTS (SELECT FROM store.playback_sessions WHERE id = $1)
        ON CONFLICT DO NOTHING RETURNING jti
    )
    SELECT account_id, title_id, entitlement_id, device_id, EXISTS (SELECT FROM proof) AS is_first
      FROM store.playback_sessions WHERE id = $1
"""


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
class Licences:
    """Issues licences."""

    session: AsyncSession
    database: Database
    tokens: PlaybackTokens
    seal: KeySeal

    async def issue(self, asked: LicenceQuestion, *, at: datetime, real_now: datetime) -> list[tuple[UUID, bytes]]:
        """The keys of a licence, as (key id, key of 16 bytes): those asked for that the paid quality opens.

        The first licence of a playback that the customer started explicitly begins the rental's hours, once. A
        refused one never does. Grants and refusals are recorded; only requests without a token of ours are not,
        for nobody could say whose they were. Raises the refusals of this package.
        """
        permission = self._permission(asked.authorization, real_now=real_now)
        proof, fault = _proof_of(asked, permission, real_now=real_now)
        # The proof is used up before this session asks its first question: no request holds two connections.
        question, is_first = await self._question(permission, proof, at=at, real_now=real_now)
        try:
            if fault is not None:
                raise fault
            refuse_copy(is_first=is_first)
            keys = await self._grant(question, permission, _key_ids(asked))
        except EntitlementError as refusal:
            await question.refused(self.session, self.database, refusal)
            log.info("licence refused", code=refusal.code, playback=str(permission.playback_session_id))
            raise
        question.granted(self.session)
        return keys

    def _permission(self, authorization: str | None, *, real_now: datetime) -> Permission:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "dpop" or not token:
            log.info("licence refused", code=TokenInvalid.code)
            raise TokenInvalid
        return self.tokens.read(token.strip(), real_now=real_now)

    async def _question(
        self, permission: Permission, proof: Proof | None, *, at: datetime, real_now: datetime
    ) -> tuple[Question, bool]:
        """Whose playback the token is for, and whether the proof is used for the first time; it is used up by this.

        One statement, and so a transaction of its own: a proof stays used even if the licence is refused. Raises
        `TokenInvalid` where the playback is gone.
        """
        named = (proof.key.jkt, proof.jti, forgotten_at(proof)) if proof else (None, None, None)
        row = await self.database.reads.fetchrow(_ASKED, permission.playback_session_id, *named)
        if row is None:
            raise TokenInvalid
        question = Question(
            "licence",
            at,
            real_now,
            row["account_id"],
            title_id=row["title_id"],
            entitlement_id=row["entitlement_id"],
            device_id=row["device_id"],
            playback_session_id=permission.playback_session_id,
        )
        return question, row["is_first"]

    async def _grant(
        self, question: Question, permission: Permission, kids: Sequence[UUID]
    ) -> list[tuple[UUID, bytes]]:
        playback, right, device, account_state = await self._facts(permission)
        if account_state != "active":
            raise TokenInvalid
        if device.removed_at is not None or device.jkt != permission.jkt:
            raise DeviceNotRegistered
        if not is_live(playback, real_now=question.real_now):
            raise PlaybackEnded(end_reason=playback.end_reason or "silent")
        against = obstacles(right, at=question.at)
        if against:
            raise against[0]
        rows = await self._rows(kids, playback.asset_id)
        opened = [row for row in rows if row.track in TRACKS[right.quality]]
        if not opened:
            raise NothingGranted
        if needs_start(right) and not playback.start_confirmed:
            raise StartNotConfirmed
        keys = [(row.kid, self.seal.open(row)) for row in opened]
        question.kids = [kid for kid, _ in keys]
        if needs_start(right):
            question.started_clock = await begin_clock(
                self.session, right, playback_session_id=playback.id, at=question.at
            )
        return keys

    async def _facts(self, permission: Permission) -> tuple[PlaybackSession, Entitlement, Device, str]:
        """What the licence rests on; playback and right stay as they are until the transaction ends.

        Without the lock a withdrawal, a refund or a failure at the same instant would end a right whose keys are
        already on their way.
        """
        found = await self.session.execute(
            select(PlaybackSession, Entitlement, Device, Account.status)
            .join(Entitlement, Entitlement.id == PlaybackSession.entitlement_id)
            .join(Device, Device.id == PlaybackSession.device_id)
            .join(Account, Account.id == PlaybackSession.account_id)
            .where(PlaybackSession.id == permission.playback_session_id)
            .with_for_update(of=(PlaybackSession, Entitlement), key_share=True)
        )
        return found.one()

    async def _rows(self, kids: Sequence[UUID], asset_id: UUID) -> Sequence[ContentKey]:
        """The film's keys of these ids, in their order; one that is unknown or another film's refuses them all."""
        found = await self.session.scalars(
            select(ContentKey).where(ContentKey.kid.in_(kids), ContentKey.asset_id == asset_id)
        )
        by_kid = {row.kid: row for row in found}
        if by_kid.keys() != set(kids):
            raise ForeignKeyAsked
        return [by_kid[kid] for kid in kids]


def _proof_of(
    asked: LicenceQuestion, permission: Permission, *, real_now: datetime
) -> tuple[Proof | None, EntitlementError | None]:
    """The proof of the key that the token is bound to, or what is wrong with it."""
    token = (asked.authorization or "").partition(" ")[2].strip()
    try:
        proof = read_proof(asked.proof, method=asked.method, url=asked.url, real_now=real_now, token=token)
    except EntitlementError as fault:
        return None, fault
    return (proof, None) if proof.key.jkt == permission.jkt else (None, TokenInvalid())


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
