//! Which events this hub has seen lately, so that a duplicate publish is not delivered twice
//! although delivery does not wait for the store (contract 9.9.2, C19).

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

use super::{
    clock::Timestamp,
    ids::{EventId, OrchestratorId},
    mutant::{Mutant, planted},
};

/// What is known of an event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// It was seen before: a duplicate.
    Seen,
    /// It is new for certain.
    New,
    /// It is not remembered, but so old that it may have been forgotten: only the store can tell.
    Unsure,
}

/// A bounded memory of event ids that knows how far back it can vouch.
///
/// Ids are kept as 128-bit keyed fingerprints: 16 bytes each, and nobody outside can make two
/// collide.
#[derive(Debug)]
pub struct RecentIds {
    seen: HashSet<u128>,
    order: VecDeque<(u128, Timestamp)>,
    capacity: usize,
    horizon: Timestamp,
    keys: (RandomState, RandomState),
}

impl RecentIds {
    /// A memory of at most `capacity` ids that cannot vouch for events from before `horizon`.
    #[must_use]
    pub fn new(capacity: usize, horizon: Timestamp) -> Self {
        let keys = (RandomState::new(), RandomState::new());
        Self { seen: HashSet::new(), order: VecDeque::new(), capacity, horizon, keys }
    }

    fn fingerprint(&self, orchestrator: &OrchestratorId, id: &EventId) -> u128 {
        let high = u128::from(self.keys.0.hash_one((orchestrator, id)));
        (high << 64) | u128::from(self.keys.1.hash_one((orchestrator, id)))
    }

    /// Looks `id` up and remembers it as seen at `now`. `published` is the event's own time.
    pub fn observe(
        &mut self,
        orchestrator: &OrchestratorId,
        id: &EventId,
        published: Timestamp,
        now: Timestamp,
    ) -> Sighting {
        let fingerprint = self.fingerprint(orchestrator, id);
        if !self.seen.insert(fingerprint) && !planted(Mutant::DedupeMissing) {
            return Sighting::Seen;
        }
        self.order.push_back((fingerprint, now));
        if self.order.len() > self.capacity
            && let Some((oldest, at)) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
            if !planted(Mutant::HorizonForgotten) {
                self.horizon = self.horizon.max(at);
            }
        }
        if published <= self.horizon { Sighting::Unsure } else { Sighting::New }
    }

    /// Remembers an id that was acknowledged before this hub started.
    pub fn prime(&mut self, orchestrator: &OrchestratorId, id: &EventId, now: Timestamp) {
        let _ = self.observe(orchestrator, id, now, now);
    }

    /// Events may have passed unseen until `now`: the memory cannot vouch for any from before.
    pub fn was_deaf_until(&mut self, now: Timestamp) {
        self.horizon = self.horizon.max(now);
    }

    /// Forgets an id that was observed but could not be accepted, so that its retry is no duplicate;
    /// whether another hub accepted it by then, only the store can tell.
    pub fn forget(&mut self, orchestrator: &OrchestratorId, id: &EventId, now: Timestamp) {
        let fingerprint = self.fingerprint(orchestrator, id);
        self.seen.remove(&fingerprint);
        self.was_deaf_until(now);
    }

    /// How many ids are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EventId {
        EventId::parse(text).expect("an id")
    }

    fn vp() -> OrchestratorId {
        OrchestratorId::parse("vp_1").expect("an id")
    }

    #[test]
    fn the_same_id_for_another_orchestrator_is_another_event() {
        let mut recent = RecentIds::new(10, Timestamp(100));
        let other = OrchestratorId::parse("vp_2").expect("an id");
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(150), Timestamp(150)), Sighting::New);
        assert_eq!(recent.observe(&other, &id("a"), Timestamp(150), Timestamp(150)), Sighting::New);
    }

    #[test]
    fn the_second_sighting_is_a_duplicate() {
        let mut recent = RecentIds::new(10, Timestamp(100));
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(150), Timestamp(150)), Sighting::New);
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(150), Timestamp(151)), Sighting::Seen);
    }

    #[test]
    fn an_event_from_before_the_horizon_is_left_to_the_store() {
        let mut recent = RecentIds::new(10, Timestamp(100));
        assert_eq!(recent.observe(&vp(), &id("old"), Timestamp(99), Timestamp(150)), Sighting::Unsure);
    }

    #[test]
    fn what_was_forgotten_moves_the_horizon() {
        let mut recent = RecentIds::new(2, Timestamp(0));
        for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
            let at = Timestamp(10 + i64::try_from(n).expect("small"));
            assert_eq!(recent.observe(&vp(), &id(name), at, at), Sighting::New);
        }
        assert_eq!(recent.len(), 2);
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(10), Timestamp(20)), Sighting::Unsure);
    }

    #[test]
    fn what_may_have_passed_unseen_is_left_to_the_store() {
        let mut recent = RecentIds::new(10, Timestamp(0));
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(5), Timestamp(5)), Sighting::New);
        recent.was_deaf_until(Timestamp(20));
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(5), Timestamp(21)), Sighting::Seen);
        assert_eq!(recent.observe(&vp(), &id("b"), Timestamp(15), Timestamp(21)), Sighting::Unsure);
        assert_eq!(recent.observe(&vp(), &id("c"), Timestamp(21), Timestamp(21)), Sighting::New);
    }

    #[test]
    fn a_refused_event_may_be_tried_again() {
        let mut recent = RecentIds::new(4, Timestamp(0));
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(1), Timestamp(1)), Sighting::New);
        recent.forget(&vp(), &id("a"), Timestamp(2));
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(1), Timestamp(3)), Sighting::Unsure);
        assert_eq!(recent.observe(&vp(), &id("b"), Timestamp(3), Timestamp(3)), Sighting::New);
    }

    #[test]
    fn primed_ids_count_as_seen() {
        let mut recent = RecentIds::new(4, Timestamp(0));
        recent.prime(&vp(), &id("a"), Timestamp(5));
        assert_eq!(recent.observe(&vp(), &id("a"), Timestamp(9), Timestamp(9)), Sighting::Seen);
    }
}
