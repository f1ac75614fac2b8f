//! What every backplane promises, as tests: one suite, run against each implementation.
//!
//! A test is a function over [`Harness`]; [`contract_tests!`] makes a `#[tokio::test]` of each for one
//! implementation. A promise that only one of them keeps does not belong here.
#![cfg(test)]

pub(crate) mod bus;
pub(crate) mod fixtures;
pub(crate) mod queue;
pub(crate) mod records;
pub(crate) mod registry;

mod embedded;

use std::future::Future;

use neolith_hub::{
    backplane::{bus::EventBus, queue::EventQueue, records::Records, registry::ConnectionRegistry},
    domain::clock::Timestamp,
};

/// Brings one implementation to life with nothing in it; dropping it takes everything away.
pub(crate) trait Harness: Sized {
    /// The implementation.
    type Backplane: EventQueue + EventBus + ConnectionRegistry + Records;

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
            bus::a_subscription_begins_restored_and_stays_open,
            bus::a_command_reaches_the_hub_it_names,
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
