"""The table of licences that stay on a device."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account
from store.catalogue.models import Base, Title
from store.database import APP_ROLE
from store.entitlement.models import Device, Entitlement, MediaAsset

_OUT: Final = text("ended_at IS NULL")


class OfflineLicence(Base):
    """A licence that stays on a device until it is returned there or lapses; the film may be played there offline."""

    __tablename__ = "offline_licences"
    __table_args__ = (
        CheckConstraint("kind IN ('rent', 'buy')", "kind"),
        CheckConstraint("system IN ('axinom', 'drmtoday')", "system"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", "ending"),
        CheckConstraint("end_reason IN ('returned', 'lapsed', 'written_off')", "end_reason"),
        Index(
            "ux_offline_licences_rental",
            "entitlement_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL AND kind = 'rent'"),
        ),
        Index(
            "ux_offline_licences_title", "entitlement_id", "device_id", "title_id", unique=True, postgresql_where=_OUT
        ),
        Index(None, "account_id"),
        Index(None, "entitlement_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    entitlement_id: Mapped[UUID] = mapped_column(ForeignKey(Entitlement.id))
    kind: Mapped[str]
    """The right's: of a rental one may be out at a time."""
    device_id: Mapped[UUID] = mapped_column(ForeignKey(Device.id))
    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id))
    """What may be watched: by a right to a season or series each episode has a licence of its own."""
    asset_id: Mapped[UUID] = mapped_column(ForeignKey(MediaAsset.id))
    system: Mapped[str]
    """The hosted service that was told to issue it."""
    issued_at: Mapped[datetime]
    """Business time, as all of them."""
    renewed_at: Mapped[datetime | None]
    """Purchases: when it was asked for anew last."""
    lasts_until: Mapped[datetime]
    """Its hard end on the device (exclusive)."""
    first_played_at: Mapped[datetime | None]
    """Rentals: when the device says that it was first played there; known once it is returned."""
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    """`returned` by the device, `lapsed` at its end, or `written_off` by support with a device that was lost."""


DDL: Final[tuple[str, ...]] = (f"REVOKE DELETE, TRUNCATE ON store.offline_licences FROM {APP_ROLE}",)
