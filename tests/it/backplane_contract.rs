//! What every backplane promises, as tests: one suite, run against each implementation.
//!
//! A test is a function over [`Harness`]; [`contract_tests!`] makes a `#[tokio::test]` of each for one
//! implementation. A promise that only one of them keeps does not belong here.
#![cfg(test)]

pub(crate) mod books;
pub(crate) mod bus;
pub(crate) mod delivery;
pub(crate) mod differential;
pub(crate) mod fixtures;
pub(crate) mod fleet;
pub(crate) mod idempotency;
pub(crate) mod inspection;
pub(crate) mod queue;
pub(crate) mod records;
pub(crate) mod registrations;
pub(crate) mod registry;
pub(crate) mod revocations;
pub(crate) mod sessions;
pub(crate) mod status;

mod embedded;

use std::future::Future;

use neolith_hub::{
    backplane::{
        books::Books, bus::EventBus, dead_letters::DeadLetters, fleet::Fleet, idempotency::Idempotency,
        inspection::Inspection, queue::EventQueue, records::Records, registrations::Registrations,
        registry::ConnectionRegistry, revocations::Revocations, sessions::Sessions, status::Statuses,
        trail::EventTrail,
    },
    domain::clock::Timestamp,
};

/// Brings one implementation to life with nothing in it; dropping it takes everything away.
pub(crate) trait Harness: Sized {
    /// The implementation.
    type Backplane: EventQueue
        + EventBus
        + ConnectionRegistry
        + Records
        + Sessions
        + Revocations
        + Registrations
        + Statuses
        + Fleet
        + Inspection
        + Books
        + Idempotency
        + EventTrail
        + DeadLetters;

    /// Starts it.
    fn start() -> impl Future<Output = Self>;

    /// What is tested.
    fn backplane(&self) -> &Self::Backplane;

    /// Revokes a token, as whoever issues tokens does.
    fn revoke(&self, jti: &str, until: Timestamp) -> impl Future<Output = ()>;
}

/// Runs the whole suite against one [`Harness`].
macro_rules! contract_tests {
    ($harness:ty) => {
        $crate::backplane_contract::contract_tests! { $harness =>
            queue::appending_is_idempotent,
            queue::repeating_a_batch_changes_nothing,
            queue::order_is_kept_inside_one_millisecond,
            queue::older_events_go_first_however_late_they_arrive,
            queue::an_event_from_the_future_is_ordered_by_its_arrival,
            queue::higher_priority_goes_first,
            queue::an_acknowledgement_removes_the_event_and_is_remembered,
            queue::an_acknowledgement_of_the_unknown_is_ignored,
            queue::a_completed_event_is_never_queued,
            queue::completing_takes_a_queued_event_away,
            queue::the_changes_of_a_group_take_effect_in_their_order,
            queue::a_full_queue_drops_its_oldest_and_says_which,
            queue::orchestrators_do_not_share_a_queue,
            queue::events_expire_once_and_are_counted,
            queue::only_what_still_waits_is_loaded_in_the_order_asked_for,
            queue::attempts_are_counted_for_each_daemon,
            queue::dead_letters_leave_the_queue_for_good,
            queue::depths_answer_for_each_in_turn,
            queue::acknowledged_ids_are_there_for_a_hub_that_starts,
            queue::without_a_legacy_list_nothing_is_claimed,
            delivery::an_event_expires_by_its_own_word,
            delivery::a_dead_letter_waits_to_be_filed,
            delivery::a_redriven_event_waits_as_if_it_were_new,
            delivery::what_is_known_of_deliveries_comes_back,
            delivery::what_any_daemon_tried_all_of_them_know,
            delivery::every_end_has_a_receipt,
            delivery::each_way_of_an_event_has_its_own_receipt,
            delivery::a_waiting_event_can_be_found,
            delivery::losses_are_announced_once_to_each_daemon,
            delivery::of_several_connections_one_has_an_event,
            differential::random_changes_do_what_the_rules_say,
            registry::the_quota_holds_and_a_detach_makes_room,
            registry::a_second_connection_of_an_instance_takes_over,
            registry::a_connection_that_asks_again_does_not_replace_itself,
            registry::a_late_detach_does_not_hit_the_successor,
            registry::detaching_the_unknown_is_ignored,
            registry::subscriptions_come_back_to_the_same_instance,
            registry::an_attach_says_how_much_waits,
            registry::a_revoked_token_does_not_attach,
            registry::an_instance_and_its_session_lead_to_their_owner,
            registry::an_instance_that_two_claim_has_no_owner,
            registry::a_hub_that_announces_itself_is_counted,
            records::presence_reports_changes_only,
            records::nobody_goes_offline_while_connected,
            records::heartbeats_are_taken,
            records::the_latest_heartbeat_and_what_it_reported_can_be_read,
            records::a_hundred_samples_are_kept_newest_first,
            sessions::a_session_is_read_as_it_was_created,
            sessions::a_session_is_over_when_its_time_is,
            sessions::sessions_are_listed_newest_first_for_their_exact_owner,
            sessions::a_change_keeps_the_scopes_and_the_refresh_token,
            sessions::only_its_owner_changes_a_session,
            sessions::an_extension_moves_the_end_and_nothing_else_does,
            sessions::changes_at_the_same_time_are_all_kept,
            sessions::activity_is_noted_for_the_owner_only,
            sessions::a_heartbeat_is_noted_in_its_session,
            sessions::an_ended_session_is_gone_and_its_tokens_are_revoked,
            sessions::only_its_owner_ends_a_session,
            sessions::an_attach_keeps_the_session_that_was_created_for_it,
            sessions::a_created_session_leads_to_its_owner,
            revocations::a_token_is_revoked_by_its_id,
            revocations::a_session_is_revoked_with_all_its_tokens,
            revocations::tokens_from_before_a_moment_are_revoked,
            revocations::a_revocation_is_never_weakened,
            revocations::an_attach_heeds_every_kind_of_revocation,
            revocations::many_tokens_are_judged_in_turn,
            registrations::the_same_instance_registers_again_and_again,
            registrations::another_instance_waits_until_the_first_is_silent,
            registrations::who_leaves_is_forgotten,
            status::the_latest_explicit_choice_is_known,
            status::who_says_active_lets_heartbeats_speak,
            fleet::a_member_is_active_until_it_is_silent_for_a_minute,
            fleet::a_heartbeat_of_a_stranger_is_refused,
            fleet::a_heartbeat_changes_what_is_known,
            fleet::the_long_silent_are_forgotten,
            inspection::connections_are_paged_by_id,
            inspection::a_connection_is_shown_as_it_is,
            inspection::a_refused_connection_is_not_shown,
            inspection::a_queue_is_paged_oldest_first,
            inspection::a_cursor_survives_changes_of_the_queue,
            inspection::a_purge_empties_the_queue_and_the_books_balance,
            inspection::the_books_of_nobody_are_empty,
            books::the_books_of_many_are_read_in_turn,
            books::everybody_who_is_awaited_is_on_a_page,
            idempotency::a_key_is_claimed_once,
            idempotency::an_answer_is_given_again,
            idempotency::a_key_that_was_given_back_is_free,
            bus::a_subscription_begins_restored_and_stays_open,
            bus::a_command_reaches_the_hub_it_names,
            bus::a_command_to_all_reaches_every_hub,
        }
    };
    ($harness:ty => $($module:ident::$test:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                let harness = <$harness as $crate::backplane_contract::Harness>::start().await;
                let backplane = $crate::backplane_contract::Harness::backplane(&harness);
                $crate::backplane_contract::$module::$test(&harness, backplane).await;
            }
        )+
    };
}
pub(crate) use contract_tests;
