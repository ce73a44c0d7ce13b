"""
Which tests stand for which fault, by the numbers of the project's fault matrix.

Faults are numbered by what is hit: 1-16 brokers, 17-26 the network, 27-41 membership of a group, 42-56 the
worker process, 57-75 handlers and messages, 76-85 topics and data, 91-99 security, 100-113 NATS. A row may
have several tests: of the decision, of the engine in virtual time, and on a real broker. Those that take
minutes are commands: `python -m tests.chaos.NAME`.
"""

from collections.abc import Mapping, Sequence

_MEMBERSHIP = "tests/faults/test_membership.py::test_"
_PROCESSES = "tests/faults/test_processes.py::test_"
_HANDLERS = "tests/faults/test_handlers.py::test_"
_LIMITS = "tests/faults/test_limits.py::test_"
_ANSWERS = "tests/faults/test_protocol_answers.py::test_"
_COMMITS = "tests/faults/test_commit_answers.py::test_"
_LETTERS = "tests/faults/test_dead_letter_topics.py::test_"
_HOLES = "tests/faults/test_holes.py::test_"
_CODES = "tests/faults/test_new_codes.py::test_"
_DATA = "tests/faults/test_data.py::test_"
_PUBLISHER = "tests/backends/kafka/test_publisher.py::test_"
_ENDPOINT = "tests/workers/endpoint/test_"
_RECORDS = "tests/faults/test_records.py::test_"
_SIGNALS = "tests/workers/test_signals.py::test_"
_TOPICS = "tests/faults/test_topics_and_rights.py::test_"
_PRESSURE = "tests/faults/test_pressure.py::test_"
_UNIVERSAL = "tests/contract/test_universal.py::test_"
_SECURITY = "tests/security/test_"
_TOKENS = "tests/backends/kafka/test_tokens.py::test_"
_NAMED = ".py::test_what_is_wrong_is_named_at_the_start"
_PAYLOADS = "tests/contract/test_payloads.py::test_"
_FROZEN = f"{_PROCESSES}a_worker_that_was_frozen_moves_no_offset_back"
_ASKS = f"{_HANDLERS}a_handler_that_asks_for_the_end_gets_it_in_good_order"
_RAISES = f"{_HANDLERS}whatever_a_handler_raises_costs_its_own_message_only"

ROWS: Mapping[int, tuple[str, Sequence[str]]] = {
    1: ("the only broker is killed and started again", [
        "tests/chaos/broker_down.py",
        "tests/workers/test_broker_restart.py::test_a_worker_goes_on_when_its_broker_is_back",
    ]),
    2: ("the only broker is down for long", [
        "tests/chaos/broker_down.py",
        "tests/faults/test_broker_outages.py"
        "::test_a_stop_while_the_broker_is_down_ends_in_time_and_says_what_is_not_stored",
    ]),
    4: ("the group's coordinator is killed", ["tests/chaos/coordinator_killed.py"]),
    6: ("all brokers restart, one after the other", ["tests/chaos/rolling_brokers.py"]),
    8: ("a broker is frozen", ["tests/chaos/broker_down.py"]),
    9: ("too few replicas in sync", ["tests/chaos/publishing.py"]),
    11: ("the disk of a broker is full", ["tests/chaos/full_disk.py"]),
    13: ("errors that pass, old codes and new", [
        f"{_ANSWERS}a_member_outlives_every_error_that_passes",
        f"{_CODES}a_code_that_passes_is_waited_for",
        f"{_CODES}fetches_that_are_answered_with_a_new_code_are_no_storm_and_go_on_when_it_is_over",
        f"{_CODES}a_code_that_no_waiting_mends_reaches_who_publishes_with_its_number",
        "tests/faults/test_publish_answers.py::test_a_batch_whose_answer_is_lost_or_wrong_is_stored_once",
        "tests/faults/test_publish_answers.py::test_a_final_answer_is_told_and_its_batch_not_sent_again",
    ]),
    14: ("a member is throttled", ["tests/chaos/quota_and_leave.py"]),
    16: ("metadata without the topic", [f"{_ANSWERS}a_member_outlives_every_error_that_passes"]),
    17: ("latency", ["tests/chaos/network.py"]),
    18: ("a network that falls silent", ["tests/chaos/network.py"]),
    19: ("answers do not come back", [f"{_COMMITS}a_commit_without_an_answer_is_made_again"]),
    20: ("a storm of resets", ["tests/chaos/network.py"]),
    21: ("a trickle in small pieces", ["tests/chaos/network.py"]),
    22: ("connections that are dead and do not say so", ["tests/chaos/network.py"]),
    26: ("a broker advertises a port where nothing answers", [f"{_SECURITY}preflight{_NAMED}"]),
    27: ("a worker joins under load", [
        f"{_MEMBERSHIP}joins_and_leaves_under_load_repeat_nothing",
        "tests/backends/kafka/test_assignors.py"
        "::test_a_join_and_a_leave_in_a_real_group_move_what_they_must_and_no_more",
    ]),
    28: ("a worker leaves cleanly", [
        f"{_MEMBERSHIP}joins_and_leaves_under_load_repeat_nothing",
        "tests/workers/test_many_workers.py::test_a_worker_that_leaves_by_sigterm_repeats_nothing",
    ]),
    29: ("a storm of rebalances", ["tests/chaos/rebalance_storm.py"]),
    30: ("a partition goes from A to B and back quickly", [
        f"{_MEMBERSHIP}a_late_completion_of_a_former_owner_moves_nothing",
        "tests/actors/test_order.py::test_what_ends_after_its_lease_counts_for_nothing",
    ]),
    31: ("a worker is frozen for longer than its session", [_FROZEN]),
    32: ("frozen, and its successor commits and leaves", [_FROZEN]),
    33: ("the event loop is blocked for longer than a session", [
        f"{_PROCESSES}a_handler_that_blocks_the_loop_is_named_and_its_worker_rejoins",
        "tests/actors/test_watchdog.py::test_names_the_line_that_blocks_and_its_handler",
    ]),
    34: ("a handler outlasts the rebalance", [
        f"{_MEMBERSHIP}a_drain_is_cut_at_its_deadline_and_the_member_stays",
    ]),
    35: ("the revocation raises or hangs", [
        f"{_MEMBERSHIP}a_revocation_in_trouble_does_not_hold_up_the_group",
    ]),
    36: ("a commit is refused", [
        f"{_COMMITS}a_commit_during_a_rebalance_is_made_after_it_and_nothing_repeats",
        f"{_COMMITS}a_commit_of_a_member_that_is_none_any_more_is_dropped_and_the_member_joins_again",
    ]),
    37: ("more workers than partitions", [
        f"{_MEMBERSHIP}a_member_without_partitions_takes_over_when_one_leaves",
    ]),
    38: ("all partitions are full for longer than a poll may take", [
        f"{_PRESSURE}a_member_that_is_full_for_longer_than_a_poll_may_take_stays_one",
    ]),
    39: ("a static member restarts within its session", [
        f"{_MEMBERSHIP}a_static_member_that_restarts_quickly_disturbs_nobody",
    ]),
    40: ("two workers with one instance id", [
        f"{_MEMBERSHIP}of_two_members_with_one_instance_id_one_is_told_and_the_other_goes_on",
        "tests/backends/kafka/test_rivals.py::test_three_assignments_that_are_lost_too_soon_mean_a_rival",
    ]),
    41: ("the right to the group is taken away", [
        f"{_TOPICS}a_right_that_is_taken_away_and_given_back",
    ]),
    42: ("a worker is killed", [
        f"{_PROCESSES}after_kill_9_only_what_was_open_or_not_committed_repeats",
        "tests/workers/test_many_workers.py::test_after_kill_9_a_second_worker_handles_everything",
    ]),
    43: ("workers are killed again and again", ["tests/chaos/kill_loop.py"]),
    44: ("SIGTERM under load", [
        f"{_PROCESSES}a_rolling_restart_under_load_repeats_nothing",
        "tests/workers/test_many_workers.py::test_a_worker_that_leaves_by_sigterm_repeats_nothing",
    ]),
    45: ("SIGTERM while a handler hangs", [
        f"{_PROCESSES}a_hung_handler_ends_with_5_and_its_message_goes_to_the_next_worker",
        f"{_SIGNALS}a_handler_that_does_not_end_is_left_at_the_deadline_with_5",
    ]),
    46: ("a second signal", [
        f"{_SIGNALS}the_second_signal_ends_at_once",
        f"{_SIGNALS}a_second_signal_commits_nothing_more",
    ]),
    47: ("SIGTERM while the broker is down", [
        "tests/faults/test_broker_outages.py"
        "::test_a_stop_while_the_broker_is_down_ends_in_time_and_says_what_is_not_stored",
    ]),
    48: ("SIGTERM at the start, and in a rebalance", [
        f"{_PRESSURE}a_worker_that_is_asked_to_end_while_it_starts_ends",
        "tests/chaos/quota_and_leave.py",
    ]),
    52: ("no descriptors", [f"{_LIMITS}without_descriptors_calls_fail_and_go_on_when_there_are_some"]),
    53: ("little memory", [f"{_LIMITS}within_little_memory_what_is_in_flight_is_bounded"]),
    54: ("the log's disk is full, or its pipe closed", [
        f"{_LIMITS}a_worker_whose_log_is_on_a_full_disk_does_its_work",
        "tests/workers/test_logs.py"
        "::test_lines_that_cannot_be_written_are_counted_and_told_by_the_next_one",
        "tests/workers/test_run.py"
        "::test_a_worker_without_standard_streams_does_its_work_and_tells_by_its_code",
    ]),
    55: ("the wall clock jumps", [
        f"{_LIMITS}a_clock_that_jumps_by_hours_disturbs_nothing",
        "tests/core/test_backlog_history.py"
        "::test_a_wall_clock_that_jumps_moves_an_age_by_no_more_than_the_looks_leave_open",
    ]),
    56: ("a consumer is restarted many times", [
        "tests/test_restarts.py"
        "::test_restarts_leave_tasks_threads_descriptors_and_objects_where_they_were",
        "tests/chaos/thousand_restarts.py",
    ]),
    57: ("a handler raises", [
        _RAISES,
        f"{_UNIVERSAL}a_message_whose_handler_failed_comes_again",
        "tests/contract/test_engine.py"
        "::test_a_message_without_attempts_left_stands_in_the_dead_letter_topic",
    ]),
    58: ("a handler raises what is no Exception", [
        _RAISES,
        _ASKS,
        "tests/actors/test_outcomes.py::test_whatever_a_handler_raises_is_the_outcome_of_its_message",
    ]),
    59: ("a handler raises a group of errors", [
        _RAISES, "tests/core/test_retries.py::test_only_what_is_worth_it_is_tried_again",
    ]),
    60: ("a handler raises CancelledError, or swallows it", [
        _RAISES,
        "tests/actors/test_attack.py::test_a_handler_that_swallows_the_cancellation_is_the_last",
        "tests/actors/test_outcomes.py::test_a_handler_that_cancelled_its_own_task_does_not_stop_its_partition",
    ]),
    61: ("a handler hangs", [
        f"{_HANDLERS}a_message_that_hangs_is_given_up_at_its_time_out_and_others_flow",
        "tests/test_wiring.py::test_a_thread_that_hangs_does_not_hold_up_the_end",
    ]),
    62: ("a message that ends the process", [
        "tests/workers/test_lethal.py::test_a_message_that_ends_every_worker_becomes_a_dead_letter",
    ]),
    63: ("a value that cannot be decoded", [
        f"{_HANDLERS}what_cannot_be_decoded_is_a_dead_letter_without_another_attempt",
    ]),
    64: ("headers that are no text, or odd", [
        f"{_RECORDS}a_header_that_is_no_text_becomes_a_dead_letter_and_the_partition_moves_on",
        f"{_RECORDS}on_the_clients_reader_it_parks_its_partition_at_its_offset",
        f"{_RECORDS}odd_headers_reach_the_handler",
    ]),
    66: ("huge messages", [
        f"{_PAYLOADS}a_message_above_the_limit_is_refused_and_the_next_goes_through",
        f"{_PUBLISHER}a_message_too_large_for_the_client_affects_no_other",
        f"{_PUBLISHER}a_message_too_large_for_its_topic_affects_no_other",
        f"{_RECORDS}messages_above_the_fetch_limit_are_read",
    ]),
    67: ("a compression bomb", [
        f"{_RECORDS}a_compression_bomb_is_a_dead_letter_with_its_coordinates",
        f"{_RECORDS}a_large_batch_above_the_limit_of_the_user_is_a_dead_letter_or_parks",
        "tests/backends/kafka/test_unpacking.py::test_a_compression_bomb_is_refused_before_it_goes_off",
    ]),
    68: ("a codec that is not installed", [
        f"{_RECORDS}a_codec_that_is_not_installed_parks_its_partition_until_it_is",
        f"{_RECORDS}every_codec_is_read",
    ]),
    69: ("null keys, null values, empty values", [
        f"{_PAYLOADS}a_null_value_is_not_an_empty_one",
        f"{_PAYLOADS}keys_arrive_as_bytes_and_choose_the_partition",
        f"{_PUBLISHER}values_keys_headers_and_timestamps_arrive_byte_for_byte",
        "tests/actors/test_order.py::test_messages_without_a_key_wait_for_no_other",
    ]),
    71: ("a message comes twice", [
        f"{_HANDLERS}a_replayed_partition_has_its_effects_once",
        "tests/middleware/test_routes.py::test_a_message_that_was_published_twice_is_handled_once",
    ]),
    72: ("a dead-letter topic that cannot be used", [
        f"{_LETTERS}a_missing_dead_letter_topic_parks_the_key_until_it_is_there",
        f"{_LETTERS}a_dead_letter_topic_that_takes_nothing_parks_its_key_or_partition",
        "tests/chaos/dead_letters_return.py",
    ]),
    73: ("a storm of retries", [f"{_HANDLERS}a_storm_of_retries_is_bounded_and_ends"]),
    74: ("one hot key", [f"{_HANDLERS}other_keys_flow_beside_a_hot_one_and_the_reading_is_bounded"]),
    75: ("one message hangs and all others finish", [
        f"{_HANDLERS}a_message_that_hangs_stops_its_partition_at_the_span_and_frees_it",
        "tests/contract/test_engine.py::test_what_finished_above_a_hanging_message_is_not_repeated",
    ]),
    76: ("a topic is deleted", [f"{_TOPICS}a_topic_that_is_deleted_under_a_worker_is_red_and_comes_back"]),
    77: ("and made again", [f"{_TOPICS}a_topic_that_is_deleted_under_a_worker_is_red_and_comes_back"]),
    78: ("partitions are added", [
        f"{_TOPICS}partitions_that_are_added_under_a_worker_are_read_from_their_start",
    ]),
    79: ("messages are deleted unread", [
        f"{_TOPICS}messages_that_were_deleted_unread_are_told_with_their_number",
    ]),
    80: ("commits have expired: to the group there is none", [
        f"{_TOPICS}messages_that_were_deleted_unread_are_told_with_their_number",
    ]),
    81: ("offsets without messages", [
        f"{_HOLES}a_compacted_topic_is_handled_and_committed_over_its_holes",
        "tests/actors/test_partition.py::test_gaps_at_the_end_of_a_fetch_are_read_past",
    ]),
    82: ("aborted messages, and markers at the end", [
        f"{_HOLES}aborted_messages_reach_no_handler_and_commits_reach_the_end_past_the_last_marker",
        f"{_RECORDS}aborted_messages_reach_nobody_and_the_lag_is_nothing",
        f"{_HOLES}a_group_that_committed_before_the_last_marker_has_no_backlog",
    ]),
    83: ("times that are none", [
        f"{_DATA}times_before_1970_and_after_our_days_are_a_message_s_own",
        "tests/core/test_backlog_history.py"
        "::test_a_timestamp_that_is_none_or_lies_ahead_makes_no_age",
    ]),
    84: ("the right to a topic is taken away", [
        f"{_TOPICS}a_right_that_is_taken_away_and_given_back",
    ]),
    85: ("calls about several topics that fail for some", [
        "tests/contract/test_administration.py"
        "::test_several_topics_are_made_and_deleted_with_a_result_for_each",
    ]),
    91: ("a server without TLS where TLS was asked for", [
        "tests/backends/kafka/test_security.py::test_a_server_without_tls_is_sent_no_byte_of_a_login",
        "tests/backends/nats/test_connection.py"
        "::test_a_server_without_tls_is_sent_no_password_when_tls_was_asked_for",
    ]),
    92: ("certificates that cannot be trusted, or are missing", [f"{_SECURITY}preflight{_NAMED}"]),
    93: ("a wrong password or mechanism", [
        f"{_SECURITY}preflight{_NAMED}",
        f"{_SECURITY}rotation.py::test_credentials_that_were_refused_are_not_shown_again_for_a_while",
        "tests/core/test_refusals.py"
        "::test_what_was_refused_rests_for_longer_each_time_up_to_thirty_seconds",
    ]),
    94: ("tokens end, and their provider is in trouble", [
        f"{_SECURITY}rotation.py"
        "::test_a_token_that_ends_is_replaced_and_a_file_without_one_is_told_by_health",
        f"{_TOKENS}a_provider_that_raises_is_told_by_its_error_and_not_asked_again_at_once",
        f"{_TOKENS}a_provider_that_hangs_is_given_up_after_its_time_and_asked_once",
        f"{_TOKENS}a_provider_that_blocks_does_not_block_the_loop",
    ]),
    95: ("credentials change while a bus runs", [
        f"{_SECURITY}rotation.py::test_a_password_that_was_changed_is_used_by_the_next_connection",
        f"{_SECURITY}rotation.py::test_a_certificate_that_was_replaced_is_used_by_the_next_connection",
    ]),
    96: ("what a user is not allowed to do, on each resource", [
        f"{_SECURITY}access.py::test_what_is_not_allowed_is_the_client_s_own_error_and_names_what_is_needed",
        f"{_SECURITY}access.py::test_what_the_docs_say_that_a_user_must_be_allowed_is_enough",
    ]),
    97: ("settings that cannot be used", [
        "tests/backends/kafka/test_client_settings.py::test_all_problems_are_told_at_once",
        "tests/backends/kafka/test_client_settings.py"
        "::test_what_cannot_be_used_is_refused_with_place_and_reason",
        "tests/workers/test_settings_file.py::test_everything_that_cannot_be_used_is_told_at_once",
    ]),
    98: ("secrets that were planted", [
        f"{_SECURITY}secrets.py::test_planted_secrets_are_in_nothing_that_a_program_prints_at_debug",
        "tests/workers/test_secrecy.py"
        "::test_what_cannot_be_read_of_a_command_line_is_told_without_its_secrets",
    ]),
    99: ("somebody attacks the health endpoint", [
        f"{_ENDPOINT}server.py::test_a_client_that_only_holds_connections_keeps_nobody_out",
        f"{_ENDPOINT}server.py::test_a_slow_reader_is_left_alone_and_holds_nobody_up",
        f"{_ENDPOINT}server.py::test_a_request_of_a_megabyte_is_refused_and_hears_it",
        f"{_ENDPOINT}worker.py::test_a_worker_under_attack_does_its_work",
    ]),
    100: ("a server is killed with a pull open", [
        "tests/chaos/broker_down.py",
        "tests/workers/test_broker_restart.py::test_a_worker_goes_on_when_its_broker_is_back",
    ]),
    102: ("leaders step down and die", ["tests/chaos/nats_leaders.py"]),
}  # fmt: skip
