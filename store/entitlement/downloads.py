"""Licences that stay on a device: given out by the one decision, renewed, and returned by the device itself.

A rental that was not begun starts its hours where it is first played, on a device whose clock nobody sees. So while it
is out it plays there only, and once returned the device says when it was first played: believed within the time that it
was out, and only so often (`DeviceLimit.downloads_per_rental`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.identity import Identity
from store.catalogue.age_labels import may_be_seen
from store.catalogue.models import Title, TitleText
from store.catalogue.takedowns import is_taken_down
from store.database import Database
from store.entitlement.decision import Decision, Wish, decide, find_title, take_turn
from store.entitlement.device_places import lock_account
from store.entitlement.download_errors import CannotPersist, DownloadNotFound
from store.entitlement.download_records import OfflineLicence
from store.entitlement.dpop import PublicKey
from store.entitlement.errors import EntitlementError
from store.entitlement.hosted_schemas import Hosted
from store.entitlement.keys import KeySeal
from store.entitlement.licence_errors import NothingGranted
from store.entitlement.licence_policy import PROTECTIONS, stored_policy
from store.entitlement.licences import Licence, LicensedKey
from store.entitlement.models import ContentKey, Device, Entitlement, PlaybackSession, Track
from store.entitlement.record import Question, System
from store.entitlement.remedies import rearmed_at
from store.entitlement.rights import TRACKS, ending, needs_start, obstacles
from store.errors import NotFound
from store.purchase_confirmation import keep_confirmed


@dataclass(frozen=True, slots=True)
class Download:
    """A licence that may now stay on the device that asked."""

    record: OfflineLicence
    licence: Licence


@dataclass(frozen=True, slots=True)
class DownloadEntry:
    """A licence that is on one of the account's devices, as it stands."""

    record: OfflineLicence
    device_name: str
    title_slug: str
    title: str
    """The title in the language asked for, else the original one."""
    must_be_deleted: bool
    """The right was taken back or is on hold, the device was removed, or the title taken down: the app deletes it."""


@dataclass(frozen=True, slots=True)
class Downloads:
    """Gives out and takes back licences that stay on a device."""

    session: AsyncSession
    database: Database
    seal: KeySeal

    async def issue(
        self,
        *,
        identity: Identity,
        key: PublicKey,
        title_slug: str,
        system: System,
        has_contract: bool,
        at: datetime,
        real_now: datetime,
    ) -> Download:
        """Let a title stay on the device that proved `key`; asked again, a purchase's licence is renewed.

        Raises `CannotPersist` for Clear Key, `NotFound` without a contract with the service, else the first reason
        against; its detail `reasons` tells all of them. Grants and refusals are recorded. The licence counts as the
        beginning of the performance: after it there is no withdrawal.
        """
        viewer = identity.viewer
        question = Question(
            "licence", at, real_now, identity.account_id, jkt=key.jkt, system=system, age_limit=viewer.age_limit
        )
        try:
            download = await self._issue(question, identity, key, title_slug, system, has_contract=has_contract)
        except (EntitlementError, NotFound) as refusal:
            await self.session.rollback()
            await question.refused(self.database, refusal)
            raise
        question.granted(self.session, kids=[key.kid for key in download.licence.keys])
        return download

    async def give_back(
        self, *, identity: Identity, key: PublicKey, download_id: UUID, first_played_at: datetime | None, at: datetime
    ) -> OfflineLicence:
        """Take a licence back that the device which proved `key` has deleted; doing so again changes nothing.

        `first_played_at`: when a rental was first played there by the device's clock, which counts between its issue
        and now, and its hours begin no later than the licence let them; None: never. Raises `DownloadNotFound`.
        """
        await lock_account(self.session, identity.account_id)
        record = await self.session.scalar(
            select(OfflineLicence)
            .join(Device, Device.id == OfflineLicence.device_id)
            .where(
                OfflineLicence.id == download_id,
                OfflineLicence.account_id == identity.account_id,
                Device.jkt == key.jkt,
            )
        )
        if record is None:
            raise DownloadNotFound
        if record.ended_at is None:
            record.ended_at, record.end_reason = at, "returned"
            if first_played_at is not None and record.kind == "rent":
                record.first_played_at = min(max(first_played_at, record.issued_at), at)
                await self._begin(record.entitlement_id, min(record.first_played_at, record.lasts_until))
        return record

    async def _issue(
        self,
        question: Question,
        identity: Identity,
        key: PublicKey,
        title_slug: str,
        system: System,
        *,
        has_contract: bool,
    ) -> Download:
        at = question.at
        title = await find_title(self.session, title_slug)
        question.title_id = title.id
        if system == "clearkey":
            raise CannotPersist
        if not has_contract:
            raise NotFound
        await take_turn(self.session, identity.account_id, real_now=question.real_now)
        wish = Wish(
            account_id=identity.account_id,
            title=title,
            jkt=key.jkt,
            start_confirmed=False,
            market=identity.market,
            age_limit=identity.viewer.age_limit,
            to_keep=True,
            has_hosted_drm=has_contract,
        )
        decision = await decide(self.session, wish, at=at, real_now=question.real_now)
        right, film, device = decision.right, decision.film, decision.device
        question.entitlement_id = right.id if right is not None else None
        question.device_id = device.id if device is not None else None
        if decision.reasons:
            raise decision.reasons[0].with_details(reasons=decision.told())
        if right is None or film is None or device is None:
            raise RuntimeError("a download was allowed without right, film or device")
        # The order before playbacks and right, as a refund locks them; playbacks before the right, as a licence does.
        await self._keep_confirmation(decision)
        if right.kind == "rent":
            await self._end_playbacks(right, real_now=question.real_now)
        await self._hold(right, at=at)
        record = await self._find_or_add(right, device, title_id=title.id, film_id=film.id, system=system, at=at)
        policy = stored_policy(right, at=at)
        record.lasts_until = at + policy.lasts
        keys = await self._keys(record.asset_id, right, system)
        await self.session.flush()
        return Download(record, Licence(record.id, record.asset_id, keys, policy))

    async def _hold(self, right: Entitlement, *, at: datetime) -> None:
        """Lock the right and look at it again: a withdrawal or a refund comes before this licence or after it."""
        await self.session.refresh(right, with_for_update=True)
        against = obstacles(right, at=at)
        if against:
            raise against[0]

    async def _keep_confirmation(self, decision: Decision) -> None:
        confirmation = decision.confirmation
        if confirmation is not None and confirmation.at is not None and not confirmation.is_kept:
            await keep_confirmed(self.session, confirmation.order_id, at=confirmation.at)

    async def _find_or_add(
        self, right: Entitlement, device: Device, *, title_id: UUID, film_id: UUID, system: Hosted, at: datetime
    ) -> OfflineLicence:
        """The title's licence on the device (its film with it), else a new one; what has lapsed is closed before."""
        of_right = OfflineLicence.entitlement_id == right.id
        await self.session.execute(
            update(OfflineLicence)
            .where(of_right, OfflineLicence.ended_at.is_(None), OfflineLicence.lasts_until <= at)
            .values(ended_at=OfflineLicence.lasts_until, end_reason="lapsed")
        )
        record = await self.session.scalar(
            select(OfflineLicence).where(
                of_right,
                OfflineLicence.device_id == device.id,
                OfflineLicence.title_id == title_id,
                OfflineLicence.ended_at.is_(None),
            )
        )
        if record is not None:
            record.renewed_at, record.system = at, system
            return record
        record = OfflineLicence(
            account_id=right.account_id,
            entitlement_id=right.id,
            kind=right.kind,
            device_id=device.id,
            title_id=title_id,
            asset_id=film_id,
            system=system,
            issued_at=at,
            lasts_until=at,
        )
        self.session.add(record)
        return record

    async def _keys(self, asset_id: UUID, right: Entitlement, system: Hosted) -> list[LicensedKey]:
        """The keys that the paid quality opens; DRMtoday vouches for no hardware beforehand, so it gets no others."""
        rows = await self.session.scalars(select(ContentKey).where(ContentKey.asset_id == asset_id))
        opened = [
            LicensedKey(row.kid, row.track, self.seal.open(row))
            for row in rows
            if row.track in TRACKS[right.quality]
            and not (system == "drmtoday" and PROTECTIONS[row.track].needs_hardware)
        ]
        if not {key.track for key in opened} - {Track.AUDIO}:
            raise NothingGranted
        return opened

    async def _end_playbacks(self, right: Entitlement, *, real_now: datetime) -> None:
        """Stop what streams by a rental on this very device: its hours run in one place only."""
        await self.session.execute(
            update(PlaybackSession)
            .where(PlaybackSession.entitlement_id == right.id, PlaybackSession.ended_at.is_(None))
            .values(ended_at=real_now, end_reason="replaced")
        )

    async def _begin(self, entitlement_id: UUID, first_played_at: datetime) -> None:
        """Let a rental's hours have begun when the device says, unless they had begun before.

        It began before the time to start was over, or not at all. What was played before support let the rental begin
        anew is what was spoilt: it begins nothing. More time, for an incident or otherwise, takes no play back.
        """
        right = await self.session.get_one(Entitlement, entitlement_id, with_for_update=True, populate_existing=True)
        anew_at = await rearmed_at(self.session, entitlement_id)
        if right.start_by is not None:
            first_played_at = min(first_played_at, right.start_by)
        if needs_start(right) and (anew_at is None or first_played_at > anew_at):
            right.first_played_at, right.ends_at = first_played_at, ending(right, at=first_played_at).ends_at


async def list_downloads(
    session: AsyncSession, *, account_id: UUID, market: str, age_limit: int, at: datetime, locale: str = "de"
) -> Sequence[DownloadEntry]:
    """What is on the account's devices and a viewer with an age limit may see, the newest first."""
    name = func.coalesce(TitleText.title, Title.original_title)
    is_void = or_(
        Entitlement.revoked_at.is_not(None),
        Entitlement.paused_at.is_not(None),
        Device.removed_at.is_not(None),
        is_taken_down(Title.id),
    )
    rows = await session.execute(
        select(OfflineLicence, Device.name, Title.slug, name, is_void)
        .join(Entitlement, Entitlement.id == OfflineLicence.entitlement_id)
        .join(Device, Device.id == OfflineLicence.device_id)
        .join(Title, Title.id == OfflineLicence.title_id)
        .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
        .where(
            OfflineLicence.account_id == account_id,
            OfflineLicence.ended_at.is_(None),
            OfflineLicence.lasts_until > at,
            may_be_seen(Title.id, market=market, age_limit=age_limit),
        )
        .order_by(OfflineLicence.issued_at.desc())
    )
    return [DownloadEntry(*row) for row in rows]
