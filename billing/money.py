"""Money: an integer of minor units beside its currency; no float ever touches it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Self

import msgspec
from babel.numbers import format_currency, get_currency_precision

_CURRENCY = re.compile(r"[A-Z]{3}")
_TYPED = re.compile(r"[0-9]{1,9}([.,][0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency.

    `minor` counts the currency's smallest unit (cents for EUR, yen for JPY) and may be negative;
    `currency` is the ISO 4217 code in capitals. There is no division but `allocate`.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError("a currency is three capital letters (ISO 4217)")

    @classmethod
    def read(cls, text: str, currency: str) -> Self:
        """An amount as people type it, `3,99` or `3.99`; raises ValueError for anything else."""
        if not _TYPED.fullmatch(text):
            raise ValueError("no amount")
        minor = Decimal(text.replace(",", ".")).scaleb(get_currency_precision(currency))
        if minor != int(minor):
            raise ValueError("finer than the currency")
        return cls(int(minor), currency)

    def __add__(self, other: Self) -> "Money":
        """The sum; raises ValueError for different currencies."""
        return Money(self.minor + self._minor_of(other), self.currency)

    def __sub__(self, other: Self) -> "Money":
        """The difference; raises ValueError for different currencies."""
        return Money(self.minor - self._minor_of(other), self.currency)

    def __neg__(self) -> "Money":
        """The opposite amount."""
        return Money(-self.minor, self.currency)

    def allocate(self, weights: Sequence[int]) -> "list[Money]":
        """Split by non-negative weights so that the parts sum up exactly (largest remainder first)."""
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights are not negative and not all zero")
        shares = [divmod(self.minor * weight, total) for weight in weights]
        left = self.minor - sum(share for share, _ in shares)
        by_remainder = sorted(range(len(shares)), key=lambda index: -shares[index][1])
        luckier = set(by_remainder[:left])
        return [Money(share + (index in luckier), self.currency) for index, (share, _) in enumerate(shares)]

    def decimal_text(self) -> str:
        """The amount with a decimal point and the currency's digits, for programs: `11.99`."""
        return f"{self._amount():f}"

    def format(self, locale: str) -> str:
        """The amount as people write it: `11,99 €` in German, `€11.99` in English."""
        return _in_words(self, locale)

    def _amount(self) -> Decimal:
        return Decimal(self.minor).scaleb(-get_currency_precision(self.currency))

    def _minor_of(self, other: Self) -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")
        return other.minor


class MoneyOut(msgspec.Struct, frozen=True):
    """Money in an answer: `{"amount": 1199, "currency": "EUR"}`, the amount in minor units."""

    amount: int
    currency: str

    @classmethod
    def of(cls, money: Money) -> Self:
        """The answer's form of an amount."""
        return cls(amount=money.minor, currency=money.currency)


@lru_cache(maxsize=4096)
def _in_words(amount: Money, locale: str) -> str:
    """As people write an amount: few prices are asked for again and again, and writing one takes as long as a query."""
    return format_currency(Decimal(amount.decimal_text()), amount.currency, locale=locale)
