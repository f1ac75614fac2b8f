//! Planted faults: each must be found, and be called by its name.

use super::{
    invariant::Invariant,
    plan::{Plan, Shape},
    world::run,
};
use crate::domain::mutant::{Mutant, plant};

/// How many seeds may pass before a fault is found.
const SEEDS: u64 = 150;
/// The same for worlds with a queue that overflows, which take longer.
const FLOODS: u64 = 3;

/// The promise that the first seed with this fault breaks.
fn found(mutant: Mutant, shape: Shape, seeds: u64) -> Option<(u64, Invariant)> {
    plant(Some(mutant));
    let broken = (0..seeds).find_map(|seed| Some((seed, run(Plan::shaped(seed, shape)).err()?.invariant)));
    plant(None);
    broken
}

macro_rules! mutants {
    ($($name:ident: $mutant:ident breaks $invariant:ident in $shape:ident;)*) => {$(
        #[test]
        fn $name() {
            let seeds = if Shape::$shape == Shape::Flood { FLOODS } else { SEEDS };
            let found = found(Mutant::$mutant, Shape::$shape, seeds);
            let (seed, broken) = found.unwrap_or_else(|| panic!("no seed finds it"));
            assert_eq!(broken, Invariant::$invariant, "seed {seed}");
        }
    )*};
}

mutants! {
    a_dropped_acknowledgement: AckDropped breaks NothingVanishes in Small;
    an_acknowledgement_lost_on_take_over: AckLostOnTakeOver breaks NothingVanishes in Small;
    a_completion_that_is_forgotten: CompletionForgotten breaks NothingVanishes in Small;
    a_missing_dedupe: DedupeMissing breaks TakenIsTaken in Small;
    a_forgotten_horizon: HorizonForgotten breaks TakenIsTaken in Small;
    a_taken_event_that_is_stored_again: TakenStoredAgain breaks OnceIsEnough in Small;
    a_repeat_that_is_counted: RepeatCounted breaks BooksBalance in Small;
    a_window_that_leaks: WindowLeaks breaks NothingVanishes in Small;
    a_window_that_overflows: WindowOverfilled breaks WindowHolds in Small;
    an_attempt_that_is_not_counted: AttemptNotCounted breaks AttemptsGrow in Small;
    a_redelivery_that_is_forgotten: RedeliveryForgotten breaks NothingVanishes in Small;
    an_expired_event_that_is_sent: ExpiredSent breaks ExpiredStays in Small;
    a_claim_that_two_get: ClaimedTwice breaks OneHolder in Small;
    an_off_by_one_trim: TrimOffByOne breaks NothingVanishes in Flood;
    a_trim_that_is_forgotten: TrimForgotten breaks Bounded in Flood;
    books_that_forget_a_drop: DropNotCounted breaks BooksBalance in Flood;
    a_redrive_that_is_not_counted: RedriveNotCounted breaks BooksBalance in Small;
    an_event_across_organizations: OrganizationsMixed breaks TenantsApart in Small;
    the_last_that_is_sent_first: LastInFirstOut breaks FirstInFirstOut in Small;
    a_gap_that_is_not_announced: GapNotAnnounced breaks LossesAnnounced in Small;
    a_taken_event_that_was_read_ahead: TakenReadAhead breaks TakenIsTaken in Small;
    a_hint_that_is_forgotten: HintForgotten breaks FirstInFirstOut in Small;
    a_replaced_connection_that_lives_on: ReplacedLivesOn breaks OneConnection in Small;
    a_slow_peer_that_is_fed: SlowPeerFed breaks Bounded in Heavy;
    an_unasked_confirmation: ConfirmedUnasked breaks LegacyShape in Small;
}

#[test]
fn without_a_fault_the_same_seeds_pass() {
    let small = (0..SEEDS).map(|seed| (seed, Shape::Small));
    for (seed, shape) in small.chain((0..FLOODS).map(|seed| (seed, Shape::Flood))) {
        if let Err(violation) = run(Plan::shaped(seed, shape)) {
            panic!("seed {seed} of {shape:?}: {violation}");
        }
    }
}
