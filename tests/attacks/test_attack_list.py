"""What attackers try on accounts, money and pages, and which tests hold each of it.

Not in the table is what this store does not have: refresh tokens that rotate, and support acting as a customer. Attacks
on rights, devices and keys have a table of their own in `store/entitlement`.
"""

from collections.abc import Mapping
from typing import Final

import pytest

from tests.named_tests import missing

SIGN_IN, RESET, WORK = "auth/test_sign_in.py::", "auth/test_password_reset.py::", "auth/test_equal_work.py::"
FACTOR, CHANGE, DEVICES = "auth/test_second_factor.py::", "auth/test_email_change.py::", "auth/test_known_devices.py::"
REGISTRATION, HASHES, SUPPORT = (
    "auth/test_registration.py::",
    "auth/test_old_hashes.py::",
    "auth/test_support_reset.py::",
)
SESSIONS, CSRF, STEP_UP = "auth/test_sessions.py::", "auth/test_csrf.py::", "auth/test_step_up.py::"
COLLEAGUES, LIMITS, ADDRESSES = (
    "auth/test_colleagues.py::",
    "auth/test_limits.py::",
    "auth/test_email_addresses.py::",
)
TV = "store/web/test_tv_sign_in.py::"
PASSKEYS = "auth/test_passkey_refusals.py::"
FOREIGN, UNDER_WAY, RAW = (
    "attacks/test_foreign_things.py::",
    "attacks/test_sessions_under_way.py::",
    "attacks/test_raw_requests.py::",
)
HOSTILE, PLANTED = "attacks/test_hostile_input.py::", "attacks/test_planted_secrets.py::"
EVERYWHERE, MALFORMED = "test_malformed_everywhere.py::", "test_malformed_requests.py::"
SETTINGS, START = "test_settings.py::", "test_safe_start.py::"
WEBHOOKS, SETTLING = "billing/test_webhooks.py::", "billing/test_settling.py::"

ATTACKS: Final[Mapping[int, tuple[str, tuple[str, ...]]]] = {
    1: (
        "signing in with an unknown address tells by words or status that it is unknown",
        (f"{SIGN_IN}test_a_wrong_password_and_an_unknown_address_get_the_same_answer",),
    ),
    2: (
        "… or by the time of the answer, also right after the start",
        (
            f"{WORK}test_the_work_and_the_answer_are_the_same_for_every_address",
            f"{WORK}test_the_time_of_the_answer_tells_nothing",
            "auth/test_passwords.py::test_an_unknown_address_costs_as_much_hashing_as_a_known_one",
        ),
    ),
    3: (
        "… or by a password that is too long or empty",
        (f"{SIGN_IN}test_an_impossible_password_is_refused_before_anyone_is_looked_up",),
    ),
    4: (
        "asking for a new password tells who has an account",
        (
            f"{RESET}test_every_address_gets_the_same_answer",
            f"{RESET}test_the_sixth_request_of_a_day_waits_whether_the_address_is_known_or_not",
            f"{WORK}test_the_work_and_the_answer_are_the_same_for_every_address",
        ),
    ),
    5: (
        "registering tells it, or changes an account that there is",
        (
            f"{REGISTRATION}test_whether_the_address_has_an_account_is_told_by_mail_alone",
            f"{REGISTRATION}test_who_registers_a_strangers_address_prepares_nothing",
            f"{WORK}test_the_work_and_the_answer_are_the_same_for_every_address",
        ),
    ),
    6: (
        "a change of address tells it",
        (
            f"{CHANGE}test_an_address_that_has_an_account_gets_the_same_answer_and_changes_nothing",
            f"{WORK}test_a_change_to_an_address_takes_the_same_work_whoever_has_it",
        ),
    ),
    7: (
        "invitations and passkeys tell it",
        (
            f"{COLLEAGUES}test_an_invitation_does_not_tell_the_admin_who_has_a_customer_account",
            f"{PASSKEYS}test_nobody_learns_from_a_challenge_who_has_passkeys",
        ),
    ),
    8: (
        "the limit of an address tells it",
        (
            f"{SIGN_IN}test_the_eleventh_try_on_an_address_has_to_wait_whether_it_exists_or_not",
            f"{WORK}test_the_eleventh_try_is_the_same_work_too",
            f"{DEVICES}test_answers_say_what_is_left_and_nothing_of_the_address",
        ),
    ),
    9: (
        "a reset's link used twice, or fifty times at once",
        (f"{RESET}test_a_used_link_is_used_up", f"{RESET}test_of_fifty_tries_at_once_one_sets_the_password"),
    ),
    10: (
        "an older link",
        (
            f"{RESET}test_only_the_newest_link_works",
            f"{RESET}test_links_mailed_in_the_wrong_order_leave_the_newest",
        ),
    ),
    11: ("an expired link", (f"{RESET}test_an_expired_link_changes_nothing",)),
    12: (
        "the link of one account with the address of another",
        (f"{FOREIGN}test_a_reset_sets_the_password_of_its_own_account_only",),
    ),
    13: (
        "links of another purpose",
        (
            f"{RESET}test_no_other_token_resets_a_password",
            f"{UNDER_WAY}test_no_mailed_link_of_another_purpose_sets_a_password",
            "store/privacy/test_erasure.py::test_a_token_of_another_kind_cancels_nothing",
            "auth/test_tokens.py::test_a_token_of_one_kind_is_none_of_another",
        ),
    ),
    14: (
        "headers that have a mailed link lead elsewhere",
        (
            f"{RAW}test_no_request_has_a_mailed_link_lead_elsewhere",
            f"{RESET}test_the_link_has_the_configured_address_whatever_the_request_says",
            f"{MALFORMED}test_an_unknown_host_is_refused",
            f"{PASSKEYS}test_the_party_is_the_configured_address_whatever_a_request_says",
        ),
    ),
    15: (
        "going on with an old session after a reset, also in a request under way",
        (
            f"{RESET}test_a_forgotten_password_is_replaced_and_every_session_is_over",
            f"{UNDER_WAY}test_a_reset_ends_every_session_also_those_with_a_request_under_way",
            f"{CHANGE}test_a_new_password_stops_a_change_that_waits_and_a_change_stops_links_for_a_password",
            f"{DEVICES}test_a_new_password_makes_every_device_a_stranger",
        ),
    ),
    16: (
        "a reset as a way round the second factor",
        (
            f"{FACTOR}test_a_new_password_does_not_go_round_the_second_factor",
            f"{PASSKEYS}test_a_new_password_in_between_ends_a_begun_sign_in",
        ),
    ),
    17: ("a weak new password", (f"{RESET}test_a_weak_password_leaves_the_link_usable",)),
    18: (
        "links in logs, tables, jobs and Redis",
        (
            f"{PLANTED}test_no_secret_is_found_behind_the_store",
            f"{RESET}test_no_link_and_no_address_stands_in_jobs_or_mails",
        ),
    ),
    19: (
        "guessing many times at one link, or many links",
        (
            f"{DEVICES}test_a_valid_link_takes_sixty_passwords_that_will_not_do",
            f"{REGISTRATION}test_five_wrong_passwords_end_a_link",
            f"{LIMITS}test_a_limit_holds_whatever_becomes_of_redis",
        ),
    ),
    20: ("two addresses in one, and headers of a mail", (f"{HOSTILE}test_one_request_writes_to_one_mailbox",)),
    21: (
        "a sign-in under way that brings the old password back",
        (
            f"{HASHES}test_sign_ins_that_renew_the_old_hash_never_undo_a_new_password",
            f"{HASHES}test_a_hash_that_was_replaced_meanwhile_is_not_renewed",
            f"{RESET}test_a_sign_in_under_way_does_not_bring_the_old_password_back",
        ),
    ),
    22: (
        "a session whose token was known before the sign-in, the step-up or the second factor",
        (
            f"{SIGN_IN}test_a_cookie_that_an_attacker_chose_is_never_the_session",
            f"{SIGN_IN}test_signing_in_again_ends_the_session_that_was_there",
            f"{STEP_UP}test_a_proof_gives_the_session_a_new_token_and_ends_the_old_one",
            f"{FACTOR}test_a_begun_sign_in_is_finished_once_also_of_many_at_once",
        ),
    ),
    23: (
        "a token after signing out, also with a request under way",
        (
            f"{SESSIONS}test_signing_out_ends_the_session_for_good",
            f"{UNDER_WAY}test_a_session_that_ends_during_a_request_does_not_come_back_with_its_answer",
        ),
    ),
    24: (
        "filling tables and Redis by looking around",
        (
            f"{UNDER_WAY}test_a_thousand_looks_leave_no_cookie_no_row_and_nothing_in_redis",
            f"{SIGN_IN}test_looking_around_signed_out_leaves_nothing_behind",
        ),
    ),
    25: (
        "a browser's cookie without the page's token, or with another's",
        (
            f"{CSRF}test_without_the_sessions_own_token_nothing_changes",
            f"{CSRF}test_the_token_of_another_session_is_not_taken",
            "store/web/test_account_pages.py::test_a_form_without_the_token_is_refused_and_changes_nothing",
        ),
    ),
    26: (
        "JSON sent as something else",
        (
            f"{MALFORMED}test_a_body_that_is_not_declared_as_json_is_refused",
            f"{EVERYWHERE}test_a_body_of_another_kind_is_refused",
        ),
    ),
    27: (
        "requests from another site",
        (
            f"{CSRF}test_another_site_may_not_even_with_the_right_token",
            "store/consoles/test_who_may_enter.py::test_a_form_from_another_site_does_nothing",
        ),
    ),
    28: (
        "signing a browser in to the attacker's account",
        (
            f"{CSRF}test_another_site_cannot_sign_a_browser_in_or_register_it",
            "store/web/test_second_factor_pages.py::test_another_site_cannot_send_a_code",
        ),
    ),
    29: ("a token in an address", (f"{SIGN_IN}test_a_token_in_the_address_is_no_sign_in",)),
    30: ("a cookie of one and a token of another", (f"{SIGN_IN}test_a_bearer_token_decides_alone_beside_a_cookie",)),
    32: (
        "a session that nobody used, or that is too old",
        (f"{SIGN_IN}test_a_session_ends_when_it_is_not_used_and_at_its_latest_end",),
    ),
    33: (
        "a session of a disabled account, or of a role that was taken",
        (
            f"{SIGN_IN}test_a_disabled_account_is_said_to_be_so_only_to_who_knows_the_password",
            f"{COLLEAGUES}test_new_roles_count_at_once_since_the_person_is_signed_out",
            f"{COLLEAGUES}test_who_leaves_is_out_at_once_and_may_be_invited_anew",
        ),
    ),
    34: (
        "codes used twice, guessed, late, or in other digits",
        (
            f"{FACTOR}test_a_code_counts_once_also_in_five_sign_ins_at_once",
            f"{FACTOR}test_a_used_code_and_an_older_one_are_refused_and_the_next_one_is_taken",
            f"{FACTOR}test_a_code_counts_one_step_early_and_one_late_and_no_further",
            f"{FACTOR}test_the_sixth_wrong_code_has_to_wait_and_right_ones_are_not_counted",
            f"{FACTOR}test_what_is_no_code_is_refused_noted_and_changes_nothing",
            f"{PASSKEYS}test_of_two_answers_with_one_count_at_once_one_is_taken",
        ),
    ),
    35: (
        "leaving the second step out",
        (
            f"{FACTOR}test_staff_have_no_session_and_no_permission_before_the_second_step",
            "auth/test_passkeys.py::test_a_begun_sign_in_is_no_session_for_passkeys_either",
        ),
    ),
    36: (
        "signing in on a TV: guessing its code, polling too fast or with another key, using a code twice or too late",
        (
            f"{TV}test_guesses_are_limited_for_the_account_and_right_codes_are_not_counted",
            f"{TV}test_who_polls_too_fast_waits_longer_for_the_rest_of_it",
            f"{TV}test_a_device_code_is_worthless_to_another_key",
            f"{TV}test_of_many_polls_at_once_one_gets_the_session",
            f"{TV}test_a_code_is_decided_once",
            f"{TV}test_after_ten_minutes_neither_code_is_good",
            f"{TV}test_the_address_of_the_qr_code_alone_allows_nothing",
        ),
    ),
    37: (
        "ids of what is somebody else's",
        (
            f"{FOREIGN}test_nobody_reads_changes_or_removes_what_is_anothers",
            f"{SESSIONS}test_another_accounts_session_looks_like_none",
            "store/purchase/test_buying.py::test_other_peoples_quotes_and_orders_look_like_none",
            "store/entitlement/test_devices.py::test_a_device_of_another_account_cannot_be_seen_or_removed",
            "store/web/test_checkout_pages.py::test_another_customers_order_looks_like_none",
            "auth/test_passkeys.py::test_somebody_else_s_passkeys_look_as_if_there_were_none",
        ),
    ),
    38: (
        "lists widened by somebody's id, and ids within ids",
        (
            f"{FOREIGN}test_no_list_is_widened_by_naming_somebody",
            "store/entitlement/test_attacks.py::test_a_foreign_playback_and_one_that_never_was_are_refused_alike",
            "store/purchase/test_buying.py::test_a_device_of_somebody_else_is_not_quoted",
        ),
    ),
    39: (
        "fields that nobody asked for: role, price, owner, state",
        (
            f"{FOREIGN}test_nobody_makes_themselves_more_than_they_are",
            f"{EVERYWHERE}test_a_body_that_is_no_object_of_the_operation_is_refused",
        ),
    ),
    40: (
        "support that resets colleagues, admins or itself",
        (f"{SUPPORT}test_support_resets_neither_colleagues_nor_oneself",),
    ),
    41: (
        "support that sees a link or sets a password",
        (
            f"{SUPPORT}test_support_has_a_link_mailed_and_never_sees_it",
            f"{FOREIGN}test_no_route_of_staff_takes_a_password_and_no_route_takes_an_address_of_the_web_or_a_file",
            "store/consoles/test_support.py::test_a_reset_is_mailed_and_support_never_sees_link_token_or_password",
            "auth/test_caller_codes.py::test_of_fifty_guesses_at_once_five_are_compared",
            "auth/test_caller_codes.py::test_an_expired_replaced_or_foreign_code_proves_nothing",
            "auth/test_recoveries.py::test_nobody_agrees_to_what_they_asked_for_and_the_table_refuses_it_too",
            "auth/test_recoveries.py::test_of_two_leaders_at_once_one_agrees",
        ),
    ),
    42: (
        "more resets than an agent may start, at once or after Redis was flushed",
        (
            f"{SUPPORT}test_twelve_resets_at_once_are_ten",
            f"{SUPPORT}test_forgetting_what_redis_counted_lifts_no_limit_of_support",
            f"{SUPPORT}test_one_customer_gets_no_fourth_reset_a_day_whoever_asks",
        ),
    ),
    43: (
        "support that lists customers by patterns",
        (
            "store/consoles/test_support.py::test_parts_and_patterns_find_nobody",
            "store/consoles/test_support.py::test_there_is_no_list_and_no_unclear_search",
        ),
    ),
    44: (
        "removing the last admin, and giving oneself roles",
        (
            f"{COLLEAGUES}test_nobody_changes_the_own_roles_or_ends_the_own_account",
            f"{COLLEAGUES}test_of_two_admins_who_let_each_other_go_at_once_one_stays",
        ),
    ),
    45: (
        "staff without a second factor",
        (
            f"{FACTOR}test_a_session_of_staff_that_a_password_alone_opened_counts_for_nothing",
            f"{FACTOR}test_staff_cannot_do_without_it",
            "auth/test_passkeys.py::test_staff_keep_a_second_factor_whatever_they_remove",
        ),
    ),
    46: (
        "tokens of a playback on another device, after a refund, after their end",
        (
            "store/entitlement/test_licences.py::test_a_stolen_token_is_worth_nothing_on_another_device",
            "store/entitlement/test_licences.py::test_a_token_that_is_still_good_gets_nothing_once_the_ground_is_gone",
            "store/entitlement/test_licences.py::test_no_forged_token_gets_a_key",
        ),
    ),
    47: (
        "words of SQL in searches, orders, cursors and ids",
        (
            f"{HOSTILE}test_words_of_sql_stay_words",
            f"{EVERYWHERE}test_a_query_with_nonsense_in_it_is_answered_or_refused_and_never_fails",
            f"{EVERYWHERE}test_a_path_with_nonsense_in_it_is_refused",
        ),
    ),
    48: ("sorting by what is hidden", (f"{HOSTILE}test_a_list_is_sorted_by_what_it_offers_only",)),
    49: (
        "formulas in an export",
        (
            "billing/test_exports.py::test_a_title_that_a_spreadsheet_would_run_is_disarmed",
            "billing/test_exports.py::test_commas_quotes_and_umlauts_survive",
        ),
    ),
    50: (
        "bodies that are too large, never end, or end in two places",
        (
            f"{EVERYWHERE}test_an_oversized_body_is_refused_everywhere",
            f"{RAW}test_a_body_that_never_ends_is_refused_and_the_connection_closed",
            f"{RAW}test_a_request_whose_end_is_not_clear_is_refused_and_nothing_behind_it_is_read",
            f"{RAW}test_a_body_shorter_than_its_length_does_nothing",
        ),
    ),
    51: (
        "JSON that is too deep, too many numbers, NUL, other encodings",
        (
            f"{EVERYWHERE}test_a_field_with_nonsense_in_it_is_refused",
            f"{EVERYWHERE}test_a_body_that_is_no_object_of_the_operation_is_refused",
            f"{MALFORMED}test_a_malformed_body_is_refused_with_the_place_of_the_fault",
            "test_made_up_requests.py::test_no_request_that_was_made_up_from_the_contract_is_a_fault_of_ours",
        ),
    ),
    52: (
        "addresses that look or sort like another's",
        (
            f"{ADDRESSES}test_an_address_is_the_same_as_another_only_if_it_is_the_same_mailbox",
            f"{ADDRESSES}test_no_trick_opens_registers_or_resets_the_account_of_another_mailbox",
            f"{ADDRESSES}test_what_is_no_plain_address_is_refused",
        ),
    ),
    53: (
        "markup and templates in names",
        (
            f"{HOSTILE}test_markup_in_a_name_is_shown_as_text_wherever_the_name_is_shown",
            f"{HOSTILE}test_markup_in_any_word_of_a_mail_is_text",
            "store/web/test_storefront_pages.py::test_every_page_forbids_scripts_and_frames_that_are_not_ours",
        ),
    ),
    54: (
        "lines forged in the log",
        (
            f"{HOSTILE}test_nobody_writes_a_line_of_the_log",
            "test_logs.py::test_a_request_is_one_line_with_nothing_of_what_was_sent_or_who_sent_it",
        ),
    ),
    55: (
        "addresses that the store would fetch from",
        (f"{FOREIGN}test_no_route_of_staff_takes_a_password_and_no_route_takes_an_address_of_the_web_or_a_file",),
    ),
    56: (
        "files that would be kept, and files that are none of ours",
        (
            f"{FOREIGN}test_no_route_of_staff_takes_a_password_and_no_route_takes_an_address_of_the_web_or_a_file",
            "store/web/test_storefront_pages.py::test_no_address_leaves_the_static_folder",
            "store/entitlement/test_media.py::test_nothing_but_the_film_is_served",
        ),
    ),
    57: (
        "entities of XML, archives that swell, objects that act",
        (f"{HOSTILE}test_nothing_of_ours_reads_xml_archives_or_pickles",),
    ),
    58: (
        "webhooks that are forged, old, changed or repeated",
        (
            f"{WEBHOOKS}test_an_unsigned_or_forged_webhook_stores_nothing",
            f"{WEBHOOKS}test_a_webhook_too_old_or_from_the_future_is_refused",
            f"{WEBHOOKS}test_the_same_webhook_delivered_five_times_at_once_pays_once",
            "store/test_returned_mail.py::test_an_event_that_is_not_signed_changes_nothing",
            "store/test_returned_mail.py::test_what_both_ways_tell_and_fifty_times_at_once_has_one_effect",
        ),
    ),
    59: ("a signature over a body that was written anew", (f"{WEBHOOKS}test_a_changed_body_is_refused",)),
    60: (
        "a payment of another amount, currency or order",
        (
            f"{SETTLING}test_another_amount_or_currency_grants_nothing_and_goes_back",
            f"{SETTLING}test_metadata_of_another_order_grants_nothing_and_goes_back",
        ),
    ),
    61: (
        "another address in every request's headers",
        (
            f"{UNDER_WAY}test_what_a_client_says_of_its_address_opens_no_new_limit",
            "auth/test_visits.py::test_only_what_a_trusted_proxy_saw_itself_is_believed",
        ),
    ),
    62: ("another address of the same /64", ("auth/test_visits.py::test_an_ipv6_customer_is_one_by_the_64",)),
    63: (
        "locking the owner out by guessing",
        (
            f"{DEVICES}test_who_guesses_elsewhere_does_not_lock_the_owners_app_out",
            f"{DEVICES}test_who_guesses_elsewhere_does_not_lock_the_owners_browser_out",
            f"{DEVICES}test_who_guesses_in_the_same_network_does_not_lock_the_owner_out",
            f"{DEVICES}test_who_asks_for_resets_elsewhere_does_not_keep_the_owner_from_one",
            f"{LIMITS}test_who_tries_many_accounts_is_stopped_at_the_twenty_first_and_the_owners_are_not",
            f"{STEP_UP}test_who_stole_a_session_cannot_guess_on_and_does_not_lock_the_owner_out",
        ),
    ),
    64: (
        "hundreds of sign-ins at once",
        (
            "test_sign_in_flood.py::test_three_hundred_sign_ins_at_once_leave_the_store_standing",
            "auth/test_passwords.py::test_beyond_the_queue_the_rest_is_turned_away_at_once",
            "auth/test_passwords.py::test_a_flood_of_sign_ins_leaves_room_for_recovery",
            "auth/test_passwords.py::test_who_waited_too_long_is_told_to_come_back_and_makes_room",
        ),
    ),
    65: (
        "clients that stop in the middle of a request",
        (
            f"{RAW}test_many_clients_that_stop_in_the_middle_keep_nobody_else_waiting",
            "test_patience.py::test_a_client_that_stops_in_the_middle_is_let_go",
            "test_patience.py::test_a_client_that_sends_byte_by_byte_is_let_go_too",
        ),
    ),
    66: (
        "Redis killed or flushed",
        (
            f"{LIMITS}test_a_limit_holds_whatever_becomes_of_redis",
            f"{LIMITS}test_without_redis_everything_still_works",
            "store/test_throttling.py::test_redis_that_comes_and_goes_leaves_no_hole",
            "store/entitlement/test_streams.py::test_places_are_kept_taken_over_and_freed_whatever_redis_does",
        ),
    ),
    67: (
        "HEAD, OPTIONS and ranges on what needs a sign-in",
        (
            f"{FOREIGN}test_no_method_and_no_range_gets_round_the_sign_in",
            "test_head.py::test_every_get_operation_answers_head_with_the_same_headers_and_no_body",
        ),
    ),
    68: ("texts on which a pattern takes for ever", (f"{HOSTILE}test_no_text_takes_for_ever",)),
    69: (
        "secrets in logs, backups, Redis, mails and metrics",
        (
            f"{PLANTED}test_no_secret_is_found_behind_the_store",
            "store/entitlement/test_key_leaks.py::test_no_key_is_in_a_backup_of_the_database",
            "store/entitlement/test_licences.py::test_neither_key_nor_token_nor_proof_is_ever_in_the_log",
            "test_logs.py::test_a_failed_statement_is_logged_without_its_values",
        ),
    ),
    70: (
        "production that starts unsafe",
        (
            f"{SETTINGS}test_production_refuses_a_fault_and_names_it",
            f"{SETTINGS}test_an_empty_environment_is_production_and_every_missing_variable_is_named",
            f"{SETTINGS}test_the_documentation_pages_of_the_api_are_not_public",
            f"{SETTINGS}test_production_refuses_to_run_beside_the_abandoned_passlib",
            f"{START}test_the_owner_of_the_tables_and_a_superuser_may_not",
            f"{START}test_who_may_change_the_audit_trail_may_not",
            f"{START}test_an_older_schema_is_refused_and_a_newer_one_taken",
            f"{START}test_a_process_on_an_unsafe_database_does_not_start",
            "test_processes.py::test_a_web_process_on_unsafe_settings_names_every_fault_and_does_not_start",
        ),
    ),
    71: (
        "demo accounts and keys in production",
        (
            f"{START}test_a_sandboxs_database_is_none_of_production",
            f"{SETTINGS}test_a_sandbox_environment_does_not_start_production_and_no_secret_is_told",
            "store/sandbox/test_arrangement.py::test_production_refuses_every_secret_that_the_sandbox_made",
            "store/sandbox/test_clock.py::test_production_has_neither_the_routes_nor_the_table",
        ),
    ),
    72: (
        "changing the audit trail, or acting without an entry",
        (
            "auth/test_audit.py::test_nobody_changes_the_trail_not_even_its_owner",
            "auth/test_audit.py::test_whoever_gets_round_the_triggers_is_found_out",
            "auth/test_audit.py::test_the_command_names_the_entry_that_was_changed",
            "store/consoles/test_who_may_enter.py::"
            "test_a_console_opens_to_its_roles_only_and_refused_looks_are_on_record",
        ),
    ),
    73: (
        "an export of one's data with somebody else in it, or taken by somebody else",
        (
            "store/privacy/test_data_export.py::test_nobody_else_is_in_it",
            "store/privacy/test_data_export.py::test_only_a_customer_who_is_signed_in_is_let_in",
            "store/privacy/test_data_export.py::test_no_secret_is_in_it",
        ),
    ),
    74: (
        "a crash while a mail is sent",
        (
            f"{RESET}test_a_mail_repeated_after_a_crash_holds_the_same_link",
            "store/test_mail.py::test_a_passing_fault_has_the_mail_tried_again",
            "crash/test_crash.py::test_whatever_is_killed_what_was_paid_is_granted_booked_and_confirmed_once",
        ),
    ),
    75: (
        "packages with known holes, and the abandoned passlib",
        (
            "test_architecture.py::test_a_lock_has_hashes_names_no_index_and_holds_no_version_with_known_holes",
            "test_architecture.py::test_the_maintained_fork_of_passlib_is_installed_and_the_abandoned_one_is_not",
            "store/test_sbom.py::test_every_locked_package_is_named_with_its_version_and_nothing_else",
        ),
    ),
}
"""By number: what is tried, and the tests that hold it. 31 is about what the store does not have."""


@pytest.mark.parametrize("number", ATTACKS)
def test_every_attack_is_held_by_tests_that_there_are(number: int) -> None:
    _, held_by = ATTACKS[number]
    assert held_by
    assert missing(held_by) == []
