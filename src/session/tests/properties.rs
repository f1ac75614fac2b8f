//! Any order of inputs keeps the promises of delivery section 4 (I2, I3, I6, I7), and nothing stalls.

use proptest::{collection::vec, prelude::*};

use super::{
    fixtures::*,
    model::{KINDS, Step, World},
};
use crate::session::effect::Limits;

fn publish() -> impl Strategy<Value = Step> {
    (0..KINDS.len(), prop::bool::weighted(0.8), prop::bool::weighted(0.1))
        .prop_map(|(kind, requires_ack, large)| Step::Publish { kind, requires_ack, large })
}

/// What happens to a daemon that leaves its subscriptions alone and acknowledges what it was sent.
fn steady() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => publish(),
        4 => Just(Step::Mail),
        3 => Just(Step::Look),
        4 => Just(Step::Answer),
        1 => Just(Step::FailLook),
        2 => Just(Step::Reload),
        1 => Just(Step::FailReload),
        6 => any::<usize>().prop_map(Step::Ack),
        1 => Just(Step::Hint),
        3 => (0_u64..40).prop_map(Step::Tick),
        2 => Just(Step::Drained),
    ]
}

/// What happens to any daemon.
fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => steady(),
        1 => any::<usize>().prop_map(Step::LateAck),
        1 => any::<usize>().prop_map(Step::Elsewhere),
        2 => any::<usize>().prop_map(Step::Subscribe),
        1 => any::<usize>().prop_map(Step::Unsubscribe),
    ]
}

fn free_of_rates(max_in_flight: usize, max_attempts: u32) -> Limits {
    Limits { message_limit: 1_000_000, max_in_flight, max_attempts, ..patient() }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// The world asserts with every effect: in flight ≤ window, nothing acknowledged is sent again,
    /// attempts grow. At the end nothing that is wanted is left.
    #[test]
    fn whatever_happens_everything_wanted_is_sent_in_the_end(
        steps in vec(any_step(), 0..150),
        window in 1_usize..6,
        page_size in 1_usize..30,
        mailbox in 1_usize..8,
        attempts in 2_u32..11,
    ) {
        let mut world = World::new(free_of_rates(window, attempts), page_size, mailbox, &KINDS[..1]);
        steps.iter().for_each(|step| world.step(step));
        world.settle();
    }

    /// What nobody wanted when it came is found by whoever wants it later.
    #[test]
    fn a_late_subscription_finds_everything(
        steps in vec(any_step(), 0..150),
        window in 1_usize..6,
        page_size in 1_usize..30,
    ) {
        let mut world = World::new(free_of_rates(window, 10), page_size, 100, &[]);
        steps.iter().for_each(|step| world.step(step));
        (0..KINDS.len()).for_each(|kind| world.step(&Step::Subscribe(kind)));
        world.settle();
    }

    /// Live, behind, and back: first sending keeps the order of publishing, with nothing left out.
    #[test]
    fn first_sending_keeps_the_order_of_the_queue(
        steps in vec(steady(), 0..200),
        window in 1_usize..6,
        page_size in 1_usize..30,
        mailbox in 1_usize..8,
    ) {
        let mut world = World::new(free_of_rates(window, 10), page_size, mailbox, &["*"]);
        steps.iter().for_each(|step| world.step(step));
        world.settle();
        let published = steps.iter().filter(|step| matches!(step, Step::Publish { .. })).count();
        prop_assert!(world.first_sent.is_sorted());
        prop_assert_eq!(world.first_sent.len(), published);
    }
}
