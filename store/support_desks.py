"""The desks that support's handlers can ask for by name, each for one colleague in one request's transaction."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from auth.identity import Identity
from auth.visits import Visit
from billing.webhooks import Webhooks
from store.cases.cases import CaseDesk
from store.composition import parts_of
from store.replays import Replays
from store.support import CustomerDesk
from store.support_devices import DeviceDesk
from store.support_gifts import GiftDesk
from store.support_playback import PlaybackDesk
from store.support_rentals import RentalDesk

Session = NamedDependency[AsyncSession]


async def _case_desk(
    state: State, session: Session, identity: NamedDependency[Identity], visit: NamedDependency[Visit]
) -> CaseDesk:
    return CaseDesk(session, parts_of(state).outbox, identity, visit)


async def _customer_desk(
    state: State, session: Session, identity: NamedDependency[Identity], visit: NamedDependency[Visit]
) -> CustomerDesk:
    parts = parts_of(state)
    return CustomerDesk(session, parts.database, identity, visit, parts.mail_deliveries(session))


async def _playback_desk(state: State, customer_desk: NamedDependency[CustomerDesk]) -> PlaybackDesk:
    return PlaybackDesk(customer_desk, bool(parts_of(state).settings.hosted_drm))


async def _replays(
    state: State,
    session: Session,
    webhooks: NamedDependency[Webhooks],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
) -> Replays:
    parts = parts_of(state)
    return Replays(session, parts.database, parts.gateway, webhooks, parts.jobs, identity, visit)


async def _device_desk(state: State, customer_desk: NamedDependency[CustomerDesk]) -> DeviceDesk:
    return DeviceDesk(customer_desk, parts_of(state).outbox)


async def _rental_desk(state: State, customer_desk: NamedDependency[CustomerDesk]) -> RentalDesk:
    return RentalDesk(customer_desk, parts_of(state).outbox)


async def _gift_desk(state: State, customer_desk: NamedDependency[CustomerDesk]) -> GiftDesk:
    parts = parts_of(state)
    return GiftDesk(customer_desk, parts.grants, parts.outbox)


SUPPORT_DESKS: Final[Mapping[str, Callable[..., Any]]] = {
    "case_desk": _case_desk,
    "customer_desk": _customer_desk,
    "playback_desk": _playback_desk,
    "replays": _replays,
    "device_desk": _device_desk,
    "rental_desk": _rental_desk,
    "gift_desk": _gift_desk,
}
