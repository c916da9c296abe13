"""Which part of which line a refund gives back, with its net and tax to the cent."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.models import OrderLine
from billing.tax import split_gross


@dataclass(frozen=True, slots=True)
class LineShare:
    """The part of an order's line that goes back, in minor units."""

    line: OrderLine
    gross: int
    net: int
    tax: int


def share_out(lines: Sequence[OrderLine], *, before: int, amount: int) -> list[LineShare]:
    """Share a refund of `amount` out among the lines, of whose price `before` was given back already.

    Lines are given back one after another. Net and tax are the difference of the split of all that is given back
    with and without this refund, so that several parts sum up exactly to the sale. Raises ValueError for more than
    the lines cost.
    """
    shares = []
    skipped, left = before, amount
    for line in lines:
        already = min(skipped, line.gross)
        gross = min(left, line.gross - already)
        skipped, left = skipped - already, left - gross
        if gross:
            net_before, tax_before = split_gross(already, line.tax_rate_bp)
            net_after, tax_after = split_gross(already + gross, line.tax_rate_bp)
            shares.append(LineShare(line, gross, net_after - net_before, tax_after - tax_before))
    if left or skipped:
        raise ValueError("more than the lines cost")
    return shares
