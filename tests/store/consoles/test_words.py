"""Support and finance read words, not codes: every code that a page can meet has its word in both languages."""

import re
from typing import get_args

import pytest
from sqlalchemy import CheckConstraint

from auth.recovery.records import EVIDENCE
from auth.recovery.records import Kind as RecoveryKind
from auth.recovery.records import State as RecoveryState
from auth.recovery.support_actions import Kind as ActionKind
from billing.declines import DECLINES
from billing.dispute_records import DisputeState
from billing.disputes import HOLD
from billing.errors import OrderDisputed, OrderGivenBack, OrderNotPaid, WithdrawalOver
from billing.models import OrderState, PaymentState, RefundState
from billing.money_states import MoneyState
from billing.movements import REASONS
from billing.resolutions import Finding
from billing.sale_refunds import ELSEWHERE, WITHDRAWAL
from billing.withdrawals import ADDRESS_DIFFERS, CONTRACT_UNKNOWN
from store.cases.cases import KINDS
from store.cases.lists import STATES
from store.entitlement.errors import Way, WithdrawalLost
from store.entitlement.rights import Standing
from store.letter_templates import FOLDER
from store.mail import Mail
from store.mail_delivery import Problem
from store.support_schemas import ResetState
from store.web.reconciliation_pages import SERIES
from store.web.wording import load_texts

RULES = {rule.name: str(rule.sqltext) for rule in Mail.__table__.constraints if isinstance(rule, CheckConstraint)}
STATUSES = re.findall(r"'(\w+)'", RULES["ck_mails_status"])
MAILS = [path.name for path in FOLDER.iterdir() if path.is_dir()]
REFUND_REASONS = ("technical_fault", "wrong_purchase", "duplicate_purchase", "goodwill", WITHDRAWAL, ELSEWHERE, HOLD)
JOURNALS = (
    *("sale", "refund", "refund_paid", "refund_reversal", "unfulfilled_receipt", "unfulfilled_refund"),
    *("dispute_withdrawn", "dispute_reinstated", "dispute_lost", "fee", "provider_fee"),
    *("refund_settled", "refund_lost", "acknowledged", "resolved"),
)
WHY_A_PERSON = (
    *(CONTRACT_UNKNOWN, ADDRESS_DIFFERS, WithdrawalOver.code, WithdrawalLost.code),
    *(OrderNotPaid.code, OrderDisputed.code, OrderGivenBack.code),
)
NOTES = (
    *("no payment of ours", "no refund of ours", "no payment of ours is disputed", "no payment of ours is warned of"),
    *("event without an object", "a charge without an intent", "the provider does not know the object"),
    "nothing is done for this type",
)
ABOUT_ACCOUNTS = (
    *("customer.searched", "customer.viewed", "customer.address_viewed", "customer.playback_checked", "devices.reset"),
    *("mail.bounced", "mail.complained", "mail.check"),
    *("account.open", "account.change_settings", "password.change"),
    *("passkey.add", "passkey.remove", "passkey.check"),
    *("erasure.request", "erasure.cancel", "account.erase", "data.export"),
    *("email_change.request", "email_change.confirm", "email_change.undo"),
    *("account.secure", "recovery.file", "recovery.approve", "recovery.reject", "recovery.cancel", "recovery.complete"),
    *("case.open", "case.view", "case.write", "case.answer", "case.note", "case.assign", "case.close"),
    *("caller_code.request", "caller_code.confirm", "password_reset.cancel"),
    *("password_reset.start", "password_reset.complete", "session.open", "session.end", "session.end_all"),
)


@pytest.mark.parametrize("locale", ["de", "en"])
@pytest.mark.parametrize(
    ("prefix", "codes"),
    [
        ("support.order_state", list(OrderState)),
        ("support.money_state", list(MoneyState)),
        ("support.payment_state", [*PaymentState, *RefundState, *DisputeState, "declined"]),
        ("support.problem", [*DECLINES, *REFUND_REASONS]),
        ("withdraw.why", WHY_A_PERSON),
        ("parked.why", [note.replace(" ", "_") for note in NOTES]),
        ("support.right_state", get_args(Standing)),
        ("why.way", get_args(Way)),
        ("support.mail_kind", MAILS),
        ("support.mail_status", STATUSES),
        ("support.mail_problem", get_args(Problem)),
        ("support.evidence", EVIDENCE),
        ("support.recovery_kind", get_args(RecoveryKind)),
        ("support", [f"recover_kind_{kind}" for kind in get_args(RecoveryKind)]),
        ("support.recovery_state", get_args(RecoveryState)),
        ("support_action", [f"kind_{kind}" for kind in get_args(ActionKind)]),
        ("case.kind", KINDS),
        *((prefix, STATES) for prefix in ("case.state", "case.own_state")),
        ("support.reset_state", get_args(ResetState)),
        ("support.action", [action.replace(".", "_") for action in ABOUT_ACCOUNTS]),
        ("finance.kinds", JOURNALS),
        ("reconciliation.reasons", REASONS),
        ("reconciliation.series", SERIES),
        ("unresolved.findings", list(Finding)),
    ],
)
def test_every_code_has_a_word(prefix: str, codes: list[str], locale: str) -> None:
    texts = load_texts(locale)
    assert [code for code in codes if f"{prefix}.{code}" not in texts] == []
