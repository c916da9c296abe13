"""Money and VAT: whole minor units, sums that stay exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import Money, MoneyOut
from billing.tax import rate_text, split_gross


@pytest.mark.parametrize("minor", [1.0, True, "1", None])
def test_money_takes_integers_only(minor: object) -> None:
    with pytest.raises(TypeError):
        Money(minor, "EUR")  # type: ignore[arg-type]


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "E1R"])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)


def test_different_currencies_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="do not add up"):
        Money(1, "EUR") + Money(1, "USD")


@pytest.mark.parametrize(
    ("money", "german", "english", "plain"),
    [
        (Money(123_450, "EUR"), "1.234,50\xa0€", "€1,234.50", "1234.50"),
        (Money(-99, "EUR"), "-0,99\xa0€", "-€0.99", "-0.99"),
        (Money(500, "JPY"), "500\xa0¥", "¥500", "500"),
        (Money(1_234, "KWD"), "1,234\xa0KWD", "KWD1.234", "1.234"),
    ],
)
def test_money_is_written_as_people_and_programs_write_it(money: Money, german: str, english: str, plain: str) -> None:
    assert money.format("de") == german
    assert money.format("en") == english
    assert money.decimal_text() == plain


def test_money_in_an_answer_is_minor_units_and_a_currency() -> None:
    assert MoneyOut.of(Money(1199, "EUR")) == MoneyOut(amount=1199, currency="EUR")


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(any))
def test_allocated_parts_sum_up_exactly_and_differ_by_less_than_a_unit(minor: int, weights: list[int]) -> None:
    parts = Money(minor, "EUR").allocate(weights)

    assert sum(part.minor for part in parts) == minor
    total = sum(weights)
    assert all(abs(part.minor * total - minor * weight) < total for part, weight in zip(parts, weights, strict=True))


@pytest.mark.parametrize(
    ("gross", "rate_bp", "net", "tax"),
    [
        (399, 1900, 335, 64),
        (399, 2000, 333, 66),
        (1199, 1900, 1008, 191),
        (7 * 499, 1900, 2935, 558),
        (1, 1900, 1, 0),
        (499, 0, 499, 0),
        (3, 10_000, 2, 1),
        (-399, 1900, -335, -64),
    ],
)
def test_a_gross_price_is_split_half_up(gross: int, rate_bp: int, net: int, tax: int) -> None:
    assert split_gross(gross, rate_bp) == (net, tax)


@given(st.integers(-(10**12), 10**12), st.integers(0, 10_000))
def test_a_split_is_exact_and_a_refund_cancels_its_sale(gross: int, rate_bp: int) -> None:
    net, tax = split_gross(gross, rate_bp)

    assert net + tax == gross
    assert split_gross(-gross, rate_bp) == (-net, -tax)
    assert abs(net * (10_000 + rate_bp) - gross * 10_000) * 2 <= 10_000 + rate_bp


@pytest.mark.parametrize(("rate_bp", "text"), [(1900, "19"), (2550, "25.5"), (2005, "20.05"), (0, "0"), (1000, "10")])
def test_a_rate_is_written_without_needless_zeros(rate_bp: int, text: str) -> None:
    assert rate_text(rate_bp) == text


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("3,99", "EUR", 399), ("3.9", "EUR", 390), ("3", "EUR", 300), ("0,01", "EUR", 1), ("300", "JPY", 300)],
)
def test_an_amount_is_read_as_people_type_it(text: str, currency: str, minor: int) -> None:
    assert Money.read(text, currency) == Money(minor, currency)


@pytest.mark.parametrize("text", ["", "-3", "3,999", "1.000,00", "3 €", "1e3", "٣", "3,", ",5", "9" * 10])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no amount|finer"):
        Money.read(text, "EUR")
