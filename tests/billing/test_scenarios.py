"""The ways in which shops have lost money or rights between paying and watching, and which tests hold each of them."""

from collections.abc import Mapping
from typing import Final

import pytest

from tests.named_tests import missing

SCENARIOS: Final[Mapping[int, tuple[str, tuple[str, ...]]]] = {
    1: (
        "the button pressed twice, ten orders at once",
        (
            "billing/test_ordering.py::test_the_same_quote_ordered_ten_times_at_once_is_one_order",
            "billing/test_payments.py::test_paying_twice_opens_one_intent",
        ),
    ),
    2: (
        "the provider opens a payment and its answer is lost",
        (
            "billing/test_stripe_gateway.py::test_a_lost_answer_is_an_unknown_outcome_and_the_key_finds_what_was_done",
            "billing/test_payments.py::test_no_answer_leaves_the_payment_unknown_and_the_same_key_finds_the_same_intent",
        ),
    ),
    3: (
        "killed after the payment was opened, before its key was kept",
        (
            "billing/test_payments.py::test_the_sweep_finds_the_intent_of_a_crash_by_its_key",
            "crash/test_crash.py::test_whatever_is_killed_what_was_paid_is_granted_booked_and_confirmed_once",
        ),
    ),
    4: (
        "the event of success comes before we know the payment's key",
        ("billing/test_settling.py::test_an_intent_whose_id_was_never_stored_is_found_by_its_metadata",),
    ),
    5: (
        "the same event five times at once",
        (
            "billing/test_webhooks.py::test_the_same_webhook_delivered_five_times_at_once_pays_once",
            "store/purchase/test_buying.py::test_the_same_webhook_five_times_at_once_and_the_return_grant_one_right",
        ),
    ),
    6: (
        "no event ever comes, and the customer has closed the browser",
        ("billing/test_payments.py::test_the_sweep_settles_what_nobody_came_back_for",),
    ),
    7: (
        "event, return and sweep at the same instant",
        ("billing/test_webhooks.py::test_webhook_return_and_sweep_at_once_settle_once",),
    ),
    8: (
        "killed while settling, before or after the commit",
        (
            "billing/test_settling.py::test_a_rollback_leaves_no_job_and_no_trace",
            "crash/test_crash.py::test_whatever_is_killed_what_was_paid_is_granted_booked_and_confirmed_once",
        ),
    ),
    9: (
        "events in reverse: the refund, then the payment",
        (
            "billing/test_webhooks.py::"
            "test_a_refund_made_at_the_provider_and_told_of_before_the_payment_undoes_the_sale",
            "billing/test_webhooks.py::test_trouble_that_is_told_of_before_the_payment_ends_as_if_it_came_after",
            "store/purchase/test_any_order.py::test_the_events_of_a_purchase_in_any_order_and_number_have_the_same_end",
        ),
    ),
    10: (
        "the failure of the first attempt after the success of the second",
        (
            "billing/test_webhooks.py::"
            "test_a_failure_of_the_first_attempt_told_of_after_the_second_one_succeeded_changes_nothing",
            "billing/test_settling.py::test_an_old_decline_after_the_success_changes_nothing",
        ),
    ),
    11: (
        "declined, then another card",
        ("billing/test_settling.py::test_a_decline_keeps_the_order_open_and_says_why",),
    ),
    12: (
        "3-D Secure given up, or passed after the order expired",
        (
            "billing/test_payments.py::test_the_sweep_cancels_what_expired_and_a_mute_provider_stops_nothing",
            "store/purchase/test_late_payments.py::test_late_money_is_granted_as_long_as_the_offer_stands",
        ),
    ),
    13: (
        "forged, foreign, old and repeated webhooks",
        (
            "billing/test_webhooks.py::test_an_unsigned_or_forged_webhook_stores_nothing",
            "billing/test_webhooks.py::test_a_webhook_too_old_or_from_the_future_is_refused",
            "billing/test_webhooks.py::test_a_changed_body_is_refused",
        ),
    ),
    14: (
        "another amount or currency than ordered",
        (
            "billing/test_settling.py::test_another_amount_or_currency_grants_nothing_and_goes_back",
            "billing/test_settling.py::test_metadata_of_another_order_grants_nothing_and_goes_back",
        ),
    ),
    15: (
        "two tabs pay for one film",
        (
            "store/purchase/test_buying.py::test_two_tabs_pay_for_one_film_once",
            "billing/test_settling.py::test_the_money_of_a_second_intent_goes_back",
            "billing/test_settling.py::test_a_second_payment_of_a_paid_order_goes_back",
        ),
    ),
    16: (
        "a debit that takes days, and the film leaves the shop meanwhile",
        (
            "billing/test_debits.py::test_a_debit_gives_no_access_until_it_is_paid_days_after_the_order_expired",
            "billing/test_debits.py::test_a_debit_that_fails_days_later_is_told_by_mail_once",
            "billing/test_debits.py::test_a_film_that_left_the_shop_while_the_bank_took_its_time_goes_back",
        ),
    ),
    17: (
        "refunds at once, beyond the price, and failing later",
        (
            "billing/test_sale_refunds.py::test_many_refunds_at_once_never_exceed_what_was_paid",
            "billing/test_sale_refunds.py::test_more_than_was_paid_or_nothing_is_refused",
            "billing/test_sale_refunds.py::test_a_refund_that_fails_later_is_owed_until_it_is_tried_again",
        ),
    ),
    18: (
        "disputes opened, won and lost, and a refund meanwhile",
        (
            "billing/test_disputes.py::test_an_open_dispute_holds_the_right_and_books_what_was_taken",
            "billing/test_disputes.py::test_a_won_dispute_gives_the_right_and_the_money_back",
            "billing/test_disputes.py::test_a_lost_dispute_ends_the_right_and_is_booked_as_a_loss",
            "billing/test_sale_refunds.py::test_what_a_bank_has_taken_is_not_given_back_again",
        ),
    ),
    19: (
        "the provider, Redis or PostgreSQL away for a while",
        (
            "billing/test_webhooks.py::"
            "test_without_an_answer_of_the_provider_nothing_is_recorded_so_that_it_sends_again",
            "crash/test_crash.py::test_whatever_is_killed_what_was_paid_is_granted_booked_and_confirmed_once",
        ),
    ),
    21: (
        "a key that the provider has forgotten",
        (
            "billing/test_payments.py::test_a_key_that_the_provider_may_have_forgotten_opens_no_second_intent",
            "billing/test_payments.py::test_the_first_intent_of_a_forgotten_key_is_found_by_its_metadata",
            "billing/test_refunds.py::test_a_key_that_the_provider_may_have_forgotten_is_not_used_without_looking",
        ),
    ),
    22: (
        "an export while sales are settled",
        (
            "billing/test_exports.py::test_the_sum_of_the_csv_is_sqls",
            "billing/test_exports.py::test_a_period_is_half_open_and_of_berlin",
        ),
    ),
    23: (
        "events of unknown types, of other environments, and huge ones",
        (
            "billing/test_webhooks.py::test_unknown_and_foreign_events_are_parked",
            "billing/test_webhooks.py::test_an_intent_that_is_not_ours_is_parked",
            "store/purchase/test_buying.py::test_a_huge_webhook_is_refused_unread_and_stores_nothing",
        ),
    ),
    24: (
        "two signing secrets while one is rotated",
        ("billing/test_webhooks.py::test_both_secrets_are_good_while_one_is_being_rotated",),
    ),
}
"""By number: what happens, and the tests that hold it. There are no vouchers in this store, so there is no 20."""


@pytest.mark.parametrize("number", SCENARIOS)
def test_every_scenario_is_held_by_tests_that_there_are(number: int) -> None:
    _, held_by = SCENARIOS[number]
    assert held_by
    assert missing(held_by) == []
