"""Everything that the stand-in does by itself later, by the name under which it stands on the agenda."""

from collections.abc import Callable, Mapping

from billing.sandbox.calls import Call
from billing.sandbox.charges import settle_charge
from billing.sandbox.payouts import pay_out, reconcile_payout, report_payout_paid

DEEDS: Mapping[str, Callable[[Call, str], None]] = {
    "settle_charge": settle_charge,
    "pay_out": pay_out,
    "reconcile_payout": reconcile_payout,
    "report_payout_paid": report_payout_paid,
}
"""Each takes a call of the stand-in's own and the subject, and does nothing where it has been overtaken."""
