//! One suite per port, which the in-memory port and the real one both pass.
//!
//! Each case is a plain function over the port; [`suite!`](crate::suite) makes the tests of an implementation out of
//! all of them. A case uses tenants of its own, so cases can share a table and run at the same time.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a case of a suite is a test: it fails by panicking"
)]

pub mod alerts;
pub mod api_keys;
pub mod archive;
pub mod audit_copies;
pub mod claims;
pub mod consents;
pub mod crash_markers;
pub mod dead_letters;
pub mod delays;
pub mod endpoints;
pub mod grants;
pub mod intake;
pub mod journal;
pub mod ledger;
pub mod mail_store;
pub mod mailer;
pub mod operator;
pub mod queues;
pub mod rates;
pub mod replays;
pub mod secrets;
pub mod tables;
pub mod tenants;
pub mod topics;
pub mod watch;

/// Makes one test of each case of a suite: `suite!(ledger, InMemoryLedger::new())`.
///
/// The second part is an expression that gives the implementation, and may await. The crate needs tokio for its tests.
#[macro_export]
macro_rules! suite {
    (ledger, $port:expr) => {
        $crate::cases!(
            ledger,
            $port,
            [
                unconditional_writes_of_more_than_one_batch_are_read_back,
                a_write_replaces_the_whole_record,
                a_record_is_amended_unless_somebody_wrote_it_since,
                an_event_is_explained_by_its_route_and_each_of_its_deliveries,
                what_failed_for_good_is_found_by_its_time,
                the_pages_hold_every_row_of_the_tenant_once,
                no_tenant_sees_the_rows_of_another,
                nothing_asked_is_nothing_answered,
            ]
        );
        $crate::cases!(
            claims,
            $port,
            [
                a_claim_is_granted_once_and_then_in_progress,
                a_claimant_that_asks_again_has_its_claim_still,
                a_lease_that_ran_out_is_taken_over_and_is_ambiguous,
                what_was_delivered_is_done_and_what_is_not_due_waits,
                another_content_under_the_same_identity_is_a_conflict,
                a_redriven_delivery_starts_over_and_keeps_its_history,
                sixty_claims_at_once_get_a_verdict_each_in_their_order,
                of_two_claimants_at_once_exactly_one_wins,
                of_two_claimants_of_a_lease_that_ran_out_exactly_one_wins,
                of_two_claimants_of_a_settled_record_exactly_one_wins,
                an_expired_record_counts_for_nothing,
                a_claim_is_the_tenants_own,
            ]
        );
    };
    (intake, $port:expr) => {
        $crate::cases!(
            intake,
            $port,
            [
                an_entry_begins_once_and_is_taken_over_after_its_lease,
                what_is_done_is_told_again_until_it_expires,
                what_was_done_in_part_goes_on_with_its_answer,
                what_is_forgotten_begins_anew,
                many_entries_at_once_get_an_answer_each_in_their_order,
                of_two_at_once_exactly_one_begins,
                the_entries_of_another_tenant_are_others,
            ]
        );
    };
    (tenants, $port:expr) => {
        $crate::cases!(
            tenants,
            $port,
            [
                a_tenant_without_configuration_has_nothing,
                every_version_stays_readable_and_the_last_is_current,
                a_change_of_an_old_version_is_a_conflict_and_writes_nothing,
                of_many_publishers_at_once_exactly_one_wins,
                the_audit_log_is_linked_from_the_first_row_to_the_last,
                what_is_noted_is_a_row_of_the_one_log_and_changes_no_version,
                of_many_notes_at_once_each_is_a_row,
                no_tenant_sees_the_configuration_of_another,
                the_list_has_every_tenant_with_its_version,
                the_list_of_automatic_redrive_has_who_wants_it_now_in_pages,
            ]
        );
    };
    (api_keys, $port:expr) => {
        $crate::cases!(
            api_keys,
            $port,
            [
                a_tenant_without_keys_has_an_empty_ring,
                keys_are_read_back_as_they_were_written,
                of_two_changes_of_one_revision_one_is_made_and_the_other_writes_nothing,
                of_many_changes_at_once_exactly_one_is_made,
                without_a_configuration_there_are_no_keys,
                a_change_of_keys_is_a_row_of_the_audit_log_between_those_of_the_configuration,
                the_last_hour_of_use_counts_whatever_the_order,
                no_tenant_sees_the_keys_of_another,
            ]
        );
    };
    (queues, $port:expr) => {
        $crate::cases!(
            queues,
            $port,
            [
                more_than_ten_messages_arrive_with_their_attributes,
                messages_of_more_than_a_mebibyte_together_arrive,
                a_message_that_is_too_large_is_refused_and_its_neighbours_arrive,
                a_queue_that_does_not_exist_refuses_every_message,
                a_fifo_queue_drops_a_repeated_deduplication_id,
                more_than_ten_messages_are_hidden_and_shown_again,
                more_than_ten_messages_are_deleted,
                a_handle_that_is_not_valid_fails_alone,
                a_message_arrives_in_its_tenants_queue_alone,
            ]
        );
    };
    (delays, $port:expr) => {
        $crate::cases!(
            delays,
            $port,
            [
                what_is_delayed_is_found_when_it_is_due_and_not_before,
                a_delayed_message_is_read_back_as_it_was,
                a_message_that_is_delayed_twice_is_there_once,
                what_is_released_is_gone,
                an_operator_sees_what_waits_by_sink_and_of_his_tenant_alone,
                an_operator_looks_at_those_that_are_due_first_of_his_tenant_and_sink,
                a_sinks_messages_are_expedited_and_no_others,
                what_is_erased_of_a_tenants_is_gone_and_no_other,
                one_holder_at_a_time_has_a_lease,
                who_has_a_lease_next_goes_on_where_the_last_one_stopped,
                a_turn_is_taken_once_until_its_time_is_over,
            ]
        );
    };
    (secrets, $port:expr) => {
        $crate::cases!(
            secrets,
            $port,
            [
                a_secret_is_read_by_its_name,
                a_secret_that_does_not_exist_is_missing,
                the_secret_of_another_tenant_is_missing,
                a_secret_for_one_purpose_is_missing_for_every_other,
                the_names_of_a_tenants_secrets_are_listed_with_their_purposes,
            ]
        );
    };
    (grants, $port:expr) => {
        $crate::cases!(
            grants,
            $port,
            [
                what_a_stack_allows_is_read_as_it_was_written,
                without_a_stack_and_with_empty_lists_nothing_is_allowed,
                no_tenant_is_allowed_what_another_is,
            ]
        );
    };
    (archive, $port:expr) => {
        $crate::cases!(
            archive,
            $port,
            [
                what_is_kept_is_there_to_the_byte_under_its_name,
                what_is_there_stays_as_it_is,
                an_object_of_six_megabytes_is_kept,
            ]
        );
    };
    (audit_copies, $port:expr) => {
        $crate::cases!(audit_copies, $port, [a_row_is_kept_whole_and_for_its_tenant, a_copy_that_is_there_stays,]);
    };
    (tables, $port:expr) => {
        $crate::cases!(
            tables,
            $port,
            [
                a_row_is_written_once_however_often_its_delivery_comes,
                of_two_events_of_one_key_the_newer_one_stays,
                a_row_that_is_refused_leaves_nothing_of_its_batch,
                values_arrive_as_they_are,
                what_the_outbox_tells_waits_in_its_order_until_it_is_settled,
                a_table_that_does_not_fit_is_told_and_described,
                no_tenant_writes_into_the_database_of_another,
            ]
        );
    };
    (topics, $port:expr) => {
        $crate::cases!(
            topics,
            $port,
            [each_topic_has_the_intake_that_its_stack_says, a_topic_that_no_stack_maps_has_none,]
        );
    };
    (journal, $port:expr) => {
        $crate::cases!(
            journal,
            $port,
            [
                a_dead_letter_is_the_runs_that_began_with_it_first,
                what_was_sent_stays_sent_to_every_run,
                what_was_taken_back_is_begun_anew,
                entries_of_other_queues_and_tenants_are_not_seen,
            ]
        );
    };
    (consents, $port:expr) => {
        $crate::cases!(
            consents,
            $port,
            [
                nothing_is_known_of_a_subject_that_never_came,
                a_change_is_read_back_with_its_actions,
                a_change_of_an_old_version_is_a_conflict_and_writes_nothing,
                of_many_changes_at_once_exactly_one_is_written,
                the_largest_change_is_written_as_a_whole,
                an_outbox_row_is_overdue_until_it_is_settled,
                every_overdue_row_is_found_page_by_page,
                a_row_is_taken_by_one_and_due_again_later,
                a_row_is_put_off_unless_it_is_gone,
                a_reminder_is_due_at_its_time_and_not_before,
                a_reminder_is_put_off_or_taken_away_unless_the_consent_was_changed,
                a_dossier_holds_all_of_a_subject_and_erasing_leaves_nothing,
                no_tenant_and_no_subject_sees_the_rows_of_another,
            ]
        );
    };
    (mail_store, $port:expr) => {
        $crate::cases!(
            mail_store,
            $port,
            [
                an_address_is_suppressed_until_it_is_forgotten,
                the_first_reason_of_a_suppression_stays,
                failures_that_may_pass_are_counted,
                a_days_cap_is_never_exceeded_and_the_next_day_begins_anew,
                an_address_is_asked_so_often_a_day_and_no_other_is_the_less_for_it,
                the_list_of_another_tenant_is_another_list,
            ]
        );
    };
    (crash_markers, $port:expr) => {
        $crate::cases!(
            crash_markers,
            $port,
            [
                a_crash_marker_is_read_back_by_its_message,
                the_last_crash_marker_against_a_message_counts,
                a_crash_marker_that_is_taken_back_is_gone_and_its_neighbours_stay,
                a_crash_marker_is_the_tenants_own,
            ]
        );
    };
    (endpoints, $port:expr) => {
        $crate::cases!(
            endpoints,
            $port,
            [
                a_state_is_read_as_it_was_written,
                of_two_changes_of_one_state_one_is_made,
                the_endpoint_of_another_tenant_is_another,
            ]
        );
    };
    (archive_reader, $port:expr) => {
        $crate::cases!(
            archive,
            $port,
            [
                objects_are_listed_in_the_order_of_their_names_behind_any_name,
                what_is_listed_is_read_to_the_byte_and_what_is_gone_is_missing,
                more_than_a_page_of_objects_is_listed_whole,
                no_tenants_objects_stand_among_those_of_another,
            ]
        );
    };
    (archive_upkeep, $port:expr) => {
        $crate::cases!(
            archive,
            $port,
            [what_is_removed_is_gone_and_can_be_removed_again, the_tenants_that_have_objects_are_listed_each_once,]
        );
    };
    (archive_eraser, $port:expr) => {
        $crate::cases!(
            archive,
            $port,
            [
                an_object_is_written_anew_in_place_of_the_one_that_was_listed_and_of_no_other,
                when_an_object_was_kept_first_is_remembered,
            ]
        );
    };
    (replays, $port:expr) => {
        $crate::cases!(
            replays,
            $port,
            [
                a_replay_is_read_back_as_it_was_written,
                of_two_writers_of_one_revision_one_writes,
                a_tenant_has_one_under_way,
                what_waits_is_queued_until_it_is_taken_out_and_again_when_it_waits_anew,
                no_tenant_sees_the_replays_of_another,
            ]
        );
    };
    (findings, $port:expr) => {
        $crate::cases!(
            watch,
            $port,
            [
                what_was_found_is_remembered_until_it_is_forgotten,
                what_is_remembered_anew_takes_the_place_of_what_was_there,
                hundreds_of_findings_are_remembered_and_forgotten,
            ]
        );
    };
    (watched, $port:expr) => {
        $crate::cases!(
            watch,
            $port,
            [
                the_queues_of_the_stage_are_listed_by_name_and_no_others,
                a_queue_is_measured_with_what_is_hidden_and_one_that_is_gone_is_none,
                a_tag_is_read_where_there_is_one,
            ]
        );
    };
    (ages, $port:expr) => {
        $crate::cases!(
            watch,
            $port,
            [the_oldest_message_of_each_queue_counts_and_each_has_its_answer, of_no_queues_there_are_no_ages]
        );
    };
    (stage_queues, $port:expr) => {
        $crate::cases!(
            operator,
            $port,
            [
                a_tenants_queues_are_found_and_no_others,
                a_queue_is_located_where_there_is_one,
                a_queue_is_measured_by_what_can_be_received_and_what_was,
            ]
        );
    };
    (platform, $port:expr) => {
        $crate::cases!(operator, $port, [a_platform_is_there_in_its_own_stage_alone]);
    };
    (rates, $port:expr) => {
        $crate::cases!(
            rates,
            $port,
            [
                a_mark_moves_only_from_where_it_stands,
                of_many_who_move_a_mark_at_once_one_does,
                a_rate_is_of_one_sink_of_one_tenant,
                those_who_share_count_for_a_while,
                of_many_who_join_at_once_each_counts_once,
            ]
        );
    };
    (dead_letters, $port:expr) => {
        $crate::cases!(
            dead_letters,
            $port,
            [
                a_message_is_received_with_its_group_and_then_hidden,
                a_message_comes_back_when_its_time_is_over,
                a_quick_and_a_whole_search_find_what_is_there,
                more_than_ten_messages_are_received_by_several_calls,
                ten_messages_to_a_fifo_queue_are_sent_once_and_keep_their_order,
                messages_of_more_than_a_mebibyte_together_are_sent_in_order,
                a_message_that_is_too_large_is_not_sent_and_its_neighbours_are,
                in_a_fifo_queue_nothing_overtakes_what_was_not_sent,
                a_queue_that_does_not_exist_certainly_took_nothing,
                received_messages_are_hidden_and_shown_again,
                received_messages_are_deleted,
                of_several_handles_one_that_is_not_valid_fails_alone,
                what_is_sent_back_is_in_its_tenants_queue_alone,
            ]
        );
    };
    (depths, $port:expr) => {
        $crate::cases!(
            dead_letters,
            $port,
            [
                a_depth_counts_what_is_visible_hidden_and_delayed,
                a_queue_is_measured_by_its_name_and_one_that_is_not_there_has_no_depth,
                a_depth_is_that_of_one_tenants_queue,
            ]
        );
    };
    (alerts, $port:expr) => {
        $crate::cases!(
            alerts,
            $port,
            [
                what_is_about_a_tenant_arrives_with_the_tenant_beside_it,
                what_is_about_no_one_tenant_arrives_without_a_tenant,
                a_subject_of_a_hundred_characters_arrives_whole,
                each_of_two_tenants_alerts_names_its_own,
                what_reaches_no_operators_is_an_error,
            ]
        );
    };
    (mailer, $port:expr) => {
        $crate::cases!(
            mailer,
            $port,
            [
                a_plain_mail_arrives_once_as_it_was_written,
                a_mail_with_all_that_it_may_have_arrives_whole,
                an_event_too_long_for_a_tag_is_left_out_and_the_mail_is_sent,
                each_mail_has_its_own_id_and_its_own_tenant,
                a_refused_mail_does_not_arrive,
                a_throttled_mail_does_not_arrive,
                while_the_account_is_paused_no_mail_arrives,
                a_mail_whose_answer_is_lost_may_have_arrived,
                without_a_connection_no_mail_was_sent,
            ]
        );
    };
}

/// The tests of some cases of a suite; see [`suite!`](crate::suite).
#[doc(hidden)]
#[macro_export]
macro_rules! cases {
    ($suite:ident, $port:expr, [$($case:ident),+ $(,)?]) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::$suite::$case(&$port).await;
            }
        )+
    };
}
