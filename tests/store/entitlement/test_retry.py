"""Which refusals go away by themselves: programs ask again by this, and by no code."""

from collections.abc import Iterator
from datetime import UTC, datetime

from store.catalogue.models import Title
from store.entitlement import device_errors, download_errors, errors, licence_errors, remedy_errors
from store.entitlement.errors import EntitlementError
from store.entitlement.reasons import tell

PASSING = {
    errors.ConfirmationOutstanding,  # until the mail server has the mail
    errors.FilmNotReady,
    errors.RentalStreamBusy,  # until the other device stops, or falls silent
    errors.StreamsBusy,
    errors.TitleStreamsBusy,
    device_errors.NewDevicesExhausted,  # until `next_free_at`
    device_errors.NewDevicesExhaustedWhileFull,
    download_errors.DownloadDevicesLost,  # until what lost devices have lapses
}


def refusals() -> Iterator[type[EntitlementError]]:
    for module in (errors, device_errors, download_errors, licence_errors, remedy_errors):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, EntitlementError) and kind is not EntitlementError:
                yield kind


def test_asking_again_helps_against_these_refusals_and_no_others() -> None:
    title, at = Title(slug="her-2013", kind="film"), datetime(2026, 12, 1, tzinfo=UTC)
    facts = dict.fromkeys(("limit", "age_limit", "days", "device", "place", "id", "hours"), 1)
    instants = dict.fromkeys(("ends_at", "began_at", "next_free_at", "removed_at", "free_at"), at)
    told = {kind: tell(kind(**facts, **instants), title).retry for kind in refusals()}
    assert len(told) > 40
    assert {kind for kind, retry in told.items() if retry} == PASSING
