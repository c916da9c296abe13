"""What a licence allows, by right and moment: no deadline beyond the right's."""

from datetime import UTC, datetime, timedelta

import pytest

from store.entitlement.licence_policy import PROTECTIONS, STORED_PURCHASE, stored_policy, streaming_policy
from store.entitlement.models import Track
from store.entitlement.rights import RightRow

BOUGHT = datetime(2026, 10, 1, 20, tzinfo=UTC)
DAYS, HOURS = timedelta(days=1), timedelta(hours=1)


def rental(*, played: datetime | None = None, near_end: str = "full") -> RightRow:
    start_by = BOUGHT + 30 * DAYS
    ends_at = None
    if played is not None:
        ends_at = min(played + 48 * HOURS, start_by) if near_end == "cut" else played + 48 * HOURS
    return RightRow("rent", "HD", start_by, 48, near_end, played, ends_at, None, None, None)


PURCHASE = RightRow("buy", "HD", None, None, "full", None, None, None, None, None)


def test_a_stream_lasts_as_long_as_the_rental_and_does_not_stay() -> None:
    first = streaming_policy(rental(), at=BOUGHT)
    assert (first.lasts, first.plays_for, first.may_persist) == (48 * HOURS, 48 * HOURS, False)
    later = streaming_policy(rental(played=BOUGHT), at=BOUGHT + 10 * HOURS)
    assert (later.lasts, later.plays_for) == (38 * HOURS, 38 * HOURS)
    assert streaming_policy(PURCHASE, at=BOUGHT).lasts == DAYS
    assert streaming_policy(PURCHASE, at=BOUGHT).plays_for is None


def test_what_is_stored_may_be_begun_on_the_last_day_and_runs_its_hours_then() -> None:
    fresh = stored_policy(rental(), at=BOUGHT)
    assert (fresh.may_start_within, fresh.plays_for, fresh.lasts) == (30 * DAYS, 48 * HOURS, 32 * DAYS)
    assert (fresh.may_persist, fresh.renewed_after) == (True, None)
    begun = stored_policy(rental(played=BOUGHT), at=BOUGHT + HOURS)
    assert begun.lasts == begun.may_start_within == begun.plays_for == 47 * HOURS
    cut = stored_policy(rental(near_end="cut"), at=BOUGHT + 29 * DAYS)
    assert (cut.lasts, cut.plays_for) == (DAYS, DAYS)


def test_what_is_bought_and_stored_is_renewed_before_it_ends() -> None:
    stored = stored_policy(PURCHASE, at=BOUGHT)
    assert stored.lasts == STORED_PURCHASE
    assert stored.renewed_after is not None
    assert stored.renewed_after < stored.lasts


@pytest.mark.parametrize("near_end", ["full", "cut"])
@pytest.mark.parametrize("played", [None, BOUGHT, BOUGHT + 29 * DAYS])
def test_no_licence_outlives_the_right(near_end: str, played: datetime | None) -> None:
    at = (played or BOUGHT) + 20 * HOURS
    right = rental(played=played, near_end=near_end)
    end = right.ends_at or BOUGHT + 30 * DAYS + (48 * HOURS if near_end == "full" else timedelta(0))
    for policy in (streaming_policy(right, at=at), stored_policy(right, at=at)):
        assert at + policy.lasts <= end
        assert policy.plays_for is not None
        assert policy.plays_for <= policy.lasts


def test_better_pictures_are_protected_better() -> None:
    assert [PROTECTIONS[track].needs_hardware for track in Track] == [False, False, True, True]
    assert PROTECTIONS[Track.UHD].hdcp == "2.2"
