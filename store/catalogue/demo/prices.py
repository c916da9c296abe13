"""Invents offers: windows, qualities and prices that look like a store's, always the same for the same title."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from store.catalogue.demo.draws import Draws

ZONES: Final = {"DE": ZoneInfo("Europe/Berlin"), "AT": ZoneInfo("Europe/Vienna")}
YEAR: Final = 2026
"""The year in which the demonstration opens its doors."""


@dataclass(frozen=True, slots=True)
class InventedOffer:
    """Terms of an offer; prices are minor units of EUR, VAT included."""

    market: str
    kind: str
    quality: str
    gross: int
    starts_at: datetime
    ends_at: datetime | None
    visible_from: datetime
    start_days: int | None
    watch_hours: int | None
    near_end: str
    supersedes: int | None = None
    """Place of the version before this one in the same title's offers."""

    @property
    def cost(self) -> int:
        """What is owed to the licensor: 60 % of the price without VAT (taken as 19 %)."""
        return self.gross * 60 // 119

    @property
    def minimum_price(self) -> int:
        """What the licensor wants at least, VAT included."""
        return self.gross - 100


def invent_film_offers(key: str, *, year: int, always: bool = False) -> list[InventedOffer]:
    """Offers of a film; `always`: in every quality and both markets, without an end."""
    draws = Draws(f"offers/{key}")
    offers: list[InventedOffer] = []
    near_end = "cut" if draws.chance(12) else "full"
    has_hd = always or year >= 1960 or draws.chance(60)
    has_uhd = always or (year >= 1975 and draws.chance(10))
    fate = 0 if always else draws.number(100)
    for market, share in (("DE", 98), ("AT", 86)):
        if not always and not draws.chance(share):
            continue
        span = _span(market, fate, draws)
        qualities = ["HD"] if has_hd else ["SD"]
        if has_hd and (always or (market == "DE" and draws.chance(55))):
            qualities.insert(0, "SD")
        if has_uhd:
            qualities.append("UHD")
        for kind in ("rent", "buy"):
            for quality in qualities:
                gross = _film_price(kind, quality, year)
                terms: tuple[int | None, int | None, str] = (30, 48, near_end)
                if kind == "buy":
                    terms = (None, None, "full")
                if fate == 99 and kind == "buy":
                    # A price that was lowered: the old version is ended, the new one follows it.
                    change = _midnight(market, 9, 1)
                    opening, _, visible = span
                    offers.append(InventedOffer(market, kind, quality, gross + 200, opening, change, visible, *terms))
                    before = len(offers) - 1
                    offers.append(InventedOffer(market, kind, quality, gross, change, None, change, *terms, before))
                else:
                    offers.append(InventedOffer(market, kind, quality, gross, *span, *terms))
    return offers


def invent_episode_offers(*, year: int, in_austria: bool) -> Iterator[InventedOffer]:
    """Offers of an episode: to buy, in one quality."""
    quality = "HD" if year >= 2005 else "SD"
    gross = 249 if year >= 2020 else 199 if year >= 2005 else 149
    for market in ("DE", "AT") if in_austria else ("DE",):
        span = (_midnight(market, 1, 1), None, _midnight(market, 1, 1))
        yield InventedOffer(market, "buy", quality, gross, *span, None, None, "full")


def invent_arrival(key: str, *, popularity: int) -> datetime:
    """When a title came into the store: most in the first half of the year, known ones also later."""
    draws = Draws(f"arrival/{key}")
    days = draws.number(200)
    if popularity > 380 and draws.chance(30):
        days = 230 + draws.number(90)
    return _midnight("DE", 1, 1) + timedelta(days=days, hours=6)


def _film_price(kind: str, quality: str, year: int) -> int:
    age = YEAR - year
    if kind == "rent":
        base = 399 if age < 16 else 299
        return base + {"SD": 0, "HD": 100, "UHD": 100 if age < 16 else 200}[quality]
    base = 999 if age < 16 else 899 if age < 40 else 799
    return base + {"SD": 0, "HD": 200, "UHD": 700}[quality]


def _span(market: str, fate: int, draws: Draws) -> tuple[datetime, datetime | None, datetime]:
    """Start, end and first announcement: most without an end, some ending, some still to come."""
    opening = _midnight(market, 1, 1)
    if 90 <= fate < 95:
        return opening, _midnight(market, 1 + draws.number(12), 1, year=YEAR + 1), opening
    if 95 <= fate < 97:
        starts_at = _midnight(market, 1 + draws.number(6), 15, year=YEAR + 1)
        return starts_at, None, starts_at - timedelta(days=120)
    return opening, None, opening


@lru_cache
def _midnight(market: str, month: int, day: int, *, year: int = YEAR) -> datetime:
    """Midnight in the market's own zone, in UTC."""
    return datetime(year, month, day, tzinfo=ZONES[market]).astimezone(UTC)
