"""Stripe's test payment methods: cards that exist by name only, bank accounts by Stripe's test IBANs."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TestMethod:
    """How one of Stripe's test payment methods behaves."""

    name: str
    """What a caller sends as `payment_method`; of a bank account, its IBAN."""
    brand: str
    last4: str
    """As Stripe publishes it for this method; no other digit of a card is known here."""
    kind: str = "card"
    """Stripe's `type`: card or sepa_debit."""
    error_code: str = "card_declined"
    """Stripe's code of a refusal."""
    decline_code: str | None = None
    """Why the bank declines; None: it pays."""
    asks_for_authentication: bool = False
    """The bank wants 3-D Secure first."""
    pays_at_once: bool = False
    """Its money is available at once."""
    risk_level: str = "normal"
    dispute_reason: str | None = None
    """Why the payment is disputed some time later."""
    is_inquiry: bool = False
    """The bank asks first and takes no money yet."""
    warns_of_fraud: bool = False
    """The bank sends an early fraud warning some time later."""
    refund_ends: str | None = None
    """What becomes of a refund some time later: succeeded (until then pending), or failed (until then succeeded)."""

    @property
    def pays(self) -> bool:
        """Neither declined at once nor, for a bank account, days later."""
        return self.decline_code is None

    @property
    def is_blocked(self) -> bool:
        """Radar itself refuses it; the bank is not asked."""
        return self.risk_level == "highest"

    @property
    def fingerprint(self) -> str:
        """The same for every use of the method, as Stripe's is; by it a stored method finds its behaviour."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


def _declined(name: str, last4: str, reason: str, *, code: str = "card_declined") -> TestMethod:
    return TestMethod(name, "visa", last4, decline_code=reason, error_code=code)


def _account(iban: str, *, decline_code: str | None = None, dispute_reason: str | None = None) -> TestMethod:
    return TestMethod(iban, "", iban[-4:], kind="sepa_debit", decline_code=decline_code, dispute_reason=dispute_reason)


_METHODS = (
    TestMethod("pm_card_visa", "visa", "4242"),
    TestMethod("pm_card_visa_debit", "visa", "5556"),
    TestMethod("pm_card_mastercard", "mastercard", "4444"),
    TestMethod("pm_card_bypassPending", "visa", "0077", pays_at_once=True),
    TestMethod("pm_card_amex", "amex", "8431"),
    TestMethod("pm_card_threeDSecureOptional", "visa", "3055"),
    _declined("pm_card_visa_chargeDeclined", "0002", "generic_decline"),
    _declined("pm_card_chargeDeclined", "0002", "generic_decline"),
    _declined("pm_card_chargeCustomerFail", "0341", "generic_decline"),
    _declined("pm_card_chargeDeclinedInsufficientFunds", "9995", "insufficient_funds"),
    _declined("pm_card_visa_chargeDeclinedInsufficientFunds", "9995", "insufficient_funds"),
    _declined("pm_card_visa_chargeDeclinedLostCard", "9987", "lost_card"),
    _declined("pm_card_visa_chargeDeclinedStolenCard", "9979", "stolen_card"),
    _declined("pm_card_chargeDeclinedExpiredCard", "0069", "expired_card", code="expired_card"),
    _declined("pm_card_chargeDeclinedIncorrectCvc", "0127", "incorrect_cvc", code="incorrect_cvc"),
    _declined("pm_card_chargeDeclinedProcessingError", "0119", "processing_error", code="processing_error"),
    TestMethod("pm_card_radarBlock", "visa", "0019", decline_code="fraudulent", risk_level="highest"),
    TestMethod("pm_card_riskLevelElevated", "visa", "9235", risk_level="elevated"),
    TestMethod("pm_card_authenticationRequired", "visa", "3184", asks_for_authentication=True),
    TestMethod("pm_card_threeDSecure2Required", "visa", "3220", asks_for_authentication=True),
    TestMethod("pm_card_createDispute", "visa", "0259", dispute_reason="fraudulent"),
    TestMethod("pm_card_createDisputeProductNotReceived", "visa", "2685", dispute_reason="product_not_received"),
    TestMethod("pm_card_createDisputeInquiry", "visa", "1976", dispute_reason="fraudulent", is_inquiry=True),
    TestMethod("pm_card_createIssuerFraudRecord", "visa", "5423", warns_of_fraud=True),
    TestMethod("pm_card_pendingRefund", "visa", "7726", refund_ends="succeeded"),
    TestMethod("pm_card_refundFail", "visa", "5126", refund_ends="failed"),
    _account("DE89370400440532013000"),
    _account("DE08370400440532013003"),
    _account("AT611904300234573201"),
    _account("AT321904300235473204"),
    _account("DE62370400440532013001", decline_code="insufficient_funds"),
    _account("AT861904300235473202", decline_code="insufficient_funds"),
    _account("DE35370400440532013002", dispute_reason="debit_not_authorized"),
    _account("AT591904300235473203", dispute_reason="debit_not_authorized"),
)
METHODS = {method.name: method for method in _METHODS}
BY_FINGERPRINT = {method.fingerprint: method for method in _METHODS}
