"""Everything that the stand-in does by itself later, by the name under which it stands on the agenda."""

from collections.abc import Callable, Mapping

from billing.sandbox.calls import Call
from billing.sandbox.charges import settle_charge
from billing.sandbox.checkout_sessions import expire_by_time
from billing.sandbox.debits import end_debit
from billing.sandbox.disputes import dispute_by_method, end_dispute
from billing.sandbox.fraud_warnings import warn_by_method
from billing.sandbox.payouts import pay_out, reconcile_payout, report_payout_paid
from billing.sandbox.refunds import end_refund

DEEDS: Mapping[str, Callable[[Call, str], None]] = {
    "dispute_charge": dispute_by_method,
    "end_debit": end_debit,
    "end_dispute": end_dispute,
    "end_refund": end_refund,
    "expire_session": expire_by_time,
    "settle_charge": settle_charge,
    "pay_out": pay_out,
    "reconcile_payout": reconcile_payout,
    "report_payout_paid": report_payout_paid,
    "warn_of_fraud": warn_by_method,
}
"""Each takes a call of the stand-in's own and the subject, and does nothing where it has been overtaken."""
